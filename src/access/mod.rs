//! Who may do what, where? Environment markers, secret references, the actor.

mod actor;
mod marker;
mod secret;

pub(crate) use actor::resolve_actor;
pub(crate) use marker::{Marker, judge};
pub(crate) use secret::SecretRef;
