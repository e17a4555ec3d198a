use std::borrow::Cow;
use std::cell::Cell as Shared;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read};
use std::str;

use csv::{ByteRecord, ReaderBuilder};
use datafusion::error::DataFusionError;

use super::cell::{Cell, Row};
use super::columns::GEOMETRY;
use super::rows::{Said, Take, locate};
use super::stream::malformed;
use crate::dataset::defect::Defect;
use crate::model::GeometryColumns;

/// The most bytes that one record may have: a quote that is never closed takes all that follows.
const RECORD: usize = 64 << 20;

/// Reads records under a header; an empty field is NULL.
pub(super) fn rows(
    input: &mut dyn BufRead,
    key: &str,
    delimiter: u8,
    geometry: Option<&GeometryColumns>,
    take: &mut dyn Take,
) -> Result<Said, DataFusionError> {
    let left = Shared::new(RECORD);
    let broken = |error: ::csv::Error| match error.kind() {
        ::csv::ErrorKind::Io(_) if left.get() == 0 => {
            malformed(key, "a record is longer than 64 MiB: is a quote not closed?")
        }
        _ => malformed(key, "it cannot be unpacked, or is cut short"),
    };
    let bounded = Bounded { input, left: &left };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bounded);
    let names = header(reader.byte_headers().map_err(broken)?, key, geometry)?;
    take.columns(columns(&names, geometry));
    let (mut record, mut number) = (ByteRecord::new(), 0);
    loop {
        left.set(RECORD);
        if !reader.read_byte_record(&mut record).map_err(broken)? {
            return Ok(Said::Nothing);
        }
        number += 1;
        take.row(number, row(&names, &record, geometry))?;
    }
}

fn columns(
    names: &[String],
    geometry: Option<&GeometryColumns>,
) -> Vec<(String, Option<super::cell::Kind>)> {
    let becomes =
        |name: &String| matches!(geometry, Some(GeometryColumns::Wkt { wkt }) if wkt == name);
    names.iter().filter(|name| !becomes(name)).map(|name| (name.clone(), None)).collect()
}

fn header(
    record: &ByteRecord,
    key: &str,
    geometry: Option<&GeometryColumns>,
) -> Result<Vec<String>, DataFusionError> {
    if record.is_empty() {
        return Err(malformed(key, "it has no header"));
    }
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    for field in record {
        let name = str::from_utf8(field).or(Err(malformed(key, "its header is no UTF-8")))?;
        if !seen.insert(name) {
            return Err(malformed(key, &format!("its header names `{name}` twice")));
        }
        names.push(name.to_owned());
    }
    let wanted = match geometry {
        None => Vec::new(),
        Some(GeometryColumns::Wkt { wkt }) => vec![wkt],
        Some(GeometryColumns::Point { lon, lat }) => vec![lon, lat],
    };
    if let Some(missing) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(malformed(key, &format!("it has no column `{missing}` for the geometry")));
    }
    let taken = matches!(geometry, Some(GeometryColumns::Wkt { wkt }) if wkt == GEOMETRY);
    if geometry.is_some() && !taken && names.iter().any(|name| name == GEOMETRY) {
        return Err(malformed(key, "it has a column `geometry` beside the declared one"));
    }
    Ok(names)
}

fn row<'a>(
    names: &'a [String],
    record: &'a ByteRecord,
    geometry: Option<&GeometryColumns>,
) -> Result<Row<'a>, Defect> {
    if record.len() != names.len() {
        return Err(Defect::MalformedRow);
    }
    let mut cells = Vec::with_capacity(names.len());
    for (name, field) in names.iter().zip(record) {
        let text = str::from_utf8(field).or(Err(Defect::BadEncoding))?;
        let cell = if text.is_empty() { Cell::Null } else { Cell::Untyped(text.into()) };
        cells.push((Cow::Borrowed(name.as_str()), cell));
    }
    let geometry = geometry.map(|columns| locate(&mut cells, columns)).transpose()?.flatten();
    Ok(Row { cells, geometry })
}

struct Bounded<'a> {
    input: &'a mut dyn BufRead,
    left: &'a Shared<usize>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("too long"));
        }
        let read = self.input.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(read));
        Ok(read)
    }
}
