//! From `hf:org/name` to files on this machine
//!
//! The revision is pinned to its commit first, and everything is asked of that commit: a model that changes meanwhile does
//! not mix. Small files come first and weights last, so a snapshot with its weights has everything.

use std::env;
use std::path::{Path, PathBuf};

use super::address::{Address, is_safe_path};
use super::cache::RepoCache;
use super::client::Client;
use super::failure::Kind;
use super::selection::{Selection, Weights, shards};
use super::settings::Settings;
use super::transfer::{Transfer, patiently};
use crate::error::Error;

const DEFAULT_REVISION: &str = "main";

/// What the user may be told meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// The commit that is used; the address with it gives the same files for ever.
    Pinned {
        /// The whole hash.
        commit: &'a str,
    },
    /// Bytes of a file that are here.
    Progress {
        /// Its name in the model.
        file: &'a str,
        /// Bytes here.
        done: u64,
        /// Its size.
        total: u64,
    },
    /// Something out of the ordinary, a sentence.
    Note(String),
}

/// A source on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The checkpoint's folder, or its file.
    pub path: PathBuf,
    /// The model's name on the hub; a path's last part is its own name.
    pub name: Option<String>,
}

/// Makes `source` a path: an address on the hub is downloaded (or found in the cache), anything else is a path already.
///
/// # Errors
/// An address that cannot be, a hub that cannot be reached and no copy in the cache, no access, a model without weights
/// that can be read, files that do not have the hash that the hub gives.
pub fn resolve(source: &Path, report: &mut dyn FnMut(Event<'_>)) -> Result<Resolved, Error> {
    let address = match source.to_str() {
        Some(text) => Address::parse(text)?,
        None => None,
    };
    let Some(address) = address else { return Ok(Resolved { path: source.into(), name: None }) };
    let settings = Settings::read(&|name| env::var_os(name))?;
    let cache = RepoCache::new(&settings, &address.repo);
    let revision = address.revision.as_deref().unwrap_or(DEFAULT_REVISION);
    let path = match settings.offline {
        true => cached(&address, &cache, revision, report)
            .map_err(|e| e.hint("without HF_HUB_OFFLINE it would be downloaded"))?,
        false => online(&address, &settings, &cache, revision, report)?,
    };
    Ok(Resolved { path, name: Some(address.model_name().into()) })
}

/// Asks the hub, and fetches what the cache lacks.
fn online(
    address: &Address,
    settings: &Settings,
    cache: &RepoCache,
    revision: &str,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<PathBuf, Error> {
    let client = Client::new(settings, &address.repo)?;
    // A hub that cannot be reached is told at once; one that is busy is asked again.
    let listing = match client.listing(revision) {
        Err(failure) if failure.kind == Kind::Busy => patiently(|| client.listing(revision)),
        outcome => outcome,
    };
    let listing = match listing {
        Ok(listing) => listing,
        Err(failure) if failure.kind == Kind::Final => return Err(failure.error),
        Err(failure) => {
            let found = cached(address, cache, revision, report).map_err(|_| failure.error.clone())?;
            report(Event::Note(format!(
                "the hub does not answer, the copy in the cache is used\n{}",
                failure.error
            )));
            return Ok(found);
        }
    };
    let commit = listing.commit.as_str();
    report(Event::Pinned { commit });
    let names: Vec<String> = listing.files.into_iter().filter(|file| is_safe_path(file)).collect();
    let selection = Selection::new(address, &names)?;
    cache.remember(revision, commit)?;
    let model = format!("hf:{}", address.repo);
    let transfer = Transfer { client: &client, cache, commit, model: &model };
    let snapshot = cache.snapshot(commit);
    match selection {
        Selection::Gguf(file) => {
            transfer.fetch(&file, report)?;
            Ok(snapshot.join(file))
        }
        Selection::Folder { companions, weights } => {
            for file in &companions {
                transfer.fetch(file, report)?;
            }
            match weights {
                Weights::Single(file) => transfer.fetch(&file, report)?,
                Weights::Index(index) => {
                    transfer.fetch(&index, report)?;
                    for shard in shards(&snapshot.join(index))? {
                        transfer.fetch(&shard, report)?;
                    }
                }
            }
            Ok(snapshot)
        }
    }
}

/// What the cache has of `revision`, if that can be packed.
fn cached(
    address: &Address,
    cache: &RepoCache,
    revision: &str,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<PathBuf, Error> {
    let refuse = |found: String| {
        let problem = format!("expected revision {revision} in {}, found {found}", cache.folder().display());
        Error::new(format!("hf:{}", address.repo), problem)
    };
    let commit = cache.commit(revision).ok_or_else(|| refuse("no such revision".into()))?;
    let files = cache.files(&commit);
    if files.is_empty() {
        return Err(refuse(format!("no files of commit {commit}")));
    }
    let snapshot = cache.snapshot(&commit);
    let path = match Selection::new(address, &files)? {
        Selection::Gguf(file) => snapshot.join(file),
        Selection::Folder { weights: Weights::Index(index), .. } => {
            let missing = shards(&snapshot.join(index))?.into_iter().find(|shard| !cache.has(&commit, shard));
            if let Some(shard) = missing {
                return Err(refuse(format!("no {shard}: the download was not finished")));
            }
            snapshot
        }
        Selection::Folder { weights: Weights::Single(_), .. } => snapshot,
    };
    report(Event::Pinned { commit: &commit });
    Ok(path)
}
