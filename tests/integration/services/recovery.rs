//! What `make rehearse-services` does, against the servers that the tests share: each test has
//! buckets' prefixes and databases of its own.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::services;
use crate::bench::{Bench, erased, found, repository};

const PLAN: &str = "plans/kansas-services.yaml";

/// A bench whose plan names places of its own on the shared servers.
struct Cloud {
    bench: Bench,
    name: String,
}

impl Cloud {
    /// `name` tells it from other tests of the run.
    fn new(name: &str) -> Self {
        let bench = Bench::new();
        let plan = bench.path(PLAN);
        let text = fs::read_to_string(&plan).unwrap();
        let own = text
            .replace("s3://kansas-", &format!("s3://tests/{name}/kansas-"))
            .replace("env:COPPICE_DEV_POSTGIS_URL", "env:DEV_DATABASE")
            .replace("env:COPPICE_STAGE_POSTGIS_URL", "env:STAGE_DATABASE");
        assert_ne!(text, own);
        fs::write(&plan, own).unwrap();
        let cloud = Self { bench, name: name.to_owned() };
        for environment in ["dev", "stage"] {
            cloud.make_database(environment);
        }
        cloud
    }

    fn database(&self, environment: &str) -> String {
        format!("{}_{environment}", self.name)
    }

    /// The URL of a database of its own, as the administrator.
    fn url(&self, environment: &str) -> String {
        let admin = services().var("COPPICE_POSTGRES_URL");
        format!("{}/{}", admin.rsplit_once('/').unwrap().0, self.database(environment))
    }

    fn make_database(&self, environment: &str) {
        let admin = services().var("COPPICE_POSTGRES_URL");
        sql(admin, &format!("CREATE DATABASE {} TEMPLATE template0", self.database(environment)));
        sql(&self.url(environment), "CREATE EXTENSION postgis");
    }

    /// What the program is given: the administrator's keys under the names of the plan.
    fn env(&self) -> BTreeMap<String, String> {
        let known = services();
        let mut env = known.env().clone();
        for (name, of) in [("ACCESS_KEY_ID", "S3_KEY_ID"), ("SECRET_ACCESS_KEY", "S3_SECRET")] {
            let value = known.var(&format!("COPPICE_{of}")).to_owned();
            env.insert(format!("AWS_{name}"), value.clone());
            env.insert(format!("COPPICE_DEV_{of}"), value.clone());
            env.insert(format!("COPPICE_STAGE_{of}"), value);
        }
        env.insert("DEV_DATABASE".to_owned(), self.url("dev"));
        env.insert("STAGE_DATABASE".to_owned(), self.url("stage"));
        env
    }

    #[track_caller]
    fn json(&self, code: i32, args: &[&str]) -> Value {
        let args = [args, &["--format", "json"]].concat();
        self.bench.run_with(&self.env(), &args).expect(code).json()
    }

    /// Runs a command on the plan; gives the receipt's predicate.
    #[track_caller]
    fn receipt(&self, code: i32, environment: &str, args: &[&str]) -> Value {
        let args = [&args[..1], &[PLAN, "--env", environment], &args[1..]].concat();
        self.json(code, &args)["predicate"].clone()
    }

    fn seal(&self) -> Value {
        let to = format!("s3://tests/{}/kansas-backup/dev", self.name);
        self.json(0, &["snapshot", "--from", "origin", "--to", &to, "--plan", PLAN, "--env", "dev"])
    }
}

/// Runs a statement by psql.
fn sql(url: &str, statement: &str) -> String {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-At", "-c", statement, url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn outcomes(receipt: &Value) -> BTreeMap<String, String> {
    let all = receipt["projections"].as_array().unwrap().iter();
    all.map(|p| (p["job"].as_str().unwrap().into(), p["outcome"].as_str().unwrap().into()))
        .collect()
}

#[test]
fn a_recovery_on_servers_is_whole_from_snapshot_to_a_migration() {
    let cloud = Cloud::new("recovery");
    let sealed = cloud.seal();
    assert_eq!(sealed["state"], "clean", "{sealed:#}");

    let rehearsed = cloud.receipt(0, "dev", &["rehearse"]);
    assert_eq!(rehearsed["outcome"], "recovered", "{rehearsed:#}");
    assert_eq!(rehearsed["snapshot"], sealed["snapshot"]);
    let run = rehearsed["run_id"].as_str().unwrap();
    let scratch = format!("s3://tests/recovery/kansas-scratch/rehearsals/{run}");
    let left = cloud.json(1, &["verify", &scratch]);
    let nothing = &left["error"]["code"];
    assert_eq!(nothing, "snapshot-missing", "scratch holds something still: {left:#}");

    cloud.json(0, &["init", PLAN, "--env", "stage"]);
    let restored = cloud.receipt(0, "stage", &["restore"]);
    assert_eq!(restored["outcome"], "recovered", "{restored:#}");
    assert_eq!(found(&restored), erased());
    for (job, outcome) in outcomes(&restored) {
        assert_eq!(outcome, "rebuilt", "{job}");
    }
    let places = "SELECT count(*), count(DISTINCT ST_SRID(geom)) FROM kansas.places";
    assert_eq!(sql(&cloud.url("stage"), places), "299|1");
    assert_eq!(outcomes(&cloud.receipt(0, "stage", &["restore"]))["tiles/kansas"], "unchanged");

    let query = cloud.bench.path("rebuild/postgis/places.sql");
    let text = fs::read_to_string(&query).unwrap();
    fs::write(&query, format!("{text}\nORDER BY 1\n")).unwrap();
    let migrated = cloud.receipt(0, "stage", &["rebuild", "--only", "postgis/places"]);
    let rebuilt: Vec<_> =
        outcomes(&migrated).into_iter().filter(|(_, outcome)| outcome == "rebuilt").collect();
    assert_eq!(rebuilt.len(), 2, "the job and what depends on it: {rebuilt:?}");
}

#[test]
fn the_keys_of_stage_read_the_backups_and_write_none() {
    let known = services();
    let request = |method: &str| {
        let user = format!(
            "{}:{}",
            known.var("COPPICE_STAGE_S3_KEY_ID"),
            known.var("COPPICE_STAGE_S3_SECRET")
        );
        let url = format!("{}/kansas-backup/probe", known.var("AWS_ENDPOINT_URL"));
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4"])
            .args(["aws:amz:us-east-1:s3", "--user", &user, "-X", method, &url])
            .args(if method == "PUT" { &["-d", "x"][..] } else { &[] })
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(request("PUT"), "403");
    assert_eq!(request("GET"), "404");
}

#[test]
fn compose_publishes_on_loopback_only_and_names_no_secret() {
    let text = fs::read_to_string(repository().join("docker-compose.yml")).unwrap();
    let ports: Vec<_> = text.lines().filter(|line| line.contains("ports:")).collect();
    assert_eq!(ports.len(), 3);
    for line in ports {
        assert!(line.contains("[\"127.0.0.1:${"), "{line}");
    }
    let with_value =
        text.lines().find(|line| line.trim().starts_with("- COPPICE_") && line.contains('='));
    assert_eq!(with_value, None);
}
