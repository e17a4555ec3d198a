//! How much is a store asked for at once? One gate for all that a run asks of it.

mod gate;
mod limited;
mod objects;
mod pace;

#[cfg(test)]
mod tests;

pub(crate) use gate::Gate;
pub(super) use gate::Lane;
pub(super) use limited::{Counted, Limited};
