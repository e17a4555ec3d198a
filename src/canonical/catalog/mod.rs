//! Do the catalog documents hold together? DCAT, STAC and PROV, their links and checksums.
