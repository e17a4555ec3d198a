//! How is `FlatGeobuf` read, a feature at a time?
//!
//! The crate gives the verified tables of the format. Its reader of whole files trusts the sizes
//! that a file says and the lengths of its vectors, so both are held here before they are used.

mod geometry;
mod properties;

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use datafusion::error::DataFusionError;
use flatgeobuf::packed_r_tree::PackedRTree;
use flatgeobuf::{Header, size_prefixed_root_as_feature, size_prefixed_root_as_header};

use self::properties::Columns;
use super::cell::Row;
use super::rows::{Said, Take};
use super::stream::malformed;
use crate::dataset::crs::Crs;
use crate::dataset::defect::Defect;

/// The most bytes that a header, and that a feature, may have.
const HEADER: usize = 10 << 20;
const FEATURE: usize = 256 << 20;

/// More features than any file has: beyond it the size of the index cannot be reckoned.
const FEATURES: u64 = 1 << 40;

/// Reads every feature.
pub(super) fn rows(
    input: &mut dyn BufRead,
    key: &str,
    take: &mut dyn Take,
) -> Result<Said, DataFusionError> {
    let cut = || malformed(key, "it is no FlatGeobuf file, or cut short");
    let buffer = head(input, key)?;
    let header = size_prefixed_root_as_header(&buffer).or(Err(cut()))?;
    let columns = Columns::of(&header);
    take.columns(columns.kinds());
    skip_index(input, &header, key)?;
    let (mut number, mut bytes) = (0, Vec::new());
    loop {
        if input.fill_buf().or(Err(cut()))?.is_empty() {
            break;
        }
        sized(input, FEATURE, &mut bytes, key)?;
        number += 1;
        take.row(number, row(&bytes, &header, &columns))?;
    }
    if header.features_count() > 0 && header.features_count() != number {
        return Err(malformed(key, "it has not as many features as its header says"));
    }
    Ok(said(&header))
}

/// What the header says of the reference system; reads no feature.
pub(super) fn reference(input: &mut dyn BufRead, key: &str) -> Result<Said, DataFusionError> {
    let buffer = head(input, key)?;
    let header = size_prefixed_root_as_header(&buffer)
        .or(Err(malformed(key, "it is no FlatGeobuf file, or cut short")))?;
    Ok(said(&header))
}

fn said(header: &Header<'_>) -> Said {
    let Some(crs) = header.crs() else { return Said::Nothing };
    let code = match (crs.code(), crs.code_string()) {
        (0, None) => None,
        (0, Some(text)) => Some(text.to_owned()),
        (code, _) => Some(code.to_string()),
    };
    let found =
        code.and_then(|code| Crs::parse(&format!("{}:{code}", crs.org().unwrap_or("EPSG"))));
    if found.is_none() && crs.wkt().is_none() && crs.name().is_none() {
        return Said::Nothing;
    }
    Said::of(found, || crs.name().unwrap_or("a system given as WKT").to_owned())
}

fn head(input: &mut dyn BufRead, key: &str) -> Result<Vec<u8>, DataFusionError> {
    let mut magic = [0; 8];
    let read = input.read_exact(&mut magic);
    if read.is_err() || magic[..4] != *b"fgb\x03" || magic[4..7] != *b"fgb" {
        return Err(malformed(key, "it is no FlatGeobuf file of version 3"));
    }
    let mut buffer = Vec::new();
    sized(input, HEADER, &mut buffer, key)?;
    Ok(buffer)
}

/// Reads bytes after their number, and keeps the number before them.
fn sized(
    input: &mut dyn BufRead,
    most: usize,
    buffer: &mut Vec<u8>,
    key: &str,
) -> Result<(), DataFusionError> {
    let cut = || malformed(key, "it is cut short, or damaged");
    let mut number = [0; 4];
    input.read_exact(&mut number).or(Err(cut()))?;
    let size = u32::from_le_bytes(number) as usize;
    if !(8..=most).contains(&size) {
        return Err(cut());
    }
    buffer.clear();
    buffer.extend_from_slice(&number);
    let read = input.take(size as u64).read_to_end(buffer).or(Err(cut()))?;
    if read < size { Err(cut()) } else { Ok(()) }
}

fn skip_index(
    input: &mut dyn BufRead,
    header: &Header<'_>,
    key: &str,
) -> Result<(), DataFusionError> {
    let (features, node) = (header.features_count(), header.index_node_size());
    if node == 0 || features == 0 {
        return Ok(());
    }
    let count = usize::try_from(features).ok().filter(|_| node > 1 && features < FEATURES);
    let count = count.ok_or_else(|| malformed(key, "its index makes no sense"))?;
    let size = PackedRTree::index_size(count, node) as u64;
    let skipped = io::copy(&mut input.take(size), &mut io::sink());
    if skipped.is_ok_and(|skipped| skipped == size) {
        return Ok(());
    }
    Err(malformed(key, "it is cut short, or damaged"))
}

fn row<'a>(bytes: &'a [u8], header: &Header<'a>, columns: &Columns<'a>) -> Result<Row<'a>, Defect> {
    let feature = size_prefixed_root_as_feature(bytes).or(Err(Defect::MalformedRow))?;
    let own = feature.columns().map(|columns| Columns::of_vector(columns.iter()));
    let values = feature.properties().map(|values| values.bytes()).unwrap_or_default();
    let cells = own.as_ref().unwrap_or(columns).cells(values)?;
    let cells = cells.into_iter().map(|(name, cell)| (Cow::Borrowed(name), cell)).collect();
    let shape = feature.geometry().map(|found| geometry::shape(&found, header)).transpose();
    Ok(Row { cells, geometry: shape.or(Err(Defect::UnreadableGeometry))? })
}
