use std::collections::BTreeMap;

use super::resolve::ResolvedJob;
use super::roots;
use super::steps::{Steps, ended, id, segment, succeeded};
use crate::model::{CommandSink, DatasetVersionId, JobId, PolicyLabel, RunMode, Sink};
use crate::plan::{
    BackTo, Candidate, DecideParams, Facts, GateParams, PinnedFile, PlanSpec, ProveParams,
    RebuildParams, StepKind, VersionFacts, When,
};

/// Rows a second that a rebuild is reckoned with: query, COPY and digest, debug builds too.
const BUILD_RATE: u64 = 100_000;

/// The steps that regrow and prove the projections.
pub(super) fn regrow(steps: &mut Steps, facts: &Facts, jobs: &[ResolvedJob], mode: RunMode) {
    for job in jobs {
        if !job.erased.is_empty() {
            let (job, datasets) = (job.id.clone(), job.erased.clone());
            let words = format!("{} was erased", datasets.join(", "));
            let params = GateParams::Erased { job, datasets, versions: facts.erased.clone() };
            roots::gate(steps, &params, vec![succeeded(&["fence"])], &words);
            continue;
        }
        let params = GateParams::Policy {
            job: job.id.clone(),
            label: job.label,
            audience: job.audience,
            allowed: job.allowed(),
        };
        roots::gate(steps, &params, vec![succeeded(&["fence"])], &policy_words(job));
    }
    for job in jobs {
        let name = job.id.as_str();
        let mut after = vec![
            succeeded(&["gate", "manifest"]),
            succeeded(&["gate", "ledger"]),
            succeeded(&["gate", "policy", name]),
            succeeded(&["gate", "erased", name]),
        ];
        let intact = |version| succeeded(&["gate", "canonical-intact", &segment(version)]);
        after.extend(job.versions.keys().map(intact));
        after.extend(job.needs.iter().map(|needed| succeeded(&["prove", needed.as_str()])));
        // What another program needs, only former runs can tell.
        let rows = job.rows().filter(|_| !matches!(job.sink, Sink::Command(_)));
        let estimate = rows.map(|rows| 1 + rows / BUILD_RATE);
        steps
            .add(id(&["rebuild", name]), StepKind::Rebuild, after)
            .params(&RebuildParams {
                job: job.id.clone(),
                generation: job.generation,
                sink: job.sink.clone(),
                query: job.query.clone(),
                inputs: job.inputs.clone(),
                audience: job.audience,
                label: job.label,
                labels: labels(job),
                expect: job.expect.clone(),
                on_bad_row: job.on_bad_row,
                files: job.files.clone(),
            })
            .action(build_words(job))
            .estimate(estimate);
        steps
            .add(id(&["prove", name]), StepKind::Prove, vec![succeeded(&["rebuild", name])])
            .params(&ProveParams {
                job: job.id.clone(),
                generation: job.generation,
                sink: job.sink.clone(),
                inputs: job.inputs.clone(),
                labels: labels(job),
                trust_record: mode == RunMode::Rebuild && !facts.reprove,
                files: checks(job),
            })
            .action(prove_words(job))
            .estimate(estimate);
    }
}

fn build_words(job: &ResolvedJob) -> String {
    let generation = job.generation.short();
    match &job.sink {
        Sink::Command(sink) => format!("run {}: generation {generation}", sink.program),
        _ => format!("build generation {generation}"),
    }
}

fn prove_words(job: &ResolvedJob) -> String {
    match &job.sink {
        Sink::Command(CommandSink { check: Some(check), .. }) => {
            format!("read it back, run {}", check.program)
        }
        _ => "read it back, compare digests".to_owned(),
    }
}

/// The files that the check of a command brings along, where it has one.
fn checks(job: &ResolvedJob) -> BTreeMap<String, PinnedFile> {
    match &job.sink {
        Sink::Command(CommandSink { check: Some(_), .. }) => job.files.clone(),
        _ => BTreeMap::new(),
    }
}

fn labels(job: &ResolvedJob) -> BTreeMap<DatasetVersionId, Option<PolicyLabel>> {
    job.versions.iter().map(|(version, held)| (version.clone(), held.label)).collect()
}

fn policy_words(job: &ResolvedJob) -> String {
    let label = job.label.map_or("unknown", PolicyLabel::name);
    let audience = job.audience.name();
    let denied = if job.allowed() { "" } else { "denied: " };
    format!("{denied}{label} data to a {audience} target")
}

/// The one decision, the switch and the look at what is live then.
pub(super) fn cut_over(
    steps: &mut Steps,
    spec: &PlanSpec,
    facts: &Facts,
    jobs: &[ResolvedJob],
    mode: RunMode,
) {
    if jobs.is_empty() {
        return;
    }
    let rollback = mode == RunMode::Rollback;
    let mut after = vec![
        succeeded(&["fence"]),
        succeeded(&["gate", "manifest"]),
        succeeded(&["gate", "ledger"]),
    ];
    after.extend(steps.each(When::Ended, |step| step.kind == StepKind::Prove));
    let candidates = jobs.iter().map(|job| Candidate {
        job: job.id.clone(),
        generation: (!rollback).then_some(job.generation),
        sink: job.sink.clone(),
        needs: job.needs.iter().chain(references(job)).cloned().collect(),
        audience: job.audience,
    });
    let now = |v: &VersionFacts| (v.version.clone(), v.label(facts.policy_date));
    let params = DecideParams {
        policy: spec.cutover,
        jobs: candidates.collect(),
        rollback,
        asked: if rollback { facts.only.clone() } else { Vec::new() },
        back_to: facts.back_to,
        labels: facts.versions.iter().filter(|_| rollback).map(now).collect(),
    };
    let words = match (rollback, facts.back_to) {
        (true, BackTo::Nothing) => "choose what is taken down",
        (true, BackTo::Former) => "choose the former generations",
        (false, _) => "choose what goes live",
    };
    let decided = || succeeded(&["cutover", "decide"]);
    for (name, kind, after, words) in [
        ("decide", StepKind::Decide, after, words),
        ("switch", StepKind::Switch, vec![decided()], "put the set live"),
        (
            "read-back",
            StepKind::ReadBack,
            vec![decided(), ended(&["cutover", "switch"])],
            "read every live name back",
        ),
    ] {
        steps.add(id(&["cutover", name]), kind, after).params(&params).action(words);
    }
    if matches!(mode, RunMode::Restore | RunMode::Rebuild) {
        let after = ["switch", "read-back"].map(|name| succeeded(&["cutover", name]));
        let keep = spec.limits.keep_generations;
        let s = if keep == 1 { "" } else { "s" };
        steps
            .add(id(&["cutover", "drop-former"]), StepKind::DropFormer, after.to_vec())
            .params(&params)
            .action(format!("drop all but the last {keep} former generation{s}"));
    }
}

/// The other jobs that a job's table has foreign keys to: without what they build nothing refers
/// to it.
pub(super) fn references(job: &ResolvedJob) -> impl Iterator<Item = &JobId> {
    let keys = match &job.sink {
        Sink::Postgis(sink) => sink.foreign_keys.as_slice(),
        _ => &[],
    };
    keys.iter().map(|key| &key.references).filter(|other| **other != job.id)
}

/// What is done however the rest ended.
pub(super) fn end(steps: &mut Steps, facts: &Facts, mode: RunMode) {
    let after = steps.each(When::Ended, |_| true);
    steps.add(id(&["receipt"]), StepKind::Receipt, after).action("write receipt and ledger entry");
    if mode == RunMode::Rehearse && !facts.keep {
        steps
            .add(id(&["clean-up"]), StepKind::CleanUp, vec![ended(&["receipt"])])
            .action("clear scratch");
    }
}
