//! What is a geometry, is it sound, and where does it lie?

mod bounds;
mod json;
mod judge;
mod meridian;
mod planar;
mod repair;
mod shape;
mod text;
mod wkb;

pub(super) use bounds::{Bounds, shown};
pub(super) use json::of_geojson;
pub(super) use judge::judge;
pub(super) use repair::repair;
pub(super) use shape::{Dimensions, Part, Path, Shape};
pub(super) use text::of_wkt;
pub(super) use wkb::{read, write};
