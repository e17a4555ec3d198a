//! How is a GeoJSON `FeatureCollection` read as a table, a feature at a time?

mod columns;
mod reader;
mod table;

pub(super) use table::open;
