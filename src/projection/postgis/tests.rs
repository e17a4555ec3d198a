use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::Utc;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt as _, stream};
use sqlx::PgPool;

use super::*;
use crate::digest::Digest;
use crate::model::{
    Column, ColumnType, Failure, FailureKind, Index, IndexMethod, JobId, Meter, Proof, RunId, Sink,
    TableSink,
};
use crate::postgres::TargetLock;
use crate::postgres::testing::database;
use crate::projection::testing::context;
use crate::projection::{Change, Generation, Held, Projection as _, StageContext};
use crate::proof::{EncodedBatch, compare, digest_rows, tee};

fn column(name: &str, data_type: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        data_type,
        not_null: false,
        geometry: None,
        srid: None,
        comment: None,
    }
}

fn sink(columns: Vec<Column>) -> TableSink {
    let index =
        |name: &str, method| Index { columns: vec![name.to_owned()], method, unique: false };
    TableSink {
        schema: "kansas".to_owned(),
        table: "The \"places\"".to_owned(),
        columns,
        primary_key: vec!["id".to_owned()],
        indexes: vec![index("geom", IndexMethod::Gist), index("name", IndexMethod::Btree)],
        ..TableSink::default()
    }
}

fn places() -> TableSink {
    let id = Column { not_null: true, ..column("id", ColumnType::Integer) };
    let name =
        Column { comment: Some("it's a name".to_owned()), ..column("name", ColumnType::Text) };
    let geometry = Some("Point".to_owned());
    sink(vec![id, name, Column { geometry, ..column("geom", ColumnType::Geometry) }])
}

fn generation(table: TableSink, seed: &str) -> Generation {
    Generation {
        job: "postgis/places".parse().unwrap(),
        digest: Digest::blake3(seed.as_bytes()),
        sink: Sink::Postgis(table),
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("id", DataType::Int32, true),
        Field::new("geom", DataType::Binary, true),
    ]))
}

fn batch(ids: std::ops::Range<i32>) -> RecordBatch {
    let point = |id: i32| {
        let mut wkb = vec![1, 1, 0, 0, 0];
        wkb.extend(f64::from(id % 180).to_le_bytes());
        wkb.extend(1.5f64.to_le_bytes());
        wkb
    };
    let points: Vec<_> = ids.clone().map(point).collect();
    let names: StringArray = ids.clone().map(|id| (id % 3 > 0).then(|| format!("Ñ{id}"))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(names),
        Arc::new(Int32Array::from_iter_values(ids)),
        Arc::new(BinaryArray::from_iter_values(points)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// Stages batches, reads them back, compares; gives the proof.
async fn build(
    target: &PostgisProjection,
    generation: &Generation,
    batches: Vec<RecordBatch>,
    cx: &StageContext,
) -> Result<Proof, Failure> {
    let encoding = target.encoding(&generation.sink, &schema())?;
    let rows = stream::iter(batches.into_iter().map(Ok));
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema(), rows));
    let (rows, handle) = tee(rows, Arc::clone(&encoding));
    let count = target.stage(generation, rows, cx).await?;
    let canonical = handle.finish()?;
    assert_eq!(canonical.count, count);
    let back = target.read_back(generation).await?;
    let projected = digest_rows(back, encoding.name(), &Meter::default()).await?;
    Ok(compare(&canonical, &projected, target.covers(&generation.sink), Utc::now()))
}

async fn complete(
    target: &PostgisProjection,
    seed: &str,
    rows: i32,
    cx: &StageContext,
) -> Generation {
    let generation = generation(places(), seed);
    let proof = build(target, &generation, vec![batch(0..rows)], cx).await.unwrap();
    assert!(proof.proven);
    target.record(&generation, &proof).await.unwrap();
    generation
}

fn change(from: Option<&Generation>, to: Option<&Generation>) -> Change {
    let any = to.or(from).unwrap();
    Change {
        job: any.job.clone(),
        sink: any.sink.clone(),
        from: from.map(|generation| generation.digest),
        to: to.map(|generation| generation.digest),
    }
}

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

const LIVE: &str = r#"SELECT count(*) FROM kansas."The ""places""""#;

#[tokio::test]
async fn a_generation_is_built_proven_and_read_back_through_the_live_view() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let (one, cx) = (generation(places(), "1"), context(RunId::now(), 1));
    assert_eq!(target.holds(&one).await.unwrap(), Held::Absent);
    assert_eq!(target.live(&one.job).await.unwrap(), None);
    assert!(target.prepare(&[change(None, Some(&one))]).await.is_err());

    // More than one send and more than one batch read back.
    let batches = (0..10).map(|i| batch(i * 8_000..(i + 1) * 8_000)).collect();
    let proof = build(&target, &one, batches, &cx).await.unwrap();
    assert!(proof.proven && proof.rows == 80_000, "{proof:?}");
    assert!(proof.canonical_digest.starts_with("pgcopy-v1:"));
    assert_eq!(cx.meter.read().rows, 80_000);
    assert_eq!(target.holds(&one).await.unwrap(), Held::Partial);
    let unproven = target.switch(&[change(None, Some(&one))], &cx).await.unwrap_err();
    assert!(unproven.message.contains("no proof"), "{unproven:?}");

    target.record(&one, &proof).await.unwrap();
    assert_eq!(target.holds(&one).await.unwrap(), Held::Complete(proof.clone()));
    target.prepare(&[change(None, Some(&one))]).await.unwrap();
    assert_eq!(target.live(&one.job).await.unwrap(), None);
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    assert_eq!(target.holds(&one).await.unwrap(), Held::Live(proof.clone()));
    assert_eq!(count(&pool, LIVE).await, 80_000);

    // Drift shows when the live rows are proven again.
    let back = target.read_back(&one).await.unwrap();
    let again = digest_rows(back, "pgcopy", &Meter::default()).await.unwrap().to_string();
    assert_eq!(again, proof.canonical_digest);
    sqlx::raw_sql(r#"UPDATE kansas."The ""places""" SET name = 'x' WHERE id = 7"#)
        .execute(&pool)
        .await
        .unwrap();
    let back = target.read_back(&one).await.unwrap();
    let drifted = digest_rows(back, "pgcopy", &Meter::default()).await.unwrap().to_string();
    assert_ne!(drifted, proof.canonical_digest);

    // Somebody drops the view: it is no longer live, and a repeated switch puts it back.
    sqlx::raw_sql(r#"DROP VIEW kansas."The ""places""""#).execute(&pool).await.unwrap();
    assert!(matches!(target.holds(&one).await.unwrap(), Held::Complete(_)));
    target.switch(&[change(Some(&one), Some(&one))], &cx).await.unwrap();
    assert!(matches!(target.holds(&one).await.unwrap(), Held::Live(_)));

    let indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname LIKE 'coppice\\_%'";
    assert_eq!(count(&pool, indexes).await, 3);
    let columns = "SELECT count(*) FROM geometry_columns \
         WHERE f_table_schema = 'kansas' AND type = 'POINT' AND srid = 4326";
    assert_eq!(count(&pool, columns).await, 1);
}

#[tokio::test]
async fn a_switch_and_its_rollback_keep_grants_and_dependants() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let one = complete(&target, "1", 10, &cx).await;
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    sqlx::raw_sql(
        "CREATE ROLE reader_of_switch; GRANT USAGE ON SCHEMA kansas TO reader_of_switch; \
         GRANT SELECT ON kansas.\"The \"\"places\"\"\" TO reader_of_switch; \
         CREATE VIEW report AS SELECT count(*) AS n FROM kansas.\"The \"\"places\"\"\"",
    )
    .execute(&pool)
    .await
    .unwrap();
    let reads = || async {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::raw_sql("SET LOCAL ROLE reader_of_switch").execute(&mut *transaction).await.unwrap();
        sqlx::query_scalar::<_, i64>(LIVE).fetch_one(&mut *transaction).await.unwrap()
    };
    let two = complete(&target, "2", 20, &cx).await;
    target.switch(&[change(Some(&one), Some(&two))], &cx).await.unwrap();
    assert_eq!((reads().await, count(&pool, "SELECT n FROM report").await), (20, 20));
    let last = target.last_switch(&one.job).await.unwrap().unwrap();
    assert_eq!((last.former, last.run), (Some(one.digest), cx.run));
    for kept in [&one, &two] {
        assert!(target.discard(kept).await.unwrap_err().message.contains("is kept"));
    }
    target.switch(&[change(Some(&two), Some(&one))], &cx).await.unwrap();
    assert_eq!((reads().await, count(&pool, "SELECT n FROM report").await), (10, 10));
    let last = target.last_switch(&one.job).await.unwrap().unwrap();
    assert_eq!(last.former, Some(two.digest));

    // Other columns: a dependant is in the way, and is not dropped.
    let mut other = places();
    other.columns.swap(1, 2);
    let three = generation(other, "3");
    let proof = build(&target, &three, vec![batch(0..30)], &cx).await.unwrap();
    target.record(&three, &proof).await.unwrap();
    let set = [change(Some(&one), Some(&three))];
    for failure in [target.prepare(&set).await, target.switch(&set, &cx).await] {
        let failure = failure.unwrap_err();
        assert!(failure.message.contains(".report"), "{failure:?}");
    }
    assert_eq!(reads().await, 10);
    sqlx::raw_sql("DROP VIEW report").execute(&pool).await.unwrap();
    target.prepare(&set).await.unwrap();
    assert_eq!(reads().await, 10);
    target.switch(&set, &cx).await.unwrap();
    assert_eq!(reads().await, 30);
    let mut stored = target.stored(&three.job).await.unwrap();
    stored.sort_by_key(|one| one.digest != two.digest);
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().all(|one| one.complete && one.was_live && one.run == Some(cx.run)));

    // Two is neither live nor the former one any more. Then the name itself goes away.
    target.discard(&two).await.unwrap();
    target.discard(&two).await.unwrap();
    assert_eq!(target.holds(&two).await.unwrap(), Held::Absent);
    target.switch(&[change(Some(&three), None)], &cx).await.unwrap();
    assert!(sqlx::query(LIVE).fetch_one(&pool).await.is_err());
    assert_eq!(target.live(&three.job).await.unwrap(), None);
}

#[tokio::test]
async fn a_stranger_is_fenced_and_what_is_not_ours_is_left_alone() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let run = RunId::now();
    let (old, new) = (context(run, 1), context(run, 2));
    let one = complete(&target, "1", 10, &new).await;
    let two = complete(&target, "2", 20, &new).await;
    target.switch(&[change(None, Some(&one))], &new).await.unwrap();
    // A former holder of the run wakes.
    let stale = target.switch(&[change(Some(&one), Some(&two))], &old).await.unwrap_err();
    assert_eq!(stale.kind, FailureKind::Fenced, "{stale:?}");
    let stale = build(&target, &two, vec![batch(0..5)], &old).await.unwrap_err();
    assert_eq!(stale.kind, FailureKind::Fenced, "{stale:?}");
    // Another run has switched meanwhile.
    let wrong = target.switch(&[change(None, Some(&two))], &context(RunId::now(), 9)).await;
    assert_eq!(wrong.unwrap_err().kind, FailureKind::Fenced);
    let live = target.stage(&one, stream::empty().boxed(), &new).await.unwrap_err();
    assert!(live.message.contains("it is live"), "{live:?}");
    assert_eq!(count(&pool, LIVE).await, 10);

    // All or nothing: the second change of a set cannot be made.
    sqlx::raw_sql("CREATE TABLE kansas.taken (id int)").execute(&pool).await.unwrap();
    let job: JobId = "postgis/other".parse().unwrap();
    let table = TableSink { table: "taken".to_owned(), ..places() };
    let other = Generation { job, ..generation(table, "other") };
    let proof = build(&target, &other, vec![batch(0..5)], &new).await.unwrap();
    target.record(&other, &proof).await.unwrap();
    let set = [change(Some(&one), Some(&two)), change(None, Some(&other))];
    let taken = target.switch(&set, &new).await.unwrap_err();
    assert!(taken.message.contains("was not made by"), "{taken:?}");
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    assert_eq!(count(&pool, LIVE).await, 10);
}

/// A former holder that wakes: its connection was ended, and another run has taken the database.
/// It has looked for its lock just before, so nothing but the switch itself can stop it.
#[tokio::test]
async fn a_holder_whose_lock_was_taken_over_flips_and_builds_nothing() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let (first, second) = (context(RunId::now(), 1), context(RunId::now(), 1));
    let mut lock = TargetLock::take(&pool, first.run, "first", 1).await.unwrap();
    let one = complete(&target, "1", 10, &first).await;
    lock.check().await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(count(&pool, end).await, 1);
    // The server needs a moment to end it.
    let other = loop {
        if let Ok(lock) = TargetLock::take(&pool, second.run, "second", 1).await {
            break lock;
        }
        tokio::task::yield_now().await;
    };
    assert!(lock.check().await.is_err());
    let set = [change(None, Some(&one))];
    let flips = target.switch(&set, &first).await.unwrap_err();
    let builds = build(&target, &generation(places(), "2"), vec![batch(0..5)], &first).await;
    for failure in [flips, builds.unwrap_err()] {
        assert_eq!(failure.kind, FailureKind::Fenced, "{failure:?}");
        assert!(failure.message.contains("(second) has taken it"), "{failure:?}");
    }
    assert_eq!(target.live(&one.job).await.unwrap(), None);
    target.switch(&set, &second).await.unwrap();
    // A later process of the same run has a higher number.
    other.release().await;
    let again = TargetLock::take(&pool, second.run, "third", 2).await.unwrap();
    let stale = target.switch(&[change(Some(&one), None)], &second).await.unwrap_err();
    assert!(stale.message.contains("held by a later process"), "{stale:?}");
    again.release().await;
    lock.release().await;
}

#[tokio::test]
async fn what_fails_on_the_way_leaves_nothing_and_can_be_repeated() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let (one, cx) = (generation(places(), "1"), context(RunId::now(), 1));
    // Rows that the key refuses.
    let doubled = build(&target, &one, vec![batch(0..5), batch(4..9)], &cx).await.unwrap_err();
    assert_eq!(doubled.kind, FailureKind::Permanent);
    assert_eq!(target.holds(&one).await.unwrap(), Held::Absent);
    // The source fails, or the run is asked to stop.
    let broken = stream::iter([Err(Failure::permanent(crate::model::Code::NoSpace, "full"))]);
    let failure = target.stage(&one, broken.boxed(), &cx).await.unwrap_err();
    assert_eq!(failure.message, "full");
    let stop = context(RunId::now(), 1);
    stop.cancel.cancel();
    let failure = target.stage(&one, stream::pending().boxed(), &stop).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert_eq!(target.holds(&one).await.unwrap(), Held::Absent);
    // A stage without a proof is dropped by the next one.
    build(&target, &one, vec![batch(0..5)], &cx).await.unwrap();
    let proof = build(&target, &one, vec![batch(0..7)], &cx).await.unwrap();
    assert_eq!((proof.proven, proof.rows), (true, 7));
    target.record(&one, &proof).await.unwrap();
    // Somebody drops the table: the record alone is not believed.
    let drop = format!("DROP SCHEMA {} CASCADE", generation_schema(&one.digest));
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&pool).await.unwrap();
    assert_eq!(target.holds(&one).await.unwrap(), Held::Absent);
    assert!(target.read_back(&one).await.unwrap().next().await.unwrap().is_err());
}

#[tokio::test]
async fn a_stage_that_is_dropped_half_way_leaves_a_target_that_works() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let (one, cx) = (generation(places(), "1"), context(RunId::now(), 1));
    let encoding = target.encoding(&one.sink, &schema()).unwrap();
    for rows in [1, 60_000] {
        let batch = batch(0..rows);
        let rows = Arc::new(encoding.encode(&batch).unwrap());
        let some = stream::iter([Ok(EncodedBatch { batch, rows })]).chain(stream::pending());
        let stage = target.stage(&one, some.boxed(), &cx);
        let ended = tokio::time::timeout(std::time::Duration::from_millis(400), stage).await;
        assert!(ended.is_err());
    }
    assert_eq!(target.holds(&one).await.unwrap(), Held::Absent);
    let proof = build(&target, &one, vec![batch(0..7)], &cx).await.unwrap();
    assert_eq!((proof.proven, proof.rows), (true, 7));
}

#[tokio::test]
async fn a_proof_that_no_longer_holds_is_taken_away() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let one = complete(&target, "1", 10, &cx).await;
    assert!(!target.stored(&one.job).await.unwrap()[0].was_live);
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    assert_eq!(target.count(&one).await.unwrap(), 10);
    sqlx::raw_sql(r#"DELETE FROM kansas."The ""places""" WHERE id = 7"#)
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(target.count(&one).await.unwrap(), 9, "as readers see it");
    target.revoke(&one).await.unwrap();
    assert_eq!(target.holds(&one).await.unwrap(), Held::Partial);
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    // It is no place to go back to either.
    let two = complete(&target, "2", 20, &cx).await;
    target.switch(&[change(Some(&one), Some(&two))], &cx).await.unwrap();
    let back = target.prepare(&[change(Some(&two), Some(&one))]).await.unwrap_err();
    assert!(back.message.contains("no proof"), "{back:?}");
}

mod around;
mod others;
mod patience;
