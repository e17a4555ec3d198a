use std::fmt::Write;

use super::words::{self, count, counted, fit};
use crate::model::{Finding, FindingName, Outcome, RunMode, size};
use crate::receipt::{GateLine, Objectives, Predicate, ProjectionLine, Receipt, StepLine};

/// So many lines of one kind are read in ten seconds.
const MOST: usize = 6;

/// Says in a screenful what was recovered, what was not and why, whether in time, what to do
/// next and where the receipt is. `stored_at` is the receipt's place, where it has one.
pub(crate) fn summary(receipt: &Receipt, stored_at: Option<&str>) -> String {
    let predicate = &receipt.predicate;
    let mut text = Text::default();
    text.line(&headline(predicate));
    recovered(&mut text, predicate);
    not_recovered(&mut text, predicate);
    not_taken_over(&mut text, predicate);
    found(&mut text, predicate);
    in_time(&mut text, predicate);
    if !predicate.not_covered.is_empty() {
        text.head("Not covered");
        text.list(predicate.not_covered.iter().cloned());
    }
    text.head("Next");
    text.list(next(predicate).into_iter());
    text.head("Receipt");
    // Not cut: it is there to be copied.
    let place =
        stored_at.map_or_else(|| format!("coppice receipt {}", predicate.run_id), str::to_owned);
    text.0.push_str("  ");
    text.line_uncut(&place);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.line_uncut(&fit(line));
    }

    fn line_uncut(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _infallible = writeln!(self.0, "{}", line.trim_end());
    }

    fn head(&mut self, title: &str) {
        self.line("");
        self.line(title);
    }

    /// The first lines, and how many more there are.
    fn list(&mut self, lines: impl ExactSizeIterator<Item = String>) {
        let more = lines.len().saturating_sub(MOST);
        for line in lines.take(MOST) {
            self.line(&format!("  {line}"));
        }
        if more > 0 {
            self.line(&format!("  and {more} more: see the receipt"));
        }
    }
}

fn headline(predicate: &Predicate) -> String {
    let word = match predicate.outcome {
        Outcome::Recovered if predicate.is_take_down() => "TAKEN DOWN",
        Outcome::Recovered if predicate.mode == RunMode::Rollback => "ROLLED BACK",
        Outcome::Partial if predicate.mode == RunMode::Rollback => "NOT ROLLED BACK",
        Outcome::Recovered => "RECOVERED",
        Outcome::Partial => "PARTIAL: not everything was recovered",
        Outcome::Halted => "HALTED: a switch failed; see what is live",
        Outcome::Cancelled => "CANCELLED: given up before the end",
    };
    let took = predicate.finished_at - predicate.started_at;
    let took = words::time(took.to_std().unwrap_or_default());
    format!("{word}  ({} of {}, {took})", words::mode(predicate.mode), predicate.environment)
}

fn recovered(text: &mut Text, predicate: &Predicate) {
    text.head(match predicate.mode {
        _ if predicate.is_take_down() => "Taken down",
        RunMode::Rollback => "Gone back",
        _ => "Recovered",
    });
    let moved = &predicate.restored;
    if moved.objects > 0 {
        let objects = counted(moved.objects, "object");
        let bytes = size(moved.bytes);
        let (restored, kept) = (count(moved.restored), count(moved.kept));
        text.line(&format!("  {objects}: {restored} restored ({bytes}), {kept} there already"));
    }
    if moved.promoted > 0 {
        let promoted = counted(moved.promoted, "object");
        text.line(&format!("  {promoted} of them out of the rehearsal, not the backup"));
    }
    if moved.displaced > 0 {
        let displaced = counted(moved.displaced, "object");
        text.line(&format!("  {displaced} with other content put aside in .coppice/displaced"));
    }
    let open = predicate.gates.iter().filter(|gate| gate.open).count();
    if !predicate.gates.is_empty() {
        text.line(&format!("  {open} of {} gates open", predicate.gates.len()));
    }
    let right = || predicate.projections.iter().filter(|line| line.is_right());
    let live: Vec<&ProjectionLine> = right().filter(|line| line.live).collect();
    let all = predicate.projections.len();
    if all > 0 {
        let proven = live.iter().filter(|line| line.proven).count();
        // A rollback trusts the proof that the former generation went live with.
        let proven = (predicate.mode != RunMode::Rollback).then(|| format!(", {proven} proven"));
        let live = live.len();
        let down = right().filter(|line| line.is_taken_down()).count();
        let down = if down > 0 { format!(", {down} taken down") } else { String::new() };
        let proven = proven.unwrap_or_default();
        text.line(&format!("  {live} of {all} projections live{proven}{down}"));
    }
    let right: Vec<&ProjectionLine> = right().collect();
    text.list(right.iter().map(|line| {
        // A program's outputs are files.
        let noun = if line.ran.is_some() { "file" } else { "row" };
        let rows = match line.rows {
            _ if line.is_taken_down() => "not live any more".to_owned(),
            rows => rows.map(|rows| counted(rows, noun)).unwrap_or_default(),
        };
        let outcome = if line.is_taken_down() { "taken-down" } else { line.outcome.name() };
        format!("  {:<28} {outcome:<14} {rows:>20}", line.job)
    }));
}

fn not_recovered(text: &mut Text, predicate: &Predicate) {
    let bad = |line: &&ProjectionLine| !line.is_right();
    let jobs: Vec<String> = predicate
        .projections
        .iter()
        .filter(bad)
        .map(|line| format!("{:<28} {}", line.job, why(line, predicate)))
        .collect();
    let shut: Vec<String> = predicate.gates.iter().filter(|gate| !gate.open).map(shut).collect();
    let failed = predicate.steps.iter().filter(|step| step.failure.is_some());
    let failed: Vec<String> =
        failed.filter(|step| !is_gate(step, predicate)).map(failure).collect();
    if jobs.is_empty() && shut.is_empty() && failed.is_empty() {
        return;
    }
    let what = if predicate.mode == RunMode::Rollback { "gone back" } else { "recovered" };
    text.head(&format!("Not {what}, and why"));
    text.list(jobs.into_iter());
    text.list(shut.into_iter());
    text.list(failed.into_iter());
}

/// Of a promotion: what was built again, and why.
fn not_taken_over(text: &mut Text, predicate: &Predicate) {
    let why = |line: &ProjectionLine| {
        let why = line.promotion.as_ref()?.why_not.as_ref()?;
        Some(format!("{:<28} {why}", line.job))
    };
    let lines: Vec<_> = predicate.projections.iter().filter_map(why).collect();
    if let (Some(run), false) = (predicate.promotes, lines.is_empty()) {
        text.head(&format!("Built again, not taken over from {run}"));
        text.list(lines.into_iter());
    }
}

/// Follows what blocks a projection to the step that failed.
fn why(line: &ProjectionLine, predicate: &Predicate) -> String {
    let word = if line.outcome.is_good() { "not live" } else { line.outcome.name() };
    let of_job = |step: &&StepLine| step.id.as_str().ends_with(&format!("/{}", line.job));
    let mut step = predicate.steps.iter().filter(of_job).find(|step| step.because.is_some());
    let mut root = None;
    // As many times as there are steps at most: a damaged receipt must not hang the reader.
    for _ in &predicate.steps {
        let Some(because) = step.and_then(|step| step.because.as_ref()) else { break };
        root = Some(because);
        step = predicate.steps.iter().find(|step| step.id == *because);
    }
    root.map_or_else(|| word.to_owned(), |root| format!("{word} by {root}"))
}

fn shut(gate: &GateLine) -> String {
    // The failure of the gate says the same.
    let said = format!("gate {} is shut: ", gate.id);
    format!("{said}{}", gate.evidence.strip_prefix(&said).unwrap_or(&gate.evidence))
}

fn is_gate(step: &StepLine, predicate: &Predicate) -> bool {
    predicate.gates.iter().any(|gate| step.id.as_str() == format!("gate/{}", gate.id))
}

fn failure(step: &StepLine) -> String {
    let message = step.failure.as_ref().map_or("", |failure| &failure.message);
    format!("{} failed: {message}", step.id)
}

fn found(text: &mut Text, predicate: &Predicate) {
    let blocking = predicate.findings.iter().filter(|finding| finding.blocks()).count();
    let warning = predicate.findings.len() - blocking;
    if predicate.findings.is_empty() {
        return;
    }
    text.head(&format!("Findings: {blocking} blocking, {}", counted(warning as u64, "warning")));
    text.list(predicate.findings.iter().map(finding_line));
}

fn finding_line(finding: &Finding) -> String {
    let place = finding.key.clone().unwrap_or_else(|| {
        finding.dataset_version_id.as_ref().map(ToString::to_string).unwrap_or_default()
    });
    let word = match (finding.blocks(), &finding.accepted) {
        (true, _) => "blocks",
        (false, None) => "warns",
        (false, Some(_)) => "accepted",
    };
    let what = format!("{word:<6} {}", finding.kind.name());
    // A key that is too long for the line has one of its own.
    let is_long = 2 + what.len() + 1 + place.chars().count() > words::WIDTH;
    format!("{what}{}{place}", if is_long { "\n      " } else { " " })
}

fn in_time(text: &mut Text, predicate: &Predicate) {
    text.head("Objectives");
    let Objectives { rto_target_seconds, rto_actual_seconds, .. } = predicate.objectives;
    let live = if predicate.is_take_down() { "to be gone" } else { "to live" };
    let mut rto = objective("RTO", live, rto_actual_seconds, rto_target_seconds);
    let was_to_go_live = !predicate.projections.is_empty();
    let promised = rto_target_seconds.is_some() && was_to_go_live;
    if rto_actual_seconds.is_none() && promised {
        rto += "  MISSED";
    }
    text.line(&rto);
    let Objectives { rpo_target_seconds, rpo_actual_seconds, .. } = predicate.objectives;
    text.line(&objective("RPO", "of data lost", rpo_actual_seconds, rpo_target_seconds));
}

fn objective(name: &str, what: &str, actual: Option<u64>, target: Option<u64>) -> String {
    let measured = actual.map_or_else(
        || "not measured".to_owned(),
        |actual| format!("{} {what}", words::seconds(actual)),
    );
    let promised = target.map_or_else(
        || "no target".to_owned(),
        |target| format!("target {}", words::seconds(target)),
    );
    let verdict = match (actual, target) {
        (Some(actual), Some(target)) if actual <= target => "  MET",
        (Some(_), Some(_)) => "  MISSED",
        _ => "",
    };
    format!("  {name}  {measured}, {promised}{verdict}")
}

fn next(predicate: &Predicate) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let blocking = predicate.findings.iter().filter(|finding| finding.blocks());
    steps.extend(blocking.map(|finding| finding.hint.clone()));
    steps.extend(predicate.findings.iter().filter_map(|one| waiver(one, &predicate.findings)));
    let unmet = predicate.accepted.iter().filter(|one| !one.met);
    steps.extend(unmet.map(|one| in_vain(&one.finding, &predicate.findings)));
    let failures = predicate.steps.iter().filter_map(|step| step.failure.as_ref());
    steps.extend(failures.filter_map(|failure| failure.hint.clone()));
    let mut seen = std::collections::BTreeSet::new();
    steps.retain(|step| seen.insert(step.clone()));
    match predicate.outcome {
        Outcome::Recovered => {
            if predicate.objectives.met == Some(false) {
                steps.push("an objective was missed: look for the longest steps".to_owned());
            } else if steps.is_empty() {
                steps.push(nothing(predicate).to_owned());
            }
        }
        Outcome::Partial => {
            let then = if steps.is_empty() { "" } else { "then " };
            let mode = predicate.mode;
            let kept = if mode == RunMode::Rollback { "" } else { ": proven work is kept" };
            steps.push(format!("{then}run `coppice {mode}` again{kept}"));
        }
        Outcome::Halted => {
            steps.push(halted(predicate));
        }
        Outcome::Cancelled => {
            steps.push(format!("clear what is left: coppice discard {}", predicate.run_id));
        }
    }
    steps
}

/// Why an `--accept` let nothing pass.
fn in_vain(name: &str, all: &[Finding]) -> String {
    let is_so =
        |one: &&Finding| FindingName::of(one, true).is_some_and(|of| of.to_string() == name);
    let so = all.iter().filter(is_so).count();
    match so {
        0 => format!("--accept '{name}' let nothing pass: no finding of this run is named so"),
        _ => format!(
            "--accept '{name}' let nothing pass: {so} findings are named so; name one of them"
        ),
    }
}

/// How a finding is let pass that may be, where its name may be said.
fn waiver(finding: &Finding, all: &[Finding]) -> Option<String> {
    let like = |other: &&Finding| (other.kind, &other.key) == (finding.kind, &finding.key);
    let alone = all.iter().filter(|other| other.blocks()).filter(like).count() == 1;
    let name = FindingName::of(finding, alone)?.to_string();
    let said = !name.contains("hidden:");
    said.then(|| format!("or, where it is known to be harmless: --accept '{name}' --reason TEXT"))
}

/// A rehearsal's scratch is gone by now.
fn halted(predicate: &Predicate) -> String {
    let run = predicate.run_id;
    let on = match predicate.mode {
        RunMode::Rehearse => "rehearse again".to_owned(),
        _ => format!("go forward: coppice resume {run}, or back: coppice rollback"),
    };
    format!("put the cause right, then {on}")
}

fn nothing(predicate: &Predicate) -> &'static str {
    match predicate.mode {
        _ if predicate.is_take_down() => "nothing: readers get no more of what was taken down",
        RunMode::Restore | RunMode::Rebuild => "nothing: all that was asked for is live and proven",
        RunMode::Rehearse => "nothing: a recovery would go like this",
        RunMode::Rollback => "nothing: the former generations are live again",
    }
}
