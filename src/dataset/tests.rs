use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use oxigraph::model::{GraphName, Literal, NamedNode, Quad};

use super::fixture::Platform;
use super::*;
use crate::digest::Multiset;
use crate::model::{Code, DatasetVersion, Failure, FindingKind, PolicyLabel};
use crate::proof::{ColumnEncoding, RowEncoding};

const PARQUET: &str = "application/vnd.apache.parquet";
const GEOJSON: &str = "application/geo+json";

struct Open {
    session: Session,
    _spill: tempfile::TempDir,
}

fn session() -> Open {
    let spill = tempfile::tempdir().unwrap();
    Open { session: Session::new(64, spill.path()).unwrap(), _spill: spill }
}

async fn with(platform: &Platform, versions: &[(&str, DatasetVersion)]) -> Open {
    let mut open = session();
    for (table, version) in versions {
        let session = &mut open.session;
        session.register(table, version, &platform.store, &platform.pins).await.unwrap();
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
    for dataset in ["ks_counties", "ks_populated_places", "ks_airports"] {
        let open = with(
            &kansas,
            &[("p", kansas.only(dataset, PARQUET)), ("j", kansas.only(dataset, GEOJSON))],
        )
        .await;
        let columns = open.rows("SELECT * FROM j LIMIT 1").await.unwrap()[0].schema();
        let names: Vec<_> = columns.fields().iter().map(|f| format!("\"{}\"", f.name())).collect();
        let names = names.join(", ");
        let parquet = open.digest(&format!("SELECT {names} FROM p")).await;
        let geojson = open.digest(&format!("SELECT {names} FROM j")).await;
        assert_eq!(parquet, geojson, "{dataset}: {names}");
        let (p, j) = (&open.session, &open.session);
        let (p, j) =
            (p.count_and_extent("p").await.unwrap(), j.count_and_extent("j").await.unwrap());
        assert_eq!(p, j);
        assert!(p.bbox.is_some() && p.rows > 100, "{p:?}");
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
    let text = open.text("SELECT * FROM counties LIMIT 1").await;
    println!("{text}");
    let text = open.text("SELECT * FROM places LIMIT 2").await;
    println!("{text}");
}
