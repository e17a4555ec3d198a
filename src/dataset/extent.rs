//! Rows and extent of a table, held against what the catalog says of them.

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use futures::TryStreamExt;
use geo_traits::{
    CoordTrait, GeometryCollectionTrait, GeometryTrait, GeometryType, LineStringTrait,
    MultiLineStringTrait, MultiPointTrait, MultiPolygonTrait, PointTrait, PolygonTrait,
};

use super::{DatasetError, Session};
use crate::model::{DatasetVersion, Finding, FindingKind, PolicyLabel};

/// How far in degrees a coordinate may lie outside: catalogs round to six digits.
const ROUNDING: f64 = 1e-6;

/// What was read of a table.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Counted {
    /// All rows.
    pub(crate) rows: u64,
    /// West, south, east, north of all geometries, if there are any.
    pub(crate) bbox: Option<[f64; 4]>,
}

impl Session {
    /// Reads a registered table once, and says how many rows it has and where they lie.
    pub(crate) async fn count_and_extent(&self, table: &str) -> Result<Counted, DatasetError> {
        let known = self.table(table)?;
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let column = known.geometry.as_deref().map_or_else(|| "1".to_owned(), quote);
        let mut batches = self.query(&format!("SELECT {column} FROM {}", quote(table))).await?;
        let mut counted = Counted::default();
        let has_geometry = known.geometry.is_some();
        while let Some(batch) = batches.try_next().await.map_err(DatasetError::Run)? {
            let rows = batch.num_rows() as u64;
            if has_geometry {
                let lost = |error| DatasetError::Engine(DataFusionError::External(Box::new(error)));
                let bounds = tokio::task::spawn_blocking(move || bounds(&batch));
                let bounds =
                    bounds.await.map_err(lost)?.map_err(|why| self.malformed(table, why))?;
                counted.bbox = union(counted.bbox, bounds);
            }
            counted.rows += rows;
        }
        Ok(counted)
    }

    /// Holds what was read of a table against its catalog: `count-mismatch`, `extent-mismatch`.
    pub(crate) async fn hold_against_catalog(
        &self,
        table: &str,
    ) -> Result<Vec<Finding>, DatasetError> {
        let counted = self.count_and_extent(table).await?;
        Ok(differences(&self.table(table)?.version, &counted))
    }

    fn table(&self, table: &str) -> Result<&super::session::Table, DatasetError> {
        self.tables.get(table).ok_or_else(|| DatasetError::NoTable { table: table.to_owned() })
    }

    fn malformed(&self, table: &str, why: &str) -> DatasetError {
        let version = self.tables.get(table).map(|table| &table.version);
        let key = version.map_or_else(|| table.to_owned(), |version| version.dataset.clone());
        DatasetError::Malformed { key, why: why.to_owned() }
    }
}

fn differences(version: &DatasetVersion, counted: &Counted) -> Vec<Finding> {
    let mut findings = Vec::new();
    let finding = |kind, hint: &str| {
        let finding = Finding::blocking(kind, hint).of_version(Some(&version.version));
        match version.artifacts.first() {
            Some(artifact) => finding.at(&artifact.key),
            None => finding,
        }
    };
    if let Some(rows) = version.rows
        && rows != counted.rows
    {
        let hint = "the artifact and its catalog disagree: publish a version in which they agree";
        findings.push(finding(FindingKind::CountMismatch, hint).differs(rows, counted.rows));
    }
    if let (Some(declared), Some(found)) = (version.bbox, counted.bbox)
        && !contains(declared, found)
    {
        let hint = "geometries lie outside the catalog's extent: publish a version that is right";
        let show = |bbox: [f64; 4]| bbox.map(|degrees| degrees.to_string()).join(",");
        let mut found_text = show(found);
        if !version.policy_label.is_some_and(PolicyLabel::is_public) {
            "another extent".clone_into(&mut found_text);
        }
        findings
            .push(finding(FindingKind::ExtentMismatch, hint).differs(show(declared), found_text));
    }
    findings
}

/// Whether one extent lies within the other; one that crosses the antimeridian has west > east.
fn contains([west, south, east, north]: [f64; 4], inner: [f64; 4]) -> bool {
    let across = west > east;
    let wide = across || (inner[0] >= west - ROUNDING && inner[2] <= east + ROUNDING);
    wide && inner[1] >= south - ROUNDING && inner[3] <= north + ROUNDING
}

fn union(one: Option<[f64; 4]>, other: Option<[f64; 4]>) -> Option<[f64; 4]> {
    match (one, other) {
        (Some(a), Some(b)) => {
            Some([a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
        }
        (one, other) => one.or(other),
    }
}

fn bounds(batch: &RecordBatch) -> Result<Option<[f64; 4]>, &'static str> {
    let column = cast(batch.column(0), &DataType::BinaryView).or(Err("its geometry is no WKB"))?;
    let mut all = None;
    for bytes in column.as_binary_view().iter().flatten() {
        let geometry = wkb::reader::read_wkb(bytes).or(Err("a geometry is no WKB"))?;
        each_coord(&geometry, &mut |x, y| all = union(all, Some([x, y, x, y])))?;
    }
    Ok(all)
}

/// Calls `each` with every coordinate.
fn each_coord(
    geometry: &impl GeometryTrait<T = f64>,
    each: &mut impl FnMut(f64, f64),
) -> Result<(), &'static str> {
    match geometry.as_type() {
        GeometryType::Point(point) => point.coord().iter().for_each(|c| each(c.x(), c.y())),
        GeometryType::LineString(part) => part.coords().for_each(|c| each(c.x(), c.y())),
        GeometryType::Polygon(part) => each_of_polygon(part, each),
        GeometryType::MultiPoint(parts) => {
            for part in parts.points() {
                part.coord().iter().for_each(|c| each(c.x(), c.y()));
            }
        }
        GeometryType::MultiLineString(parts) => {
            for part in parts.line_strings() {
                part.coords().for_each(|c| each(c.x(), c.y()));
            }
        }
        GeometryType::MultiPolygon(parts) => {
            for part in parts.polygons() {
                each_of_polygon(&part, each);
            }
        }
        GeometryType::GeometryCollection(parts) => {
            for part in parts.geometries() {
                each_coord(&part, each)?;
            }
        }
        _ => return Err("a geometry is of a kind that WKB does not have"),
    }
    Ok(())
}

fn each_of_polygon(polygon: &impl PolygonTrait<T = f64>, each: &mut impl FnMut(f64, f64)) {
    // Inner rings lie within the outer one.
    if let Some(ring) = polygon.exterior() {
        ring.coords().for_each(|c| each(c.x(), c.y()));
    }
}
