//! How is a tile archive regrown? PostGIS makes the Mapbox Vector Tiles, a PMTiles archive keeps them.

mod archive;
mod error;
mod ids;
mod read;
mod source;
mod statements;
mod summary;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use error::TilesError;
pub(crate) use source::tiles_source;
pub(crate) use target::TilesProjection;

/// Raised when the same rows would give other tiles.
pub(crate) const BUILDER: u32 = 1;
