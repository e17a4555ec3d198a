use super::formats::{open, reading};
use super::made::{covered, csv, geojson, made, parquet, rectangle, sample, sequence};
use crate::model::{FindingKind, OnBadRow, PolicyLabel, ReadAs, Severity};

const GEOJSON: &str = "application/geo+json";
const PARQUET: &str = "application/vnd.apache.parquet";

fn policy(json: &serde_json::Value) -> OnBadRow {
    serde_json::from_value(json.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_named_and_allowed_only_within_a_bound() {
    let good = rectangle(0.0, 0.0, 1.0, 1.0);
    let mut rows: Vec<_> = (1..=10).map(|id| sample(id, good.clone())).collect();
    rows[2].ring = vec![[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];
    rows[6].ring.pop();
    rows[8].ring[1][1] = 98.0;
    let native = (parquet(&rows, false, None), geojson(&rows), sequence(&rows, true));
    for (name, media_type, bytes) in [
        ("a.parquet", PARQUET, &native.0),
        ("a.geojson", GEOJSON, &native.1),
        ("a.geojsons", "application/geo+json-seq", &native.2),
    ] {
        let mut made = made(&[(name, media_type, bytes)]).await;
        made.version.rows = Some(10);
        let open_skip = open(&made, &ReadAs::default(), false).await.unwrap();
        let session = &open_skip.session;
        let found = session.hold("t", &OnBadRow::Refuse).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].kind, found[0].severity),
            (FindingKind::RowsRefused, Severity::Blocks)
        );
        let said = "3 of 10 rows: off-the-map 1 (row 9); unclosed-ring 1 (row 7); \
                    self-intersection 1 (row 3)";
        assert_eq!(found[0].actual.as_deref(), Some(said), "{name}");
        assert_eq!(found[0].key.as_ref(), Some(&made.version.artifacts[0].key));
        let bounds = [
            (serde_json::json!({ "skip": { "max_rows": 3 } }), Severity::Warns),
            (serde_json::json!({ "skip": { "max_rows": 2 } }), Severity::Blocks),
            (serde_json::json!({ "skip": { "max_fraction": 0.3 } }), Severity::Warns),
            (
                serde_json::json!({ "skip": { "max_rows": 9, "max_fraction": 0.2 } }),
                Severity::Blocks,
            ),
            (serde_json::json!({ "repair": {} }), Severity::Blocks),
        ];
        for (bound, severity) in bounds {
            let found = session.hold("t", &policy(&bound)).unwrap();
            assert_eq!(found[0].severity, severity, "{bound}");
        }
        let shown = open_skip.text("SELECT count(*) AS n, sum(id) AS ids FROM t").await;
        assert!(shown.contains("| 7 | 36  |"), "{name}: {shown}");

        let open_repair = open(&made, &ReadAs::default(), true).await.unwrap();
        let repair = policy(&serde_json::json!({ "repair": { "skip": { "max_rows": 1 } } }));
        let found = open_repair.session.hold("t", &repair).unwrap();
        let kinds: Vec<_> = found.iter().map(|it| (it.kind, it.blocks())).collect();
        assert_eq!(kinds, [(FindingKind::RowsRefused, false), (FindingKind::RowsRepaired, false)]);
        let said = "2 of 10 rows: unclosed-ring 1 (row 7); self-intersection 1 (row 3)";
        assert_eq!(found[1].actual.as_deref(), Some(said));
        let narrow = serde_json::json!({ "repair": { "max_rows": 1, "skip": { "max_rows": 1 } } });
        assert!(open_repair.session.hold("t", &policy(&narrow)).unwrap()[1].blocks());
        let areas = "SELECT id, round(ST_Area(geometry) * 100) AS area FROM t ORDER BY id";
        let shown = open_repair.text(areas).await;
        assert!(shown.contains("| 3  | 50.0  |") && shown.contains("| 7  | 100.0 |"), "{shown}");

        made.version.policy_label = Some(PolicyLabel::Restricted);
        let kept = open(&made, &ReadAs::default(), false).await.unwrap();
        let found = kept.session.hold("t", &OnBadRow::Refuse).unwrap();
        let said = "3 of 10 rows: off-the-map 1; unclosed-ring 1; self-intersection 1";
        assert_eq!(found[0].actual.as_deref(), Some(said));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogs_count_is_that_of_good_and_bad_rows() {
    let lines = b"{\"n\":1}\nno json\n{\"n\":2}\n{\"n\":\"\xff\"}\n[3]\n";
    let mut made = made(&[("a.ndjson", "application/x-ndjson", lines)]).await;
    made.version.rows = Some(5);
    let open_all = open(&made, &ReadAs::default(), false).await.unwrap();
    let skip = policy(&serde_json::json!({ "skip": { "max_rows": 3 } }));
    let found = open_all.session.hold("t", &skip).unwrap();
    let said = "3 of 5 rows: malformed-row 2 (row 2, 5); bad-encoding 1 (row 4)";
    assert_eq!(found[0].actual.as_deref(), Some(said));
    assert_eq!(found.len(), 1);
    // What is bad says nothing of the types.
    assert!(open_all.text("SELECT arrow_typeof(n) AS k, n FROM t").await.contains("| Int64 | 2 |"));
    made.version.rows = Some(2);
    let open_two = open(&made, &ReadAs::default(), false).await.unwrap();
    let found = open_two.session.hold("t", &skip).unwrap();
    assert_eq!(found[0].kind, FindingKind::CountMismatch);
    assert_eq!(found[0].actual.as_deref(), Some("5, of which 3 were refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_breaks_its_declared_types_is_a_bad_one() {
    let text = "id,day,wide\n1,2026-02-01,x\n2,2026-02-30,x\nthree,2026-02-01,x\n4,2026-02-01\n";
    let text = [text.as_bytes(), b"5,2026-02-01,\xff\n"].concat();
    let made = made(&[("a.csv", "text/csv", &text)]).await;
    let read = reading(&serde_json::json!({ "columns": { "id": "integer", "day": "date" } }));
    let open_typed = open(&made, &read, false).await.unwrap();
    let found = open_typed.session.hold("t", &OnBadRow::Refuse).unwrap();
    let said =
        "4 of 5 rows: malformed-row 1 (row 4); bad-encoding 1 (row 5); wrong-type 2 (row 2, 3)";
    assert_eq!(found[0].actual.as_deref(), Some(said));
    let shown = open_typed.text("SELECT id, arrow_typeof(day) AS day FROM t").await;
    assert!(shown.contains("| 1  | Date32 |"), "{shown}");
    let missing = reading(&serde_json::json!({ "columns": { "nope": "text" } }));
    let failure = open(&made, &missing, false).await.err().unwrap();
    assert!(failure.message.contains("no column `nope`"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_does_not_hold_its_geometry_is_named() {
    let square = |id: i32| sample(i64::from(id), rectangle(f64::from(id), 0.0, 1.0, 1.0));
    let rows: Vec<_> = (1..=3).map(square).collect();
    let right: Vec<_> = (1..=3).map(|id| [f64::from(id), 0.0, f64::from(id) + 1.0, 1.0]).collect();
    let mut wrong = right.clone();
    wrong[1][2] = 2.5;
    for (boxes, count) in [(right, 0), (wrong, 1)] {
        let bytes = covered(&rows, &boxes);
        let made = made(&[("a.parquet", PARQUET, &bytes)]).await;
        let open = open(&made, &ReadAs::default(), false).await.unwrap();
        let found = open.session.hold("t", &OnBadRow::Refuse).unwrap();
        assert_eq!(found.len(), count, "{found:?}");
        for finding in found {
            assert_eq!((finding.kind, finding.blocks()), (FindingKind::ExtentMismatch, true));
            assert_eq!(finding.actual.as_deref(), Some("1 of 3 rows: outside-its-box 1 (row 2)"));
        }
        // The boxes are columns like any other.
        let shown = open.text("SELECT max(bbox['xmax']) AS east FROM t").await;
        assert!(shown.contains("| 4.0  |"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalog_declares_is_held_against_the_artifact() {
    let rows = [sample(1, rectangle(0.0, 0.0, 1.0, 1.0))];
    let bytes = parquet(&rows, false, None);
    let mut made = made(&[("a.parquet", PARQUET, &bytes)]).await;
    let declare = |columns: &[(&str, &str)]| -> Vec<(String, Option<String>)> {
        columns.iter().map(|(name, kind)| ((*name).to_owned(), Some((*kind).to_owned()))).collect()
    };
    let right = [
        ("id", "int64"),
        ("name", "string"),
        ("share", "double"),
        ("open", "boolean"),
        ("geometry", "binary"),
    ];
    for (columns, crs, kinds) in [
        (declare(&right), Some("EPSG:4326"), vec![]),
        (declare(&[("id", "something")]), None, vec![]),
        (declare(&[("id", "string"), ("sum", "double")]), None, vec![false]),
        (declare(&right), Some("EPSG:26914"), vec![true]),
    ] {
        made.version.columns.clone_from(&columns);
        made.version.artifacts[0].crs = crs.map(str::to_owned);
        let open = open(&made, &ReadAs::default(), false).await.unwrap();
        let found = open.session.hold("t", &OnBadRow::Refuse).unwrap();
        let blocks: Vec<_> = found.iter().map(crate::model::Finding::blocks).collect();
        assert_eq!(blocks, kinds, "{columns:?} {crs:?}: {found:?}");
        if kinds == [false] {
            let said = "id is Int64 instead of string; no column sum";
            assert_eq!(found[0].kind, FindingKind::ColumnsMismatch);
            assert_eq!(found[0].actual.as_deref(), Some(said));
        }
    }
    // Text forms have the types that their values fit.
    let bytes = csv(&rows);
    let mut made = self::made(&[("a.csv", "text/csv", &bytes)]).await;
    made.version.columns = declare(&[("id", "string"), ("share", "double"), ("name", "int64")]);
    let open = open(&made, &ReadAs::default(), false).await.unwrap();
    let found = open.session.hold("t", &OnBadRow::Refuse).unwrap();
    let said: Vec<_> = found.iter().map(|it| it.actual.as_deref().unwrap_or_default()).collect();
    assert_eq!(said, ["name is Utf8 instead of int64"]);
}
