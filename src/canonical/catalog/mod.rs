//! Do the catalog documents hold together? DCAT, STAC and PROV, their links and checksums.

mod error;
mod multihash;
mod reference;
mod schema;

pub(crate) use error::CatalogError;
