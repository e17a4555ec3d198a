//! How is another program run, and never left behind? In a process group of its own, with a time
//! limit, an environment that says what it may see, and what it prints bounded and without secrets.

mod capture;
mod error;
mod group;
mod program;
#[cfg(test)]
mod tests;
mod warden;

pub(crate) use capture::Captured;
pub(crate) use program::{Ended, Program};
