//! A cutover that fails half way, goes forward or back; former generations; damage to what is live.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::bench::{Bench, erased, find, found};

fn restored() -> Bench {
    let bench = Bench::new();
    bench.seal();
    bench.init();
    bench.receipt(0, &["restore"]);
    bench
}

/// Changes the query of the places, so that they and the tiles made of them are built anew.
fn migrate(bench: &Bench, order: &str) {
    let sql = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&sql).unwrap();
    let query = text.split("\nORDER BY").next().unwrap().trim_end();
    fs::write(&sql, format!("{query}\nORDER BY {order}\n")).unwrap();
}

fn projection<'a>(receipt: &'a Value, job: &str) -> &'a Value {
    let all = receipt["projections"].as_array().unwrap();
    all.iter().find(|p| p["job"] == job).unwrap_or_else(|| panic!("{job}: {receipt:#}"))
}

fn pointers(bench: &Bench) -> PathBuf {
    bench.path(".coppice/dev/projections/live")
}

/// The newest live pointer.
pub(crate) fn pointer(bench: &Bench) -> Value {
    let mut files: Vec<_> =
        fs::read_dir(pointers(bench)).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    serde_json::from_slice(&fs::read(files.last().unwrap()).unwrap()).unwrap()
}

/// A rebuild whose tables were switched and whose live pointer could not be moved: something that
/// is no pointer stands in the place of the next one.
fn halted() -> (Bench, Value, PathBuf) {
    let bench = restored();
    migrate(&bench, "1");
    let next = pointer(&bench)["seq"].as_u64().unwrap() + 1;
    let obstacle = pointers(&bench).join(format!("{next:020}.json"));
    fs::create_dir(&obstacle).unwrap();
    let receipt = bench.receipt(1, &["rebuild", "--only", "postgis/places"]);
    (bench, receipt, obstacle)
}

#[test]
fn a_switch_that_fails_for_good_halts_and_a_resume_goes_forward() {
    let (bench, receipt, obstacle) = halted();
    assert_eq!(receipt["outcome"], "halted", "{receipt:#}");
    // The receipt says what is live.
    assert_eq!(projection(&receipt, "postgis/places")["live"], true, "{receipt:#}");
    assert_eq!(projection(&receipt, "tiles/kansas")["live"], false);
    assert_eq!(receipt["objectives"]["rto_actual_seconds"], Value::Null);
    let run = receipt["run_id"].as_str().unwrap().to_owned();
    let before = pointer(&bench);

    // Still in the way: it halts again, and says so in a receipt of its own.
    let again = bench.json(&["resume", &run]).expect(1).json()["predicate"].clone();
    assert_eq!(again["outcome"], "halted");
    assert_eq!(pointer(&bench), before);

    fs::remove_dir(&obstacle).unwrap();
    let done = bench.json(&["resume", &run]).expect(0).json()["predicate"].clone();
    assert_eq!(done["outcome"], "recovered", "{done:#}");
    for job in ["postgis/places", "tiles/kansas"] {
        assert_eq!(projection(&done, job)["live"], true, "{job}");
        assert_eq!(projection(&done, job)["generation"], projection(&receipt, job)["generation"]);
    }
    // What was built was not built again, and each receipt that the ledger cites is there.
    for step in done["steps"].as_array().unwrap() {
        if step["id"].as_str().unwrap().starts_with("rebuild/") {
            assert_eq!(step["attempts"], 1, "{step:#}");
        }
    }
    let kept = fs::read_dir(bench.path("state/receipts")).unwrap();
    let kept = kept.map(|e| e.unwrap().file_name().into_string().unwrap());
    let kept = kept.filter(|name| name.starts_with(&run) && name.ends_with(".json"));
    assert_eq!(kept.count(), 3);
    let ended = bench.json(&["resume", &run]).expect(2).json();
    assert_eq!(ended["error"]["code"], "usage");
    let against = ["verify", ".coppice/dev/canonical", "--against", ".coppice/dev/backup"];
    let with_plan = [&against[..], &["--plan", "plans/kansas.yaml", "--env", "dev"]].concat();
    assert_eq!(found(&bench.json(&with_plan).expect(1).json()), erased());
}

#[test]
fn a_halted_cutover_is_rolled_back_as_far_as_it_came() {
    let (bench, halted, obstacle) = halted();
    fs::remove_dir(&obstacle).unwrap();
    let before = pointer(&bench);
    let back = bench.receipt(0, &["rollback"]);
    let jobs: Vec<_> = back["projections"].as_array().unwrap().iter().map(|p| &p["job"]).collect();
    assert_eq!(jobs, ["postgis/places"], "only what was switched: {back:#}");
    assert_ne!(
        projection(&back, "postgis/places")["generation"],
        projection(&halted, "postgis/places")["generation"]
    );
    assert_eq!(pointer(&bench), before, "the tiles had not been switched");
    // What was live before is what the jobs as they were then build: nothing is to be done.
    let sql = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&sql).unwrap().replace("\nORDER BY 1\n", "\n");
    let origin = fs::read_to_string(crate::bench::repository().join("rebuild/postgis/places.sql"));
    assert_eq!(text.trim_end(), origin.as_ref().unwrap().trim_end());
    fs::write(&sql, origin.unwrap()).unwrap();
    let same = bench.receipt(0, &["rebuild"]);
    assert!(same["projections"].as_array().unwrap().iter().all(|p| p["outcome"] == "unchanged"));
}

#[test]
fn a_rollback_reverses_the_last_cutover_and_no_other() {
    let bench = restored();
    migrate(&bench, "1");
    bench.receipt(0, &["rebuild", "--only", "postgis/places"]);
    let back = bench.receipt(0, &["rollback"]);
    let mut jobs: Vec<_> = back["projections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["job"].as_str().unwrap())
        .collect();
    jobs.sort_unstable();
    assert_eq!(jobs, ["postgis/places", "tiles/kansas"]);
    assert_eq!(back["outcome"], "recovered");
}

#[test]
fn former_generations_are_kept_up_to_the_limit_of_the_plan() {
    let bench = restored();
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let limits = "\n  limits:\n";
    assert!(text.contains(limits));
    fs::write(&plan, text.replacen(limits, &format!("{limits}    keep_generations: 1\n"), 1))
        .unwrap();
    let published = |job: &str| {
        let mut found = Vec::new();
        find(
            &bench.path(".coppice/dev/projections/generations").join(job),
            "proof.json",
            &mut found,
        );
        found.len()
    };
    let mut names = Vec::new();
    for order in ["1", "2", "3"] {
        migrate(&bench, order);
        let receipt = bench.receipt(0, &["rebuild", "--only", "postgis/places"]);
        names.push(projection(&receipt, "tiles/kansas")["generation"].clone());
        let step = receipt["steps"].as_array().unwrap();
        let dropped = step.iter().find(|s| s["id"] == "cutover/drop-former").unwrap();
        assert_eq!(dropped["outcome"], "succeeded");
    }
    assert_eq!((published("tiles/kansas"), published("search/kansas")), (2, 1));
    let live = pointer(&bench);
    assert_eq!(live["generations"]["tiles/kansas"], names[2]);
    assert_eq!(live["previous"]["tiles/kansas"], names[1]);
    // The one that was kept is whole: it can be gone back to.
    let back = bench.receipt(0, &["rollback"]);
    assert_eq!(projection(&back, "tiles/kansas")["generation"], names[1]);
}

#[test]
fn what_is_damaged_while_live_is_seen_and_built_anew() {
    let bench = restored();
    let before = pointer(&bench)["generations"]["graph/kansas"].clone();
    let mut found = Vec::new();
    let home = bench.path(".coppice/dev/projections/generations/graph/kansas");
    find(&home, "graph.nq.zst", &mut found);
    assert_eq!(found.len(), 1);
    let mut bytes = fs::read(&found[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&found[0], bytes).unwrap();

    // A restore proves again what is live, and says that it is not what it was.
    let seen = bench.receipt(1, &["restore"]);
    assert_eq!(projection(&seen, "graph/kansas")["outcome"], "failed", "{seen:#}");
    let repaired = bench.receipt(0, &["rebuild"]);
    let graph = projection(&repaired, "graph/kansas");
    assert_eq!((&graph["outcome"], &graph["live"]), (&"rebuilt".into(), &true.into()));
    assert_ne!(graph["generation"], before);
    assert_eq!(projection(&repaired, "search/kansas")["outcome"], "unchanged");
    // And that is that.
    let second = bench.receipt(0, &["restore"]);
    assert_eq!(projection(&second, "graph/kansas")["outcome"], "unchanged");
    assert_eq!(projection(&second, "graph/kansas")["generation"], graph["generation"]);
}

/// Flips a bit in the archive of the live graph.
fn damage_live_graph(bench: &Bench) -> Value {
    let live = pointer(bench)["generations"]["graph/kansas"].clone();
    let name = live.as_str().unwrap().trim_start_matches("blake3:").to_owned();
    let mut found = Vec::new();
    find(
        &bench.path(".coppice/dev/projections/generations/graph/kansas"),
        "graph.nq.zst",
        &mut found,
    );
    let archive = found.iter().find(|path| path.display().to_string().contains(&name)).unwrap();
    let mut bytes = fs::read(archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(archive, bytes).unwrap();
    live
}

#[test]
fn what_is_damaged_again_is_built_again() {
    let bench = restored();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let damaged = damage_live_graph(&bench);
        bench.receipt(1, &["restore"]);
        let repaired = bench.receipt(0, &["restore"]);
        let graph = projection(&repaired, "graph/kansas");
        assert_eq!(graph["live"], true, "{graph:#}");
        assert_ne!(graph["generation"], damaged);
        assert!(seen.insert(damaged.to_string()), "{seen:?}");
    }
    // The former one is the damaged one: there is no way back to it, and that is foreseen.
    let back = ["rollback", "plans/kansas.yaml", "--env", "dev", "--only", "graph/kansas"];
    let dry = bench.run(&[&back[..], &["--dry-run"]].concat()).expect(1).stdout;
    assert!(dry.contains("is not whole and proven"), "{dry}");
    let live = pointer(&bench)["generations"].clone();
    bench.receipt(1, &["rollback", "--only", "graph/kansas"]);
    assert_eq!(pointer(&bench)["generations"], live);
}
