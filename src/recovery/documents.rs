//! The repository's own rebuild jobs, run over the Kansas fixture.

use std::path::Path;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use oxigraph::model::{GraphName, Literal, NamedNode, Quad};

use crate::dataset::fixture::Platform;
use crate::dataset::{Session, Wanted};
use crate::model::{ColumnType, DatasetVersion, GraphSink, SearchSink, Sink};
use crate::plan::{Input, LoadedJob, load};

fn job(name: &str) -> LoadedJob {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/kansas.yaml");
    load(&path).unwrap().jobs.remove(&name.parse().unwrap()).unwrap()
}

/// All rows of a job's query over the fixture, read in a given form where datasets have several.
async fn rows(job: &LoadedJob, media_type: Option<&str>) -> RecordBatch {
    let platform = Platform::kansas().await;
    let spill = tempfile::tempdir().unwrap();
    let mut session = Session::new(64, spill.path()).unwrap();
    for input in &job.job.spec.inputs {
        match input {
            Input::Dataset { dataset, alias, read, .. } => {
                let mut version = platform.versions[dataset].clone();
                if let Some(form) = media_type.filter(|_| version.artifacts.len() > 1) {
                    version = platform.only(dataset, form);
                }
                let table = alias.as_ref().unwrap_or(dataset);
                let (store, pins) = (&platform.store, &platform.pins);
                let wanted = Wanted { reading: read, repair: false };
                session.register(table, &version, store, pins, &wanted).await.unwrap();
            }
            Input::Catalog { .. } => {
                let audience = job.job.spec.audience.unwrap();
                let sees = |it: &&DatasetVersion| it.policy_label.unwrap().may_reach(audience);
                let versions: Vec<_> = platform.versions.values().filter(sees).cloned().collect();
                session.register_catalog(&versions, &[title()]).unwrap();
            }
            Input::Projection { .. } => panic!("no query reads a projection"),
        }
    }
    let stream = session.query(job.sql.as_ref().unwrap()).await.unwrap();
    let schema = stream.schema();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    datafusion::arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn title() -> Quad {
    let subject = NamedNode::new("dcat://ks_counties@1").unwrap();
    let predicate = NamedNode::new("http://purl.org/dc/terms/title").unwrap();
    Quad::new(subject, predicate, Literal::new_simple_literal("Counties"), GraphName::DefaultGraph)
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> String {
    array_value_to_string(batch.column_by_name(column).unwrap(), row).unwrap()
}

fn row_of(batch: &RecordBatch, column: &str, value: &str) -> usize {
    (0..batch.num_rows()).find(|&row| text(batch, column, row) == value).unwrap()
}

#[tokio::test]
async fn tables_get_the_columns_that_they_declare_from_both_forms() {
    for (name, count) in [
        ("postgis/airports", 334),
        ("postgis/counties", 105),
        ("postgis/county_centers", 105),
        ("postgis/county_lines", 263),
        ("postgis/earthquakes", 12),
        ("postgis/flights", 8057),
        ("postgis/places", 299),
        ("postgis/routes", 12),
        ("postgis/species", 420),
        ("postgis/species_restricted", 24),
        ("postgis/zipcodes", 772),
    ] {
        let job = job(name);
        let Sink::Postgis(sink) = &job.job.spec.sink else { panic!("{name} fills no table") };
        for form in ["application/vnd.apache.parquet", "application/geo+json"] {
            let batch = rows(&job, Some(form)).await;
            assert_eq!(batch.num_rows(), count, "{name}");
            let given: Vec<_> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
            let declared: Vec<_> = sink.columns.iter().map(|c| c.name.clone()).collect();
            assert_eq!(given, declared);
            for column in &sink.columns {
                let array = batch.column_by_name(&column.name).unwrap();
                assert!(!column.not_null || array.null_count() == 0, "{name} {}", column.name);
                let kind = array.data_type();
                let fits = match column.data_type {
                    ColumnType::Bigint | ColumnType::Integer => kind.is_integer(),
                    ColumnType::Double => kind.is_floating(),
                    ColumnType::Date | ColumnType::Timestamptz => kind.is_temporal(),
                    ColumnType::Text => {
                        matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
                    }
                    _ => matches!(
                        kind,
                        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
                    ),
                };
                assert!(fits, "{name} {} as {kind}", column.name);
            }
        }
    }
    let quiet = rows(&job("postgis/warnings"), None).await;
    assert_eq!((quiet.num_rows(), quiet.num_columns()), (0, 5));
    let batch = rows(&job("postgis/places"), None).await;
    let abilene = row_of(&batch, "geonameid", "4267354");
    assert_eq!(text(&batch, "county_geoid", abilene), "20041");
    assert!(text(&batch, "names", abilene).contains("阿比林"));
}

#[tokio::test]
async fn the_search_index_gets_a_record_of_everything_that_has_a_name() {
    let batch = rows(&job("search/kansas"), None).await;
    assert_eq!(batch.num_rows(), 299 + 105 + 334 + 772 + 4 + 11);
    let wanted = SearchSink::COLUMNS;
    let schema = batch.schema();
    assert_eq!(schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), wanted);
    for column in ["id", "evidence_ref", "policy_label"] {
        assert_eq!(batch.column_by_name(column).unwrap().null_count(), 0, "{column}");
    }
    let mut ids: Vec<_> = (0..batch.num_rows()).map(|row| text(&batch, "id", row)).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), batch.num_rows());
    let allen = row_of(&batch, "id", "county/20001");
    assert_eq!(text(&batch, "title", allen), "Allen County");
    assert_eq!(text(&batch, "dataset", allen), "ks_counties");
    let side = |column: &str| {
        let column = batch.column_by_name(column).unwrap();
        column.as_primitive::<datafusion::arrow::datatypes::Float64Type>().value(allen)
    };
    assert!(side("west") < side("east") && side("south") < side("north"));
    assert!((-95.6..-95.4).contains(&side("west")), "{}", side("west"));
    let place = row_of(&batch, "title", "Abilene");
    assert_eq!(text(&batch, "west", place), text(&batch, "east", place));
    let dataset = row_of(&batch, "title", "Title of ks_airports");
    assert_eq!(text(&batch, "evidence_ref", dataset), "dcat://ks_airports@2026-02.c4f9633b");
    let mut labels: Vec<_> =
        (0..batch.num_rows()).map(|row| text(&batch, "policy_label", row)).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels, ["public", "public_generalized"]);
}

#[tokio::test]
async fn the_graph_gets_the_catalog_and_the_declared_relations() {
    let batch = rows(&job("graph/kansas"), None).await;
    let lines: Vec<_> =
        (0..batch.num_rows()).map(|row| GraphSink::COLUMNS.map(|c| text(&batch, c, row))).collect();
    let has = |s: &str, p: &str, o: &str| lines.iter().any(|l| l[0] == s && l[1] == p && l[2] == o);
    assert!(has("<dcat://ks_counties@1>", "<http://purl.org/dc/terms/title>", "\"Counties\""));
    let beside = "<urn:kfm:term:adjacentTo>";
    assert!(has("<graph://county/20001>", beside, "<graph://county/20003>"));
    assert!(has("<graph://county/20003>", beside, "<graph://county/20001>"));
    assert!(has("<graph://place/4267354>", "<urn:kfm:term:inCounty>", "<graph://county/20041>"));
    let named = "<http://www.w3.org/2000/01/rdf-schema#label>";
    assert!(has("<graph://county/20001>", named, "\"Allen\""));
    let count = |predicate: &str| lines.iter().filter(|line| line[1] == predicate).count();
    assert_eq!(count(beside), 2 * 281);
    assert_eq!(count(named), 105 + 299 + 4 + 7);
    assert!((290..=299).contains(&(count("<urn:kfm:term:inCounty>") - 772)));
    let frog = "<graph://species/aAMBUx>";
    assert!(has(frog, "<urn:kfm:term:livesInCounty>", "<graph://county/20023>"));
    assert!(has("<graph://zip/67460>", "<urn:kfm:term:inCounty>", "<graph://county/20113>"));
    assert!(has("<graph://airport/ICT>", "<urn:kfm:term:flightTo>", "<graph://airport/ORD>"));
    assert_eq!(count("<urn:kfm:term:flightTo>"), 12);
}
