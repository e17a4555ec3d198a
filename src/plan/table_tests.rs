//! What a job declares around its table: how it is held, and that it names no generation.

use super::samples::{PLAN, facts, of, table_job, version, wrong};
use super::{DecideParams, RebuildParams, StepKind, compile};
use crate::digest::Digest;
use crate::model::{RunMode, Sink};

/// The job with more in its sink.
fn with(name: &str, table: &str, more: &str) -> String {
    table_job(name, table) + more
}

/// What is wrong in a job beside a sound one, without the place.
fn found(more: &str) -> Vec<String> {
    let (a, b) = (with("postgis/a", "a", more), table_job("postgis/b", "b"));
    let c = super::samples::tiles_job("tiles/c", &["postgis/b"]);
    let files =
        [("plan.yaml", PLAN), ("jobs/a.yaml", &*a), ("jobs/b.yaml", &b), ("jobs/c.yaml", &c)];
    wrong(&files)
}

#[test]
fn what_is_declared_around_a_table_is_held() {
    for (more, place, words) in [
        ("      grants: { readers: [] }\n", "15:", "grants nothing"),
        ("      grants: { readers: [select, select] }\n", "15:", "names a privilege twice"),
        ("      grants: { readers: [selct] }\n", "15:", "select"),
        ("      views: { 'No name': SELECT 1 }\n", "15:", "`No name` is no identifier"),
        ("      views: { a: SELECT 1 }\n", "15:", "`a` is taken"),
        ("      views: { b: SELECT 1 }\n", "", "is also filled by `postgis/"),
        ("      views: { v: DELETE FROM public.a }\n", "15:", "FROM public.a"),
        ("      foreign_keys: [{ columns: [], references: postgis/b }]\n", "15:", "at least one"),
        ("      foreign_keys: [{ columns: [x], references: postgis/b }]\n", "15:", "no column `x`"),
        ("      foreign_keys: [{ columns: [id], references: postgis/bb }]\n", "15:", "`postgis/b`"),
        ("      foreign_keys: [{ columns: [id], references: tiles/c }]\n", "15:", "fills no table"),
        (
            "      foreign_keys: [{ columns: [id], references: postgis/b, to: [geom] }]\n",
            "15:",
            "no key of public.b",
        ),
        (
            "      foreign_keys: [{ columns: [geom], references: postgis/b }]\n",
            "15:",
            "of another type than public.b.id",
        ),
        (
            "      foreign_keys: [{ columns: [id, geom], references: postgis/b }]\n",
            "15:",
            "2 columns refer to 1",
        ),
    ] {
        let problems = found(more);
        assert_eq!(problems.len(), 1, "{more}: {problems:#?}");
        assert!(problems[0].contains(words), "{more}: {problems:#?}");
        assert!(problems[0].contains(&format!(".yaml:{place}")), "{more}: {problems:#?}");
    }
    let limits = PLAN.to_owned() + "  limits: { queries: 2, connections: 6 }\n";
    let a = table_job("postgis/a", "a");
    let few = wrong(&[("plan.yaml", &limits), ("jobs/a.yaml", &a)]);
    assert!(few[0].contains("2 queries at once need at least 7"), "{few:#?}");
}

#[test]
fn what_changes_no_row_names_no_generation() {
    let around = "      comment: Places\n      grants: { readers: [select], public: [select] }\n      \
                  views: { v: SELECT id FROM public.a }\n      \
                  foreign_keys: [{ columns: [id], references: postgis/b }]\n";
    let compiled = |a: &str| {
        let b = table_job("postgis/b", "b");
        let plan = of(&[("plan.yaml", PLAN), ("jobs/a.yaml", a), ("jobs/b.yaml", &b)]).unwrap();
        let versions = vec![version("a", "2026-02.00000001"), version("b", "2026-02.00000002")];
        compile(&plan, &super::Facts { versions, ..facts() }, RunMode::Restore).unwrap()
    };
    let built = |a: &str| -> (Digest, Sink) {
        let graph = compiled(a);
        let step = graph.steps.iter().find(|step| step.id.as_str() == "rebuild/postgis/a").unwrap();
        let params: RebuildParams = serde_json::from_value(step.params.clone()).unwrap();
        (params.generation, params.sink)
    };
    let bare = table_job("postgis/a", "a");
    let commented = bare.replace("type: bigint,", "type: bigint, comment: A number,");
    let other = bare.replace("type: bigint,", "type: integer,");
    let (name, sink) = built(&bare);
    for same in [with("postgis/a", "a", around), commented] {
        let (again, declared) = built(&same);
        assert_eq!(again, name, "{same}");
        assert_ne!(declared, sink, "it is known to the switch");
    }
    assert_ne!(built(&other).0, name);
    // Nothing goes live without what it refers to.
    let graph = compiled(&with("postgis/a", "a", around));
    let decide = graph.steps.iter().find(|step| step.kind == StepKind::Decide).unwrap();
    let params: DecideParams = serde_json::from_value(decide.params.clone()).unwrap();
    let needs = &params.jobs.iter().find(|job| job.job.as_str() == "postgis/a").unwrap().needs;
    assert_eq!(needs, &["postgis/b".parse().unwrap()]);
}
