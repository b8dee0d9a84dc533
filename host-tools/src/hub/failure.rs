//! What goes wrong between here and the hub, in words that help
//!
//! The hub answers a stranger's question for a private model, a gated one and one that does not exist with the same
//! status; `X-Error-Code` and whether a token was sent tell them apart.

use std::io::{self, ErrorKind};

use ureq::http::{HeaderMap, StatusCode};

use super::settings::{Settings, Token};
use crate::error::Error;

/// An error, and whether the same request may succeed later.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) kind: Kind,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody was reached, or the line broke.
    Network,
    /// The server asks for patience.
    Busy,
    /// Asking again gives the same answer.
    Final,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, kind: Kind::Final }
    }
}

/// A request that got no whole answer from `host`.
pub(super) fn network(host: &str, settings: &Settings, e: &ureq::Error) -> Failure {
    let problem = match e {
        ureq::Error::HostNotFound => "found no address of that name".into(),
        ureq::Error::Timeout(phase) => {
            let seconds = match phase {
                ureq::Timeout::PerRead => settings.read_timeout,
                _ => settings.answer_timeout,
            };
            format!("found silence for {} s", seconds.as_secs())
        }
        // What TLS has against a certificate arrives as data that is invalid.
        ureq::Error::Io(e) if e.kind() == ErrorKind::InvalidData => {
            let problem = format!("expected a TLS connection, found: {e}");
            let hint = "where a proxy opens TLS, name its certificates in SSL_CERT_FILE";
            return Error::new(host, problem).hint(hint).into();
        }
        ureq::Error::Io(e) => format!("found: {}", io_words(e)),
        ureq::Error::ConnectProxyFailed(reason) => format!("found a proxy that says: {reason}"),
        other => format!("found: {other}"),
    };
    let error = Error::new(host, format!("expected an answer, {problem}"))
        .hint("check the network; behind a proxy set HTTPS_PROXY; a hub elsewhere is named by HF_ENDPOINT");
    Failure { error, kind: Kind::Network }
}

/// An error of a socket without the number that systems append.
fn io_words(e: &io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].into(),
        None => text,
    }
}

/// What was asked for, to name it when it is not there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) repo: &'a str,
    pub(super) revision: &'a str,
    pub(super) file: Option<&'a str>,
}

/// An answer with a status of failure.
pub(super) fn status(
    settings: &Settings,
    wanted: Wanted<'_>,
    status: StatusCode,
    headers: &HeaderMap,
) -> Failure {
    let Wanted { repo, revision, file } = wanted;
    let object = match file {
        Some(file) => format!("hf:{repo}: {file}"),
        None => format!("hf:{repo}"),
    };
    let page = format!("{}/{repo}", settings.endpoint);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let message = header("X-Error-Message");
    let refuse = |problem: String, hint: String| Failure::from(Error::new(&object, problem).hint(hint));
    let sign_in = "set HF_TOKEN, or sign in with: hf auth login";
    let absent = |token: Option<&Token>| match token {
        None => refuse(
            "expected a model on the hub, found none of that name that is public".into(),
            format!("check the name on {page}; if the model is private, {sign_in}"),
        ),
        Some(token) => refuse(
            format!("expected a model on the hub, found none of that name that {token:?} may see"),
            format!("check the name on {page}"),
        ),
    };
    match (status.as_u16(), header("X-Error-Code")) {
        (_, "GatedRepo") => match &settings.token {
            None => refuse(
                "expected access, found a model that is given to signed-in users only".into(),
                format!("accept its terms on {page}, then {sign_in}"),
            ),
            Some(token) => refuse(
                format!("expected access, found that {token:?} has none to this gated model"),
                format!("accept its terms on {page} with the account that the token belongs to"),
            ),
        },
        (_, "RevisionNotFound") => refuse(
            format!("expected a branch, tag or commit of the model, found none called {revision}"),
            format!("{page} lists them"),
        ),
        (404, "EntryNotFound") => refuse(
            format!("expected the file at {revision}, found none of that name"),
            format!("{page}/tree/{revision} lists the files"),
        ),
        (401, _) if message.contains("nvalid credentials") || message.contains("nvalid username") => {
            match &settings.token {
                Some(token) => refuse(
                    format!("expected a valid token, found that the hub refuses {token:?}"),
                    format!(
                        "make another on {}/settings/tokens, or unset it: public models need none",
                        settings.endpoint
                    ),
                ),
                None => absent(None),
            }
        }
        (404, "") => refuse(
            "expected the hub, found a server that answers with status 404 and no reason".into(),
            format!("does HF_ENDPOINT, or a proxy, lead to a hub? Asked was {}", settings.endpoint),
        ),
        (401 | 404, _) => absent(settings.token.as_ref()),
        (403, _) => refuse(
            format!("expected access, found it forbidden{}", said(message)),
            format!("look at {page} with the account that the token belongs to"),
        ),
        (429 | 408 | 500..=599, _) => {
            let problem = format!("expected an answer, found status {status}{}", said(message));
            Failure { error: Error::new(&object, problem).hint("try again later"), kind: Kind::Busy }
        }
        _ => refuse(
            format!("expected an answer, found status {status}{}", said(message)),
            "a hub elsewhere is named by HF_ENDPOINT".into(),
        ),
    }
}

/// A server's own words, as far as they can be shown.
fn said(message: &str) -> String {
    match message.trim() {
        "" => String::new(),
        message => {
            let shown: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
            format!(" ({shown})")
        }
    }
}
