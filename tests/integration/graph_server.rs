//! Graphs on a SPARQL server: restored, proven, switched, resumed, rolled back; read as others would.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Bench, python, repository};
use crate::interrupted::{until_it_happens, wait_for};

const RESTORE: [&str; 4] = ["restore", "plans/kansas.yaml", "--env", "dev"];

/// A server with a store of its own; it ends with the test's process.
struct Graphs {
    guard: Child,
    port: u16,
    _dir: TempDir,
}

impl Graphs {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = repository().join("target/venv/bin/oxigraph");
        assert!(program.is_file(), "{} is not there: run `make setup`", program.display());
        let script = "\"$1\" serve --location \"$2\" --bind \"127.0.0.1:$3\" </dev/null & \
                      server=$!; cat >/dev/null; kill -9 $server; wait";
        let mut guard = Command::new("sh");
        guard.args(["-c", script, "guard"]).arg(program).arg(dir.path()).arg(port.to_string());
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guard = guard.spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the SPARQL server does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { guard, port, _dir: dir }
    }

    /// The rows of a query, asked by another client than ours.
    fn ask(&self, query: &str) -> Value {
        let program = r#"
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), {
    "Content-Type": "application/sparql-query", "Accept": "application/sparql-results+json"})
with urllib.request.urlopen(request) as answer:
    rows = json.load(answer)["results"]["bindings"]
print(json.dumps([{name: value["value"] for name, value in row.items()} for row in rows]))
"#;
        python(program, &[&format!("http://127.0.0.1:{}/query", self.port), query])
    }

    /// How many quads readers get who follow what is live.
    fn live_quads(&self) -> u64 {
        let found = self.ask(
            "PREFIX c: <urn:coppice:term:> SELECT (COUNT(*) AS ?n) WHERE { \
             GRAPH <urn:coppice:registry> { <urn:coppice:job:graph/kansas> c:live/c:listed/c:part ?g } \
             GRAPH ?g { ?s ?p ?o } }",
        );
        found[0]["n"].as_str().unwrap().parse().unwrap()
    }

    /// Makes another quad of one, by another client than ours; names and counts stay.
    fn damage(&self) {
        let program = r#"
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), {
    "Content-Type": "application/sparql-update"})
print(json.dumps(urllib.request.urlopen(request).status))
"#;
        let update = "DELETE { GRAPH ?g { ?s ?p ?o } } INSERT { GRAPH ?g { ?s ?p <graph://county/0> } } WHERE { \
             { SELECT ?g ?s ?p ?o WHERE { GRAPH ?g { ?s ?p ?o . \
             FILTER(?s = <graph://county/20173> && ?p = <urn:kfm:term:adjacentTo>) } } LIMIT 1 } }";
        let status = python(program, &[&format!("http://127.0.0.1:{}/update", self.port), update]);
        assert!(status.as_u64().is_some_and(|status| status < 300));
    }

    /// Every graph that holds something.
    fn names(&self) -> Vec<String> {
        let found = self.ask("SELECT DISTINCT ?g WHERE { GRAPH ?g { ?s ?p ?o } } ORDER BY ?g");
        let rows = found.as_array().unwrap().iter();
        rows.map(|row| row["g"].as_str().unwrap().to_owned()).collect()
    }

    /// All that is there, as another client than ours reads it.
    fn dump(&self) -> Value {
        self.ask("SELECT * WHERE { GRAPH ?g { ?s ?p ?o } } ORDER BY ?g ?s ?p ?o")
    }

    /// As a plan names it.
    fn spec(&self) -> String {
        let url = |path: &str| format!("{path}: 'http://127.0.0.1:{}/{path}'", self.port);
        let urls = [url("query"), url("update"), url("store")].join(", ");
        format!("{{ sparql: {{ {urls} }} }}")
    }

    /// A bench whose graphs are here.
    fn bench(&self) -> Bench {
        let bench = Bench::new();
        add(&bench, &format!("graph: {}", self.spec()));
        bench.seal();
        bench
    }

    /// The same, with graphs rehearsed on another server.
    fn bench_with(&self, scratch: &Self) -> Bench {
        let bench = self.bench();
        add(&bench, &format!("scratch_graph: {}", scratch.spec()));
        bench
    }
}

/// Adds a line to the environments of the plan.
fn add(bench: &Bench, line: &str) {
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let place = "      postgis: { private: {} }\n";
    assert!(text.contains(place));
    fs::write(&plan, text.replace(place, &format!("{place}      {line}\n"))).unwrap();
}

impl Drop for Graphs {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn graph(receipt: &Value) -> &Value {
    graph_of(&receipt["projections"])
}

fn graph_of(jobs: &Value) -> &Value {
    jobs.as_array().unwrap().iter().find(|of| of["job"] == "graph/kansas").unwrap()
}

#[test]
fn a_graph_is_restored_to_a_server_read_there_and_rolled_back() {
    let graphs = Graphs::start();
    let bench = graphs.bench();
    // Without a marker nothing is written.
    let fenced = bench.json(&RESTORE).expect(5).json();
    assert_eq!(fenced["error"]["code"], "fenced", "{fenced:#}");
    bench.init();
    let first = bench.receipt(0, &["restore"]);
    assert_eq!(first["outcome"], "recovered");
    let rows = graph(&first)["rows"].as_u64().unwrap();
    assert_eq!(graph(&first)["proven"], true, "{:#}", graph(&first));
    assert_eq!(graphs.live_quads(), rows);
    let sedgwick = graphs.ask(
        "SELECT DISTINCT ?o WHERE { GRAPH ?g { <graph://county/20173> <urn:kfm:term:adjacentTo> ?o } }",
    );
    assert_eq!(sedgwick.as_array().unwrap().len(), 6, "{sedgwick:#}");
    assert!(!bench.path(".coppice/dev/projections/generations/graph").exists());

    let second = bench.receipt(0, &["restore"]);
    assert_eq!(graph(&second)["outcome"], "unchanged", "{:#}", graph(&second));
    // Its name stays, its content is another: the proof of what is live does not hold any more.
    graphs.damage();
    let found = bench.receipt(1, &["restore"]);
    assert_eq!(graph(&found)["outcome"], "failed", "{:#}", graph(&found));
    let third = bench.receipt(0, &["restore"]);
    assert_eq!(graph(&third)["outcome"], "rebuilt", "{:#}", graph(&third));
    assert_ne!(graph(&third)["generation"], graph(&first)["generation"]);
    assert_eq!(graph(&third)["projection_digest"], graph(&first)["projection_digest"]);
    assert_eq!(graphs.live_quads(), rows);
    let listed = bench.json(&["generations", "plans/kansas.yaml", "--env", "dev"]).expect(0).json();
    assert!(listed.to_string().contains(graph(&third)["generation"].as_str().unwrap()));
    let check = bench.json(&["check", "plans/kansas.yaml", "--env", "dev"]).json();
    let marker = format!("marker sparql:http://127.0.0.1:{}/update", graphs.port);
    let probes = check["probes"].as_array().unwrap();
    assert!(probes.iter().any(|probe| probe["id"] == marker && probe["ok"] == true), "{check:#}");
    // Of another query readers get fewer quads, until the former ones are taken back.
    let query = bench.path("rebuild/graph/kansas.sql");
    let text = fs::read_to_string(&query).unwrap();
    fs::write(&query, format!("{}\nWHERE origin = 'ICT'\n", text.trim_end())).unwrap();
    let fourth = bench.receipt(0, &["rebuild", "--only", "graph/kansas"]);
    assert_eq!(graph(&fourth)["outcome"], "rebuilt", "{:#}", graph(&fourth));
    assert_ne!(graph(&fourth)["generation"], graph(&third)["generation"]);
    assert_eq!(graphs.live_quads(), graph(&fourth)["rows"].as_u64().unwrap());
    assert!(graphs.live_quads() < rows);
    let back = bench.receipt(0, &["rollback", "--only", "graph/kansas"]);
    let line = graph(&back);
    assert_eq!(
        (&line["outcome"], &line["live"]),
        (&"rolled-back".into(), &true.into()),
        "{line:#}"
    );
    assert_eq!(line["generation"], graph(&third)["generation"]);
    assert_eq!(graphs.live_quads(), rows);
    // Taken out of the plan, it is still what readers get.
    fs::remove_file(bench.path("rebuild/graph/kansas.yaml")).unwrap();
    let drift = bench.json(&["drift", "plans/kansas.yaml", "--env", "dev"]).expect(1).json();
    let told = graph_of(&drift["jobs"]);
    assert_eq!(told["live"], graph(&third)["generation"], "{told:#}");
    assert!(told["differs"].to_string().contains("live on the SPARQL server"), "{told:#}");
}

#[test]
fn a_rehearsal_never_asks_the_server() {
    let graphs = Graphs::start();
    let bench = graphs.bench();
    // Nobody answers there any more.
    drop(graphs);
    let receipt = bench.receipt(0, &["rehearse"]);
    assert_eq!(receipt["outcome"], "recovered");
    assert_eq!(graph(&receipt)["proven"], true, "{:#}", graph(&receipt));
}

#[test]
fn a_rehearsal_keeps_graphs_on_a_server_of_its_own_and_leaves_nothing_there() {
    let (graphs, scratch) = (Graphs::start(), Graphs::start());
    let bench = graphs.bench_with(&scratch);
    // Nobody answers where the environment's are.
    drop(graphs);
    let first = bench.receipt(0, &["rehearse"]);
    assert_eq!(first["outcome"], "recovered");
    assert_eq!(graph(&first)["proven"], true, "{:#}", graph(&first));
    let covers = graph(&first)["covers"].to_string();
    assert!(covers.contains("read back from the SPARQL server"), "{covers}");
    assert_eq!(scratch.names(), Vec::<String>::new());

    // Two that are kept lie beside each other, each under the name of its run.
    let runs = [(); 2].map(|()| {
        let kept = bench.receipt(0, &["rehearse", "--keep"]);
        kept["run_id"].as_str().unwrap().to_owned()
    });
    let of = |run: &str| {
        let prefix = format!("urn:coppice:scratch:{run}:");
        scratch.names().into_iter().filter(|name| name.starts_with(&prefix)).count()
    };
    assert_eq!(of(&runs[0]) + of(&runs[1]), scratch.names().len());
    assert!(of(&runs[0]) > 2 && of(&runs[0]) == of(&runs[1]), "{:#?}", scratch.names());
    let told = bench.run(&["discard", &runs[0]]).expect(0).stdout;
    assert!(told.contains(&format!("/update#{}", runs[0])), "{told}");
    assert_eq!((of(&runs[0]), of(&runs[1])), (0, scratch.names().len()));
    bench.run(&["discard", &runs[1]]).expect(0);
    assert_eq!(scratch.names(), Vec::<String>::new());
}

#[test]
fn a_rehearsal_that_an_edited_plan_points_at_live_graphs_is_refused() {
    let graphs = Graphs::start();
    let bench = graphs.bench();
    bench.init();
    bench.receipt(0, &["restore"]);
    let before = graphs.dump();
    // The plan says that the environment's graphs are elsewhere, and rehearses where they are.
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    let elsewhere = "{ sparql: { query: 'http://h/q', update: 'http://h/u' } }";
    fs::write(&plan, text.replace(&graphs.spec(), elsewhere)).unwrap();
    add(&bench, &format!("scratch_graph: {}", graphs.spec()));
    let refused = bench.json(&["rehearse", "plans/kansas.yaml", "--env", "dev"]).expect(5).json();
    assert_eq!(refused["error"]["code"], "fenced", "{refused:#}");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("belongs to the environment `dev`"), "{message}");
    assert_eq!(graphs.dump(), before);
    assert!(!bench.path("state/scratch").exists(), "something was written");
}

#[test]
fn a_graph_that_was_rehearsed_on_a_server_is_promoted_to_one_and_to_nothing_else() {
    let (graphs, scratch) = (Graphs::start(), Graphs::start());
    let bench = graphs.bench_with(&scratch);
    crate::programs::only(&bench, &["graph/kansas"]);
    bench.init();
    let kept = || bench.receipt(0, &["rehearse", "--keep"])["run_id"].as_str().unwrap().to_owned();
    let promoted = |code: i32, run: &str, more: &[&str]| {
        bench.receipt(code, &[&["rehearse", "--promote", run], more].concat())
    };
    let run = kept();
    // A quad that is another in scratch goes nowhere: the graph is built again.
    scratch.damage();
    let refused = promoted(1, &run, &["--no-rebuild"]);
    assert_eq!(graph(&refused)["outcome"], "failed", "{:#}", graph(&refused));
    assert_eq!(graphs.live_quads(), 0);
    let run = kept();
    let receipt = promoted(0, &run, &[]);
    let line = graph(&receipt);
    assert_eq!((&line["outcome"], &line["live"]), (&"promoted".into(), &true.into()), "{line:#}");
    assert_eq!(graphs.live_quads(), line["rows"].as_u64().unwrap());
    assert!(graphs.names().iter().all(|name| !name.contains("scratch")), "{:#?}", graphs.names());
    bench.run(&["discard", &run]).expect(0);
    assert_eq!(graph(&bench.receipt(0, &["restore"]))["outcome"], "unchanged");

    // Rehearsed as files it is built anew, and that is said.
    let plan = bench.path("plans/kansas.yaml");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace(&format!("scratch_graph: {}", scratch.spec()), "")).unwrap();
    let query = fs::read_dir(bench.path("rebuild/graph")).unwrap();
    let query = query.map(|entry| entry.unwrap().path()).find(|path| path.ends_with("kansas.sql"));
    let (query, text) = (query.clone().unwrap(), fs::read_to_string(query.unwrap()).unwrap());
    fs::write(&query, format!("{}\n\n", text.trim_end())).unwrap();
    let run = kept();
    let receipt = promoted(0, &run, &[]);
    let line = graph(&receipt);
    assert_eq!(line["outcome"], "rebuilt", "{line:#}");
    let why = line["promotion"]["why_not"].as_str().unwrap();
    assert!(why.contains("rehearsed as files"), "{why}");
}

/// A rehearsal that was killed with something of it on the server, and its run.
fn killed_rehearsal() -> (Graphs, Bench, String) {
    until_it_happens(|| {
        let (graphs, scratch) = (Graphs::start(), Graphs::start());
        let bench = graphs.bench_with(&scratch);
        let mut child = bench.start(&["rehearse", "plans/kansas.yaml", "--env", "dev"]);
        assert!(wait_for(&bench, "restore/objects/processed", &["running", "succeeded"]));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = bench.newest_run().unwrap();
        let status = bench.json(&["status", &run]).expect(0).json();
        let left = status["state"] == "running" && !scratch.names().is_empty();
        left.then_some((scratch, bench, run))
    })
}

#[test]
fn a_killed_rehearsal_goes_on_with_its_graphs_on_a_server_and_clears_them() {
    let (scratch, bench, run) = killed_rehearsal();
    let resumed = bench.json(&["resume", &run]).expect(0).json()["predicate"].clone();
    assert_eq!(resumed["outcome"], "recovered", "{resumed:#}");
    assert_eq!(graph(&resumed)["proven"], true, "{:#}", graph(&resumed));
    assert_eq!(scratch.names(), Vec::<String>::new());
}

#[test]
fn what_a_killed_rehearsal_has_on_a_server_is_discarded() {
    let (scratch, bench, run) = killed_rehearsal();
    bench.run(&["discard", &run]).expect(0);
    assert_eq!(scratch.names(), Vec::<String>::new());
}

#[test]
fn a_run_killed_before_the_switch_goes_on_to_the_same_end() {
    until_it_happens(|| {
        let graphs = Graphs::start();
        let bench = graphs.bench();
        bench.init();
        let mut child = bench.start(&RESTORE);
        assert!(wait_for(&bench, "rebuild/graph/kansas", &["running", "succeeded"]));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = bench.newest_run().unwrap();
        if bench.json(&["status", &run]).expect(0).json()["state"] != "running" {
            return None;
        }
        assert_eq!(graphs.live_quads(), 0, "what was not decided is live");
        let resumed = bench.json(&["resume", &run]).expect(0).json()["predicate"].clone();
        assert_eq!(resumed["outcome"], "recovered", "{resumed:#}");
        assert_eq!(graphs.live_quads(), graph(&resumed)["rows"].as_u64().unwrap());
        // Every graph that is there is one of the live generation.
        let strays = graphs.ask(
            "PREFIX c: <urn:coppice:term:> SELECT DISTINCT ?g WHERE { GRAPH ?g { ?s ?p ?o } \
             FILTER(STRSTARTS(STR(?g), 'urn:coppice:attempt:')) \
             FILTER NOT EXISTS { GRAPH <urn:coppice:registry> { ?job c:live/c:listed/c:part ?g } } }",
        );
        assert_eq!(strays, serde_json::json!([]));
        Some(())
    });
}
