//! `hf:` sources against a local server that behaves like the hub
//!
//! Whole downloads, interrupted, damaged, stalled and refused ones, and the cache they leave. Nothing outside this machine
//! is asked.

mod server;

use core::time::Duration;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use server::{COMMIT, Fault, Hub};

use crate::pack_refuses::checkpoint::{Checkpoint, Form};
use crate::program::{Folder, refusal, ternlet};

/// A checkpoint whose weights take three reads or more of the downloader.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/a2_bitnet_hubscale_packed")
}

/// One user's machine: a cache and an output.
struct Machine {
    folder: Folder,
    endpoint: String,
}

impl Machine {
    fn new(endpoint: &str) -> Self {
        Self { folder: Folder::new(), endpoint: endpoint.into() }
    }

    /// `ternlet pack SOURCE` with nothing of this process's own settings for the hub.
    fn command(&self, source: &str) -> Command {
        let mut command = ternlet();
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_uppercase();
            if ["HF_", "HUGGING", "TRANSFORMERS_", "XDG_"].iter().any(|start| text.starts_with(start))
                || text.ends_with("_PROXY")
                || text == "SSL_CERT_FILE"
            {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.folder.path()).env("HF_HOME", self.folder.path().join("hf"));
        command.env("HF_ENDPOINT", &self.endpoint);
        command.args(["pack", source, "-o"]).arg(self.packed());
        command
    }

    fn pack(&self, source: &str) -> Output {
        self.command(source).output().expect("it runs")
    }

    fn packed(&self) -> PathBuf {
        self.folder.path().join("out.tern")
    }

    /// The model's folder in the cache.
    fn cache(&self) -> PathBuf {
        self.folder.path().join("hf/hub/models--org--tiny")
    }

    fn snapshot(&self) -> PathBuf {
        self.cache().join("snapshots").join(COMMIT)
    }
}

fn success(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

/// A small checkpoint without a tokenizer, with its weights in `n_shards` files.
fn small(folder: &Folder, n_shards: usize) -> PathBuf {
    let path = folder.path().join("checkpoint");
    Checkpoint { n_shards, ..Checkpoint::new(Form::PackedMultiply) }.write(&path);
    path
}

#[test]
fn a_model_is_downloaded_once_packed_and_found_again() {
    let hub = Hub::serve(&golden());
    let machine = Machine::new(&hub.endpoint);
    let stderr = success(&machine.pack("hf:org/tiny"));
    assert!(stderr.contains(COMMIT), "the commit is not named: {stderr}");
    let first = fs::read(machine.packed()).expect("packed");

    let local = machine.folder.path().join("local.tern");
    let mut pack = ternlet();
    pack.arg("pack").arg(golden()).args(["--name", "tiny", "-o"]).arg(&local);
    success(&pack.output().expect("it runs"));
    assert!(fs::read(&local).expect("packed") == first, "expected the same file as from a folder");

    // The cache is laid out as Hugging Face's programs do it; what packing does not need was not fetched.
    let weights = machine.snapshot().join("model.safetensors");
    let blob = format!("../../blobs/{}", hub.etag("model.safetensors"));
    assert_eq!(fs::read_link(&weights).expect("a link"), Path::new(&blob));
    assert_eq!(fs::read_to_string(machine.cache().join("refs/main")).expect("written"), COMMIT);
    let mut names: Vec<_> = fs::read_dir(machine.snapshot())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors"]);
    assert_eq!(fs::read_dir(machine.cache().join("blobs")).expect("a folder").count(), 2);

    hub.requests();
    success(&machine.pack("hf:org/tiny"));
    assert_eq!(hub.requests(), ["GET /api/models/org/tiny/revision/main"]);
    success(&machine.pack(&format!("hf:org/tiny@{COMMIT}")));
    assert_eq!(hub.requests(), [format!("GET /api/models/org/tiny/revision/{COMMIT}")]);
    assert!(fs::read(machine.packed()).expect("packed") == first);
}

#[test]
fn the_only_gguf_file_is_packed_as_from_a_path() {
    let gguf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/gguf/llama_i2_s.gguf");
    let bytes = fs::read(&gguf).expect("in the repository");
    let hub = Hub::with_files(&[("README.md", b"#"), ("ggml-model-i2_s.gguf", &bytes)]);
    let machine = Machine::new(&hub.endpoint);
    success(&machine.pack("hf:org/tiny"));
    let local = machine.folder.path().join("local.tern");
    let mut pack = ternlet();
    pack.arg("pack").arg(&gguf).args(["--name", "tiny", "-o"]).arg(&local);
    success(&pack.output().expect("it runs"));
    assert!(fs::read(&local).expect("packed") == fs::read(machine.packed()).expect("packed"));
    hub.requests();
    success(&machine.pack("hf:org/tiny:ggml-model-i2_s.gguf"));
    assert_eq!(hub.requests(), ["GET /api/models/org/tiny/revision/main"]);
}

#[test]
fn shards_and_companions_come_too_and_folders_in_the_model_are_kept() {
    let folder = Folder::new();
    let hub = Hub::serve(&small(&folder, 2));
    let machine = Machine::new(&hub.endpoint);
    success(&machine.pack("hf:org/tiny@main"));
    for name in ["config.json", "model.safetensors.index.json"] {
        assert!(machine.snapshot().join(name).is_file(), "{name}");
    }
    let is_shard = |line: &&String| line.starts_with("HEAD") && line.ends_with("2.safetensors");
    assert!(hub.requests().iter().any(|line| is_shard(&line)));
}

#[test]
fn an_interrupted_download_is_continued_where_it_stopped() {
    let hub = Hub::serve(&golden());
    // The line breaks twice within one run.
    hub.set(|site| site.faults = vec![(1, Fault::Cut(200_000)), (1, Fault::Cut(100_000))]);
    let machine = Machine::new(&hub.endpoint);
    success(&machine.pack("hf:org/tiny"));
    let requests = hub.requests();
    for range in ["range: bytes=200000-", "range: bytes=300000-"] {
        assert!(
            requests.iter().any(|line| line.starts_with("storage GET") && line.ends_with(range)),
            "{requests:?}"
        );
    }

    // The program ends in the middle, and another run goes on.
    let machine = Machine::new(&hub.endpoint);
    hub.set(|site| site.faults = vec![(1, Fault::Cut(400_000)), (20, Fault::Cut(0))]);
    let stderr = refusal(&machine.pack("hf:org/tiny"), 1);
    assert!(stderr.contains("model.safetensors") && stderr.contains("400000 of 618604"), "{stderr}");
    assert!(!machine.packed().exists());
    let part = machine.cache().join("blobs").join(format!("{}.incomplete", hub.etag("model.safetensors")));
    assert_eq!(fs::metadata(&part).expect("kept").len(), 400_000);
    hub.requests();
    hub.set(|site| site.faults.clear());
    let stderr = success(&machine.pack("hf:org/tiny"));
    assert!(stderr.contains("continued at byte 400000 of 618604"), "{stderr}");
    let requests = hub.requests();
    assert!(requests.iter().any(|line| line.ends_with("range: bytes=400000-")), "{requests:?}");
    assert!(!part.exists());
    let weights = fs::read(machine.snapshot().join("model.safetensors")).expect("whole");
    assert!(weights == fs::read(golden().join("model.safetensors")).expect("whole"));
}

#[test]
fn a_server_without_ranges_sends_everything_again_and_one_that_lies_is_refused() {
    let hub = Hub::serve(&golden());
    hub.set(|site| site.faults = vec![(1, Fault::Cut(200_000)), (1, Fault::NoRanges)]);
    let machine = Machine::new(&hub.endpoint);
    success(&machine.pack("hf:org/tiny"));
    hub.set(|site| site.faults = vec![(1, Fault::Cut(200_000)), (1, Fault::WrongRange)]);
    let stderr = refusal(&Machine::new(&hub.endpoint).pack("hf:org/tiny"), 1);
    assert!(stderr.contains("expected bytes 200000-") && stderr.contains("found bytes 100000-"), "{stderr}");
}

#[test]
fn altered_bytes_are_deleted_and_fetched_again_once() {
    let hub = Hub::serve(&golden());
    hub.set(|site| site.faults = vec![(1, Fault::Flip)]);
    let machine = Machine::new(&hub.endpoint);
    let stderr = success(&machine.pack("hf:org/tiny"));
    assert!(stderr.contains("fetching it again"), "{stderr}");

    hub.set(|site| site.faults = vec![(9, Fault::Flip)]);
    let machine = Machine::new(&hub.endpoint);
    let stderr = refusal(&machine.pack("hf:org/tiny"), 1);
    let etag = hub.etag("model.safetensors");
    assert!(stderr.contains(&format!("expected SHA-256 {etag}, found ")), "{stderr}");
    assert!(stderr.contains("deleted") && stderr.contains("model.safetensors"), "{stderr}");
    assert!(!machine.packed().exists() && !machine.snapshot().join("model.safetensors").exists());
    let blobs = fs::read_dir(machine.cache().join("blobs")).expect("a folder");
    assert_eq!(blobs.count(), 1, "expected the config alone");

    // A part that an earlier run left damaged is no reason to give up.
    hub.set(|site| site.faults.clear());
    fs::write(machine.cache().join("blobs").join(format!("{etag}.incomplete")), [7; 1000]).expect("written");
    success(&machine.pack("hf:org/tiny"));
}

#[test]
fn a_file_that_ends_early_is_refused() {
    let hub = Hub::serve(&golden());
    hub.set(|site| site.faults = vec![(20, Fault::Short(300_000))]);
    let machine = Machine::new(&hub.endpoint);
    let stderr = refusal(&machine.pack("hf:org/tiny"), 1);
    assert!(stderr.contains("model.safetensors") && stderr.contains("more than 300000 bytes"), "{stderr}");
    assert!(!machine.packed().exists());
}

#[test]
fn a_hub_that_is_busy_is_asked_again() {
    let hub = Hub::serve(&golden());
    hub.set(|site| site.faults = vec![(2, Fault::Busy)]);
    success(&Machine::new(&hub.endpoint).pack("hf:org/tiny"));
    hub.set(|site| site.faults = vec![(20, Fault::Busy)]);
    let stderr = refusal(&Machine::new(&hub.endpoint).pack("hf:org/tiny"), 1);
    assert!(stderr.contains("503"), "{stderr}");
}

#[test]
fn silence_ends_after_the_time_that_is_set() {
    let hub = Hub::serve(&golden());
    hub.set(|site| site.faults = vec![(20, Fault::Stall(0))]);
    let machine = Machine::new(&hub.endpoint);
    let mut command = machine.command("hf:org/tiny");
    let start = Instant::now();
    let output = command.env("HF_HUB_DOWNLOAD_TIMEOUT", "1").output().expect("it runs");
    let stderr = refusal(&output, 1);
    assert!(stderr.contains("silence for 1 s"), "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(25), "it took {:?}", start.elapsed());
}

#[test]
fn a_server_that_falls_silent_once_is_asked_for_the_rest() {
    let hub = Hub::serve(&golden());
    let machine = Machine::new(&hub.endpoint);
    hub.set(|site| site.faults = vec![(1, Fault::Stall(150_000))]);
    let output = machine.command("hf:org/tiny").env("HF_HUB_DOWNLOAD_TIMEOUT", "1").output();
    success(&output.expect("it runs"));
}

#[test]
fn without_a_network_the_cache_serves_and_else_the_reason_is_said_at_once() {
    // A port that was free a moment ago: connections are refused.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let gone = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let start = Instant::now();
    let stderr = refusal(&Machine::new(&gone).pack("hf:org/tiny"), 1);
    assert!(stderr.contains(&gone) && stderr.contains("refused") && stderr.contains("network"), "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());

    let hub = Hub::serve(&golden());
    let mut machine = Machine::new(&hub.endpoint);
    success(&machine.pack("hf:org/tiny"));
    let first = fs::read(machine.packed()).expect("packed");
    fs::remove_file(machine.packed()).expect("removed");
    machine.endpoint = gone;
    let stderr = success(&machine.pack("hf:org/tiny"));
    assert!(stderr.contains("the copy in the cache is used") && stderr.contains(COMMIT), "{stderr}");
    assert!(fs::read(machine.packed()).expect("packed") == first);
}

#[test]
fn offline_nothing_is_asked() {
    let folder = Folder::new();
    let hub = Hub::serve(&small(&folder, 2));
    let machine = Machine::new(&hub.endpoint);
    let offline =
        |source: &str| machine.command(source).env("HF_HUB_OFFLINE", "1").output().expect("it runs");
    let stderr = refusal(&offline("hf:org/tiny"), 1);
    assert!(stderr.contains("main") && stderr.contains("HF_HUB_OFFLINE"), "{stderr}");
    assert_eq!(hub.requests(), [""; 0]);
    success(&machine.pack("hf:org/tiny"));
    hub.requests();
    success(&offline("hf:org/tiny"));
    success(&offline(&format!("hf:org/tiny@{COMMIT}")));
    let stderr = refusal(&offline("hf:org/tiny@v2"), 1);
    assert!(stderr.contains("v2"), "{stderr}");
    // A link whose blob is gone is a file that is missing.
    let shard = machine.snapshot().join("model-2.safetensors");
    let link = fs::read_link(&shard).expect("a link");
    fs::remove_file(machine.snapshot().join(link)).expect("removed");
    let stderr = refusal(&offline("hf:org/tiny"), 1);
    assert!(stderr.contains("model-2.safetensors"), "{stderr}");
    assert_eq!(hub.requests(), [""; 0]);
    success(&machine.pack("hf:org/tiny"));
}

#[test]
fn a_token_opens_what_is_closed_and_goes_to_the_hub_alone() {
    let folder = Folder::new();
    let hub = Hub::serve(&small(&folder, 1));
    let machine = Machine::new(&hub.endpoint);
    let with = |token: &str| machine.command("hf:org/tiny").env("HF_TOKEN", token).output().expect("it runs");
    hub.set(|site| site.token = Some("hf_right"));
    let stderr = refusal(&machine.pack("hf:org/tiny"), 1);
    assert!(stderr.contains("private") && stderr.contains("HF_TOKEN"), "{stderr}");
    let stderr = refusal(&with("hf_wrong"), 1);
    assert!(
        stderr.contains("refuses") && stderr.contains("HF_TOKEN") && !stderr.contains("hf_wrong"),
        "{stderr}"
    );

    hub.set(|site| site.is_gated = true);
    let page = format!("{}/org/tiny", hub.endpoint);
    let stderr = refusal(&machine.pack("hf:org/tiny"), 1);
    assert!(stderr.contains(&page) && stderr.contains("accept its terms"), "{stderr}");
    let stderr = refusal(&with("hf_wrong"), 1);
    assert!(stderr.contains(&page) && stderr.contains("gated"), "{stderr}");

    hub.requests();
    success(&with("hf_right\n"));
    for line in hub.requests() {
        let is_storage = line.starts_with("storage ");
        assert_eq!(!is_storage, line.ends_with(" authorization: Bearer hf_right"), "{line}");
    }
    // The file where `hf auth login` puts it.
    let machine = Machine::new(&hub.endpoint);
    fs::create_dir_all(machine.folder.path().join("hf")).expect("created");
    fs::write(machine.folder.path().join("hf/token"), "hf_right\n").expect("written");
    success(&machine.pack("hf:org/tiny"));
}

#[test]
fn what_is_not_there_is_named_before_anything_is_written() {
    let folder = Folder::new();
    let hub = Hub::serve(&small(&folder, 1));
    let machine = Machine::new(&hub.endpoint);
    for (source, words) in [
        ("hf:org/other", &["org/other", "check the name"][..]),
        ("hf:org/tiny@v9", &["v9", "branch, tag or commit"]),
        ("hf:org/tiny:x.gguf", &["x.gguf", "no .gguf file"]),
        ("hf:org/tiny:weights.bin", &["weights.bin", ".gguf"]),
        ("hf:org/ti ny", &["ti ny", "hf:microsoft/"]),
        ("https://huggingface.co/org/tiny", &["hf:org/tiny"]),
    ] {
        let stderr = refusal(&machine.pack(source), 1);
        for word in words {
            assert!(stderr.contains(word), "{source}: expected {word:?} in: {stderr}");
        }
    }
    let elsewhere = Machine::new(&format!("{}/mirror", hub.endpoint));
    let stderr = refusal(&elsewhere.pack("hf:org/tiny"), 1);
    assert!(stderr.contains("expected the hub") && stderr.contains("HF_ENDPOINT"), "{stderr}");
    assert!(!machine.folder.path().join("hf").exists());
    // An output that cannot be is no reason to fetch gigabytes.
    hub.requests();
    let mut command = machine.command("hf:org/tiny");
    command.args(["-o", "/nowhere/out.tern"]);
    assert!(!command.output().expect("it runs").status.success());
    assert_eq!(hub.requests(), [""; 0]);
}

#[test]
fn a_renamed_model_is_followed_and_weights_in_other_forms_are_listed() {
    let folder = Folder::new();
    let hub = Hub::serve(&small(&folder, 1));
    hub.set(|site| site.older_name = Some("old/name"));
    let machine = Machine::new(&hub.endpoint);
    success(&machine.pack("hf:old/name"));
    assert!(machine.folder.path().join("hf/hub/models--old--name/snapshots").exists());

    let hub = Hub::with_files(&[("README.md", b"#"), ("b-f16.gguf", b"b"), ("a-i2_s.gguf", b"a")]);
    let stderr = refusal(&Machine::new(&hub.endpoint).pack("hf:org/tiny"), 1);
    assert!(stderr.contains("b-f16.gguf") && stderr.contains("hf:org/tiny:a-i2_s.gguf"), "{stderr}");
    let hub = Hub::with_files(&[("config.json", b"{}"), ("pytorch_model.bin", b"b")]);
    let stderr = refusal(&Machine::new(&hub.endpoint).pack("hf:org/tiny"), 1);
    assert!(stderr.contains("pytorch_model.bin") && stderr.contains("safetensors"), "{stderr}");
    assert!(!hub.requests().iter().any(|line| line.contains("resolve")));
}

#[test]
fn a_file_that_another_program_fetches_is_waited_for() {
    let hub = Hub::serve(&golden());
    let machine = Machine::new(&hub.endpoint);
    // Held as Hugging Face's programs hold it, and let go after a moment.
    let locks = machine.folder.path().join("hf/hub/.locks/models--org--tiny");
    fs::create_dir_all(&locks).expect("created");
    let lock =
        fs::File::create(locks.join(format!("{}.lock", hub.etag("model.safetensors")))).expect("created");
    lock.lock().expect("free");
    let mut command = machine.command("hf:org/tiny");
    let program = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let start = Instant::now();
    while !hub.requests().iter().any(|line| line.starts_with("HEAD") && line.ends_with("model.safetensors")) {
        assert!(start.elapsed() < Duration::from_secs(60), "it asks for nothing");
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(hub.requests(), [""; 0], "expected it to wait");
    drop(lock);
    let stderr = success(&program.wait_with_output().expect("it ends"));
    assert!(stderr.contains("another program is fetching it"), "{stderr}");
}

#[test]
fn a_full_disk_is_named_with_the_way_out() {
    let hub = Hub::serve(&golden());
    let machine = Machine::new(&hub.endpoint);
    let blobs = machine.cache().join("blobs");
    fs::create_dir_all(&blobs).expect("created");
    // A device that has no room takes the place of the file that shall grow.
    let part = blobs.join(format!("{}.incomplete", hub.etag("model.safetensors")));
    std::os::unix::fs::symlink("/dev/full", &part).expect("a link");
    let stderr = refusal(&machine.pack("hf:org/tiny"), 1);
    assert!(stderr.contains("No space left") && stderr.contains("HF_HUB_CACHE"), "{stderr}");
}

#[test]
fn without_links_the_snapshot_holds_the_files() {
    let folder = Folder::new();
    let hub = Hub::serve(&small(&folder, 1));
    let machine = Machine::new(&hub.endpoint);
    for _ in 0..2 {
        let output = machine.command("hf:org/tiny").env("HF_HUB_DISABLE_SYMLINKS", "1").output();
        success(&output.expect("it runs"));
        let weights = fs::symlink_metadata(machine.snapshot().join("model.safetensors")).expect("there");
        assert!(weights.is_file());
    }
}
