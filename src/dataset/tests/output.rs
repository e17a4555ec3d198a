use futures::TryStreamExt;

use super::Open;
use super::formats::{open, reading};
use super::made::{Made, flatgeobuf, geojson, made, parquet, rectangle, sample};
use crate::dataset::{Expectation, Output};
use crate::model::{Failure, OnBadRow, ReadAs};

const GEOJSON: &str = "application/geo+json";
const PARQUET: &str = "application/vnd.apache.parquet";

/// A rectangle in the middle of Kansas, in metres of UTM zone 14 on NAD 83.
fn in_utm() -> Vec<[f64; 2]> {
    rectangle(500_000.0, 4_400_000.0, 1000.0, 1000.0)
}

fn projjson(code: u32) -> serde_json::Value {
    serde_json::json!({ "type": "ProjectedCRS", "id": { "authority": "EPSG", "code": code } })
}

async fn utm() -> Made {
    made(&[("a.parquet", PARQUET, &parquet(&[sample(1, in_utm())], false, Some(projjson(26914))))])
        .await
}

async fn out(open: &Open, sql: &str, output: &Output) -> Result<Vec<[f64; 2]>, Failure> {
    let failed = |error: datafusion::error::DataFusionError| {
        let below = crate::dataset::error::failure_below(&error).cloned();
        below.unwrap_or_else(|| panic!("{error}"))
    };
    let stream = open.session.rows(sql, output).await?;
    let batches: Vec<_> = stream.try_collect().await.map_err(failed)?;
    let mut found = Vec::new();
    for batch in batches {
        use datafusion::arrow::array::AsArray;
        let Some(column) = batch.column_by_name("geom") else { continue };
        for bytes in column.as_binary_view().iter().flatten() {
            let shape = crate::dataset::geometry::read(bytes).unwrap();
            shape.each(|position| found.push([position[0], position[1]]));
        }
    }
    Ok(found)
}

fn into(srid: i32) -> Output {
    Output { geometries: vec![("geom".to_owned(), srid)], ..Output::default() }
}

fn near(found: [f64; 2], wanted: [f64; 2], by: f64) {
    let off = (found[0] - wanted[0]).abs().max((found[1] - wanted[1]).abs());
    assert!(off < by, "{found:?} is not {wanted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_sees_degrees_and_a_sink_gets_what_it_says() {
    let utm = utm().await;
    let open_utm = open(&utm, &ReadAs::default(), false).await.unwrap();
    let sql = "SELECT geometry AS geom FROM t";
    near(out(&open_utm, sql, &into(4326)).await.unwrap()[0], [-99.0, 39.749_907_520_127_536], 1e-9);
    // There and back.
    near(out(&open_utm, sql, &into(26914)).await.unwrap()[2], [501_000.0, 4_401_000.0], 1e-6);
    let extent = open_utm.session.extent("t").unwrap();
    near([extent[0], extent[1]], [-99.0, 39.749_907_5], 1e-6);
    // Where the job wants the metres themselves, they are not touched.
    let metres = open(&utm, &reading(&serde_json::json!({ "srid": 26914 })), false).await.unwrap();
    assert_eq!(out(&metres, sql, &into(26914)).await.unwrap(), in_utm());
    near(metres.session.extent("t").unwrap()[..2].try_into().unwrap(), [-99.0, 39.749_907_5], 1e-6);
    let moved = "SELECT ST_Transform(geometry, 26914, 5070) AS geom FROM t";
    let albers = out(&metres, moved, &into(5070)).await.unwrap();
    let direct = out(&metres, sql, &into(5070)).await.unwrap();
    near(albers[0], direct[0], 1e-6);
    let failure = out(&open_utm, sql, &into(27700)).await.unwrap_err();
    assert!(failure.message.contains("datum shift"), "{failure}");
    let failure = out(&open_utm, sql, &into(999_999)).await.unwrap_err();
    assert!(failure.message.contains("no such system"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_moves_geometries_says_where_to() {
    let utm = utm().await;
    let open = open(&utm, &ReadAs::default(), false).await.unwrap();
    let lost =
        "SELECT geometry AS geom FROM t WHERE ST_Transform(geometry, 4326, 5070) IS NOT NULL";
    let failure = out(&open, lost, &into(4326)).await.unwrap_err();
    assert!(failure.hint.unwrap().contains("ST_SetSRID"));
    let said = lost.replace("geometry AS", "ST_SetSRID(geometry, 4326) AS");
    near(out(&open, &said, &into(4326)).await.unwrap()[0], [-99.0, 39.749_907_520_127_536], 1e-9);
    let twice = "SELECT ST_Transform(ST_Transform(geometry, 4326, 5070), 3857) AS geom FROM t";
    let direct = "SELECT geometry AS geom FROM t";
    let mercator = out(&open, direct, &into(3857)).await.unwrap();
    near(out(&open, twice, &into(3857)).await.unwrap()[0], mercator[0], 1e-6);
    let failure =
        out(&open, "SELECT ST_Transform(geometry, 5070) AS geom FROM t", &into(5070)).await;
    assert!(format!("{:?}", failure.unwrap_err()).contains("ST_Transform(geometry, from, to)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_system_is_refused_unless_declared() {
    let row = [sample(1, in_utm())];
    let declared = reading(&serde_json::json!({ "crs": "EPSG:26914" }));
    let wrong = reading(&serde_json::json!({ "crs": "EPSG:32614" }));
    let shift = reading(&serde_json::json!({ "crs": "EPSG:26714" }));
    let mut collection: serde_json::Value = serde_json::from_slice(&geojson(&row)).unwrap();
    collection["crs"] = serde_json::json!({
        "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::26914" },
    });
    let said = serde_json::to_vec(&collection).unwrap();
    let null = Some(serde_json::Value::Null);
    for (name, media_type, bytes, sure) in [
        ("a.parquet", PARQUET, parquet(&row, false, null), false),
        ("a.fgb", "application/vnd.flatgeobuf", flatgeobuf(&row, 0), false),
        ("b.fgb", "application/vnd.flatgeobuf", flatgeobuf(&row, 26914), true),
        ("a.geojson", GEOJSON, said, true),
    ] {
        let made = made(&[(name, media_type, &bytes)]).await;
        let plain = open(&made, &ReadAs::default(), false).await;
        if name == "b.fgb" {
            plain.unwrap();
        } else {
            let failure = plain.err().unwrap();
            assert!(failure.message.contains(name), "{name}: {failure}");
        }
        let open_said = open(&made, &declared, false).await.unwrap();
        let found = out(&open_said, "SELECT geometry AS geom FROM t", &into(4326)).await.unwrap();
        near(found[0], [-99.0, 39.749_907_520_127_536], 1e-9);
        assert_eq!(open(&made, &wrong, false).await.is_err(), sure, "{name}");
        assert!(open(&made, &shift, false).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_held_against_what_a_job_expects() {
    let mut rows: Vec<_> = [(1, -96.0), (2, -95.0), (3, -94.0), (4, -93.0)]
        .map(|(id, x)| sample(id, rectangle(x, 38.0, 0.5, 0.5)))
        .into();
    rows[3].id = 1;
    rows[3].name = rows[0].name.clone();
    rows[2].name = None;
    let made = made(&[("a.geojson", GEOJSON, &geojson(&rows))]).await;
    let open = open(&made, &ReadAs::default(), false).await.unwrap();
    assert_eq!(open.session.hold("t", &OnBadRow::Refuse).unwrap(), []);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expect = |unique: &[&str], not_null: &[&str], extent| Output {
        expect: Expectation {
            job: "postgis/made".to_owned(),
            unique: names(unique),
            not_null: names(not_null),
            extent,
        },
        ..into(3857)
    };
    let sql = "SELECT id, name, share, geometry AS geom FROM t";
    let all = Some([-96.0, 38.0, -92.5, 38.5]);
    for good in [
        expect(&[], &[], None),
        expect(&["id", "name", "geom"], &["id", "geom"], all),
        expect(&[], &["share"], Some([170.0, -90.0, -92.0, 90.0])),
    ] {
        assert_eq!(out(&open, sql, &good).await.unwrap().len(), 20);
    }
    let wrong = [
        (expect(&["id"], &[], None), "postgis/made has 1 rows that repeat another's `id`"),
        (
            expect(&["id", "name"], &[], None),
            "postgis/made has 1 rows that repeat another's `id`, `name`",
        ),
        (
            expect(&[], &["id", "name"], None),
            "postgis/made has 1 rows without `name`, and expects none",
        ),
        (
            expect(&[], &[], Some([-96.0, 38.0, -93.0, 38.5])),
            "postgis/made has geometries outside -96,38,-93,38.5, where it expects all",
        ),
        (
            expect(&["nope"], &[], None),
            "the query gives no column `nope`, of which the job expects something",
        ),
    ];
    for (output, said) in wrong {
        assert_eq!(out(&open, sql, &output).await.unwrap_err().message, said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_made_of_points_and_areas_made_valid() {
    let made = made(&[("a.csv", "text/csv", b"a,b,c,d\n0,1,2,3\n4,5,,7\n")]).await;
    let open = open(&made, &ReadAs::default(), false).await.unwrap();
    let sql = "SELECT ST_MakeLine(ST_Point(a, b), ST_Point(c, d)) AS geom FROM t \
               WHERE c IS NOT NULL";
    assert_eq!(out(&open, sql, &into(4326)).await.unwrap(), [[0.0, 1.0], [2.0, 3.0]]);
    let text = open.text("SELECT ST_AsText(ST_MakeLine(ST_Point(1, 2), NULL)) AS l").await;
    assert!(!text.contains("LINE"), "{text}");
    let bow = "ST_GeomFromText('POLYGON((0 0, 4 4, 4 0, 0 4, 0 0))')";
    let text = open.text(&format!("SELECT ST_Area(ST_MakeValid({bow})) AS a")).await;
    assert!(text.contains("| 8.0 |"), "{text}");
    assert!(open.rows(&format!("SELECT ST_MakeLine({bow}, {bow})")).await.is_err());
    assert!(open.rows(&format!("SELECT ST_Transform({bow}, 4326, 27700)")).await.is_err());
}
