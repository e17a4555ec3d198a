//! PostGIS on a server that somebody runs: fences, TLS, least privilege, promotion.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::bench::{Bench, copy, files, repository};
use crate::interrupted::wait_for;
use crate::programs::only;
use crate::server::Server;

const RESTORE: [&str; 4] = ["restore", "plans/kansas.yaml", "--env", "dev"];

/// A bench whose `dev` has its tables in a database of a server.
struct House {
    bench: Bench,
    server: Server,
}

impl House {
    /// With the jobs of that name alone; none: with all.
    fn new(jobs: &[&str]) -> Self {
        let server = Server::start();
        let url = server.database("gis");
        server.sql("gis", "CREATE EXTENSION postgis");
        let mut bench = Bench::new();
        on_server(&bench, "dev", "env:GIS");
        bench.set("GIS", &url);
        if jobs.is_empty() {
            bench.seal();
        } else {
            only(&bench, jobs);
        }
        Self { bench, server }
    }

    /// All that the registry and the catalog hold of ours, to see whether anything was written.
    fn held(&self, database: &str) -> String {
        let schemas = "SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace \
                       WHERE nspname NOT LIKE 'pg\\_%'";
        let mut held = self.server.sql(database, schemas);
        for table in ["environment", "generations", "live", "holder"] {
            let rows = format!("SELECT coalesce(json_agg(t), '[]') FROM coppice.{table} t");
            let there = format!("SELECT to_regclass('coppice.{table}') IS NOT NULL");
            if self.server.sql(database, &there) == "t" {
                held += &self.server.sql(database, &rows);
            }
        }
        held
    }

    fn probe(&self, id: &str) -> Value {
        let check = self.bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).json();
        let probes = check["probes"].as_array().unwrap();
        let found = probes.iter().find(|probe| probe["id"] == id);
        found.unwrap_or_else(|| panic!("{id}: {check:#}")).clone()
    }
}

/// Lets an environment of the plan have its tables on a server.
fn on_server(bench: &Bench, environment: &str, secret: &str) {
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let (before, rest) = text.split_once(&format!("    {environment}:\n")).unwrap();
    let at = rest.find("      postgis:").unwrap();
    let end = at + rest[at..].find('\n').unwrap();
    let postgis = format!("      postgis: {{ server: {{ secret: \"{secret}\" }} }}");
    let text = format!("{before}    {environment}:\n{}{postgis}{}", &rest[..at], &rest[end..]);
    fs::write(&plan, text).unwrap();
}

#[test]
fn a_cloned_database_is_refused_before_any_write() {
    let mut house = House::new(&["postgis/airports"]);
    house.bench.init();
    house.bench.receipt(0, &["restore"]);
    let canonical = files(&house.bench.canonical());
    house.server.sql("postgres", "CREATE DATABASE clone TEMPLATE gis");
    let url = house.server.url("clone");
    let before = house.held("clone");
    assert!(before.contains("coppice") && before.contains("\"dev\""), "{before}");
    house.bench.set("GIS", &url);
    for command in ["restore", "rebuild", "rollback"] {
        let args = [command, "plans/kansas.yaml", "--env", "dev"];
        let refused = house.bench.json(&args).expect(5).json();
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("it looks like a copy"), "{refused:#}");
        assert!(message.contains("/clone carries"), "{refused:#}");
    }
    assert_eq!(house.held("clone"), before);
    assert!(files(&house.bench.canonical()) == canonical, "something was written");
    assert_eq!(house.probe("marker database")["ok"], false);
}

#[test]
fn two_environments_do_not_share_a_database() {
    let house = House::new(&["postgis/airports"]);
    house.bench.init();
    let before = house.held("gis");
    on_server(&house.bench, "stage", "env:STAGE_GIS");
    copy(&house.bench.backup(), &house.bench.path(".coppice/stage/backup"));
    let shared = BTreeMap::from([("STAGE_GIS".to_owned(), house.server.url("gis"))]);
    // A protected one would ask for a git tree first.
    let plan = house.bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace("      protected: true\n", "")).unwrap();
    for command in ["init", "restore"] {
        let args = [command, "plans/kansas.yaml", "--env", "stage", "--format", "json"];
        let refused = house.bench.run_with(&shared, &args);
        assert_eq!(refused.code, 5, "{}{}", refused.stdout, refused.stderr);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("dev"), "{said}");
    }
    assert_eq!(house.held("gis"), before);
}

#[test]
fn a_rehearsal_whose_plan_was_pointed_at_anothers_server_never_asks_it() {
    let mut house = House::new(&["postgis/airports"]);
    house.bench.init();
    // The server of production, which another environment has marked; and one that is nowhere.
    let prod = house.server.database("prod");
    house.server.sql("prod", "CREATE EXTENSION postgis; CREATE SCHEMA kansas");
    house.server.sql("postgres", "ALTER SYSTEM SET log_connections = on");
    house.server.sql("postgres", "SELECT pg_reload_conf()");
    let before = house.held("prod");
    let connections = || house.server.log().matches("database=prod").count();
    assert_ne!(connections(), 0, "our own look is not logged");
    let looks = connections();
    for url in [prod.as_str(), "postgres://nobody:pw@db.invalid/prod"] {
        house.bench.set("GIS", url);
        let receipt = house.bench.receipt(0, &["rehearse"]);
        assert_eq!(receipt["outcome"], "recovered");
    }
    assert_eq!(connections(), looks, "the rehearsal asked it");
    assert_eq!(house.held("prod"), before);
    house.bench.set("GIS", &prod);
    house.bench.json(&RESTORE).expect(5);
    assert_ne!(connections(), looks, "a restore that asks it is not logged");
    assert_eq!(house.held("prod"), before);
}

/// Ends the connection that holds the lock of a run, once something is proven, and lets the run go
/// on.
fn lose_the_lock(house: &House, go: &str) {
    assert!(wait_for(&house.bench, "prove/postgis/airports", &["succeeded"]));
    let lock = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks \
                WHERE locktype = 'advisory' AND granted";
    assert_eq!(house.server.sql("gis", lock), "1");
    fs::write(go, "").unwrap();
}

#[test]
fn a_run_that_lost_its_lock_flips_nothing_and_can_be_resumed() {
    let house = House::new(&["postgis/airports"]);
    let bench = &house.bench;
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let go = bench.at("go");
    // A job that goes on once the file is there: meanwhile the run holds its locks.
    let job = format!(
        "apiVersion: coppice/v1\nkind: RebuildJob\nmetadata: {{ name: command/waits }}\nspec:\n  \
         inputs: [{{ dataset: ks_airports }}]\n  sink:\n    command:\n      \
         command_profile_version: 1\n      program: sh\n      \
         args: [-c, \"until [ -e {go} ]; do sleep 0.05; done; echo x > $COPPICE_OUTPUT/x\"]\n      \
         outputs: [x]\n"
    );
    fs::create_dir_all(bench.path("rebuild/command")).unwrap();
    fs::write(bench.path("rebuild/command/waits.yaml"), job).unwrap();
    let both =
        text.replacen("only: [postgis/airports]", "only: [postgis/airports, command/waits]", 1);
    assert_ne!(both, text, "{text}");
    fs::write(&plan, both).unwrap();
    bench.seal();
    bench.init();
    let ended = std::thread::scope(|scope| {
        let run = scope.spawn(|| bench.json(&RESTORE));
        lose_the_lock(&house, &go);
        run.join().unwrap()
    });
    let receipt = ended.expect(1).json();
    assert_eq!(receipt["predicate"]["outcome"], "halted", "{receipt:#}");
    let switch = receipt["predicate"]["steps"].as_array().unwrap();
    let switch = switch.iter().find(|step| step["id"] == "cutover/switch").unwrap();
    assert!(switch.to_string().contains("lock on the database was lost"), "{switch:#}");
    let live = "SELECT count(*) FROM coppice.live WHERE generation IS NOT NULL";
    assert_eq!(house.server.sql("gis", live), "0");
    assert_eq!(house.server.sql("gis", "SELECT to_regclass('kansas.airports') IS NULL"), "t");
    let run = bench.newest_run().unwrap();
    let receipt = bench.json(&["resume", &run]).expect(0).json();
    assert_eq!(receipt["predicate"]["outcome"], "recovered");
    assert_eq!(house.server.sql("gis", live), "1");
}

#[test]
fn a_rehearsal_is_promoted_into_a_server() {
    let house = House::new(&["postgis/airports", "postgis/counties"]);
    let bench = &house.bench;
    bench.init();
    let rehearsal = bench.receipt(0, &["rehearse", "--keep"]);
    let run = rehearsal["run_id"].as_str().unwrap();
    let nothing = "SELECT count(*) FROM coppice.generations";
    assert_eq!(house.server.sql("gis", nothing), "0", "a rehearsal writes to scratch alone");
    let args = ["rehearse", "plans/kansas.yaml", "--env", "dev", "--promote", run, "--no-rebuild"];
    let receipt = bench.json(&args).expect(0).json()["predicate"].clone();
    assert_eq!((&receipt["outcome"], &receipt["promotes"]), (&"recovered".into(), &run.into()));
    let proven = |receipt: &Value, job: &str| {
        let all = receipt["projections"].as_array().unwrap();
        let line = all.iter().find(|line| line["job"] == job).unwrap().clone();
        (line["generation"].clone(), line["canonical_digest"].clone(), line["rows"].clone(), line)
    };
    for job in ["postgis/airports", "postgis/counties"] {
        let (before, now) = (proven(&rehearsal, job), proven(&receipt, job));
        assert_eq!((&before.0, &before.1, &before.2), (&now.0, &now.1, &now.2));
        assert_eq!((&now.3["outcome"], &now.3["live"]), (&"promoted".into(), &true.into()));
    }
    assert_eq!(house.server.sql("gis", "SELECT count(*) FROM kansas.counties"), "105");
    bench.run(&["discard", run]).expect(0);
    let drift = bench.json(&["drift", "plans/kansas.yaml", "--env", "dev", "--deep"]).expect(0);
    assert_eq!(drift.json()["ok"], true);
    // It goes back and forth as what was built here does.
    let again = bench.receipt(0, &["restore"]);
    let all = again["projections"].as_array().unwrap();
    assert!(all.iter().all(|line| line["outcome"] == "unchanged"), "{again:#}");
}

/// The SQL blocks of the page under a heading.
fn documented(heading: &str) -> Vec<String> {
    let page = fs::read_to_string(repository().join("docs/operate.md")).unwrap();
    let part = page.split_once(heading).unwrap().1;
    let part = part.split("\n### ").next().unwrap();
    let blocks = part.split("```sql\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

/// A bench whose database was made by what the page says, and by nothing else.
fn as_documented() -> (Bench, Server, Vec<String>) {
    let server = Server::start();
    let blocks = documented("### Grants\n");
    server.script("postgres", &blocks[0]);
    let mut bench = Bench::new();
    on_server(&bench, "dev", "env:GIS");
    bench.set("GIS", &server.url_of("coppice_stage", "kansas"));
    (bench, server, blocks)
}

fn grants(bench: &Bench) -> Value {
    let check = bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).json();
    let probes = check["probes"].as_array().unwrap();
    probes.iter().find(|probe| probe["id"] == "grants").unwrap().clone()
}

#[test]
fn the_documented_grants_are_enough_for_all_that_a_run_does() {
    let (bench, server, _) = as_documented();
    let (jobs, job) = (["postgis", "tiles"], bench.path("rebuild/postgis/places.yaml"));
    for other in ["graph", "search"] {
        fs::remove_dir_all(bench.path("rebuild").join(other)).unwrap();
    }
    assert!(jobs.iter().all(|kind| bench.path("rebuild").join(kind).is_dir()));
    // With all that may stand around a table.
    server.sql("kansas", "CREATE ROLE map_readers");
    let text = fs::read_to_string(&job).unwrap();
    let around = "      primary_key: [geonameid]\n      comment: Places\n      \
                  grants: { map_readers: [select] }\n      \
                  views: { towns: SELECT name FROM kansas.places WHERE population > 1000 }\n      \
                  foreign_keys: [{ columns: [county_geoid], references: postgis/counties }]\n";
    fs::write(&job, text.replacen("      primary_key: [geonameid]\n", around, 1)).unwrap();
    bench.seal();
    bench.init();
    assert_eq!(grants(&bench)["level"], "ok");
    bench.receipt(0, &["restore"]);
    let whole = "SELECT has_table_privilege('map_readers', 'kansas.towns', 'SELECT') \
                 AND has_table_privilege('map_readers', 'kansas.places', 'SELECT') \
                 AND has_schema_privilege('map_readers', 'kansas', 'USAGE') \
                 AND obj_description('kansas.places'::regclass) = 'Places' \
                 AND EXISTS (SELECT FROM pg_constraint WHERE contype = 'f') \
                 AND EXISTS (SELECT FROM kansas.towns)";
    assert_eq!(server.sql("kansas", whole), "t");
    let query = bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&query).unwrap();
    for times in 1..=3 {
        let more = "\n-- again".repeat(times);
        fs::write(&query, format!("{text}{more}\n")).unwrap();
        bench.receipt(0, &["rebuild", "--only", "postgis/places"]);
        assert_eq!(server.sql("kansas", whole), "t");
    }
    // Two former generations stay, older ones went with all that was around them.
    let held = "SELECT count(*) FROM coppice.generations WHERE job = 'postgis/places'";
    assert_eq!(server.sql("kansas", held), "3");
    bench.receipt(0, &["rollback"]);
    assert_eq!(server.sql("kansas", whole), "t");
    assert_eq!(grants(&bench)["level"], "ok");
}

#[test]
fn each_grant_that_is_missing_is_named_with_the_statement_that_gives_it() {
    let (bench, server, blocks) = as_documented();
    only(&bench, &["postgis/airports", "postgis/earthquakes"]);
    bench.init();
    server.sql("kansas", "CREATE SCHEMA kansas; CREATE SCHEMA kansas_restricted");
    let all = grants(&bench)["hint"].as_str().unwrap().to_owned();
    server.script("kansas", &blocks[1]);
    assert_eq!(grants(&bench)["level"], "ok", "{all}");
    for (revoke, named) in [
        ("CREATE ON DATABASE kansas", "CREATE on database kansas"),
        ("TEMPORARY ON DATABASE kansas", "TEMPORARY on database kansas"),
        ("USAGE ON SCHEMA kansas", "USAGE on schema kansas"),
        ("CREATE ON SCHEMA kansas", "CREATE on schema kansas"),
        ("CREATE ON SCHEMA kansas_restricted", "CREATE on schema kansas_restricted"),
        ("USAGE ON SCHEMA coppice", "USAGE on schema coppice"),
        ("CREATE ON SCHEMA coppice", "CREATE on schema coppice"),
        ("INSERT ON coppice.live", "writing on the tables of schema coppice"),
    ] {
        server.sql("kansas", &format!("REVOKE {revoke} FROM coppice_stage"));
        let probe = grants(&bench);
        assert_eq!(probe["level"], "fail", "{revoke}: {probe:#}");
        let seen = probe["seen"].as_str().unwrap();
        assert!(seen.contains(named), "{revoke}: {seen}");
        let mend = probe["hint"].as_str().unwrap().split_once(": ").unwrap().1;
        server.sql("kansas", mend);
        assert_eq!(grants(&bench)["level"], "ok", "{revoke}: {mend}");
    }
    // Who may not connect at all cannot be asked further, and is told so.
    server.sql("kansas", "REVOKE CONNECT ON DATABASE kansas FROM coppice_stage");
    let check = bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).json();
    let probes = check["probes"].as_array().unwrap();
    let postgis = probes.iter().find(|probe| probe["id"] == "postgis").unwrap();
    assert_eq!(postgis["level"], "fail", "{check:#}");
    assert!(postgis["hint"].as_str().unwrap().contains("CONNECT"), "{postgis:#}");
}
