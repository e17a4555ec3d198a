//! Rows into a PostGIS table, against psql with files that are ready, and ogr2ogr. Everybody makes
//! the same table with a primary key, a spatial index and statistics.

use crate::platform::{Platform, spent};
use crate::server::Server;
use crate::tools::{Table, rounds, run as command, setting, timed};

const PLAN: &str = "\
apiVersion: coppice/v1
kind: RecoveryPlan
metadata: { name: bench }
spec:
  jobs: jobs
  environments:
    bench:
      backup: { url: backup }
      canonical: { url: made }
      projections: { url: projections }
      postgis: { server: { secret: env:BENCH_URL } }
      objectives: {}
";

const JOB: &str = "\
apiVersion: coppice/v1
kind: RebuildJob
metadata: { name: postgis/points }
spec:
  inputs: [{ dataset: synthetic_000000 }]
  query: points.sql
  sink:
    postgis:
      schema: bench
      table: points
      columns:
        - { name: id, type: bigint, not_null: true }
        - { name: name, type: text }
        - { name: value, type: double }
        - { name: geom, type: geometry, geometry: Point, srid: 4326 }
      primary_key: [id]
      indexes: [{ columns: [geom], method: gist }]
";

const CREATE: &str =
    "CREATE TABLE peer (id bigint NOT NULL, name text, value float8, geom geometry(Point, 4326))";
const FINISH: &str =
    "ALTER TABLE peer ADD PRIMARY KEY (id)\nCREATE INDEX ON peer USING gist (geom)\nANALYZE peer";

pub(crate) fn run() {
    let count = setting("COPPICE_BENCH_ROWS", 3_000_000);
    let (platform, server) = (Platform::make(1, count), Server::start());
    platform.write("plan.yaml", PLAN);
    platform.write("jobs/points.yaml", JOB);
    let url = server.url();
    let secrets = [("BENCH_URL", url.as_str())];
    let ours = |round: u64| {
        // Another query is another generation, and is built anew.
        let sql = "SELECT id, name, value, geometry AS geom FROM synthetic_000000";
        platform.write("jobs/points.sql", &format!("-- round {round}\n{sql}\n"));
        platform.coppice(&["rebuild", "plan.yaml", "--env", "bench"], &secrets)
    };
    platform.coppice(&["init", "plan.yaml", "--env", "bench"], &secrets);
    ours(0);
    let [binary, text, csv] =
        ["binary", "text", "csv"].map(|n| platform.path(n).display().to_string());
    server.sql(&format!("\\copy bench.points TO '{binary}' (FORMAT binary)"));
    server.sql(&format!("\\copy bench.points TO '{text}'"));
    let points = "SELECT id, name, value, ST_X(geom) AS x, ST_Y(geom) AS y FROM bench.points";
    server.sql(&format!("\\copy ({points}) TO '{csv}.csv' (FORMAT csv, HEADER)"));

    let title = format!("{count} rows into PostGIS, with a key, a spatial index and statistics");
    let mut table = Table::new(title, count as f64, "rows");
    let mut proofs = Vec::new();
    for round in 1..=rounds() {
        let receipt = ours(round);
        table
            .add("coppice, query to table, digested", spent(&receipt, &["rebuild/postgis/points"]));
        proofs.push(spent(&receipt, &["prove/postgis/points"]));
        for (name, copy) in [
            (
                "psql \\copy of a ready binary file",
                format!("\\copy peer FROM '{binary}' (FORMAT binary)"),
            ),
            ("psql \\copy of a ready text file", format!("\\copy peer FROM '{text}'")),
        ] {
            server.sql("DROP TABLE IF EXISTS peer");
            let work = format!("{CREATE}\n{copy}\n{FINISH}");
            table.add(name, timed(|| server.sql(&work)).0);
        }
        server.sql("DROP TABLE IF EXISTS peer");
        table.add("ogr2ogr of a CSV file", timed(|| ogr(&server, &format!("{csv}.csv"))).0);
    }
    table.print();
    proofs.sort_by(f64::total_cmp);
    println!(
        "  (and {:.2} s for the proof by reading all rows back, which no peer has)",
        proofs[proofs.len() / 2]
    );
}

fn ogr(server: &Server, csv: &str) {
    let mut ogr = std::process::Command::new("ogr2ogr");
    ogr.args(["-f", "PostgreSQL", &server.ogr(), csv, "-nln", "peer", "-a_srs", "EPSG:4326"]);
    ogr.args([
        "-oo",
        "X_POSSIBLE_NAMES=x",
        "-oo",
        "Y_POSSIBLE_NAMES=y",
        "-oo",
        "KEEP_GEOM_COLUMNS=NO",
    ]);
    ogr.args(["-oo", "AUTODETECT_TYPE=YES", "-nlt", "POINT", "-lco", "GEOMETRY_NAME=geom"]);
    ogr.args(["--config", "PG_USE_COPY", "YES"]);
    command(&mut ogr);
    server.sql("ALTER TABLE peer ADD UNIQUE (id)\nANALYZE peer");
}
