use std::io::{BufRead, Read};
use std::str;

use datafusion::error::DataFusionError;
use serde_json::{Map, Value};

use super::cell::Row;
use super::columns::GEOMETRY;
use super::rows::{Said, Take, locate};
use super::stream::malformed;
use super::{features, json};
use crate::dataset::defect::Defect;
use crate::model::GeometryColumns;

/// The record separator of RFC 7464 and RFC 8142.
const RS: u8 = 0x1E;

/// The most bytes that one text may have.
const TEXT: u64 = 64 << 20;

/// Reads JSON texts, one a line, or, where the first byte is a record separator, one after each
/// of them. A text is a feature or a plain record.
pub(super) fn rows(
    input: &mut dyn BufRead,
    key: &str,
    geometry: Option<&GeometryColumns>,
    take: &mut dyn Take,
) -> Result<Said, DataFusionError> {
    let broken = || malformed(key, "it cannot be unpacked, or is cut short");
    let first = input.fill_buf().or(Err(broken()))?.first().copied();
    let end = if first == Some(RS) { RS } else { b'\n' };
    let (mut text, mut number, mut said) = (Vec::new(), 0, Said::Nothing);
    loop {
        text.clear();
        let read = (&mut *input).take(TEXT).read_until(end, &mut text).or(Err(broken()))?;
        if read == 0 {
            return Ok(said);
        }
        if read as u64 == TEXT && text.last() != Some(&end) {
            return Err(malformed(key, "a text is longer than 64 MiB"));
        }
        let text = text.trim_ascii_end();
        let text = text.strip_suffix(&[RS]).unwrap_or(text);
        let text = text.strip_prefix(&[RS]).unwrap_or(text).trim_ascii();
        if text.is_empty() {
            continue;
        }
        number += 1;
        take.row(number, row(text, geometry, &mut said))?;
    }
}

fn row(
    text: &[u8],
    geometry: Option<&GeometryColumns>,
    said: &mut Said,
) -> Result<Row<'static>, Defect> {
    let text = str::from_utf8(text).or(Err(Defect::BadEncoding))?;
    let mut members: Map<String, Value> =
        serde_json::from_str(text).or(Err(Defect::MalformedRow))?;
    if members.get("type").is_some_and(|kind| kind == "Feature") && geometry.is_none() {
        if let Some(crs) = members.remove("crs") {
            *said = features::said(&crs);
        }
        return json::feature(members);
    }
    let mut cells = json::cells(members);
    let geometry = geometry.map(|columns| locate(&mut cells, columns)).transpose()?.flatten();
    if geometry.is_some() && cells.iter().any(|(name, _)| name == GEOMETRY) {
        return Err(Defect::MalformedRow);
    }
    Ok(Row { cells, geometry })
}
