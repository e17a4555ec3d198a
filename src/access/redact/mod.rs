//! Who may see which names? What is not known to be public is hidden: a keyed hash stands for it.

mod file;
mod redactor;
mod rule;

pub(crate) use file::{RestrictedFile, read_restricted};
pub(crate) use redactor::Redactor;
pub(crate) use rule::Public;
