mod defects;
mod formats;
mod made;
mod memory;
mod output;

use std::path::Path;
use std::sync::LazyLock;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use oxigraph::model::{GraphName, Literal, NamedNode, Quad};

use super::fixture::Platform;
use super::*;
use crate::digest::Multiset;
use crate::model::{Code, DatasetVersion, Failure, FindingKind, OnBadRow, ReadAs};
use crate::proof::{ColumnEncoding, RowEncoding};

const PARQUET: &str = "application/vnd.apache.parquet";
const GEOJSON: &str = "application/geo+json";

static AS_IT_IS: LazyLock<ReadAs> = LazyLock::new(ReadAs::default);

fn plain() -> Wanted<'static> {
    Wanted { reading: &AS_IT_IS, repair: false }
}

struct Open {
    session: Session,
    spill: tempfile::TempDir,
}

fn session() -> Open {
    let spill = tempfile::tempdir().unwrap();
    Open { session: Session::new(64, spill.path()).unwrap(), spill }
}

async fn with(platform: &Platform, versions: &[(&str, DatasetVersion)]) -> Open {
    let mut open = session();
    for (table, version) in versions {
        let session = &mut open.session;
        let (store, pins) = (&platform.store, &platform.pins);
        session.register(table, version, store, pins, &plain()).await.unwrap();
    }
    open
}

impl Open {
    async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, Failure> {
        let stream = self.session.query(sql).await?;
        stream.try_collect().await.map_err(|e| Failure::from(DatasetError::Run(e)))
    }

    async fn text(&self, sql: &str) -> String {
        pretty_format_batches(&self.rows(sql).await.unwrap()).unwrap().to_string()
    }

    async fn digest(&self, sql: &str) -> String {
        let mut sum = Multiset::default();
        for batch in self.rows(sql).await.unwrap() {
            sum.merge(&ColumnEncoding.encode(&batch).unwrap().multiset());
        }
        sum.finish("columns").to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_dataset_holds_the_same_rows() {
    let kansas = Platform::kansas().await;
    let rows = [("ks_counties", 105), ("ks_populated_places", 299), ("ks_airports", 334)];
    for (dataset, rows) in rows {
        let open = with(
            &kansas,
            &[("p", kansas.only(dataset, PARQUET)), ("j", kansas.only(dataset, GEOJSON))],
        )
        .await;
        let columns = open.rows("SELECT * FROM j LIMIT 1").await.unwrap()[0].schema();
        // The source of the polygons holds its coordinates with noise in the last bit.
        let exact = columns.fields().iter().map(|field| field.name());
        let exact = exact.filter(|name| dataset != "ks_counties" || *name != "geometry");
        let names = exact.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let parquet = open.digest(&format!("SELECT {names} FROM p")).await;
        let geojson = open.digest(&format!("SELECT {names} FROM j")).await;
        assert_eq!(parquet, geojson, "{dataset}: {names}");
        for table in ["p", "j"] {
            let counted = Counted { rows, refused: 0, repaired: 0 };
            assert_eq!(open.session.counted(table).unwrap(), counted, "{dataset}");
        }
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
        let (p, j) = (open.session.extent("p").unwrap(), open.session.extent("j").unwrap());
        assert!(p.iter().zip(&j).all(near), "{p:?} {j:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spatial_join_finds_the_county_of_a_place() {
    let kansas = Platform::kansas().await;
    let open = with(
        &kansas,
        &[
            ("counties", kansas.versions["ks_counties"].clone()),
            ("places", kansas.versions["ks_populated_places"].clone()),
        ],
    )
    .await;
    let found = open
        .text(
            "SELECT c.\"GEOID\", count(*) AS places, min(p.name) AS first, \
             bool_and(p.county_geoid = c.\"GEOID\") AS agrees \
             FROM places p JOIN counties c ON ST_Contains(c.geometry, p.geometry) \
             WHERE c.\"NAME\" = 'Sedgwick' GROUP BY c.\"GEOID\"",
        )
        .await;
    assert!(found.contains("| 20173 | 19     | Andale | true   |"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_typed_by_all_of_its_values() {
    let kansas = Platform::kansas().await;
    let open = with(&kansas, &[("edges", kansas.versions["ks_county_adjacency"].clone())]).await;
    let found = open
        .text(
            "SELECT arrow_typeof(src) AS src, rel, count(*) AS rows FROM edges \
             GROUP BY arrow_typeof(src), rel",
        )
        .await;
    assert!(found.contains("| Int64 | adjacent_to | 281  |"), "{found}");
}

#[tokio::test]
async fn only_a_select_that_repeats_is_run() {
    let spill = tempfile::tempdir().unwrap();
    let file = spill.path().join("out.csv");
    let open = session();
    let copy = format!("COPY (SELECT 1) TO '{}'", file.display());
    let refused = [
        ("SELECT now()", "now"),
        ("SELECT 1 WHERE random() < 2", "random"),
        ("SELECT * FROM (SELECT 1 AS n) WHERE n IN (SELECT length(uuid()))", "uuid"),
        ("SELECT current_date", "current_date"),
        ("WITH t AS (SELECT 1 AS n) SELECT n FROM t ORDER BY random()", "random"),
        ("CREATE TABLE t AS SELECT 1", "CreateMemoryTable"),
        ("DROP TABLE t", "DropTable"),
        ("SET datafusion.execution.target_partitions = 4", "SetVariable"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        (copy.as_str(), "COPY"),
        ("SELECT 1; SELECT 2", ""),
        ("SELEC 1", ""),
        ("SELECT * FROM nowhere", ""),
    ];
    for (sql, named) in refused {
        let failure = open.rows(sql).await.expect_err(sql);
        assert_eq!(failure.code, Code::PlanInvalid, "{sql}: {failure:?}");
        assert!(failure.message.contains(named), "{sql}: {failure}");
    }
    assert!(!file.exists());
}

#[tokio::test]
async fn what_follows_the_order_of_rows_runs_on_one_partition() {
    let open = session();
    let table = "(VALUES (1, 1.5), (2, 2.5)) AS t (i, f)";
    let cases = [
        ("SELECT count(*), sum(i), min(f) FROM", check::Partitions::Many),
        ("SELECT sum(f) FROM", check::Partitions::One),
        ("SELECT avg(i) FROM", check::Partitions::One),
        ("SELECT i FROM (SELECT i, row_number() OVER () FROM", check::Partitions::One),
        ("SELECT string_agg(CAST(i AS text), ',') FROM", check::Partitions::One),
        ("SELECT DISTINCT i FROM", check::Partitions::Many),
    ];
    for (sql, partitions) in cases {
        let sql = format!(
            "{sql} {table}{}",
            if sql.contains('(') && sql.contains("OVER") { ")" } else { "" }
        );
        let plan = open.session.context.state().create_logical_plan(&sql).await.unwrap();
        assert_eq!(check::check(&plan).unwrap(), partitions, "{sql}");
    }
}

/// A copy of the fixture's processed zone that a test may damage.
async fn copy_of_kansas(to: &Path) -> Platform {
    let kansas = Platform::kansas().await;
    for key in kansas.pins.keys() {
        let target = to.join(key);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(kansas.store.local_root().unwrap().join(key), target).unwrap();
    }
    Platform::at(to).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_changes_under_the_reader_is_a_finding() {
    for form in [PARQUET, GEOJSON] {
        let root = tempfile::tempdir().unwrap();
        let copy = copy_of_kansas(root.path()).await;
        let version = copy.only("ks_airports", form);
        let open = with(&copy, &[("airports", version.clone())]).await;
        open.rows("SELECT * FROM airports").await.unwrap();
        let key = &version.artifacts[0].key;
        let bytes = std::fs::read(root.path().join(key)).unwrap();
        std::fs::remove_file(root.path().join(key)).unwrap();
        std::fs::write(root.path().join(key), bytes).unwrap();
        let failure = open.rows("SELECT * FROM airports").await.unwrap_err();
        assert_eq!(failure.findings[0].kind, FindingKind::Altered, "{failure:?}");
        assert_eq!(failure.findings[0].key.as_ref(), Some(key));
        let mut late = session();
        let again =
            late.session.register("again", &version, &copy.store, &copy.pins, &plain()).await;
        assert_eq!(Failure::from(again.unwrap_err()).findings[0].kind, FindingKind::Altered);
    }
}

#[tokio::test]
async fn what_nobody_verified_is_not_read() {
    let mut kansas = Platform::kansas().await;
    kansas.pins.clear();
    let version = kansas.versions["ks_airports"].clone();
    let mut open = session();
    let session = &mut open.session;
    let error =
        session.register("a", &version, &kansas.store, &kansas.pins, &plain()).await.unwrap_err();
    assert!(matches!(error, DatasetError::Unpinned { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_extent_are_held_against_the_catalog() {
    let kansas = Platform::kansas().await;
    let mut version = kansas.versions["ks_counties"].clone();
    version.rows = Some(105);
    version.bbox = Some([-102.051_744, 36.993_016, -94.588_413, 40.003_162]);
    let open = with(&kansas, &[("good", version.clone())]).await;
    assert_eq!(open.session.hold("good", &OnBadRow::Refuse).unwrap(), []);
    version.rows = Some(106);
    version.bbox = Some([-102.0, 36.993_016, -94.588_413, 40.003_162]);
    let open = with(&kansas, &[("bad", version)]).await;
    let findings = open.session.hold("bad", &OnBadRow::Refuse).unwrap();
    let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::CountMismatch, FindingKind::ExtentMismatch]);
    assert_eq!(findings[0].actual.as_deref(), Some("105"));
}

#[tokio::test]
async fn terms_are_escaped_and_checked() {
    let open = session();
    let found = open
        .text(
            "SELECT rdf_iri('kfm://place/' || column1) AS iri, rdf_literal(column2) AS l, \
             rdf_literal_lang(column2, 'en') AS lang, \
             rdf_literal_typed(column1, 'http://www.w3.org/2001/XMLSchema#integer') AS typed \
             FROM (VALUES ('1', 'say \"hi\"\\'), ('2', NULL))",
        )
        .await;
    assert!(found.contains("<kfm://place/1>"), "{found}");
    assert!(found.contains(r#""say \"hi\"\\" | "say \"hi\"\\"@en"#), "{found}");
    assert!(found.contains(r#""1"^^<http://www.w3.org/2001/XMLSchema#integer>"#), "{found}");
    assert!(open.rows("SELECT rdf_iri('no iri')").await.is_err());
    assert!(open.rows("SELECT rdf_literal_lang('x', 'not a tag')").await.is_err());
}

#[tokio::test]
async fn the_catalog_is_two_tables() {
    let kansas = Platform::kansas().await;
    let versions: Vec<_> = kansas.versions.values().cloned().collect();
    let node = |name: &str| NamedNode::new(format!("http://example.org/{name}")).unwrap();
    let literal = Literal::new_language_tagged_literal("Orte", "de").unwrap();
    let quads = [
        Quad::new(node("a"), node("p"), literal, GraphName::DefaultGraph),
        Quad::new(node("b"), node("p"), node("a"), node("g")),
    ];
    let mut open = session();
    open.session.register_catalog(&versions, &quads).unwrap();
    let found = open.text("SELECT dataset, policy_label, evidence_ref FROM catalog_datasets").await;
    assert!(found.contains("dcat://ks_counties@2026-02."), "{found}");
    let found = open.text("SELECT object, graph FROM catalog_quads ORDER BY subject").await;
    assert!(found.contains(r#"| "Orte"@de              |                        |"#), "{found}");
    assert!(found.contains("| <http://example.org/a> | <http://example.org/g> |"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_repositorys_queries_run() {
    let kansas = Platform::kansas().await;
    let public = |it: &&DatasetVersion| it.policy_label.unwrap().is_public();
    let versions: Vec<_> = kansas.versions.values().filter(public).cloned().collect();
    let tables: Vec<_> = versions.iter().map(|it| (it.dataset.as_str(), it.clone())).collect();
    let mut open = with(&kansas, &tables).await;
    let node = |name: &str| NamedNode::new(format!("http://example.org/{name}")).unwrap();
    let quads = [Quad::new(node("a"), node("p"), node("b"), node("g"))];
    open.session.register_catalog(&versions, &quads).unwrap();
    let expected = [
        ("postgis/airports", 334),
        ("postgis/counties", 105),
        ("postgis/county_centers", 105),
        ("postgis/county_lines", 263),
        ("postgis/places", 299),
        ("search/kansas", 334 + 105 + 299 + 772 + 4 + 11),
        // Types and labels of counties and places, the county of a place, both ways of an edge;
        // type and county of a zip code, type and label of species and airports, where a species
        // lives, the routes.
        ("graph/kansas", 1 + 2 * 105 + 3 * 299 + 2 * 281 + 2 * 772 + 2 * 4 + 420 + 2 * 7 + 12),
    ];
    for (job, rows) in expected {
        let file = format!("{}/rebuild/{job}.sql", env!("CARGO_MANIFEST_DIR"));
        let batches = open.rows(&std::fs::read_to_string(file).unwrap()).await.unwrap();
        let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(found, rows, "{job}");
        for batch in batches {
            ColumnEncoding.encode(&batch).unwrap();
        }
    }
}
