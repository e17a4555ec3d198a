//! Do the catalog documents hold together? DCAT, STAC and PROV, their links and checksums.

mod check;
mod checksums;
mod describe;
mod documents;
mod embargo;
mod error;
mod label;
mod links;
mod load;
mod multihash;
mod parts;
mod rdf;
mod reference;
mod schema;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use check::{Digests, check};
pub(crate) use describe::describe;
pub(crate) use documents::Documents;
pub(crate) use error::CatalogError;
pub(crate) use load::{Known, labels, read_version, versions};
pub(crate) use verify::verify;
