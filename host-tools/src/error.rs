//! What went wrong, with which object, and the way out

use std::{fmt, io};

/// An error as the user sees it: `ternlet: object: expected vs found`, then a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    object: String,
    problem: String,
    hint: Option<String>,
}

impl Error {
    /// `object` is what the user named (a file, a flag); `problem` says what was expected and found.
    #[must_use]
    pub fn new(object: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self { object: object.to_string(), problem: problem.to_string(), hint: None }
    }

    /// A file that cannot be read, and why.
    #[must_use]
    pub fn unreadable(path: impl fmt::Display, e: &io::Error) -> Self {
        let hint = match e.kind() {
            io::ErrorKind::NotFound => "is the path right?",
            _ => "is it a file, and may you read it?",
        };
        Self::new(path, format!("expected a readable file, found: {e}")).hint(hint)
    }

    /// Names the operation that failed in front of the object, as in `pack: config.json`.
    #[must_use]
    pub fn during(mut self, operation: &str) -> Self {
        self.object = format!("{operation}: {}", self.object);
        self
    }

    /// What was expected and found.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// Adds the exact flag or command that helps.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Adds `hint` unless there is one already, which knows more.
    #[must_use]
    pub fn or_hint(self, hint: impl fmt::Display) -> Self {
        match self.hint {
            Some(_) => self,
            None => self.hint(hint),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ternlet: {}: {}", self.object, self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
