//! Small datasets made by the test: the same rows in every form.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    StructArray,
};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use flatgeobuf::geozero::error::Result as GeozeroResult;
use flatgeobuf::geozero::{ColumnValue, GeomProcessor, PropertyProcessor};
use flatgeobuf::{
    ColumnType as FgbColumn, FgbCrs, FgbWriter, FgbWriterOptions, GeometryType, GeozeroGeometry,
};
use futures::TryStreamExt;
use geoarrow_array::GeoArrowArray;
use geoarrow_array::array::WkbArray;
use geoarrow_array::cast::from_wkb;
use geoarrow_schema::{Dimension, GeoArrowType, PolygonType, WkbType};
use serde_json::json;
use tempfile::TempDir;

use crate::dataset::fixture::describe;
use crate::digest::Digest;
use crate::model::{Artifact, DatasetVersion};
use crate::store::{Location, Pin, Store, Walked};

/// One row: a name, some values that may be missing, and a rectangle.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) id: i64,
    pub(super) name: Option<String>,
    pub(super) share: Option<f64>,
    pub(super) open: Option<bool>,
    pub(super) ring: Vec<[f64; 2]>,
}

pub(super) fn rectangle(x: f64, y: f64, wide: f64, high: f64) -> Vec<[f64; 2]> {
    vec![[x, y], [x + wide, y], [x + wide, y + high], [x, y + high], [x, y]]
}

pub(super) fn sample(id: i64, ring: Vec<[f64; 2]>) -> Sample {
    let name = Some(format!("Ort {id} – 名"));
    Sample { id, name, share: Some(0.25), open: Some(id % 2 == 0), ring }
}

impl Sample {
    fn feature(&self) -> serde_json::Value {
        json!({
            "type": "Feature",
            "properties": self.properties(),
            "geometry": { "type": "Polygon", "coordinates": [self.ring] },
        })
    }

    fn properties(&self) -> serde_json::Value {
        json!({ "id": self.id, "name": self.name, "share": self.share, "open": self.open })
    }

    fn wkt(&self) -> String {
        let ring: Vec<_> = self.ring.iter().map(|[x, y]| format!("{x} {y}")).collect();
        format!("POLYGON(({}))", ring.join(", "))
    }

    fn wkb(&self) -> Vec<u8> {
        let mut out = vec![1, 3, 0, 0, 0, 1, 0, 0, 0];
        out.extend(u32::try_from(self.ring.len()).unwrap().to_le_bytes());
        out.extend(self.ring.iter().flatten().flat_map(|number| number.to_le_bytes()));
        out
    }
}

impl GeozeroGeometry for Sample {
    fn process_geom<P: GeomProcessor>(&self, processor: &mut P) -> GeozeroResult<()> {
        processor.polygon_begin(true, 1, 0)?;
        processor.linestring_begin(false, self.ring.len(), 0)?;
        for (index, [x, y]) in self.ring.iter().enumerate() {
            processor.xy(*x, *y, index)?;
        }
        processor.linestring_end(false, 0)?;
        processor.polygon_end(true, 0)
    }
}

pub(super) fn geojson(rows: &[Sample]) -> Vec<u8> {
    let features: Vec<_> = rows.iter().map(Sample::feature).collect();
    let collection =
        json!({ "bbox": [0, 0, 1, 1], "type": "FeatureCollection", "features": features });
    serde_json::to_vec_pretty(&collection).unwrap()
}

/// RFC 8142: with record separators a text may span lines.
pub(super) fn sequence(rows: &[Sample], separated: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        if separated {
            writeln!(out, "\u{1e}{}", serde_json::to_string_pretty(&row.feature()).unwrap())
        } else {
            writeln!(out, "{}", row.feature())
        }
        .unwrap();
    }
    out
}

pub(super) fn csv(rows: &[Sample]) -> Vec<u8> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(["id", "name", "share", "open", "geom"]).unwrap();
    for row in rows {
        let share = row.share.map(|it| it.to_string()).unwrap_or_default();
        let open = row.open.map(|it| it.to_string()).unwrap_or_default();
        let name = row.name.clone().unwrap_or_default();
        writer.write_record([row.id.to_string(), name, share, open, row.wkt()]).unwrap();
    }
    writer.into_inner().unwrap()
}

pub(super) fn flatgeobuf(rows: &[Sample], code: i32) -> Vec<u8> {
    let options = FgbWriterOptions {
        crs: FgbCrs { code, ..FgbCrs::default() },
        ..FgbWriterOptions::default()
    };
    let mut writer =
        FgbWriter::create_with_options("rows", GeometryType::Polygon, options).unwrap();
    for (name, kind) in [
        ("id", FgbColumn::Long),
        ("name", FgbColumn::String),
        ("share", FgbColumn::Double),
        ("open", FgbColumn::Bool),
    ] {
        writer.add_column(name, kind, |_, _| {});
    }
    for row in rows {
        writer
            .add_feature_geom(row.clone(), |out| {
                out.property(0, "id", &ColumnValue::Long(row.id)).unwrap();
                if let Some(name) = &row.name {
                    out.property(1, "name", &ColumnValue::String(name)).unwrap();
                }
                if let Some(share) = row.share {
                    out.property(2, "share", &ColumnValue::Double(share)).unwrap();
                }
                if let Some(open) = row.open {
                    out.property(3, "open", &ColumnValue::Bool(open)).unwrap();
                }
            })
            .unwrap();
    }
    let mut out = Vec::new();
    writer.write(&mut out).unwrap();
    out
}

/// GeoParquet 1.1 in WKB or in the native encoding; `crs` is the member of that name.
pub(super) fn parquet(rows: &[Sample], native: bool, crs: Option<serde_json::Value>) -> Vec<u8> {
    let wkb: BinaryArray = rows.iter().map(|row| Some(row.wkb())).collect();
    let geometry: (Field, ArrayRef) = if native {
        let kind = GeoArrowType::Polygon(PolygonType::new(Dimension::XY, Arc::default()));
        let polygons = from_wkb(&WkbArray::from((wkb, WkbType::default())), kind).unwrap();
        let field = polygons.data_type().to_field("geometry", true);
        (field.with_metadata([].into()), polygons.to_array_ref())
    } else {
        (
            Field::new("geometry", datafusion::arrow::datatypes::DataType::Binary, true),
            Arc::new(wkb),
        )
    };
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(rows.iter().map(|row| Some(row.id)).collect::<Int64Array>())),
        ("name", Arc::new(rows.iter().map(|row| row.name.clone()).collect::<StringArray>())),
        ("share", Arc::new(rows.iter().map(|row| row.share).collect::<Float64Array>())),
        ("open", Arc::new(rows.iter().map(|row| row.open).collect::<BooleanArray>())),
    ];
    let mut fields: Vec<Field> =
        columns.iter().map(|(name, it)| Field::new(*name, it.data_type().clone(), true)).collect();
    let mut arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, array)| array).collect();
    fields.push(geometry.0);
    arrays.push(geometry.1);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let encoding = if native { "polygon" } else { "WKB" };
    let mut column = json!({ "encoding": encoding, "geometry_types": ["Polygon"] });
    if let Some(crs) = crs {
        column["crs"] = crs;
    }
    let geo = json!({
        "version": "1.1.0", "primary_column": "geometry", "columns": { "geometry": column },
    });
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.append_key_value_metadata(KeyValue::new("geo".to_owned(), geo.to_string()));
    writer.into_inner().unwrap()
}

/// GeoParquet 1.1 with the box of each geometry beside it.
pub(super) fn covered(rows: &[Sample], boxes: &[[f64; 4]]) -> Vec<u8> {
    let names = ["xmin", "ymin", "xmax", "ymax"];
    let side = |at: usize| {
        let side: ArrayRef =
            Arc::new(boxes.iter().map(|sides| Some(sides[at])).collect::<Float64Array>());
        (Arc::new(Field::new(names[at], side.data_type().clone(), false)), side)
    };
    let boxes: ArrayRef = Arc::new(StructArray::from((0..4).map(side).collect::<Vec<_>>()));
    let ids: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.id)).collect::<Int64Array>());
    let wkb: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.wkb())).collect::<BinaryArray>());
    let batch =
        RecordBatch::try_from_iter([("id", ids), ("geometry", wkb), ("bbox", boxes)]).unwrap();
    let sides: serde_json::Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), json!(["bbox", name]))).collect();
    let geo = json!({
        "version": "1.1.0", "primary_column": "geometry", "columns": { "geometry": {
            "encoding": "WKB", "geometry_types": ["Polygon"], "covering": { "bbox": sides },
        } },
    });
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.append_key_value_metadata(KeyValue::new("geo".to_owned(), geo.to_string()));
    writer.into_inner().unwrap()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).unwrap()
}

/// A version whose artifacts a test has written.
pub(super) struct Made {
    _root: TempDir,
    pub(super) store: Store,
    pub(super) pins: BTreeMap<String, Pin>,
    pub(super) version: DatasetVersion,
}

/// Publishes files: name, media type, bytes.
pub(super) async fn made(files: &[(&str, &str, &[u8])]) -> Made {
    let root = tempfile::tempdir().unwrap();
    let folder = "processed/made/2026-02.abcd1234/artifacts";
    std::fs::create_dir_all(root.path().join(folder)).unwrap();
    let mut version = describe(root.path(), "made", &"2026-02.abcd1234".parse().unwrap());
    for (name, media_type, bytes) in files {
        let key = format!("{folder}/{name}");
        std::fs::write(root.path().join(&key), bytes).unwrap();
        version.artifacts.push(Artifact {
            key,
            media_type: (*media_type).to_owned(),
            size: bytes.len() as u64,
            digest: Digest::blake3(bytes),
            crs: None,
        });
    }
    let store = Store::open(&Location::of_path(root.path()).unwrap()).unwrap();
    let (mut pins, mut walk) = (BTreeMap::new(), store.walk("processed"));
    while let Some(Walked::Object(meta)) = walk.try_next().await.unwrap() {
        pins.insert(meta.key, meta.pin);
    }
    drop(walk);
    Made { _root: root, store, pins, version }
}
