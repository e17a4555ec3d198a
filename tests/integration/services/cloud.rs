//! A bench whose plan names places of its own on the servers that the tests share, and who may do
//! what there: each identity has its own keys and no other's.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};

use serde_json::Value;

use super::services;
use crate::bench::{Bench, Ended};

pub(super) const PLAN: &str = "plans/kansas-services.yaml";

pub(super) struct Cloud {
    pub(super) bench: Bench,
    /// Tells it from other tests of the run.
    pub(super) name: String,
}

impl Cloud {
    /// As the plan has it, with graphs on the servers of `dev` and `stage`: for one test of a run.
    pub(super) fn whole(name: &str) -> Self {
        let cloud = Self { bench: Bench::new(), name: name.to_owned() };
        for (from, to) in [
            ("s3://kansas-backup/dev", format!("s3://kansas-backup/{name}")),
            ("s3://kansas-dev/", format!("s3://kansas-dev/{name}/")),
            ("s3://kansas-stage/", format!("s3://kansas-stage/{name}/")),
            ("s3://kansas-scratch/", format!("s3://kansas-scratch/{name}/")),
            ("env:COPPICE_DEV_POSTGIS_URL", "env:DEV_DATABASE".to_owned()),
            ("env:COPPICE_STAGE_POSTGIS_URL", "env:STAGE_DATABASE".to_owned()),
        ] {
            cloud.edit(from, &to);
        }
        for environment in ["dev", "stage"] {
            let admin = services().var("COPPICE_POSTGRES_URL");
            let name = cloud.database(environment);
            sql(admin, &format!("CREATE DATABASE {name} TEMPLATE template0"));
            sql(&cloud.url(environment), "CREATE EXTENSION postgis");
        }
        cloud
    }

    /// With graphs as files and with a few jobs, for tests that run beside others.
    pub(super) fn small(name: &str) -> Self {
        let cloud = Self::whole(name);
        let text = fs::read_to_string(cloud.bench.path(PLAN)).unwrap();
        let mut lines = Vec::new();
        let mut of_graph = false;
        for line in text.lines() {
            of_graph = match line.trim_start() {
                field if field.starts_with("graph:") || field.starts_with("scratch_graph:") => true,
                _ => of_graph && line.starts_with("        "),
            };
            if !of_graph {
                lines.push(line);
            }
        }
        let text = lines.join("\n") + "\n";
        assert!(!text.contains("SPARQL_QUERY"), "{text}");
        fs::write(cloud.bench.path(PLAN), text).unwrap();
        cloud.edit("jobs: ../rebuild", "jobs: ../rebuild\n  only: [postgis/places, search/kansas]");
        cloud
    }

    /// Changes the plan.
    pub(super) fn edit(&self, from: &str, to: &str) {
        let plan = self.bench.path(PLAN);
        let text = fs::read_to_string(&plan).unwrap();
        assert!(text.contains(from), "no {from} in {text}");
        fs::write(&plan, text.replace(from, to)).unwrap();
    }

    /// Where the environment's buckets are, by the name of the bucket.
    pub(super) fn at(&self, bucket: &str) -> String {
        format!("{bucket}/{}", self.name)
    }

    pub(super) fn database(&self, environment: &str) -> String {
        format!("{}_{environment}", self.name)
    }

    /// The URL of a database of its own, as the administrator.
    pub(super) fn url(&self, environment: &str) -> String {
        let admin = services().var("COPPICE_POSTGRES_URL");
        format!("{}/{}", admin.rsplit_once('/').unwrap().0, self.database(environment))
    }

    /// What `who` (DEV, STAGE, SCRATCH) is given: its own, and what reads backups.
    pub(super) fn env(&self, who: &str) -> BTreeMap<String, String> {
        let known = services();
        let own = format!("COPPICE_{who}_");
        let given = known.env().iter().filter(|(name, _)| {
            name.starts_with(&own)
                || name.starts_with("COPPICE_SCRATCH_")
                || name.starts_with("AWS_")
        });
        let mut env: BTreeMap<_, _> = given.map(|(k, v)| (k.clone(), v.clone())).collect();
        for (name, of) in [("ACCESS_KEY_ID", "S3_KEY_ID"), ("SECRET_ACCESS_KEY", "S3_SECRET")] {
            env.insert(format!("AWS_{name}"), known.var(&format!("{own}{of}")).to_owned());
        }
        if who != "SCRATCH" {
            env.insert(format!("{who}_DATABASE"), self.url(&who.to_lowercase()));
        }
        env
    }

    /// Runs the program as somebody.
    pub(super) fn run(&self, who: &str, args: &[&str]) -> Ended {
        let args = [args, &["--format", "json"]].concat();
        self.bench.run_with(&self.env(who), &args)
    }

    /// Starts the program as somebody and leaves it running.
    pub(super) fn start(&self, who: &str, args: &[&str]) -> Child {
        self.bench.start_with(&self.env(who), args)
    }

    /// Runs a command on the plan; gives the receipt's predicate.
    #[track_caller]
    pub(super) fn receipt(&self, code: i32, who: &str, environment: &str, args: &[&str]) -> Value {
        self.run(who, &on(environment, args)).expect(code).json()["predicate"].clone()
    }

    /// Runs a command on the plan that must be refused with that code; gives code and message.
    #[track_caller]
    pub(super) fn refused(
        &self,
        code: i32,
        who: &str,
        environment: &str,
        args: &[&str],
    ) -> (String, String) {
        let told = self.run(who, &on(environment, args)).expect(code).json();
        let text = |field: &str| told["error"][field].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }

    #[track_caller]
    pub(super) fn init(&self, environment: &str) {
        self.run(&environment.to_uppercase(), &on(environment, &["init"])).expect(0);
    }

    pub(super) fn backup(&self) -> String {
        format!("s3://kansas-backup/{}", self.name)
    }

    #[track_caller]
    pub(super) fn seal(&self) -> Value {
        self.seal_as("DEV").expect(0).json()
    }

    pub(super) fn seal_as(&self, who: &str) -> Ended {
        let to = self.backup();
        let args = ["snapshot", "--from", "origin", "--to", &to, "--plan", PLAN, "--env", "dev"];
        self.run(who, &args)
    }
}

/// A command on the plan.
pub(super) fn on<'a>(environment: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&args[..1], &[PLAN, "--env", environment], &args[1..]].concat()
}

/// Runs a statement by psql.
pub(super) fn sql(url: &str, statement: &str) -> String {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-At", "-c", statement, url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
