//! Functions that queries need and the engine lacks: RDF terms, and geometries.

mod geometry;
mod terms;

use datafusion::prelude::SessionContext;

pub(super) use geometry::{crs_of, each, moved};

/// Registers them all.
pub(super) fn register(context: &SessionContext) {
    terms::register(context);
    geometry::register(context);
}

/// The names of those that change what a geometry's coordinates are in.
pub(super) const MOVING: [&str; 2] = ["st_setsrid", "st_transform"];
