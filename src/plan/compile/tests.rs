use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::prelude::*;

use super::compile;
use crate::digest::Digest;
use crate::model::{ApprovedBy, Audience, JobId, PolicyLabel, RunMode, StepId, Zone};
use crate::plan::samples::{PLAN, facts, kansas, of, table_job, tiles_job, version};
use crate::plan::{
    Approve, DecideParams, Facts, GateParams, LoadedPlan, RebuildParams, RecoveryGraph,
    ResolvedInput, StepKind, StepSpec, VersionFacts, When,
};

fn graph(facts: &Facts, mode: RunMode) -> RecoveryGraph {
    compile(&kansas(), facts, mode).unwrap()
}

/// One line for each step and what it waits for; `~` marks what only has to end.
fn lines(graph: &RecoveryGraph) -> String {
    let edge = |(id, when): &(StepId, When)| match when {
        When::Succeeded => id.to_string(),
        When::Ended => format!("~{id}"),
    };
    let line = |step: &StepSpec| {
        let after: Vec<_> = step.after.iter().map(edge).collect();
        format!("{} [{}x] <- {}", step.id, step.shards, after.join(" "))
    };
    graph.steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn ids(graph: &RecoveryGraph, prefix: &str) -> Vec<String> {
    let all = graph.steps.iter().map(|step| step.id.to_string());
    all.filter(|id| id.starts_with(prefix)).collect()
}

fn step<'a>(graph: &'a RecoveryGraph, id: &str) -> &'a StepSpec {
    graph.steps.iter().find(|step| step.id.as_str() == id).unwrap()
}

fn rebuild(graph: &RecoveryGraph, job: &str) -> RebuildParams {
    let params = step(graph, &format!("rebuild/{job}")).params.clone();
    serde_json::from_value(params).unwrap()
}

fn policy(graph: &RecoveryGraph, job: &str) -> (Option<PolicyLabel>, Audience, bool) {
    let params = step(graph, &format!("gate/policy/{job}")).params.clone();
    match serde_json::from_value(params).unwrap() {
        GateParams::Policy { label, audience, allowed, .. } => (label, audience, allowed),
        other => panic!("{other:?}"),
    }
}

fn job(name: &str) -> JobId {
    name.parse().unwrap()
}

#[test]
fn a_rehearsal_goes_from_the_fence_to_the_clean_up() {
    insta::assert_snapshot!(lines(&graph(&facts(), RunMode::Rehearse)));
}

#[test]
fn a_restore_keeps_what_it_made_and_a_kept_rehearsal_too() {
    let rehearsal = graph(&facts(), RunMode::Rehearse);
    let restore = graph(&facts(), RunMode::Restore);
    let kept = graph(&Facts { keep: true, ..facts() }, RunMode::Rehearse);
    assert_eq!(rehearsal.steps[..kept.steps.len()], kept.steps);
    assert_eq!(rehearsal.steps.len(), kept.steps.len() + 1);
    // Scratch has no former generations to drop.
    let drops = |id: &StepId| id.as_str() == "cutover/drop-former";
    let mut steps = restore.steps;
    steps.retain(|step| !drops(&step.id));
    for step in &mut steps {
        step.after.retain(|(id, _)| !drops(id));
    }
    assert_eq!(kept.steps, steps);
    assert_ne!(rehearsal.plan_digest, restore.plan_digest);
}

#[test]
fn what_the_snapshot_does_not_hold_has_no_step() {
    let mut facts = facts();
    facts.snapshot.as_mut().unwrap().zones.retain(|zone, _| *zone == Zone::Processed);
    let graph = graph(&facts, RunMode::Restore);
    assert_eq!(ids(&graph, "restore/"), ["restore/objects/processed"]);
    // What cannot be evaluated is denied, so the steps that evaluate it stay.
    assert_eq!(
        ids(&graph, "verify/"),
        ["verify/objects/processed", "verify/catalog", "verify/ledger"]
    );
    assert_eq!(ids(&graph, "gate/ledger"), ["gate/ledger"]);
}

#[test]
fn a_rebuild_proves_its_inputs_in_place() {
    let facts = Facts { snapshot: None, only: vec![job("tiles/kansas")], ..facts() };
    insta::assert_snapshot!(lines(&graph(&facts, RunMode::Rebuild)));
}

#[test]
fn a_rebuild_takes_what_is_live_and_rebuilds_what_depends_on_it() {
    let all = graph(&facts(), RunMode::Rebuild);
    let tables = ["counties", "places", "airports", "routes", "zipcodes"];
    let names = tables.map(|table| format!("postgis/{table}"));
    let live = names.map(|name| (job(&name), rebuild(&all, &name).generation));
    let mut facts = Facts { only: vec![job("tiles/kansas")], live: live.into(), ..facts() };
    assert_eq!(ids(&graph(&facts, RunMode::Rebuild), "rebuild/"), ["rebuild/tiles/kansas"]);

    facts.live.insert(job("postgis/places"), Digest::blake3(b"stale"));
    let stale = graph(&facts, RunMode::Rebuild);
    assert_eq!(ids(&stale, "rebuild/"), ["rebuild/postgis/places", "rebuild/tiles/kansas"]);

    facts.only = vec![job("postgis/airports")];
    let dependants = graph(&facts, RunMode::Rebuild);
    assert_eq!(
        ids(&dependants, "rebuild/").into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from(
            ["rebuild/postgis/airports", "rebuild/postgis/places", "rebuild/tiles/kansas"]
                .map(str::to_owned)
        )
    );
    // The catalogs of all versions are an input of the search index, and so of its gates.
    facts.only = vec![job("search/kansas")];
    assert_eq!(ids(&graph(&facts, RunMode::Rebuild), "verify/version/").len(), 13);
}

#[test]
fn a_record_is_trusted_only_by_a_rebuild_that_was_not_told_otherwise() {
    let trusted = |facts: &Facts, mode| {
        let graph = graph(facts, mode);
        let step = graph.steps.iter().find(|step| step.id.as_str() == "prove/postgis/places");
        step.unwrap().params["trust_record"] == true
    };
    assert!(trusted(&facts(), RunMode::Rebuild));
    assert!(!trusted(&Facts { reprove: true, ..facts() }, RunMode::Rebuild));
    assert!(!trusted(&facts(), RunMode::Restore));
}

#[test]
fn a_rollback_takes_what_is_live_and_what_is_made_of_it() {
    let live = ["postgis/places", "tiles/kansas", "search/kansas"]
        .map(|n| (job(n), Digest::blake3(n.as_bytes())));
    let facts = Facts {
        snapshot: None,
        versions: Vec::new(),
        only: vec![job("postgis/places")],
        live: live.into(),
        ..facts()
    };
    let graph = graph(&facts, RunMode::Rollback);
    insta::assert_snapshot!(lines(&graph));
    let params: DecideParams =
        serde_json::from_value(step(&graph, "cutover/decide").params.clone()).unwrap();
    assert!(params.rollback);
    assert!(params.jobs.iter().all(|job| job.generation.is_none()));
    let jobs: Vec<_> = params.jobs.iter().map(|c| c.job.to_string()).collect();
    assert_eq!(jobs, ["postgis/places", "tiles/kansas"]);
    let nothing = Facts { live: BTreeMap::new(), ..facts };
    assert_eq!(compile(&kansas(), &nothing, RunMode::Rollback).unwrap_err().len(), 1);
}

#[test]
fn a_pattern_of_an_approval_that_can_name_nothing_is_told_whatever_the_mode() {
    let live = [(job("postgis/places"), Digest::blake3(b"places"))];
    let facts = Facts { live: live.into(), ..facts() };
    let asked = |pattern: &str, mode| {
        let mut plan = kansas();
        let environment = plan.plan.spec.environments.get_mut("dev").unwrap();
        environment.approve =
            Some(Approve { steps: vec![pattern.to_owned()], by: ApprovedBy::Other });
        let facts = match mode {
            RunMode::Rollback => Facts { snapshot: None, versions: Vec::new(), ..facts.clone() },
            _ => facts.clone(),
        };
        compile(&plan, &facts, mode).map(|graph| graph.approvals.len())
    };
    for mode in [RunMode::Restore, RunMode::Rebuild, RunMode::Rollback] {
        assert_eq!(asked("cutover/decide", mode).unwrap(), 1, "{mode}");
        for misspelt in ["cutover/decides", "rebuild/postgis/plaxes", "rebuild/*/plaxes"] {
            let problems = asked(misspelt, mode).unwrap_err();
            assert!(problems[0].message.contains("nobody would be asked"), "{mode} {misspelt}");
        }
    }
    // Other modes have them.
    assert_eq!(asked("restore/objects/*", RunMode::Rollback).unwrap(), 0);
    assert_eq!(asked("rebuild/postgis/places", RunMode::Rollback).unwrap(), 0);
}

#[test]
fn the_strictest_label_decides_and_an_embargo_ends() {
    let mut facts = facts();
    assert_eq!(
        policy(&graph(&facts, RunMode::Restore), "tiles/kansas"),
        (Some(PolicyLabel::Public), Audience::Public, true)
    );
    facts.versions[3].policy_label = Some(PolicyLabel::Embargoed);
    // An end that nobody can tell opens nothing, not even what is governed.
    assert_eq!(
        policy(&graph(&facts, RunMode::Restore), "postgis/places"),
        (None, Audience::Governed, false)
    );
    facts.versions[3].embargo_until = Some(facts.policy_date + TimeDelta::days(1));
    let held = graph(&facts, RunMode::Restore);
    assert_eq!(
        policy(&held, "tiles/kansas"),
        (Some(PolicyLabel::Embargoed), Audience::Public, false)
    );
    assert!(policy(&held, "postgis/places").2);
    // The catalog of what the audience may not see is left out of the search index.
    assert!(!policy(&held, "search/kansas").2);
    facts.versions[3].embargo_until = Some(facts.policy_date - TimeDelta::days(1));
    assert!(policy(&graph(&facts, RunMode::Restore), "tiles/kansas").2);
    facts.versions[3].policy_label = None;
    assert_eq!(
        policy(&graph(&facts, RunMode::Restore), "postgis/places"),
        (None, Audience::Governed, false)
    );
    facts.versions[3].policy_label = Some(PolicyLabel::Quarantine);
    assert!(!policy(&graph(&facts, RunMode::Restore), "postgis/places").2);
}

#[test]
fn a_version_is_the_asked_one_else_the_released_one_else_the_newest() {
    let pick = |input: &str, facts: &Facts| {
        let text = table_job("postgis/a", "a").replace("{ dataset: a }", input);
        let plan = of(&[("plan.yaml", PLAN), ("jobs/a.yaml", &text)]).unwrap();
        compile(&plan, facts, RunMode::Restore).map(|graph| {
            let inputs = rebuild(&graph, "postgis/a").inputs;
            serde_json::to_value(inputs).unwrap()[0]["version"].as_str().unwrap().to_owned()
        })
    };
    let mut facts = facts();
    facts.versions = ["2026-01.a", "2026-02.b", "2026-03.c"].map(|v| version("a", v)).into();
    facts.versions[2].released = false;
    facts.versions[0].released = false;
    assert_eq!(pick("{ dataset: a }", &facts).unwrap(), "2026-02.b");
    assert_eq!(pick("{ dataset: a, version: 2026-01.a }", &facts).unwrap(), "2026-01.a");
    facts.versions[1].released = false;
    assert_eq!(pick("{ dataset: a }", &facts).unwrap(), "2026-03.c");
    let problems = pick("{ dataset: a, version: 2026-04.a }", &facts).unwrap_err();
    assert_eq!(
        format!("{:?}", problems[0]),
        "jobs/a.yaml:5:35: dataset `a` has no version `2026-04.a` (did you mean `2026-01.a`?)"
    );
    let problems = pick("{ dataset: aa, as: a }", &facts).unwrap_err();
    assert_eq!(
        format!("{:?}", problems[0]),
        "jobs/a.yaml:5:23: no version of dataset `aa` is there (did you mean `a`?)"
    );
}

#[test]
fn the_current_catalog_has_one_version_of_each_dataset() {
    let read = |name: &str, facts: &Facts| {
        let inputs = rebuild(&graph(facts, RunMode::Restore), name).inputs;
        let catalog = inputs.into_iter().find_map(|input| match input {
            ResolvedInput::Catalog { versions } => Some(versions),
            _ => None,
        });
        catalog.unwrap().into_iter().map(|(_, version, _)| version.to_string()).collect::<Vec<_>>()
    };
    let mut facts = facts();
    facts.versions.push(VersionFacts { released: false, ..version("ks_airports", "2027-01.new") });
    facts.versions.push(version("ks_airports", "2025-01.old"));
    let current = [
        "2026-02.c4f9633b",
        "2026-02.9af6383b",
        "2026-02.02951798",
        "2026-02.11ecd03c",
        "2026-02.c4c88e86",
        "2026-02.d1c078f2",
    ];
    let mut seen = read("search/kansas", &facts);
    seen.retain(|version| !version.starts_with("2026-02.0000"));
    assert_eq!(seen, current);
    assert_eq!(read("search/kansas", &facts).len(), 13);
    assert_eq!(read("graph/kansas", &facts).len(), 15);
    facts.versions[2].policy_label = Some(PolicyLabel::Restricted);
    assert_eq!(read("search/kansas", &facts).len(), 12);
    assert_eq!(read("graph/kansas", &facts).len(), 15);
}

#[test]
fn a_version_with_an_odd_name_has_steps_of_its_own() {
    let mut facts = facts();
    for (index, name) in [".a b", "_a b", "ä/".trim_end_matches('/'), "ö"].iter().enumerate() {
        facts.versions[index].version = name.parse().unwrap();
    }
    let graph = graph(&facts, RunMode::Rebuild);
    for id in ids(&graph, "") {
        assert!(id.parse::<StepId>().is_ok(), "{id}");
    }
    assert_eq!(ids(&graph, "gate/canonical-intact/").len(), 13);
}

#[test]
fn a_generation_is_named_by_all_that_decides_its_content_and_by_nothing_else() {
    let name = |facts: &Facts, job: &str| rebuild(&graph(facts, RunMode::Restore), job).generation;
    let base = facts();
    let mut other = facts();
    other.policy_date += TimeDelta::days(9);
    other.snapshot.as_mut().unwrap().digest = Digest::blake3(b"another");
    other.live.insert(job("postgis/places"), Digest::blake3(b"live"));
    for job in ["postgis/places", "search/kansas", "graph/kansas", "tiles/kansas"] {
        assert_eq!(name(&base, job), name(&other, job));
    }
    let mut data = facts();
    data.versions[3].artifacts = Digest::blake3(b"changed");
    let mut label = facts();
    label.versions[3].policy_label = Some(PolicyLabel::PublicGeneralized);
    let mut builder = facts();
    builder.builders.insert("postgis".to_owned(), 2);
    let server = Facts { server: "PostgreSQL 16 / PostGIS 3.4".to_owned(), ..facts() };
    for changed in [&data, &label, &builder, &server] {
        assert_ne!(name(&base, "postgis/places"), name(changed, "postgis/places"));
        // What is derived has another name when what it is derived from has.
        assert_ne!(name(&base, "tiles/kansas"), name(changed, "tiles/kansas"));
    }
    assert_eq!(name(&base, "search/kansas"), name(&server, "search/kansas"));
    assert_eq!(name(&base, "postgis/counties"), name(&data, "postgis/counties"));
    let mut catalog = facts();
    catalog.versions[0].catalog = Digest::blake3(b"changed");
    assert_ne!(name(&base, "search/kansas"), name(&catalog, "search/kansas"));
    assert_eq!(name(&base, "postgis/airports"), name(&catalog, "postgis/airports"));
}

#[test]
fn a_plan_has_the_same_name_tomorrow_and_another_when_anything_changes() {
    let base = facts();
    let digest = |facts: &Facts, mode| graph(facts, mode).plan_digest;
    let name = digest(&base, RunMode::Restore);
    let mut tomorrow = facts();
    tomorrow.policy_date += TimeDelta::days(1);
    assert_eq!(digest(&tomorrow, RunMode::Restore), name);
    assert_ne!(digest(&base, RunMode::Rebuild), name);
    let mut snapshot = facts();
    snapshot.snapshot.as_mut().unwrap().digest = Digest::blake3(b"another");
    assert_ne!(digest(&snapshot, RunMode::Restore), name);
    let mut plan = kansas();
    plan.files.insert("rebuild/postgis/places.sql".to_owned(), "-- other".into());
    assert_ne!(compile(&plan, &base, RunMode::Restore).unwrap().plan_digest, name);
}

#[test]
fn what_makes_no_sense_is_said() {
    let say = |facts: &Facts, mode| {
        let problems = compile(&kansas(), facts, mode).unwrap_err();
        problems.iter().map(|p| p.message.clone()).collect::<Vec<_>>()
    };
    let none = Facts { snapshot: None, ..facts() };
    assert_eq!(say(&none, RunMode::Restore), ["there is no snapshot to recover from"]);
    let unknown = Facts { only: vec![job("postgis/place")], ..facts() };
    assert_eq!(say(&unknown, RunMode::Rebuild), ["no job named `postgis/place`"]);
    let env = Facts { environment: "prod".to_owned(), ..facts() };
    assert_eq!(say(&env, RunMode::Restore), ["the plan has no environment `prod`"]);
    let mut twice = facts();
    twice.versions[0].version = twice.versions[1].version.clone();
    assert_eq!(say(&twice, RunMode::Restore).len(), 1);
}

/// A plan of so many tables, with tiles made of some of them.
fn some_plan(tables: usize, tiles: &[Vec<usize>]) -> LoadedPlan {
    let mut files = vec![("plan.yaml".to_owned(), PLAN.to_owned())];
    for table in 0..tables {
        let text = table_job(&format!("postgis/t{table}"), &format!("t{table}"));
        files.push((format!("jobs/t{table}.yaml"), text));
    }
    for (index, from) in tiles.iter().enumerate() {
        let from: BTreeSet<_> = from.iter().map(|i| format!("postgis/t{}", i % tables)).collect();
        let from: Vec<_> = from.iter().map(String::as_str).collect();
        files.push((format!("jobs/m{index}.yaml"), tiles_job(&format!("tiles/m{index}"), &from)));
    }
    let files: Vec<_> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    of(&files).unwrap()
}

/// All steps that have to succeed before each step.
fn required(graph: &RecoveryGraph) -> BTreeMap<&StepId, BTreeSet<&StepId>> {
    let mut all: BTreeMap<&StepId, BTreeSet<&StepId>> = BTreeMap::new();
    for step in &graph.steps {
        let mut before = BTreeSet::new();
        for (id, when) in &step.after {
            if *when == When::Succeeded {
                before.insert(id);
                before.extend(all[id].iter().copied());
            }
        }
        all.insert(&step.id, before);
    }
    all
}

fn some_mode() -> impl Strategy<Value = RunMode> {
    prop_oneof![Just(RunMode::Restore), Just(RunMode::Rehearse), Just(RunMode::Rebuild)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_rules_of_the_graph_hold(
        tables in 1usize..5,
        tiles in proptest::collection::vec(proptest::collection::vec(0usize..5, 1..4), 0..3),
        mode in some_mode(),
        only in proptest::option::of(0usize..5),
        missing in proptest::sample::subsequence(Zone::ALL.to_vec(), 0..=7),
    ) {
        let plan = some_plan(tables, &tiles);
        let mut facts = facts();
        facts.versions = (0..tables).map(|t| version(&format!("t{t}"), &format!("2026-02.{t}"))).collect();
        facts.only = only.map(|i| job(&format!("postgis/t{}", i % tables))).into_iter().collect();
        facts.snapshot.as_mut().unwrap().zones.retain(|zone, _| !missing.contains(zone));
        let graph = compile(&plan, &facts, mode).unwrap();
        prop_assert_eq!(&compile(&plan, &facts, mode).unwrap(), &graph);

        // An order in which they could run, so no cycle; ids are unique and read back.
        let mut seen = BTreeSet::new();
        for step in &graph.steps {
            prop_assert!(step.after.iter().all(|(id, _)| seen.contains(id)), "{}", step.id);
            prop_assert!(seen.insert(step.id.clone()), "{}", step.id);
            prop_assert_eq!(step.id.as_str().parse::<StepId>().unwrap(), step.id.clone());
            prop_assert!(step.shards >= 1 && !step.action.is_empty());
            if matches!(step.kind, StepKind::Receipt | StepKind::CleanUp) {
                prop_assert!(step.after.iter().all(|(_, when)| *when == When::Ended));
            } else if step.kind != StepKind::Fence {
                prop_assert!(!step.after.is_empty());
            }
        }
        let receipt = graph.steps.iter().find(|s| s.kind == StepKind::Receipt).unwrap();
        let rest = graph.steps.iter().filter(|s| !matches!(s.kind, StepKind::Receipt | StepKind::CleanUp));
        prop_assert_eq!(receipt.after.len(), rest.count());

        let required = required(&graph);
        let fence = StepId::of(&["fence"]);
        let recovers = mode != RunMode::Rebuild;
        for step in &graph.steps {
            let before = &required[&step.id];
            let has = |id: &str| before.iter().any(|step| step.as_str() == id);
            if !matches!(step.kind, StepKind::Fence | StepKind::Receipt | StepKind::CleanUp) {
                prop_assert!(before.contains(&fence), "{} is not fenced", step.id);
            }
            if matches!(step.kind, StepKind::Rebuild | StepKind::Prove) {
                let params = rebuild(&graph, step.id.as_str().split_once('/').unwrap().1);
                prop_assert!(has("gate/ledger") && (!recovers || has("gate/manifest")));
                let before = has(&format!("gate/policy/{}", params.job));
 prop_assert!(before);
                for input in &params.inputs {
                    match input {
                        ResolvedInput::Dataset { version, .. } => {
                            let before = has(&format!("gate/canonical-intact/{version}"));
 prop_assert!(before);
                        }
                        ResolvedInput::Projection { job, .. } => {
                            let before = has(&format!("prove/{job}"));
 prop_assert!(before);
                        }
                        ResolvedInput::Catalog { .. } => {}
                    }
                }
            }
        }
    }
}

#[test]
fn another_edition_of_a_job_renames_it_and_what_is_made_of_it() {
    let names = |facts: &Facts| -> BTreeMap<String, Digest> {
        let graph = compile(&kansas(), facts, RunMode::Restore).unwrap();
        let rebuilds = graph.steps.iter().filter(|step| step.kind == StepKind::Rebuild);
        let params = rebuilds.map(|step| {
            let params: RebuildParams = serde_json::from_value(step.params.clone()).unwrap();
            (params.job.to_string(), params.generation)
        });
        params.collect()
    };
    let before = names(&facts());
    let mut again = facts();
    again.editions.insert("postgis/places".parse().unwrap(), 1);
    let after = names(&again);
    let changed: Vec<_> = before.iter().filter(|(job, name)| after[*job] != **name).collect();
    let changed: Vec<_> = changed.iter().map(|(job, _)| job.as_str()).collect();
    assert_eq!(changed, ["postgis/places", "tiles/kansas"]);
}

#[test]
fn a_job_whose_need_is_not_in_the_run_is_a_problem_with_its_place() {
    let mut plan = kansas();
    plan.jobs.remove(&job("postgis/airports"));
    let problems = compile(&plan, &facts(), RunMode::Rehearse).unwrap_err();
    let texts: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
    assert_eq!(problems.len(), 1, "{texts:?}");
    assert!(texts[0].contains("tiles/kansas.yaml:"), "{texts:?}");
    assert!(texts[0].contains("`postgis/airports` is not among the jobs of this run"), "{texts:?}");
    assert!(problems[0].line > 0, "{texts:?}");
}

#[test]
fn a_job_that_reads_what_was_erased_as_a_whole_is_shut_out_and_no_other() {
    let mut facts = facts();
    let gone = facts.versions.iter().position(|v| v.dataset == "ks_county_adjacency").unwrap();
    let gone = facts.versions.remove(gone);
    let unknown = compile(&kansas(), &facts, RunMode::Rebuild).unwrap_err();
    assert!(format!("{unknown:?}").contains("ks_county_adjacency"), "{unknown:?}");
    facts.erased = vec![gone.version];
    let graph = graph(&facts, RunMode::Rebuild);
    assert_eq!(ids(&graph, "gate/erased/"), ["gate/erased/graph/kansas"]);
    let after = &step(&graph, "rebuild/graph/kansas").after;
    assert!(after.iter().any(|(id, _)| id.as_str() == "gate/erased/graph/kansas"), "{after:?}");
    assert!(
        step(&graph, "rebuild/search/kansas")
            .after
            .iter()
            .all(|(id, _)| { !id.as_str().starts_with("gate/erased") })
    );
}
