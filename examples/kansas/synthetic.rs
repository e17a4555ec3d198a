use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Float64Array, Int64Array, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::WriterProperties;
use serde_json::json;

use crate::dataset;
use crate::platform::Platform;
use crate::source::{Described, Source};
use crate::{Options, Outcome};

/// Rows of one batch.
const BATCH: u32 = 8192;
/// When the first one comes in: after all that is not synthetic on the fixture's first day.
const START: i64 = 3000;

/// Adds the synthetic datasets: points in and around Kansas, drawn from the seed.
pub(crate) fn add(platform: &mut Platform, options: &Options) -> Outcome {
    let mut at = START;
    for number in 0..options.objects {
        let mut former = None;
        for version in 0..options.versions {
            let described = describe(number, version, options);
            let pinned = dataset::version(&described)?;
            if version + 1 < options.versions {
                platform.superseded.insert((described.name.clone(), described.slice.clone()));
            }
            let bytes = points(number, version, options)?;
            let files = BTreeMap::from([(described.acquired.clone(), bytes)]);
            platform.add(&Source { described, files }, at, former)?;
            former = Some(pinned);
            at += 1;
        }
    }
    Ok(())
}

fn describe(number: u32, version: u32, options: &Options) -> Described {
    let name = format!("synthetic_{number:06}");
    let file = format!("{name}.parquet");
    let text = |text: &str| text.to_owned();
    let column = |(name, kind): (&str, &str)| (text(name), text(kind));
    Described {
        title: format!("Synthetic points {number}"),
        description: format!("{} points drawn from the seed {}.", options.features, options.seed),
        keywords: vec![text("synthetic")],
        license: (text("CC0-1.0"), text("https://creativecommons.org/publicdomain/zero/1.0/")),
        source: format!("drawn from the seed {}", options.seed),
        time: (text("2026-01-01T00:00:00Z"), text("2026-01-31T23:59:59Z")),
        slice: format!("{}-{:02}", 2020 + version / 12, 1 + version % 12),
        minutes: 0,
        policy_label: text("public"),
        embargo_until: None,
        supersedes: None,
        acquired: file.clone(),
        also_acquired: Vec::new(),
        published: vec![file],
        columns: [("id", "int64"), ("name", "string"), ("value", "double"), ("geometry", "binary")]
            .map(column)
            .into(),
        derived_from: None,
        rows: Some(options.features as usize),
        bbox: Some([-103.0, 36.0, -94.0, 41.0]),
        sensitive: Vec::new(),
        name,
    }
}

/// The points of one version as GeoParquet.
fn points(number: u32, version: u32, options: &Options) -> Outcome<Vec<u8>> {
    let geo = json!({
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
    });
    let field = |name, kind| Field::new(name, kind, false);
    let schema = Arc::new(Schema::new(vec![
        field("id", DataType::Int64),
        field("name", DataType::Utf8),
        field("value", DataType::Float64),
        field("geometry", DataType::Binary),
    ]));
    // Named by hand, so that the bytes do not tell the version of the library.
    let properties = WriterProperties::builder()
        .set_created_by("kansas".to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new("geo".to_owned(), geo.to_string())]))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    let mut draw = Draw::new(&[options.seed, number.into(), version.into()]);
    for start in (0..options.features).step_by(BATCH as usize) {
        let ids = start..options.features.min(start + BATCH);
        let rows: Vec<_> = ids.map(|id| Row::draw(id, &mut draw)).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| Some(i64::from(row.id))).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| Some(row.name.as_str())).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| Some(row.value)).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| Some(row.point)).collect::<BinaryArray>()),
        ];
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    Ok(writer.into_inner()?)
}

struct Row {
    id: u32,
    name: String,
    value: f64,
    /// Little-endian WKB.
    point: [u8; 21],
}

impl Row {
    fn draw(id: u32, draw: &mut Draw) -> Self {
        let name = format!("point {id} {:06x}", draw.next() & 0xff_ffff);
        let value = draw.between(0.0, 100.0);
        let (x, y) = (draw.between(-103.0, -94.0), draw.between(36.0, 41.0));
        let mut point = [0; 21];
        (point[0], point[1]) = (1, 1);
        point[5..13].copy_from_slice(&x.to_le_bytes());
        point[13..].copy_from_slice(&y.to_le_bytes());
        Self { id, name, value, point }
    }
}

/// A sequence of numbers that hangs on nothing but its seeds (`SplitMix64`).
struct Draw(u64);

impl Draw {
    fn new(seeds: &[u64]) -> Self {
        let mut draw = Self(0);
        for seed in seeds {
            draw.0 = draw.next() ^ seed;
        }
        draw
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Six digits behind the point, as data of the field have.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        let steps = f64::from(u32::try_from(self.next() >> 44).unwrap_or(0));
        let part = steps / f64::from(1_u32 << 20);
        ((low + part * (high - low)) * 1e6).round() / 1e6
    }
}
