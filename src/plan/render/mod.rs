//! How is a graph shown? As a text tree, as JSON, and for Graphviz and Mermaid.

mod diagram;
mod json;
mod path;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use diagram::{dot, mermaid};
pub(crate) use json::json;
pub(crate) use path::critical_path;
pub(crate) use text::text;
