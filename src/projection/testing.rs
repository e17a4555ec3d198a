//! What tests of file-like projections share: a store, and the whole way of a generation.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tokio_util::sync::CancellationToken;

use super::files::Files;
use super::{Change, Generation, Projection, StageContext};
use crate::digest::Digest;
use crate::model::{Failure, Meter, Proof, RunId, Sink};
use crate::proof::{compare, digest_rows, tee};
use crate::store::{Location, Store};

pub(crate) struct House {
    pub(crate) files: Files,
    pub(crate) store: Store,
    // The store and the copies are in it.
    _root: tempfile::TempDir,
}

pub(crate) fn house() -> House {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::of_path(&root.path().join("store")).unwrap()).unwrap();
    House { files: Files::new(store.clone(), root.path().join("cache")), store, _root: root }
}

pub(crate) fn context(run: RunId, epoch: u64) -> StageContext {
    StageContext { run, epoch, cancel: CancellationToken::new(), meter: Meter::default() }
}

pub(crate) fn generation(job: &str, what: &str, sink: &Sink) -> Generation {
    let digest = Digest::blake3(what.as_bytes());
    Generation { job: job.parse().unwrap(), digest, sink: sink.clone() }
}

/// Rows of nullable text columns.
pub(crate) fn texts(columns: &[&str], rows: &[Vec<Option<String>>]) -> SendableRecordBatchStream {
    let arrays = columns.iter().enumerate().map(|(index, name)| {
        let column: StringArray = rows.iter().map(|row| row[index].clone()).collect();
        (*name, Arc::new(column) as ArrayRef, true)
    });
    of(RecordBatch::try_from_iter_with_nullable(arrays).unwrap())
}

pub(crate) fn of(batch: RecordBatch) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)])))
}

/// Stages, reads back, compares and records; gives the proof.
pub(crate) async fn build(
    target: &dyn Projection,
    generation: &Generation,
    rows: SendableRecordBatchStream,
) -> Result<Proof, Failure> {
    let cx = context(RunId::now(), 1);
    let encoding = target.encoding(&generation.sink, &rows.schema())?;
    let (encoded, handle) = tee(rows, encoding.clone());
    target.stage(generation, encoded, &cx).await?;
    let canonical = handle.finish()?;
    let back = target.read_back(generation).await?;
    let projected = digest_rows(back, encoding.name(), &cx.meter).await?;
    let proof = compare(&canonical, &projected, target.covers(&generation.sink), Utc::now());
    target.record(generation, &proof).await?;
    Ok(proof)
}

pub(crate) async fn put_live(target: &dyn Projection, generation: &Generation) {
    let (job, sink) = (generation.job.clone(), generation.sink.clone());
    let set = [Change { job, sink, from: None, to: Some(generation.digest) }];
    target.prepare(&set).await.unwrap();
    target.switch(&set, &context(RunId::now(), 1)).await.unwrap();
}

/// The artifact of the newest version of a dataset of the Kansas fixture with this file extension.
pub(crate) fn kansas(dataset: &str, extension: &str) -> PathBuf {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let dataset = root.join("fixtures/kansas/processed").join(dataset);
    let versions = std::fs::read_dir(dataset).unwrap();
    let version = versions.map(|version| version.unwrap().path()).max().unwrap();
    let files = std::fs::read_dir(version.join("artifacts")).unwrap();
    files
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .unwrap()
}
