use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::model::{Code, Failure};

/// Where a secret is: `env:NAME` or `file:PATH`. It may be shown; the secret may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretRef {
    /// A variable of the process's environment.
    Env(String),
    /// A file; relative to the plan's folder.
    File(PathBuf),
}

/// A secret: has no printed form.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

/// Why a secret cannot be had; never holds it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The reference is none. What was written may be the secret itself, so it is not repeated.
    #[error("failed to read a secret reference: expected env:NAME or file:PATH")]
    NoReference,
    /// The variable is not set, empty, or not UTF-8.
    #[error("failed to read the secret env:{0}: the variable is not set, or empty")]
    NotSet(String),
    /// The file cannot be read.
    #[error("failed to read the secret file:{}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The file is empty.
    #[error("failed to read the secret file:{}: it is empty", .0.display())]
    Empty(PathBuf),
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let hint = match &error {
            SecretError::NoReference => "write env:NAME or file:PATH, never the secret itself",
            SecretError::NotSet(_) => "export the variable for this process, then run again",
            SecretError::File(..) | SecretError::Empty(_) => {
                "put the secret into the file, readable by this user only"
            }
        };
        let failure = Self::permanent(Code::Credentials, error.to_string()).hint(hint);
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}

impl FromStr for SecretRef {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(SecretError::NoReference),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl SecretRef {
    /// Fetches the secret; a relative path is taken from `base`. The line end of a file is no part
    /// of it.
    pub(crate) fn resolve(&self, base: &Path) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret(value)),
                _ => Err(SecretError::NotSet(name.clone())),
            },
            Self::File(path) => {
                let path = base.join(path);
                let text = fs::read_to_string(&path)
                    .map_err(|error| SecretError::File(path.clone(), error))?;
                let text = text.trim_end_matches(['\n', '\r']);
                if text.is_empty() {
                    return Err(SecretError::Empty(path));
                }
                Ok(Secret(text.to_owned()))
            }
        }
    }
}

impl Secret {
    /// The secret itself, for the client that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "hush\n").unwrap();
        let found = "file:key".parse::<SecretRef>().unwrap().resolve(folder.path()).unwrap();
        assert_eq!(found.expose(), "hush");
        assert!(!format!("{found:?}").contains("hush"));

        let error = "hush".parse::<SecretRef>().unwrap_err();
        assert!(!error.to_string().contains("hush"));
        for bad in ["env:COPPICE_TEST_NO_SUCH_VARIABLE", "file:none"] {
            let reference: SecretRef = bad.parse().unwrap();
            assert_eq!(reference.to_string(), bad);
            let failure = Failure::from(reference.resolve(folder.path()).unwrap_err());
            assert_eq!(failure.code, Code::Credentials);
        }
    }
}
