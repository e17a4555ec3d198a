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

    /// A bench whose graphs are here.
    fn bench(&self) -> Bench {
        let bench = Bench::new();
        let plan = bench.path("plans/kansas.yaml");
        let text = fs::read_to_string(&plan).unwrap();
        let place = "      postgis: { private: {} }\n";
        assert!(text.contains(place));
        let url = |path: &str| format!("{path}: 'http://127.0.0.1:{}/{path}'", self.port);
        let urls = [url("query"), url("update"), url("store")].join(", ");
        let with = format!("{place}      graph: {{ sparql: {{ {urls} }} }}\n");
        fs::write(&plan, text.replace(place, &with)).unwrap();
        bench.seal();
        bench
    }
}

impl Drop for Graphs {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn graph(receipt: &Value) -> &Value {
    let all = receipt["projections"].as_array().unwrap();
    all.iter().find(|projection| projection["job"] == "graph/kansas").unwrap()
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
    let damage = python(
        r#"
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode(), {
    "Content-Type": "application/sparql-update"})
print(json.dumps(urllib.request.urlopen(request).status))
"#,
        &[
            &format!("http://127.0.0.1:{}/update", graphs.port),
            "DELETE { GRAPH ?g { ?s ?p ?o } } INSERT { GRAPH ?g { ?s ?p <graph://county/0> } } WHERE { \
             { SELECT ?g ?s ?p ?o WHERE { GRAPH ?g { ?s ?p ?o . \
             FILTER(?s = <graph://county/20173> && ?p = <urn:kfm:term:adjacentTo>) } } LIMIT 1 } }",
        ],
    );
    assert!(damage.as_u64().is_some_and(|status| status < 300));
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
