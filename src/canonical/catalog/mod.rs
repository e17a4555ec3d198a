//! Do the catalog documents hold together? DCAT, STAC and PROV, their links and checksums.

mod assets;
mod check;
mod checksums;
mod claims;
mod complete;
mod describe;
mod distributions;
mod documents;
mod embargo;
mod embedded;
mod error;
mod formats;
mod label;
mod load;
mod multihash;
mod parts;
mod raw;
mod rdf;
mod reference;
mod schema;
mod stac_links;
mod verify;
mod versions;

#[cfg(test)]
mod link_tests;
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
pub(crate) use raw::{check_raw, manifest_key};
pub(crate) use verify::{verify, verify_version};
