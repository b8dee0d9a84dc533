//! A server on this machine that behaves like the hub, and misbehaves as networks do
//!
//! Serves one model: the list of its files, small files directly, large ones by a redirect to storage at another address.
//! Status, headers and error codes are those of huggingface.co. Every request is written down.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

pub(crate) const REPO: &str = "org/tiny";
pub(crate) const COMMIT: &str = "04c3b9ad9361b824064a1f25ea60a8be9599b127";

/// Files of this size and more are large ones.
const LARGE: usize = 1000;

/// What goes wrong with large files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection closes after this many bytes of the answer.
    Cut(usize),
    /// Nothing comes after this many bytes.
    Stall(usize),
    /// One bit is wrong.
    Flip,
    /// The file in storage has only so many bytes.
    Short(usize),
    /// Ranges are ignored.
    NoRanges,
    /// Status 503.
    Busy,
    /// Requests for bytes are answered with other ones.
    WrongRange,
}

/// What the server does; tests change it between runs.
#[derive(Debug, Default)]
pub(crate) struct Site {
    files: BTreeMap<String, Vec<u8>>,
    /// Faults and for how many requests each lasts, one after the other.
    pub(crate) faults: Vec<(u32, Fault)>,
    /// The token that opens the model; `None` for a public one.
    pub(crate) token: Option<&'static str>,
    /// Whether the model is gated rather than private.
    pub(crate) is_gated: bool,
    /// An older name of the model.
    pub(crate) older_name: Option<&'static str>,
    /// Requests: method, target, and the headers that matter.
    log: Vec<String>,
}

/// The server.
pub(crate) struct Hub {
    pub(crate) endpoint: String,
    site: Arc<Mutex<Site>>,
}

impl Hub {
    /// Serves the files of `folder`.
    pub(crate) fn serve(folder: &Path) -> Self {
        let mut site = Site::default();
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            site.files.insert(name, fs::read(&path).expect("a file"));
        }
        Self::of(site)
    }

    /// Serves files with these names and contents.
    pub(crate) fn with_files(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|&(name, bytes)| (name.to_owned(), bytes.to_vec()));
        Self::of(Site { files: files.collect(), ..Site::default() })
    }

    fn of(site: Site) -> Self {
        let site = Arc::new(Mutex::new(site));
        // Storage has an address of its own, as a CDN has: what is for the hub alone must not reach it.
        let listen = |address: &str| TcpListener::bind((address, 0)).expect("a port of this machine");
        let (hub, storage) = (listen("127.0.0.1"), listen("127.0.0.2"));
        let origin = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("bound"));
        let (endpoint, storage_url) = (origin(&hub), origin(&storage));
        for (listener, is_storage) in [(hub, false), (storage, true)] {
            let (site, storage_url) = (site.clone(), storage_url.clone());
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (site, storage_url) = (site.clone(), storage_url.clone());
                    // A client that leaves in the middle is what these tests are about.
                    thread::spawn(move || drop(answer(&stream, &site, is_storage, &storage_url)));
                }
            });
        }
        Self { endpoint, site }
    }

    /// Changes what the server does from here on.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Site)) {
        change(&mut self.site.lock().expect("no panic"));
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        core::mem::take(&mut self.site.lock().expect("no panic").log)
    }

    /// The name in the cache of a file's bytes.
    pub(crate) fn etag(&self, name: &str) -> String {
        etag(&self.site.lock().expect("no panic").files[name])
    }
}

fn etag(bytes: &[u8]) -> String {
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
    match bytes.len() {
        LARGE.. => hex(&Sha256::digest(bytes)),
        n => hex(&Sha1::new_with_prefix(format!("blob {n}\0")).chain_update(bytes).finalize()),
    }
}

/// A request's first line and headers, names in lower case.
struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    });
    Some(Request { method, target, headers: headers.collect() })
}

fn answer(
    stream: &TcpStream,
    site: &Mutex<Site>,
    is_storage: bool,
    storage_url: &str,
) -> std::io::Result<()> {
    let Some(request) = read_request(stream) else { return Ok(()) };
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    let (reply, fault) = {
        let mut site = site.lock().expect("no panic");
        let place = if is_storage { "storage " } else { "" };
        let mut line = format!("{place}{} {}", request.method, request.target);
        for name in ["range", "authorization"] {
            line += &header(name).map(|value| format!(" {name}: {value}")).unwrap_or_default();
        }
        site.log.push(line);
        let reply = match is_storage {
            true => site.stored(&request.target),
            false => site.reply(&request.target, header("authorization"), storage_url),
        };
        let is_large = matches!(&reply, Reply::File { bytes, .. } if bytes.len() >= LARGE);
        (reply, if is_large && request.method == "GET" { site.next_fault() } else { None })
    };
    send(stream, reply, request.method == "HEAD", header("range"), fault)
}

/// What to send.
enum Reply {
    Json(String),
    File { bytes: Vec<u8>, headers: String },
    Redirect { location: String, headers: String },
    Refusal { status: &'static str, headers: &'static str },
}

impl Site {
    fn next_fault(&mut self) -> Option<Fault> {
        let (times, fault) = self.faults.first_mut()?;
        let fault = *fault;
        *times -= 1;
        if *times == 0 {
            self.faults.remove(0);
        }
        Some(fault)
    }

    fn stored(&self, target: &str) -> Reply {
        let name = target.strip_prefix("/storage/").unwrap_or_default();
        match self.files.values().find(|bytes| etag(bytes) == name) {
            Some(bytes) => Reply::File { bytes: bytes.clone(), headers: String::new() },
            None => Reply::Refusal { status: "403 Forbidden", headers: "" },
        }
    }

    fn reply(&self, target: &str, authorization: Option<&str>, storage_url: &str) -> Reply {
        if let Some(rest) =
            self.older_name.and_then(|name| target.strip_prefix(&format!("/api/models/{name}/")))
        {
            return Reply::Redirect {
                location: format!("/api/models/{REPO}/{rest}"),
                headers: String::new(),
            };
        }
        if let Some(rest) = self.older_name.and_then(|name| target.strip_prefix(&format!("/{name}/"))) {
            return Reply::Redirect { location: format!("/{REPO}/{rest}"), headers: String::new() };
        }
        let is_open = self.token.is_none_or(|token| authorization == Some(&format!("Bearer {token}")));
        let refusal = |status, headers| Reply::Refusal { status, headers };
        if !is_open && authorization.is_some() && !self.is_gated {
            return refusal(
                "401 Unauthorized",
                "X-Error-Message: Invalid credentials in Authorization header\r\n",
            );
        }
        let (listing, file) = (format!("/api/models/{REPO}/revision/"), format!("/{REPO}/resolve/"));
        if let Some(revision) = target.strip_prefix(&listing) {
            return match revision {
                _ if !is_open && !self.is_gated => {
                    refusal("401 Unauthorized", "X-Error-Message: Invalid username or password.\r\n")
                }
                "main" | COMMIT => {
                    let name = |name: &String| format!("{{\"rfilename\":\"{name}\"}}");
                    let names: Vec<String> = self.files.keys().map(name).collect();
                    Reply::Json(format!(
                        "{{\"id\":\"{REPO}\",\"sha\":\"{COMMIT}\",\"private\":false,\"siblings\":[{}]}}",
                        names.join(",")
                    ))
                }
                _ => refusal("404 Not Found", "X-Error-Code: RevisionNotFound\r\n"),
            };
        }
        if target.starts_with("/mirror/") {
            return refusal("404 Not Found", "");
        }
        let Some((revision, name)) = target.strip_prefix(&file).and_then(|rest| rest.split_once('/')) else {
            return refusal("401 Unauthorized", "X-Error-Code: RepoNotFound\r\n");
        };
        if !is_open {
            return match authorization {
                None => refusal("401 Unauthorized", "X-Error-Code: GatedRepo\r\n"),
                Some(_) => refusal("403 Forbidden", "X-Error-Code: GatedRepo\r\n"),
            };
        }
        let Some(bytes) = self.files.get(name).filter(|_| revision == COMMIT) else {
            return refusal("404 Not Found", "X-Error-Code: EntryNotFound\r\n");
        };
        let etag = etag(bytes);
        let commit = format!("X-Repo-Commit: {COMMIT}\r\n");
        match bytes.len() {
            LARGE.. => Reply::Redirect {
                location: format!("{storage_url}/storage/{etag}"),
                headers: format!(
                    "{commit}X-Linked-Size: {}\r\nX-Linked-Etag: \"{etag}\"\r\nETag: \"of the redirect\"\r\n",
                    bytes.len()
                ),
            },
            _ => Reply::File { bytes: bytes.clone(), headers: format!("{commit}ETag: \"{etag}\"\r\n") },
        }
    }
}

fn send(
    mut stream: &TcpStream,
    reply: Reply,
    is_head: bool,
    range: Option<&str>,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    let (status, headers, mut body) = match reply {
        Reply::Json(text) => ("200 OK".into(), String::new(), text.into_bytes()),
        Reply::Redirect { location, headers } => {
            ("302 Found".into(), format!("Location: {location}\r\n{headers}"), b"moved".to_vec())
        }
        Reply::Refusal { status, headers } => (status.into(), headers.into(), b"{}".to_vec()),
        Reply::File { bytes, headers } if fault == Some(Fault::Busy) => {
            ("503 Service Unavailable".to_owned(), headers, bytes[..10].to_vec())
        }
        Reply::File { mut bytes, headers } => {
            match fault {
                Some(Fault::Flip) => *bytes.last_mut().expect("large") ^= 1,
                Some(Fault::Short(n)) => bytes.truncate(n),
                _ => {}
            }
            let start = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            match start.filter(|_| fault != Some(Fault::NoRanges)) {
                None => ("200 OK".into(), headers, bytes),
                Some(start) if start >= bytes.len() => {
                    ("416 Range Not Satisfiable".into(), headers, Vec::new())
                }
                Some(start) => {
                    let start = if fault == Some(Fault::WrongRange) { start / 2 } else { start };
                    let total = bytes.len();
                    let headers = format!("{headers}Content-Range: bytes {start}-{}/{total}\r\n", total - 1);
                    ("206 Partial Content".into(), headers, bytes.split_off(start))
                }
            }
        }
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    if is_head {
        return Ok(());
    }
    if let Some(Fault::Cut(n) | Fault::Stall(n)) = fault {
        body.truncate(n);
    }
    stream.write_all(&body)?;
    if matches!(fault, Some(Fault::Stall(_))) {
        // Longer than any client of these tests waits.
        thread::sleep(Duration::from_secs(30));
    }
    Ok(())
}
