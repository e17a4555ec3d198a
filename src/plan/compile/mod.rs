//! Which steps, in which order? Pure: the same plan and facts give the same graph.

mod approvals;
mod commands;
mod entry;
mod name;
mod resolve;
mod roots;
mod select;
mod shoots;
mod steps;
#[cfg(test)]
mod tests;

pub(crate) use entry::compile;
