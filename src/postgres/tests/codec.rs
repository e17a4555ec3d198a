use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array,
    Int64Array, LargeStringArray, StringArray, StringViewArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt8Array,
};
use arrow::datatypes::Int8Type;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::postgres::PgPoolCopyExt as _;

use super::super::split::{SIGNATURE, TRAILER};
use super::*;
use crate::postgres::copy::CopyError;

/// Sends tuples in, reads them back in the order of the first column.
async fn round_trip(pool: &PgPool, tuples: &[u8], select: &str, table: &str) -> Vec<u8> {
    let mut copy =
        pool.copy_in_raw(&format!("COPY {table} FROM STDIN (FORMAT BINARY)")).await.unwrap();
    let stream = [&SIGNATURE[..], &[0; 8], tuples, &TRAILER].concat();
    for chunk in stream.chunks(1000) {
        copy.send(chunk).await.unwrap();
    }
    copy.finish().await.unwrap();
    let query = format!("COPY (SELECT {select} FROM {table} ORDER BY 1) TO STDOUT (FORMAT BINARY)");
    let mut stream = pool.copy_out_raw(&query).await.unwrap();
    let mut splitter = TupleSplitter::default();
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    while let Some(chunk) = stream.try_next().await.unwrap() {
        splitter.push(&chunk, &mut bytes, &mut ends).unwrap();
    }
    splitter.finish().unwrap();
    bytes
}

fn columns() -> Vec<Column> {
    let geometry = |name: &str, kind: Option<&str>, srid| Column {
        geometry: kind.map(str::to_owned),
        srid,
        ..column(name, ColumnType::Geometry)
    };
    vec![
        column("n", ColumnType::Integer),
        column("flag", ColumnType::Boolean),
        column("tiny", ColumnType::Smallint),
        column("big", ColumnType::Bigint),
        column("r", ColumnType::Real),
        column("d", ColumnType::Double),
        column("t", ColumnType::Text),
        column("b", ColumnType::Bytea),
        column("day", ColumnType::Date),
        column("at", ColumnType::Timestamptz),
        column("j", ColumnType::Json),
        geometry("any", None, None),
        geometry("multi", Some("MultiPolygon"), Some(3857)),
        geometry("z", Some("GeometryZ"), None),
        geometry("p", Some("Point"), Some(0)),
    ]
}

const DDL: &str = "CREATE TABLE t (n int, flag bool, tiny smallint, big bigint, r real, d float8, \
    t text, b bytea, day date, at timestamptz, j json, \"any\" geometry(Geometry,4326), \
    multi geometry(MultiPolygon,3857), z geometry(GeometryZ,4326), p geometry(Point))";

#[derive(Debug, Clone)]
struct Row {
    flag: Option<bool>,
    tiny: Option<u8>,
    number: Option<i64>,
    real: Option<f32>,
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    day: Option<i32>,
    at: Option<i64>,
    any: Option<Vec<u8>>,
    multi: Option<Vec<u8>>,
    z: Option<Vec<u8>>,
    point: Option<Vec<u8>>,
}

type Ring = Vec<(f64, f64)>;

fn put_u32(out: &mut Vec<u8>, value: u32, big: bool) {
    out.extend_from_slice(&if big { value.to_be_bytes() } else { value.to_le_bytes() });
}

fn head(code: u32, big: bool) -> Vec<u8> {
    let mut out = vec![u8::from(!big)];
    put_u32(&mut out, code, big);
    out
}

fn put_line(out: &mut Vec<u8>, line: &Ring, z: bool, big: bool) {
    put_u32(out, u32::try_from(line.len()).unwrap(), big);
    for &(x, y) in line {
        for value in [x, y, 1.5].into_iter().take(if z { 3 } else { 2 }) {
            out.extend_from_slice(&if big { value.to_be_bytes() } else { value.to_le_bytes() });
        }
    }
}

/// An ISO polygon out of rings that are closed here.
fn polygon(rings: &[Ring], z: bool, big: bool) -> Vec<u8> {
    let mut out = head(if z { 1003 } else { 3 }, big);
    put_u32(&mut out, u32::try_from(rings.len()).unwrap(), big);
    for ring in rings {
        let closed: Ring = ring.iter().chain(ring.first()).copied().collect();
        put_line(&mut out, &closed, z, big);
    }
    out
}

fn many(code: u32, parts: &[Vec<u8>], big: bool) -> Vec<u8> {
    let mut out = head(code, big);
    put_u32(&mut out, u32::try_from(parts.len()).unwrap(), big);
    out.extend(parts.concat());
    out
}

fn point(at: Option<(f64, f64)>, z: bool, big: bool) -> Vec<u8> {
    let mut out = head(if z { 1001 } else { 1 }, big);
    let (x, y) = at.unwrap_or((f64::NAN, f64::NAN));
    let height = at.map_or(-f64::NAN, |_| -0.0);
    for value in [x, y, height].into_iter().take(if z { 3 } else { 2 }) {
        out.extend_from_slice(&if big { value.to_be_bytes() } else { value.to_le_bytes() });
    }
    out
}

fn xy() -> impl Strategy<Value = (f64, f64)> {
    (-180.0..180.0f64, -90.0..90.0f64)
}

fn rings() -> impl Strategy<Value = Vec<Ring>> {
    prop::collection::vec(prop::collection::vec(xy(), 3..6), 0..3)
}

fn geometry(z: bool) -> impl Strategy<Value = Vec<u8>> {
    let add = if z { 1000 } else { 0 };
    let simple = prop_oneof![
        (prop::option::of(xy()), any::<bool>()).prop_map(move |(at, big)| point(at, z, big)),
        (prop::collection::vec(xy(), 2..5), any::<bool>()).prop_map(move |(line, big)| {
            let mut out = head(2 + add, big);
            put_line(&mut out, &line, z, big);
            out
        }),
        (rings(), any::<bool>()).prop_map(move |(rings, big)| polygon(&rings, z, big)),
    ];
    let points = prop::collection::vec((prop::option::of(xy()), any::<bool>()), 0..3);
    let multi = (points, any::<bool>()).prop_map(move |(points, big)| {
        let parts: Vec<_> = points.into_iter().map(|(at, big)| point(at, z, big)).collect();
        many(4 + add, &parts, big)
    });
    let leaf = prop_oneof![simple, multi];
    leaf.prop_recursive(2, 6, 3, move |inner| {
        (prop::collection::vec(inner, 0..3), any::<bool>())
            .prop_map(move |(parts, big)| many(7 + add, &parts, big))
    })
}

fn multi_polygon() -> impl Strategy<Value = Vec<u8>> {
    let single = (rings(), any::<bool>()).prop_map(|(rings, big)| polygon(&rings, false, big));
    let several = (prop::collection::vec(rings(), 0..3), any::<bool>()).prop_map(|(all, big)| {
        let parts: Vec<_> = all.iter().map(|rings| polygon(rings, false, !big)).collect();
        many(6, &parts, big)
    });
    prop_oneof![single, several]
}

fn row() -> impl Strategy<Value = Row> {
    use prop::option::of;
    let text = "[^\u{0}]{0,12}";
    (
        (of(any::<bool>()), of(any::<u8>()), of(any::<i64>()), of(-1e30f32..1e30f32), of(text)),
        (
            of(prop::collection::vec(any::<u8>(), 0..20)),
            of(-2_440_588i32..1_000_000),
            of(-60_000_000_000_000i64..200_000_000_000_000),
        ),
        (
            of(geometry(false)),
            of(multi_polygon()),
            of(geometry(true)),
            of((of(xy()), any::<bool>()).prop_map(|(at, big)| point(at, false, big))),
        ),
    )
        .prop_map(
            |((flag, tiny, number, real, text), (bytes, day, at), (any, multi, z, point))| Row {
                flag,
                tiny,
                number,
                real,
                text,
                bytes,
                day,
                at,
                any,
                multi,
                z,
                point,
            },
        )
}

fn arrow(rows: &[Row]) -> RecordBatch {
    let binary = |get: fn(&Row) -> &Option<Vec<u8>>| {
        Arc::new(rows.iter().map(|row| get(row).as_deref()).collect::<BinaryArray>()) as ArrayRef
    };
    let json = rows
        .iter()
        .map(|row| row.text.as_ref().map(|text| serde_json::json!({"a": text}).to_string()));
    let doubles = rows.iter().map(|row| row.real.map(|r| f64::from(r) / 3.0));
    batch(&[
        ("n", Arc::new(Int64Array::from_iter_values((0i64..).take(rows.len())))),
        ("t", Arc::new(rows.iter().map(|row| row.text.as_deref()).collect::<LargeStringArray>())),
        ("flag", Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>())),
        ("tiny", Arc::new(rows.iter().map(|row| row.tiny).collect::<UInt8Array>())),
        ("big", Arc::new(rows.iter().map(|row| row.number).collect::<Int64Array>())),
        ("r", Arc::new(rows.iter().map(|row| row.real).collect::<Float32Array>())),
        ("d", Arc::new(doubles.collect::<Float64Array>())),
        ("b", binary(|row| &row.bytes)),
        ("day", Arc::new(rows.iter().map(|row| row.day).collect::<Date32Array>())),
        (
            "at",
            Arc::new(
                rows.iter()
                    .map(|row| row.at)
                    .collect::<TimestampMillisecondArray>()
                    .with_timezone("America/Chicago"),
            ),
        ),
        ("j", Arc::new(json.collect::<StringViewArray>())),
        ("any", binary(|row| &row.any)),
        ("multi", binary(|row| &row.multi)),
        ("z", binary(|row| &row.z)),
        ("p", binary(|row| &row.point)),
    ])
}

#[test]
fn what_is_sent_is_what_is_read_back() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pool = runtime.block_on(database());
    runtime.block_on(sqlx::raw_sql(DDL).execute(&pool)).unwrap();
    let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
    runner
        .run(&prop::collection::vec(row(), 1..20), |rows| {
            let batch = arrow(&rows);
            let encoder = CopyEncoder::new(&columns(), &batch.schema()).unwrap();
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            encoder.encode(&batch, &mut bytes, &mut ends).unwrap();
            prop_assert_eq!(ends.len(), rows.len());
            let back = runtime.block_on(async {
                sqlx::raw_sql("TRUNCATE t").execute(&pool).await.unwrap();
                round_trip(&pool, &bytes, "*", "t").await
            });
            prop_assert_eq!(back, bytes);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn values_mean_what_they_meant() {
    let pool = database().await;
    sqlx::raw_sql("CREATE TABLE v (a int, t timestamptz, d date, s text)")
        .execute(&pool)
        .await
        .unwrap();
    let words: DictionaryArray<Int8Type> = ["Ñandú 🦤"].into_iter().collect();
    let given = batch(&[
        ("a", Arc::new(UInt8Array::from(vec![200])) as ArrayRef),
        ("t", Arc::new(TimestampNanosecondArray::from(vec![-1]))),
        ("d", Arc::new(StringArray::from(vec!["2024-02-29"]))),
        ("s", Arc::new(words)),
    ]);
    let columns = [
        column("a", ColumnType::Integer),
        column("t", ColumnType::Timestamptz),
        column("d", ColumnType::Date),
        column("s", ColumnType::Text),
    ];
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let encoder = CopyEncoder::new(&columns, &given.schema()).unwrap();
    encoder.encode(&given, &mut bytes, &mut ends).unwrap();
    assert_eq!(round_trip(&pool, &bytes, "*", "v").await, bytes);
    let row: (i32, String, String, String) =
        sqlx::query_as("SELECT a, t::text, d::text, s FROM v").fetch_one(&pool).await.unwrap();
    let want = (200, "1969-12-31 23:59:59.999999+00", "2024-02-29", "Ñandú 🦤");
    assert_eq!((row.0, &*row.1, &*row.2, &*row.3), want);
}

#[test]
fn what_has_no_exact_form_is_refused_by_column_and_row_and_without_its_value() {
    let refused = |data_type, array: ArrayRef, not_null| {
        let column = Column { not_null, ..column("c", data_type) };
        let given = batch(&[("c", array)]);
        let encoder = CopyEncoder::new(&[column], &given.schema())?;
        encoder.encode(&given, &mut Vec::new(), &mut Vec::new())
    };
    let cases: Vec<(ColumnType, ArrayRef, bool)> = vec![
        (ColumnType::Smallint, Arc::new(Int64Array::from(vec![1, 987_654])), false),
        (ColumnType::Text, Arc::new(StringArray::from(vec!["a", "987654\0"])), false),
        (ColumnType::Text, Arc::new(StringArray::from(vec![Some("a"), None])), true),
        (ColumnType::Double, Arc::new(Float64Array::from(vec![1.0, f64::NAN])), false),
        (ColumnType::Date, Arc::new(StringArray::from(vec!["2024-01-01", "987654 BC"])), false),
        (ColumnType::Date, Arc::new(Date32Array::from(vec![0, i32::MIN])), false),
        (
            ColumnType::Timestamptz,
            Arc::new(TimestampMillisecondArray::from(vec![0, i64::MAX])),
            false,
        ),
        (
            ColumnType::Geometry,
            Arc::new(BinaryArray::from(vec![&point(None, false, false)[..], b"987654"])),
            false,
        ),
    ];
    for (data_type, array, not_null) in cases {
        let error = refused(data_type, array, not_null).unwrap_err();
        let failure = format!("{:?}", Failure::from(error));
        assert!(failure.contains("column c, row 1 of its batch"), "{failure}");
        assert!(!failure.contains("987654"), "{failure}");
    }
    for (data_type, array) in [
        (ColumnType::Integer, Arc::new(Float64Array::from(vec![1.5])) as ArrayRef),
        (ColumnType::Text, Arc::new(Int64Array::from(vec![1]))),
        (ColumnType::Bytea, Arc::new(StringArray::from(vec!["x"]))),
    ] {
        assert!(matches!(refused(data_type, array, false), Err(CopyError::Type { .. })));
    }
    let given = batch(&[("c", Arc::new(Int64Array::from(vec![1])))]);
    let columns = ["c", "x", "y"].map(|name| column(name, ColumnType::Integer));
    let error = CopyEncoder::new(&columns, &given.schema()).unwrap_err();
    assert_eq!(error.to_string(), "the query gives no column for x, y");
}
