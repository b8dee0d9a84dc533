//! Where the hub and its cache are, and who asks: the variables that Hugging Face's own programs read
//!
//! Same names, same defaults, same precedence as `huggingface_hub/constants.py`; `$NAME` inside a value is not expanded.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// How long the hub may stay silent, in seconds.
const DEFAULT_TIMEOUT: u64 = 10;

/// What the environment says of the hub.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Scheme and host, without a slash at the end.
    pub(super) endpoint: String,
    /// The folder of all cached models.
    pub(super) cache: PathBuf,
    pub(super) token: Option<Token>,
    /// Whether nothing may be sent.
    pub(super) offline: bool,
    /// For connections and answers to questions.
    pub(super) answer_timeout: Duration,
    /// For each piece of a file.
    pub(super) read_timeout: Duration,
    /// Whether snapshots link to blobs.
    pub(super) symlinks: bool,
    /// Certificates to trust in place of the built-in ones.
    pub(super) certificates: Option<PathBuf>,
}

/// The user's token. Its text is never shown.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: String,
    /// Where it was found, for messages.
    pub(super) origin: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token from {}", self.origin)
    }
}

impl Settings {
    /// Reads the variables through `variable`; one that is empty counts as unset.
    pub(super) fn read(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let raw = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| match raw(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(Error::new(name, "expected UTF-8, found other bytes")),
        };
        let is_set = |name: &str| {
            let yes = ["1", "on", "yes", "true"];
            raw(name).is_some_and(|value| yes.iter().any(|yes| value.eq_ignore_ascii_case(yes)))
        };
        let home_folder = raw("HOME").map(PathBuf::from);
        let path = |name: &str| raw(name).map(|value| expanded(value.into(), home_folder.as_deref()));

        let user_cache = path("XDG_CACHE_HOME").or_else(|| Some(home_folder.as_ref()?.join(".cache")));
        let home = path("HF_HOME").or_else(|| Some(user_cache?.join("huggingface")));
        let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let cache =
            path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")).or_else(|| below_home("hub"));
        let cache = cache.ok_or_else(|| {
            Error::new("HF_HOME", "expected a folder for downloads, found neither HF_HOME nor HOME set")
                .hint("set HF_HOME to a folder with room for the model")
        })?;

        let endpoint = text("HF_ENDPOINT")?.unwrap_or_else(|| DEFAULT_ENDPOINT.into());
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(Error::new("HF_ENDPOINT", format!("expected https://host, found {endpoint:?}")));
        }
        let seconds = |name: &str| match text(name)? {
            None => Ok(Duration::from_secs(DEFAULT_TIMEOUT)),
            Some(value) => match value.parse::<u32>() {
                Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
                _ => Err(Error::new(name, format!("expected a number of seconds from 1, found {value:?}"))),
            },
        };
        let token_file = path("HF_TOKEN_PATH").or_else(|| below_home("token"));
        let token = match is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            true => None,
            false => ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
                .iter()
                .find_map(|name| token(&text(name).transpose()?.ok()?, name))
                .or_else(|| {
                    let file = token_file?;
                    token(&fs::read_to_string(&file).ok()?, &file.display().to_string())
                }),
        };
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').into(),
            cache,
            token,
            offline: is_set(if raw("HF_HUB_OFFLINE").is_some() {
                "HF_HUB_OFFLINE"
            } else {
                "TRANSFORMERS_OFFLINE"
            }),
            answer_timeout: seconds("HF_HUB_ETAG_TIMEOUT")?,
            read_timeout: seconds("HF_HUB_DOWNLOAD_TIMEOUT")?,
            symlinks: !is_set("HF_HUB_DISABLE_SYMLINKS"),
            certificates: path("SSL_CERT_FILE"),
        })
    }
}

/// A leading `~` is the home folder.
fn expanded(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

/// The token in `text`, unless that is blank. Line ends come with files and with pasting.
fn token(text: &str, origin: &str) -> Option<Token> {
    let text = text.replace(['\r', '\n'], "");
    let text = text.trim();
    (!text.is_empty()).then(|| Token { text: text.into(), origin: origin.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, Error> {
        Settings::read(&|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_cache_is_where_huggingface_hub_has_it() {
        for (variables, cache) in [
            (&[("HOME", "/u")][..], "/u/.cache/huggingface/hub"),
            (&[("HOME", "/u"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/u"), ("HF_HOME", "~/hf")], "/u/hf/hub"),
            (&[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")], "/c"),
            (&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "")], "/hf/hub"),
        ] {
            assert_eq!(settings(variables).unwrap().cache, Path::new(cache), "{variables:?}");
        }
        assert!(settings(&[]).unwrap_err().to_string().contains("HF_HOME"));
    }

    #[test]
    fn tokens_are_cleaned_and_never_shown() {
        let home = ("HF_HOME", "/nowhere");
        let found = settings(&[home, ("HF_TOKEN", " hf_secret\r\n")]).unwrap();
        assert_eq!(found.token.as_ref().map(|token| token.text.as_str()), Some("hf_secret"));
        assert!(!format!("{found:?}").contains("hf_secret"));
        let other = settings(&[home, ("HF_TOKEN", "\n"), ("HUGGING_FACE_HUB_TOKEN", "b")]).unwrap();
        assert_eq!(other.token.map(|token| token.text).as_deref(), Some("b"));
        assert!(
            settings(&[home, ("HF_TOKEN", "a"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")])
                .unwrap()
                .token
                .is_none()
        );
    }

    #[test]
    fn values_that_mean_nothing_are_named() {
        for (name, value) in [
            ("HF_ENDPOINT", "huggingface.co"),
            ("HF_HUB_ETAG_TIMEOUT", "0"),
            ("HF_HUB_DOWNLOAD_TIMEOUT", "ten"),
        ] {
            let refusal = settings(&[("HF_HOME", "/hf"), (name, value)]).unwrap_err().to_string();
            assert!(refusal.contains(name) && refusal.contains(value), "{refusal}");
        }
        assert!(settings(&[("HF_HOME", "/hf"), ("HF_HUB_OFFLINE", "Yes")]).unwrap().offline);
        assert!(!settings(&[("HF_HOME", "/hf"), ("HF_HUB_OFFLINE", "0")]).unwrap().offline);
    }
}
