//! A query that needs more memory than it may have spills, or fails with what to do about it.

use super::*;

/// Each of the table's rows beside each: some 30 MiB of text.
const WIDE: &str = "SELECT a.common_name AS one, b.common_name AS two, \
                    concat(a.county_id, b.scientific_name, b.county_id) AS place \
                    FROM species a CROSS JOIN species b";

/// A session of some MiB that knows the species.
async fn small(mib: u32) -> Open {
    let kansas = Platform::kansas().await;
    let spill = tempfile::tempdir().unwrap();
    let mut session = Session::new(mib, spill.path()).unwrap();
    let version = &kansas.versions["ks_species_county"];
    session.register("species", version, &kansas.store, &kansas.pins, &plain()).await.unwrap();
    Open { session, spill }
}

fn spilled(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|at| if at.is_dir() { spilled(&at) } else { at.metadata().unwrap().len() }).sum()
}

#[tokio::test]
async fn a_sort_that_does_not_fit_into_memory_goes_through_the_disk() {
    let open = small(12).await;
    let sql = format!("SELECT * FROM ({WIDE}) ORDER BY two, one, place");
    let mut rows = open.session.query(&sql).await.unwrap();
    let mut count = rows.try_next().await.unwrap().unwrap().num_rows();
    assert!(spilled(open.spill.path()) > 1 << 20, "nothing was spilled");
    while let Some(batch) = rows.try_next().await.unwrap() {
        count += batch.num_rows();
    }
    assert!(count > 100_000, "{count}");
    drop(rows);
    assert_eq!(spilled(open.spill.path()), 0, "what was spilled is still there");
}

#[tokio::test]
async fn a_join_that_cannot_spill_says_what_to_do() {
    let open = small(2).await;
    let sql = format!(
        "SELECT count(*) FROM ({WIDE}) a JOIN ({WIDE}) b ON a.one || a.place = b.two || b.place"
    );
    let failure = open.rows(&sql).await.unwrap_err();
    assert!(failure.hint.as_deref().unwrap_or_default().contains("cannot spill"), "{failure:?}");
}
