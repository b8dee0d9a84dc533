//! The three questions put to the hub: which files, which bytes, and the bytes themselves
//!
//! Redirects are followed here rather than by the HTTP client, for two reasons: the token goes to the hub alone, never to
//! the storage it points to; and the hub names a large file's size and hash on the redirect, not at its end.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::cache::is_commit;
use super::content::Content;
use super::failure::{self, Failure, Wanted};
use super::settings::Settings;
use crate::error::Error;

/// A hop to the main name of a renamed model, one to a mirror, one to storage: more is a circle.
const MAX_REDIRECTS: usize = 6;

/// The list of a model's files is a few kilobytes; this bounds what a server can make us keep.
const MAX_LIST_BYTES: u64 = 32 << 20;

/// A connection to the hub.
#[derive(Debug)]
pub(super) struct Client<'a> {
    agent: Agent,
    settings: &'a Settings,
    repo: &'a str,
}

/// A revision of a model.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<String>,
}

/// The part of the hub's answer that is used here.
#[derive(Debug, Deserialize)]
struct ModelInfo {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
}

impl<'a> Client<'a> {
    pub(super) fn new(settings: &'a Settings, repo: &'a str) -> Result<Self, Error> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = &settings.certificates {
            tls = tls.root_certs(RootCerts::from(read_certificates(path)?));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("ternlet/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(settings.answer_timeout))
            .timeout_connect(Some(settings.answer_timeout))
            .timeout_recv_response(Some(settings.answer_timeout))
            .timeout_per_read(Some(settings.read_timeout))
            .tls_config(tls.build())
            .build()
            .new_agent();
        Ok(Self { agent, settings, repo })
    }

    /// The commit of `revision` and the names of its files.
    pub(super) fn listing(&self, revision: &str) -> Result<Listing, Failure> {
        let url =
            format!("{}/api/models/{}/revision/{}", self.settings.endpoint, self.repo, encoded(revision, ""));
        let wanted = Wanted { repo: self.repo, revision, file: None };
        let (mut answer, _) = self.request("GET", &url, None, &mut |_| false)?;
        if !answer.status().is_success() {
            return Err(failure::status(self.settings, wanted, answer.status(), answer.headers()));
        }
        let body = answer.body_mut().with_config().limit(MAX_LIST_BYTES).read_to_vec();
        let body = body.map_err(|e| self.network(&url, &e))?;
        let strange = |found: String| {
            let problem = format!("expected the hub's list of a model's files, found {found}");
            Failure::from(Error::new(&url, problem).hint("does HF_ENDPOINT, or a proxy, lead to the hub?"))
        };
        let info: ModelInfo = serde_json::from_slice(&body).map_err(|e| strange(e.to_string()))?;
        if !is_commit(&info.sha) {
            return Err(strange(format!("the commit {:?}", info.sha)));
        }
        let files = info.siblings.into_iter().map(|file| file.rfilename).collect();
        Ok(Listing { commit: info.sha, files })
    }

    /// Size and hash of a file.
    pub(super) fn content(&self, commit: &str, file: &str) -> Result<Content, Failure> {
        let (mut size, mut etag) = (None, None);
        let wanted = Wanted { repo: self.repo, revision: commit, file: Some(file) };
        let mut read = |headers: &HeaderMap| {
            let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
            if let Some(linked) = header("X-Linked-Etag") {
                etag = Some(linked.to_owned());
                size = header("X-Linked-Size").and_then(|size| size.parse::<u64>().ok());
            }
            etag.is_some() && size.is_some()
        };
        let (answer, is_known) = self.request("HEAD", &self.file_url(commit, file), None, &mut read)?;
        let (status, headers) = (answer.status(), answer.headers());
        if !status.is_success() && !is_known {
            return Err(failure::status(self.settings, wanted, status, headers));
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if etag.is_none() {
            etag = header("ETag").map(str::to_owned);
        }
        let size = size.or_else(|| header("Content-Length")?.parse().ok());
        let content = etag.as_deref().zip(size).and_then(|(etag, size)| Content::new(etag, size));
        content.ok_or_else(|| {
            let found = format!("ETag {:?} and size {size:?}", etag.unwrap_or_default());
            let problem = format!("expected the file's hash and size in the hub's answer, found {found}");
            Error::new(format!("hf:{}: {file}", self.repo), problem)
                .hint("does HF_ENDPOINT, or a proxy, lead to the hub?")
                .into()
        })
    }

    /// The bytes of a file from `start` on, or all of them: the status says which.
    pub(super) fn open(&self, commit: &str, file: &str, start: u64) -> Result<Response<Body>, Failure> {
        let range = (start > 0).then(|| format!("bytes={start}-"));
        let (answer, _) =
            self.request("GET", &self.file_url(commit, file), range.as_deref(), &mut |_| false)?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(answer),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let problem = format!("expected more than {start} bytes, found that the server has no more");
                Err(Error::new(format!("hf:{}: {file}", self.repo), problem)
                    .hint("the hub's copy is shorter than the hub says: try again later")
                    .into())
            }
            status => {
                let wanted = Wanted { repo: self.repo, revision: commit, file: Some(file) };
                Err(failure::status(self.settings, wanted, status, answer.headers()))
            }
        }
    }

    /// A connection that broke while `url` was read.
    pub(super) fn network(&self, url: &str, e: &ureq::Error) -> Failure {
        failure::network(origin(url), self.settings, e)
    }

    pub(super) fn file_url(&self, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{}", self.settings.endpoint, self.repo, encoded(file, "/"))
    }

    /// Sends a request and follows redirects until `is_enough` of the headers seen; returns the last answer and
    /// whether that was so.
    fn request(
        &self,
        method: &str,
        url: &str,
        range: Option<&str>,
        is_enough: &mut dyn FnMut(&HeaderMap) -> bool,
    ) -> Result<(Response<Body>, bool), Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = match method {
                "HEAD" => self.agent.head(&url),
                _ => self.agent.get(&url),
            };
            if let Some(token) = &self.settings.token
                && origin(&url) == origin(&self.settings.endpoint)
            {
                request = request.header("Authorization", format!("Bearer {}", token.text));
            }
            if let Some(range) = range {
                request = request.header("Range", range);
            }
            let answer = request.call().map_err(|e| self.network(&url, &e))?;
            if is_enough(answer.headers()) {
                return Ok((answer, true));
            }
            let location = answer.headers().get("Location").and_then(|value| value.to_str().ok());
            match location.filter(|_| answer.status().is_redirection()) {
                None => return Ok((answer, false)),
                Some(path) if path.starts_with('/') && !path.starts_with("//") => {
                    url = format!("{}{path}", origin(&url));
                }
                Some(absolute) => url = absolute.into(),
            }
        }
        let problem = format!("expected an answer, found more than {MAX_REDIRECTS} redirects");
        Err(Error::new(origin(&url), problem).into())
    }
}

/// Scheme, host and port of `url`.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// `text` as part of a URL's path; `plain` names what else stays as it is.
fn encoded(text: &str, plain: &str) -> String {
    let mut url = String::new();
    for byte in text.bytes() {
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || "-_.~".contains(c) || plain.contains(c) => url.push(c),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

/// All certificates of a PEM file.
fn read_certificates(path: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let refuse = |found: &dyn core::fmt::Display| {
        let problem = format!("expected certificates in PEM form, found: {found}");
        Error::new(path.display(), problem)
            .hint("SSL_CERT_FILE names this file; unset it to use the built-in ones")
    };
    let mut pem = Vec::new();
    fs::File::open(path).and_then(|mut file| file.read_to_end(&mut pem)).map_err(|e| refuse(&e))?;
    let items = parse_pem(&pem).collect::<Result<Vec<_>, _>>().map_err(|e| refuse(&e))?;
    let certificates: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(refuse(&"none"));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_kept_to_one_scheme_host_and_port() {
        for (url, expected) in [
            ("https://huggingface.co/a/b", "https://huggingface.co"),
            ("https://huggingface.co", "https://huggingface.co"),
            ("http://127.0.0.1:80?x", "http://127.0.0.1:80"),
            ("https://huggingface.co.example.org/a", "https://huggingface.co.example.org"),
            ("https://huggingface.co@example.org/a", "https://huggingface.co@example.org"),
        ] {
            assert_eq!(origin(url), expected);
        }
    }

    #[test]
    fn names_stay_one_part_of_a_path() {
        assert_eq!(encoded("refs/pr/1", ""), "refs%2Fpr%2F1");
        assert_eq!(encoded("a b/ü?#%.gguf", "/"), "a%20b/%C3%BC%3F%23%25.gguf");
    }
}
