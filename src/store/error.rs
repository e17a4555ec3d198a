use std::error::Error;
use std::io;

use super::refusal::{Refusal, refusal};
use crate::model::{Code, Failure};

type Source = Box<dyn Error + Send + Sync>;

/// Why a store did not do what it was asked, by meaning. An absent object is no error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The location makes no sense.
    #[error("failed to understand the store location `{url}`: {why}")]
    Location { url: String, why: String },
    /// An option that the store does not take, or one that it lacks.
    #[error("failed to set up the store `{url}`: {why}")]
    Option { url: String, why: String, hint: Option<String> },
    /// It does not take us for who we say we are.
    #[error("failed to be let in for {what}")]
    Credentials {
        what: String,
        hint: &'static str,
        #[source]
        source: Source,
    },
    /// It cannot be used as it is set up.
    #[error("failed to use {what} as its store is set up")]
    Setup {
        what: String,
        hint: &'static str,
        #[source]
        source: Source,
    },
    /// It asked to be left alone for longer than we kept asking.
    #[error("failed to be served with {what}: too much is asked of the store")]
    Throttled {
        what: String,
        #[source]
        source: Source,
    },
    /// It does not answer, or broke off; another try may help.
    #[error("failed to reach {what}")]
    Unreachable {
        what: String,
        #[source]
        source: Source,
    },
    /// It does not let us.
    #[error("failed to get permission for {what}")]
    Denied {
        what: String,
        #[source]
        source: Source,
    },
    /// It is full.
    #[error("failed to write {what}: no space is left")]
    NoSpace {
        what: String,
        #[source]
        source: Source,
    },
    /// The object is not in the state that it was seen in.
    #[error("failed to read {what} as it was: it changed under the reader")]
    Changed { what: String },
    /// The key cannot exist there.
    #[error("failed to name `{key}` in {store}: {why}")]
    CannotHold { store: String, key: String, why: String },
    /// The object is larger than the reader takes.
    #[error("failed to read {what}: {size} bytes are more than the {limit} that are allowed here")]
    TooLarge { what: String, size: u64, limit: u64 },
    /// Anything else.
    #[error("failed to use {what}")]
    Other {
        what: String,
        #[source]
        source: Source,
    },
}

impl StoreError {
    /// Tells by an I/O error's kind what it means.
    pub(super) fn io(what: impl Into<String>, error: io::Error) -> Self {
        use io::ErrorKind as K;
        let (what, source) = (what.into(), error);
        match source.kind() {
            K::PermissionDenied | K::ReadOnlyFilesystem => {
                Self::Denied { what, source: source.into() }
            }
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => {
                Self::NoSpace { what, source: source.into() }
            }
            K::TimedOut | K::StaleNetworkFileHandle | K::ResourceBusy => {
                Self::Unreachable { what, source: source.into() }
            }
            _ => Self::Other { what, source: source.into() },
        }
    }

    /// Tells by an `object_store` error what it means; absence was handled before.
    pub(super) fn objects(what: impl Into<String>, error: object_store::Error) -> Self {
        use object_store::Error as E;
        let what = what.into();
        if let Some(refusal) = refusal(&error) {
            let source = error.into();
            return match refusal {
                Refusal::Credentials(hint) => Self::Credentials { what, hint, source },
                Refusal::Forbidden => Self::Denied { what, source },
                Refusal::Setup(hint) => Self::Setup { what, hint, source },
                Refusal::Throttled => Self::Throttled { what, source },
                Refusal::Request => Self::Other { what, source },
            };
        }
        match error {
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                Self::Denied { what, source: error.into() }
            }
            E::Precondition { .. } => Self::Changed { what },
            E::Generic { .. } => Self::Unreachable { what, source: error.into() },
            _ => Self::Other { what, source: error.into() },
        }
    }

    /// Says that the task which did the work did not come to its end.
    pub(crate) fn task(what: impl Into<String>, error: tokio::task::JoinError) -> Self {
        Self::Other { what: what.into(), source: error.into() }
    }

    /// Whether the reason lies with this object, so that others may still be read.
    pub(crate) fn is_of_one_object(&self) -> bool {
        match self {
            // A store that refuses one object may still give the others; one that does not
            // answer or is full gives none.
            Self::Changed { .. }
            | Self::CannotHold { .. }
            | Self::TooLarge { .. }
            | Self::Denied { .. }
            | Self::Other { .. } => true,
            Self::Location { .. }
            | Self::Option { .. }
            | Self::Credentials { .. }
            | Self::Setup { .. }
            | Self::Throttled { .. }
            | Self::Unreachable { .. }
            | Self::NoSpace { .. } => false,
        }
    }

    /// The message with the chain behind it on one line, for a finding.
    pub(crate) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(error) = next {
            let more = error.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            next = error.source();
        }
        text
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        let failure = match &error {
            StoreError::Location { .. } => Self::permanent(Code::Usage, text)
                .hint("give file:///PATH, s3://BUCKET/PREFIX, gs://, az:// or memory://NAME"),
            StoreError::Option { hint, .. } => {
                let failure = Self::permanent(Code::Usage, text);
                match hint {
                    Some(hint) => failure.hint(hint.clone()),
                    None => failure.hint("docs/stores.md tells the options of each kind of store"),
                }
            }
            StoreError::Credentials { hint, .. } => {
                Self::permanent(Code::Credentials, text).hint(*hint)
            }
            StoreError::Setup { hint, .. } => {
                Self::permanent(Code::StoreUnreachable, text).hint(*hint)
            }
            StoreError::Throttled { .. } => Self::transient(Code::StoreUnreachable, text).hint(
                "set `requests_per_second` or `bandwidth_mib_per_second` among the store's limits in \
                 the plan, then resume",
            ),
            StoreError::Unreachable { .. } => Self::transient(Code::StoreUnreachable, text)
                .hint("check the network and the store's endpoint, then resume"),
            StoreError::Denied { .. } => Self::permanent(Code::Credentials, text)
                .hint("check what the credentials may do (docs/stores.md names the actions), or the owner and mode of the path"),
            StoreError::NoSpace { .. } => Self::permanent(Code::NoSpace, text)
                .hint("free space on the target, then resume: what is written is kept"),
            StoreError::Changed { .. } => Self::permanent(Code::StepFailed, text)
                .hint("something else writes there; find out what, then run again"),
            StoreError::CannotHold { .. } => Self::permanent(Code::StepFailed, text)
                .hint("restore to a store that can hold the key, such as an object store"),
            StoreError::TooLarge { .. } => Self::permanent(Code::StepFailed, text)
                .hint("the document is not what its key says; look at it by hand"),
            StoreError::Other { .. } => Self::permanent(Code::StepFailed, text)
                .hint("see the causes; check that the store exists and is what its URL says"),
        };
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }
}
