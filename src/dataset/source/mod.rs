//! How is a dataset version read? One file for each form that its artifacts come in.

mod boxes;
mod cell;
mod columns;
mod csv;
mod features;
mod flatgeobuf;
mod form;
mod geo;
mod json;
mod merge;
mod open;
mod parquet;
mod part;
mod rows;
mod rowwise;
mod sequence;
mod settled;
mod stream;
mod table;

pub(crate) use open::Wanted;
pub(super) use open::open;
pub(super) use settled::wkb_of;
