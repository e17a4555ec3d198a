//! How is a dataset version read? One file for each form that its artifacts come in.

mod csv;
mod geojson;
mod open;
mod parquet;
mod wkb;

pub(super) use open::open;
