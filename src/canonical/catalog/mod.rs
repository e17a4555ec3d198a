//! Do the catalog documents hold together? DCAT, STAC and PROV, their links and checksums.

mod check;
mod checksums;
mod constraints;
mod context;
mod describe;
mod documents;
mod error;
mod evidence;
mod identity;
mod jsonld;
mod label;
mod lineage;
mod links;
mod load;
mod multihash;
mod parts;
mod provenance;
mod rdf;
mod reference;
mod schema;
mod spec;
mod verify;

#[cfg(test)]
mod rdf_tests;
#[cfg(test)]
mod tests;

pub(crate) use check::{Digests, check};
pub(crate) use describe::describe;
pub(crate) use documents::Documents;
pub(crate) use error::CatalogError;
pub(crate) use load::{labels, read_version, versions};
pub(crate) use verify::verify;
