use super::{critical_path, dot, json, mermaid, text};
use crate::model::RunMode;
use crate::plan::samples::{PLAN, facts, kansas, of, table_job, tiles_job, version};
use crate::plan::{RecoveryGraph, compile};

fn rehearsal() -> RecoveryGraph {
    // Digests that hang on every byte of the repository's documents are no good in a snapshot.
    let mut graph = compile(&kansas(), &facts(), RunMode::Rehearse).unwrap();
    graph.plan_digest = crate::digest::Digest::blake3(b"plan");
    for step in &mut graph.steps {
        if let Some((words, _)) = step.action.split_once("generation ") {
            step.action = format!("{words}generation 0000000000000000");
        }
    }
    graph
}

fn small() -> RecoveryGraph {
    let plan = of(&[
        ("plan.yaml", PLAN),
        ("jobs/a.yaml", &table_job("postgis/a", "a")),
        ("jobs/t.yaml", &tiles_job("tiles/t", &["postgis/a"])),
    ]);
    let mut facts = facts();
    facts.versions = vec![version("a", "2026-02.aaaaaaaa")];
    compile(&plan.unwrap(), &facts, RunMode::Rebuild).unwrap()
}

#[test]
fn the_tree_fits_a_terminal() {
    let shown = text(&rehearsal());
    assert!(shown.lines().all(|line| line.chars().count() <= 80));
    // Every step has a line.
    assert_eq!(shown.lines().count(), rehearsal().steps.len() + 6);
    insta::assert_snapshot!(shown);
}

#[test]
fn scripts_read_json() {
    insta::assert_json_snapshot!(json(&small()));
}

#[test]
fn graphviz_and_mermaid_draw_it() {
    insta::assert_snapshot!(dot(&small()));
    insta::assert_snapshot!(mermaid(&small()));
}

#[test]
fn the_critical_path_is_a_way_from_first_to_last_and_the_longest() {
    let mut graph = rehearsal();
    let slow = graph.steps.iter_mut().find(|s| s.id.as_str() == "restore/objects/raw").unwrap();
    slow.estimate_seconds = Some(1000);
    let path = critical_path(&graph);
    assert_eq!(path.steps.first().unwrap().as_str(), "fence");
    assert_eq!(path.steps.last().unwrap().as_str(), "clean-up");
    assert!(path.steps.iter().any(|id| id.as_str() == "restore/objects/raw"));
    for pair in path.steps.windows(2) {
        let step = graph.steps.iter().find(|step| step.id == pair[1]).unwrap();
        assert!(step.after.iter().any(|(id, _)| *id == pair[0]));
    }
    let sum: u64 = path
        .steps
        .iter()
        .map(|id| graph.steps.iter().find(|s| s.id == *id).unwrap().estimate_seconds.unwrap_or(1))
        .sum();
    assert_eq!(sum, path.seconds);
}
