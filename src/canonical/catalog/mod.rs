//! Do the catalog documents hold together? DCAT, STAC and PROV, their links and checksums.

mod assets;
mod check;
mod checksums;
mod claims;
mod complete;
mod constraints;
mod context;
mod describe;
mod distributions;
mod documents;
mod embargo;
mod embedded;
mod error;
mod evidence;
mod formats;
mod identity;
mod jsonld;
mod label;
mod lineage;
mod load;
mod multihash;
mod offers;
mod parts;
mod provenance;
mod raw;
mod rdf;
mod reference;
mod schema;
mod spec;
mod stac_links;
mod verify;
mod versions;

#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod rdf_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;

pub(crate) use check::{Digests, check};
pub(crate) use describe::describe;
pub(crate) use documents::Documents;
pub(crate) use error::CatalogError;
pub(crate) use formats::Format;
pub(crate) use load::{Known, labels, read_version, versions};
pub(crate) use offers::Offers;
pub(crate) use raw::{check_raw, manifest_key};
pub(crate) use verify::{Sources, lost_source, verify, verify_version};
