use std::fmt::Write;

use datafusion::physical_plan::ExecutionPlanProperties;
use proptest::prelude::*;

use super::made::{
    Made, Sample, csv, flatgeobuf, geojson, gzip, made, parquet, rectangle, sample, sequence, zstd,
};
use super::{Open, session};
use crate::dataset::Wanted;
use crate::model::{Code, Failure, ReadAs};

const COLUMNS: &str = "SELECT CAST(id AS BIGINT) AS id, CAST(name AS VARCHAR) AS name, \
                       CAST(share AS DOUBLE) AS share, CAST(open AS BOOLEAN) AS open, geometry \
                       FROM t";

pub(super) fn reading(json: &serde_json::Value) -> ReadAs {
    serde_json::from_value(json.clone()).unwrap()
}

/// Of CSV it must be said what is text and where the geometry is.
fn of_csv() -> ReadAs {
    reading(&serde_json::json!({
        "crs": "EPSG:4326", "geometry": { "wkt": "geom" }, "columns": { "name": "text" },
    }))
}

pub(super) async fn open(made: &Made, read: &ReadAs, repair: bool) -> Result<Open, Failure> {
    let mut open = session();
    let wanted = Wanted { reading: read, repair };
    open.session.register("t", &made.version, &made.store, &made.pins, &wanted).await?;
    Ok(open)
}

/// The same rows in every form: a name, a media type, bytes, and how they are read.
fn forms(rows: &[Sample]) -> Vec<(&'static str, &'static str, Vec<u8>, ReadAs)> {
    let plain = ReadAs::default;
    let (json, seq) = ("application/geo+json", "application/geo+json-seq");
    let parquets = "application/vnd.apache.parquet";
    let fgb = "application/vnd.flatgeobuf";
    vec![
        ("a.geojson", json, geojson(rows), plain()),
        ("a.geojson.gz", json, gzip(&geojson(rows)), plain()),
        ("a.geojson.zst", "application/zstd", zstd(&geojson(rows)), plain()),
        ("a.geojsons", seq, sequence(rows, true), plain()),
        ("a.ndjson", "application/x-ndjson", sequence(rows, false), plain()),
        ("a.ndjson.gz", "application/gzip", gzip(&sequence(rows, false)), plain()),
        ("a.csv", "text/csv", csv(rows), of_csv()),
        ("a.csv.gz", "text/csv", gzip(&csv(rows)), of_csv()),
        ("a.csv.zst", "application/octet-stream", zstd(&csv(rows)), of_csv()),
        ("a.fgb", fgb, flatgeobuf(rows, 4326), plain()),
        ("a.fgb.zst", fgb, zstd(&flatgeobuf(rows, 4326)), plain()),
        ("a.parquet", parquets, parquet(rows, false, None), plain()),
        ("b.parquet", parquets, parquet(rows, true, None), plain()),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Sample>> {
    let row = (
        any::<i64>(),
        prop::option::of("[a-zA-Zäß名 ,\"\n]{1,12}"),
        prop::option::of((-1_000_000..1_000_000).prop_map(|n| f64::from(n) / 64.0)),
        prop::option::of(any::<bool>()),
        (-170.0..170.0, -80.0..80.0, 0.001..9.0, 0.001..9.0),
    );
    let row = row.prop_map(|(id, name, share, open, (x, y, wide, high))| Sample {
        id,
        name,
        share,
        open,
        ring: rectangle(x, y, wide, high),
    });
    prop::collection::vec(row, 1..12)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

async fn digest(form: &(&str, &str, Vec<u8>, ReadAs)) -> String {
    let made = made(&[(form.0, form.1, &form.2)]).await;
    let open = open(&made, &form.3, false).await.unwrap_or_else(|e| panic!("{}: {e:?}", form.0));
    open.digest(COLUMNS).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_form_holds_the_same_rows(rows in rows()) {
        let forms = forms(&rows);
        let digests = block_on(async {
            let mut digests = Vec::new();
            for form in &forms {
                digests.push((form.0, digest(form).await));
            }
            digests
        });
        for (name, digest) in &digests {
            prop_assert_eq!(digest, &digests[0].1, "{} differs", name);
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_with_a_name(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let rows: Vec<_> = (0..5).map(|id| sample(id, rectangle(0.0, 0.0, 1.0, 1.0))).collect();
        for (name, media_type, mut bytes, read) in forms(&rows) {
            for (at, with) in &flips {
                let at = at.index(bytes.len());
                bytes[at] = *with;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let failed = block_on(async {
                let made = made(&[(name, media_type, &bytes)]).await;
                let open = open(&made, &read, false).await?;
                open.rows("SELECT * FROM t").await.map(|_| ())
            });
            if let Err(failure) = failed {
                prop_assert!(failure.code != Code::Internal, "{}: {:?}", name, failure);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_such_file_is_named() {
    for (name, media_type, _, read) in forms(&[sample(1, rectangle(0.0, 0.0, 1.0, 1.0))]) {
        for bytes in [&b"nonsense, and no more than that"[..], b"", b"\x1f\x8b\x08\0"] {
            let made = made(&[(name, media_type, bytes)]).await;
            let read_nothing = match open(&made, &read, false).await {
                // A sequence may be empty, and a line of it may be a bad row.
                Ok(open) => open.session.counted("t").unwrap().rows == 0,
                Err(failure) => {
                    let key = &made.version.artifacts[0].key;
                    assert!(failure.message.contains(key), "{name}: {failure:?}");
                    failure.code == Code::StepFailed
                }
            };
            assert!(read_nothing, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_may_be_two_columns() {
    let text = b"lon,lat,n\n-97.5,38.25,1\n,,2\n";
    let read = reading(&serde_json::json!({
        "crs": "OGC:CRS84", "geometry": { "lon": "lon", "lat": "lat" },
    }));
    let made_csv = made(&[("a.csv", "text/csv", text)]).await;
    let open_csv = open(&made_csv, &read, false).await.unwrap();
    let sql = "SELECT n, ST_AsText(geometry) AS g FROM t ORDER BY n";
    let shown = open_csv.text(sql).await;
    assert!(shown.contains("| 1 | POINT(-97.5 38.25) |"), "{shown}");
    let lines = b"{\"lon\":-97.5,\"lat\":38.25,\"n\":1}\n\n{\"n\":2}\n";
    let made_json = made(&[("a.jsonl", "application/jsonl", lines)]).await;
    let open_json = open(&made_json, &read, false).await.unwrap();
    assert_eq!(open_json.text(sql).await, shown);
    let nowhere = reading(&serde_json::json!({ "geometry": { "lon": "lon", "lat": "lat" } }));
    let failure = open(&made_csv, &nowhere, false).await.err().unwrap();
    assert!(failure.message.contains("does not say in which reference system"), "{failure}");
    let lost = reading(&serde_json::json!({ "crs": "EPSG:4326", "geometry": { "wkt": "geom" } }));
    let failure = open(&made_csv, &lost, false).await.err().unwrap();
    assert!(failure.message.contains("no column `geom`"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_one_table_or_are_refused_with_the_difference() {
    let (csv, none) = ("text/csv", ReadAs::default());
    let packed = gzip(b"n,more\n1.5,x\n");
    let both = made(&[("a.csv", csv, b"id,n\n1,5\n"), ("b.csv.gz", csv, &packed)]).await;
    let open_both = open(&both, &none, false).await.unwrap();
    let shown = open_both.text("SELECT id, n, more FROM t ORDER BY n").await;
    assert!(
        shown.contains("|    | 1.5 | x    |") && shown.contains("| 1  | 5.0 |      |"),
        "{shown}"
    );
    let differ = made(&[("a.csv", csv, b"zip\n66044\n"), ("b.csv", csv, b"zip\n01001\n")]).await;
    let failure = open(&differ, &none, false).await.err().unwrap();
    let folder = "processed/made/2026-02.abcd1234/artifacts";
    let said = format!(
        "the column `zip` is bigint in `{folder}/a.csv` and text in `{folder}/b.csv`, which are \
         parts of one table"
    );
    assert_eq!(failure.message, said);
    let text = reading(&serde_json::json!({ "columns": { "zip": "text" } }));
    let open_text = open(&differ, &text, false).await.unwrap();
    assert!(open_text.text("SELECT zip FROM t").await.contains("01001"));
    let one = vec![sample(1, rectangle(0.0, 0.0, 1.0, 1.0))];
    let parquets = "application/vnd.apache.parquet";
    let utm = serde_json::json!({ "id": { "authority": "EPSG", "code": 26914 } });
    let (a, b) = (parquet(&one, false, None), parquet(&one, false, Some(utm)));
    let differ = made(&[("a.parquet", parquets, &a), ("b.parquet", parquets, &b)]).await;
    let failure = open(&differ, &none, false).await.err().unwrap();
    assert!(failure.message.contains("not that of the other parts"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_of_doubles_over_parts_repeat() {
    let part = |seed: u32| {
        let mut text = "n\n".to_owned();
        for row in 0..20_000_u32 {
            let value = f64::from(row.wrapping_mul(2_654_435_761) ^ seed) / 1e7;
            writeln!(text, "{value:.6}").unwrap();
        }
        text.into_bytes()
    };
    let (a, b, c) = (part(1), part(2), part(3));
    let csv = "text/csv";
    let made = made(&[("a.csv", csv, &a), ("b.csv", csv, &b), ("c.csv", csv, &c)]).await;
    let open = open(&made, &ReadAs::default(), false).await.unwrap();
    let first = open.digest("SELECT sum(n) AS s FROM t").await;
    for _ in 0..3 {
        assert_eq!(open.digest("SELECT sum(n) AS s FROM t").await, first);
    }
    // One part after the other where the order counts, else side by side.
    for (partitions, scanned) in [(1, 1), (2, 3)] {
        let mut state = open.session.context.state();
        state.config_mut().options_mut().execution.target_partitions = partitions;
        let plan = state.create_logical_plan("SELECT n FROM t").await.unwrap();
        let plan = state.create_physical_plan(&plan).await.unwrap();
        assert_eq!(plan.output_partitioning().partition_count(), scanned);
    }
}
