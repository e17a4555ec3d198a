//! Against real servers: S3, PostGIS and SPARQL.

mod client;
mod recovery;

pub(crate) use client::services;
