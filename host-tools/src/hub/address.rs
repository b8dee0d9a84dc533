//! `hf:org/name[@revision][:file.gguf]`, taken apart
//!
//! Names become parts of URLs and of paths in the cache, so anything that could reach elsewhere is refused here.

use crate::error::Error;

/// What precedes a model's name on the hub.
const PREFIX: &str = "hf:";

/// Where a browser shows models.
const WEB_PREFIX: &str = "https://huggingface.co/";

const EXAMPLE: &str = "hf:microsoft/bitnet-b1.58-2B-4T";

/// A model on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `org/name`, or `name` alone.
    pub repo: String,
    /// Branch, tag or commit; the main branch otherwise.
    pub revision: Option<String>,
    /// The GGUF file wanted, where the user named one.
    pub file: Option<String>,
}

impl Address {
    /// Takes `source` apart; `None` if it does not speak of the hub.
    ///
    /// # Errors
    /// A name, revision or file that the hub cannot have.
    pub fn parse(source: &str) -> Result<Option<Self>, Error> {
        let refuse = |problem: String| Error::new(source, problem);
        if let Some(page) = source.strip_prefix(WEB_PREFIX) {
            let name: Vec<&str> = page.split(['/', '?', '#']).take(2).collect();
            return Err(refuse("expected a path or a model on the hub, found the address of a page".into())
                .hint(format!("write {PREFIX}{}", name.join("/"))));
        }
        let Some(rest) = source.strip_prefix(PREFIX) else { return Ok(None) };
        let (rest, file) = match rest.split_once(':') {
            Some((rest, file)) => (rest, Some(file)),
            None => (rest, None),
        };
        let (repo, revision) = match rest.split_once('@') {
            Some((repo, revision)) => (repo, Some(revision)),
            None => (rest, None),
        };
        if !is_repo_name(repo) {
            let problem = format!("expected a model's name on the hub, org/name, found {repo:?}");
            return Err(refuse(problem).hint(format!("for example {EXAMPLE}")));
        }
        if let Some(revision) = revision.filter(|revision| !is_safe_path(revision)) {
            let problem = format!("expected a branch, tag or commit after @, found {revision:?}");
            return Err(refuse(problem).hint(format!("for example {EXAMPLE}@main")));
        }
        if let Some(file) = file.filter(|file| !is_safe_path(file) || !file.ends_with(".gguf")) {
            return Err(refuse(format!("expected the name of a .gguf file after the colon, found {file:?}"))
                .hint("a folder's safetensors need no name: hf:org/name"));
        }
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Some(Self { repo: repo.into(), revision: owned(revision), file: owned(file) }))
    }

    /// The model's own name: what stands after the last slash.
    #[must_use]
    pub fn model_name(&self) -> &str {
        self.repo.rsplit('/').next().unwrap_or(&self.repo)
    }
}

/// One or two parts of letters, digits, `-`, `_` and `.`, as the hub allows them.
fn is_repo_name(repo: &str) -> bool {
    let is_part = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && part.len() <= 96 && !part.starts_with(['-', '.']) && part.chars().all(allowed)
    };
    let n_parts = repo.split('/').count();
    // Two hyphens separate the parts of a name in the cache.
    n_parts <= 2 && repo.split('/').all(is_part) && !repo.contains("--") && !repo.contains("..")
}

/// Whether `path` stays below the folder it is joined to, and can be shown as it is.
pub(super) fn is_safe_path(path: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.split('/').all(is_part) && !path.contains(['\\', ':', '\0']) && !path.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_address_is_found() {
        for (source, repo, revision, file) in [
            ("hf:org/name", "org/name", None, None),
            ("hf:gpt2", "gpt2", None, None),
            ("hf:org/name@v1.0", "org/name", Some("v1.0"), None),
            ("hf:org/name@refs/pr/3", "org/name", Some("refs/pr/3"), None),
            ("hf:org/name:a/b.gguf", "org/name", None, Some("a/b.gguf")),
            ("hf:org/n.a_m-e@main:b.gguf", "org/n.a_m-e", Some("main"), Some("b.gguf")),
        ] {
            let address = Address::parse(source).unwrap().unwrap();
            assert_eq!(
                (address.repo.as_str(), address.revision.as_deref(), address.file.as_deref()),
                (repo, revision, file)
            );
        }
        assert_eq!(Address::parse("model/folder").unwrap(), None);
    }

    #[test]
    fn names_that_could_reach_elsewhere_are_refused() {
        for source in [
            "hf:",
            "hf:/",
            "hf:a/b/c",
            "hf:../b",
            "hf:a/..",
            "hf:a--b/c",
            "hf:a b/c",
            "hf:a/b@",
            "hf:a/b@../../x",
            "hf:a/b@/x",
            "hf:a/b@x\\y",
            "hf:a/b@x\ny",
            "hf:a/b:",
            "hf:a/b:../x.gguf",
            "hf:a/b:model.safetensors",
            "https://huggingface.co/a/b/tree/main",
        ] {
            let refusal = Address::parse(source).unwrap_err().to_string();
            assert!(refusal.contains("expected") && refusal.contains("hint"), "{source}: {refusal}");
        }
        let page = Address::parse("https://huggingface.co/a/b/tree/main").unwrap_err().to_string();
        assert!(page.ends_with("write hf:a/b"), "{page}");
    }
}
