//! Who may do what, and see what, where? Environment markers, secrets, the actor, redaction.

mod actor;
mod marker;
mod redact;
mod secret;

pub(crate) use actor::resolve_actor;
pub(crate) use marker::{Marker, judge};
pub(crate) use redact::{Public, Redactor, RestrictedFile, read_restricted};
pub(crate) use secret::{Secret, SecretRef};
