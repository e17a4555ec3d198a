//! Against real servers: S3, PostGIS and SPARQL.

mod client;
mod cloud;
mod fence;
mod lifecycle;
mod objects;
mod recovery;

pub(crate) use client::services;
