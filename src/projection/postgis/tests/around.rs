//! What is declared around a live table is there after each switch and each rollback.

use super::*;
use crate::model::{ForeignKey, Privilege};

/// A table with a point for each id, that refers to `kansas.counties` by its number.
fn refers(table: &str, references: &str) -> TableSink {
    let key = ForeignKey {
        columns: vec!["id".to_owned()],
        references: references.parse().unwrap(),
        to: Vec::new(),
    };
    TableSink { table: table.to_owned(), foreign_keys: vec![key], ..places() }
}

async fn of_job(
    target: &PostgisProjection,
    job: &str,
    table: TableSink,
    seed: &str,
    rows: std::ops::Range<i32>,
    cx: &StageContext,
) -> Generation {
    let one = Generation { job: job.parse().unwrap(), ..generation(table, seed) };
    let proof = build(target, &one, vec![batch(rows)], cx).await.unwrap();
    target.record(&one, &proof).await.unwrap();
    one
}

async fn text(pool: &PgPool, query: &'static str) -> Option<String> {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

const COMMENT: &str =
    "SELECT obj_description('kansas.\"The \"\"places\"\"\"'::regclass, 'pg_class')";
const MAY: &str = "SELECT (has_table_privilege('r_around', 'kansas.\"The \"\"places\"\"\"', 'SELECT') \
     AND has_table_privilege('r_around', 'kansas.northern', 'SELECT') \
     AND has_schema_privilege('r_around', 'kansas', 'USAGE'))::text";

fn declared() -> TableSink {
    let view = "SELECT id, name FROM kansas.\"The \"\"places\"\"\" WHERE id >= 5;";
    TableSink {
        comment: Some("Places, it's said".to_owned()),
        grants: [("r_around".to_owned(), vec![Privilege::Select])].into(),
        views: [("northern".to_owned(), view.to_owned())].into(),
        ..places()
    }
}

#[tokio::test]
async fn what_is_declared_is_there_after_each_switch_and_each_rollback() {
    let pool = database().await;
    let given = PostgisProjection::new(pool.clone(), Roles::Given);
    let target = PostgisProjection::new(pool.clone(), Roles::Made);
    let cx = context(RunId::now(), 1);
    let with =
        |seed: &str| Generation { sink: Sink::Postgis(declared()), ..generation(places(), seed) };
    let (one, two) = (with("1"), with("2"));
    for (generation, rows) in [(&one, 10), (&two, 20)] {
        let proof = build(&target, generation, vec![batch(0..rows)], &cx).await.unwrap();
        target.record(generation, &proof).await.unwrap();
    }
    let mut unknown = declared();
    unknown.grants = [("r_nobody".to_owned(), vec![Privilege::Select])].into();
    let unknown = Change { sink: Sink::Postgis(unknown), ..change(None, Some(&one)) };
    let no_role = given.prepare(&[unknown]).await.unwrap_err();
    assert!(no_role.message.contains("no role r_nobody"), "{no_role:?}");

    let northern = "SELECT count(*) FROM kansas.northern";
    let whole = || async {
        assert_eq!(text(&pool, COMMENT).await.as_deref(), Some("Places, it's said"));
        assert_eq!(text(&pool, MAY).await.as_deref(), Some("true"));
        count(&pool, northern).await
    };
    target.prepare(&[change(None, Some(&one))]).await.unwrap();
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    assert_eq!(whole().await, 5);
    target.switch(&[change(Some(&one), Some(&two))], &cx).await.unwrap();
    assert_eq!(whole().await, 15);
    target.switch(&[change(Some(&two), Some(&one))], &cx).await.unwrap();
    assert_eq!(whole().await, 5);
    assert!(matches!(target.holds(&one).await.unwrap(), Held::Live(_)));

    // Each thing that somebody takes away is missed, and put right.
    for harm in [
        "DROP VIEW kansas.northern",
        "REVOKE SELECT ON kansas.\"The \"\"places\"\"\" FROM r_around",
        "REVOKE SELECT ON kansas.northern FROM r_around",
    ] {
        sqlx::raw_sql(harm).execute(&pool).await.unwrap();
        assert!(matches!(target.holds(&one).await.unwrap(), Held::Complete(_)), "{harm}");
        target.switch(&[change(Some(&one), Some(&one))], &cx).await.unwrap();
        assert_eq!(whole().await, 5, "{harm}");
    }

    // Another declaration names no other generation, and is put right by a switch to the same.
    let mut less = declared();
    less.grants = [("public".to_owned(), vec![Privilege::Select])].into();
    less.views = [(
        "southern".to_owned(),
        "SELECT id FROM kansas.\"The \"\"places\"\"\" WHERE id < 5".to_owned(),
    )]
    .into();
    less.comment = None;
    less.columns[1].comment = None;
    let now = Generation { sink: Sink::Postgis(less), ..one.clone() };
    assert!(matches!(target.holds(&now).await.unwrap(), Held::Complete(_)));
    target.switch(&[change(Some(&now), Some(&now))], &cx).await.unwrap();
    assert!(matches!(target.holds(&now).await.unwrap(), Held::Live(_)));
    assert_eq!(count(&pool, "SELECT count(*) FROM kansas.southern").await, 5);
    assert!(sqlx::query(northern).fetch_one(&pool).await.is_err(), "it is declared no more");
    let may =
        "SELECT has_table_privilege('r_around', 'kansas.\"The \"\"places\"\"\"', 'SELECT')::text";
    assert_eq!(text(&pool, may).await.as_deref(), Some("true"), "as everybody may");
    sqlx::raw_sql("REVOKE SELECT ON kansas.\"The \"\"places\"\"\" FROM public")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(text(&pool, may).await.as_deref(), Some("false"), "the former grant was taken back");
    let column = "SELECT col_description('kansas.\"The \"\"places\"\"\"'::regclass, 2)";
    assert_eq!(text(&pool, column).await, None);
}

#[tokio::test]
async fn declared_views_go_along_with_columns_that_change_and_come_back() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Made);
    let cx = context(RunId::now(), 1);
    let job = "postgis/places";
    let one = of_job(&target, job, declared(), "1", 0..10, &cx).await;
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    sqlx::raw_sql(
        "DROP ROLE IF EXISTS r_by_hand; CREATE ROLE r_by_hand; \
                   GRANT SELECT ON kansas.northern TO r_by_hand",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut other = declared();
    other.columns.swap(1, 2);
    let geometry = "SELECT id, geom FROM kansas.\"The \"\"places\"\"\"".to_owned();
    other.views.insert("shapes".to_owned(), geometry);
    let two = of_job(&target, job, other.clone(), "2", 0..30, &cx).await;
    let set = [change(Some(&one), Some(&two))];
    target.prepare(&set).await.unwrap();
    assert_eq!(count(&pool, "SELECT count(*) FROM kansas.northern").await, 5);
    target.switch(&set, &cx).await.unwrap();
    assert_eq!(count(&pool, "SELECT count(*) FROM kansas.northern").await, 25);
    assert_eq!(count(&pool, "SELECT count(*) FROM kansas.shapes").await, 30);
    assert_eq!(text(&pool, MAY).await.as_deref(), Some("true"));
    let by_hand = "SELECT has_table_privilege('r_by_hand', 'kansas.northern', 'SELECT')::text";
    assert_eq!(text(&pool, by_hand).await.as_deref(), Some("true"));
    // Back: what stood around it then stands there again, and no grant that was taken away.
    other.grants.clear();
    let back = Change { sink: Sink::Postgis(other), ..change(Some(&two), Some(&one)) };
    target.switch(&[back], &cx).await.unwrap();
    assert_eq!(count(&pool, "SELECT count(*) FROM kansas.northern").await, 5);
    assert!(sqlx::query("SELECT FROM kansas.shapes").fetch_one(&pool).await.is_err());
    assert_eq!(text(&pool, MAY).await.as_deref(), Some("false"));

    // What is no query over the live table, and a second statement, are refused.
    for (query, words) in [
        ("SELECT nothing FROM kansas.\"The \"\"places\"\"\"", "nothing"),
        ("SELECT 1; DROP TABLE coppice.live", "multiple commands"),
    ] {
        let mut wrong = declared();
        wrong.views.insert("wrong".to_owned(), query.to_owned());
        let set = Change { sink: Sink::Postgis(wrong), ..change(Some(&one), Some(&one)) };
        let failure = target.prepare(&[set]).await.unwrap_err();
        assert!(failure.message.contains("kansas.wrong"), "{failure:?}");
        assert!(format!("{failure:?}").contains(words), "{failure:?}");
    }
}

#[tokio::test]
async fn foreign_keys_lead_to_what_is_live_after_each_switch() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let (counties, towns) = ("postgis/counties", "postgis/towns");
    let county = || TableSink { table: "counties".to_owned(), ..places() };
    let town = || refers("towns", counties);
    let set = |from: Option<&Generation>, to: Option<&Generation>| change(from, to);
    let first = of_job(&target, counties, county(), "a", 0..10, &cx).await;
    let towns_one = of_job(&target, towns, town(), "t", 2..8, &cx).await;

    let alone = target.prepare(&[set(None, Some(&towns_one))]).await.unwrap_err();
    assert!(alone.message.contains("of which nothing would be live"), "{alone:?}");
    // In one set, whatever its order.
    target.switch(&[set(None, Some(&towns_one)), set(None, Some(&first))], &cx).await.unwrap();
    let keys = "SELECT count(*) FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid \
         JOIN pg_depend d ON d.refobjid = r.oid AND d.classid = 'pg_rewrite'::regclass \
         JOIN pg_rewrite w ON w.oid = d.objid \
         WHERE k.contype = 'f' AND k.convalidated AND w.ev_class = 'kansas.counties'::regclass \
         AND d.refobjsubid = 1";
    assert_eq!(count(&pool, keys).await, 1, "from towns to the live counties");

    // Other counties go live alone: the towns refer to those now.
    let second = of_job(&target, counties, county(), "b", 0..20, &cx).await;
    target.prepare(&[set(Some(&first), Some(&second))]).await.unwrap();
    target.switch(&[set(Some(&first), Some(&second))], &cx).await.unwrap();
    assert_eq!(count(&pool, keys).await, 1);
    assert!(matches!(target.holds(&towns_one).await.unwrap(), Held::Live(_)));
    // Counties that lack one are refused, and nothing of them shown.
    let lacking = of_job(&target, counties, county(), "c", 5..20, &cx).await;
    let vain = target.prepare(&[set(Some(&second), Some(&lacking))]).await.unwrap_err();
    assert!(vain.message.contains("postgis/towns") && vain.message.contains("(id)"), "{vain:?}");
    assert!(!format!("{vain:?}").contains("Key (id)"), "a row was quoted: {vain:?}");
    assert_eq!(target.live(&second.job).await.unwrap(), Some(second.digest));
    // Back, and the older ones go away with the keys that lead to them.
    target.switch(&[set(Some(&second), Some(&first))], &cx).await.unwrap();
    assert_eq!(count(&pool, keys).await, 1);
    target.switch(&[set(Some(&first), Some(&second))], &cx).await.unwrap();
    let third = of_job(&target, counties, county(), "d", 0..30, &cx).await;
    target.switch(&[set(Some(&second), Some(&third))], &cx).await.unwrap();
    target.discard(&first).await.unwrap();
    assert_eq!(target.holds(&first).await.unwrap(), Held::Absent);
    assert_eq!(count(&pool, keys).await, 1);
    // A key that is declared no more goes.
    let bare = TableSink { foreign_keys: Vec::new(), ..town() };
    let towns_one = Generation { sink: Sink::Postgis(bare), ..towns_one };
    target.switch(&[set(Some(&towns_one), Some(&towns_one))], &cx).await.unwrap();
    assert_eq!(count(&pool, "SELECT count(*) FROM pg_constraint WHERE contype = 'f'").await, 0);
}
