//! What others have put on a live table is told, kept, or stops the switch.

use super::*;

async fn sql(pool: &PgPool, statements: &'static str) {
    sqlx::raw_sql(statements).execute(pool).await.unwrap();
}

#[tokio::test]
async fn what_others_put_on_a_live_table_is_told_and_survives() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let one = complete(&target, "1", 10, &cx).await;
    let two = complete(&target, "2", 20, &cx).await;
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    assert_eq!(target.others(&one.job, &one.sink).await.unwrap(), Vec::<String>::new());
    sql(
        &pool,
        r#"CREATE SCHEMA theirs;
           DROP ROLE IF EXISTS r_others; CREATE ROLE r_others;
           GRANT SELECT ON kansas."The ""places""" TO r_others;
           COMMENT ON VIEW kansas."The ""places""" IS 'ours too';
           CREATE VIEW theirs.few AS SELECT id FROM kansas."The ""places""" WHERE id < 3;
           CREATE MATERIALIZED VIEW theirs.fewer AS SELECT id FROM theirs.few;
           CREATE FUNCTION theirs.one(kansas."The ""places""") RETURNS int LANGUAGE sql AS 'SELECT 1';
           CREATE FUNCTION theirs.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
           CREATE TRIGGER stop INSTEAD OF DELETE ON kansas."The ""places"""
             FOR EACH ROW EXECUTE FUNCTION theirs.no();"#,
    )
    .await;
    let told = target.others(&one.job, &one.sink).await.unwrap();
    for word in [
        "view theirs.few stands on kansas.",
        "materialized view theirs.fewer",
        "function theirs.one(",
        "trigger stop on ",
        "granted to r_others by hand",
        "has a comment by hand, which stays",
    ] {
        assert!(told.iter().any(|one| one.contains(word)), "{word}: {told:#?}");
    }
    assert_eq!(told.len(), 6, "{told:#?}");
    target.prepare(&[change(Some(&one), Some(&two))]).await.unwrap();
    target.switch(&[change(Some(&one), Some(&two))], &cx).await.unwrap();
    assert_eq!(target.others(&two.job, &two.sink).await.unwrap(), told, "all of it survives");
    // Where the columns force the view to be made again, each stops it by its name.
    let mut other = places();
    other.columns.swap(1, 2);
    let three = generation(other, "3");
    let proof = build(&target, &three, vec![batch(0..30)], &cx).await.unwrap();
    target.record(&three, &proof).await.unwrap();
    let failure = target.prepare(&[change(Some(&two), Some(&three))]).await.unwrap_err();
    for word in ["theirs.few", "theirs.fewer", "theirs.one", "trigger stop"] {
        assert!(failure.message.contains(word), "{failure:?}");
    }
    assert!(failure.hint.as_ref().unwrap().contains("nothing was changed"), "{failure:?}");
    // Taking the name away is refused for the same reason.
    let gone = target.prepare(&[change(Some(&two), None)]).await.unwrap_err();
    assert!(gone.message.contains("theirs.few"), "{gone:?}");
    assert_eq!(count(&pool, LIVE).await, 20);
}

#[tokio::test]
async fn what_is_bound_to_the_table_behind_stops_a_switch_away_from_it() {
    let pool = database().await;
    let target = PostgisProjection::new(pool.clone(), Roles::Given);
    let cx = context(RunId::now(), 1);
    let one = complete(&target, "1", 10, &cx).await;
    let two = complete(&target, "2", 20, &cx).await;
    target.switch(&[change(None, Some(&one))], &cx).await.unwrap();
    let behind = format!("{}.\"The \"\"places\"\"\"", generation_schema(&one.digest));
    let statements = format!(
        "CREATE TABLE visits (place int CONSTRAINT there REFERENCES {behind}); \
         CREATE VIEW past AS SELECT id FROM {behind}; \
         CREATE FUNCTION newest() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM {behind}; END; \
         CREATE POLICY few ON {behind} USING (id < 3); \
         CREATE PUBLICATION told FOR TABLE {behind};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&pool).await.unwrap();
    let told = target.others(&one.job, &one.sink).await.unwrap();
    assert_eq!(told.len(), 5, "{told:#?}");
    let set = [change(Some(&one), Some(&two))];
    for failure in [target.prepare(&set).await, target.switch(&set, &cx).await] {
        let failure = failure.unwrap_err();
        for word in ["constraint there on ", "visits", "view ", ".past", "newest()"] {
            assert!(failure.message.contains(word), "{failure:?}");
        }
        assert!(failure.hint.as_ref().unwrap().contains("foreign_keys"), "{failure:?}");
    }
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    // What only hangs on it stops nothing.
    sql(&pool, "DROP TABLE visits; DROP VIEW past; DROP FUNCTION newest").await;
    target.switch(&set, &cx).await.unwrap();
    assert_eq!(count(&pool, LIVE).await, 20);
}
