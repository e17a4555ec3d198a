//! Past runs, and how the time of each step moves.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::words;
use crate::model::{Outcome, RunId, RunMode, moment};
use crate::receipt::Receipt;

/// So many steps are read in a screenful, the longest first.
const MOST: usize = 12;

/// A run that ended or stopped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Past {
    /// The run.
    pub(crate) run_id: RunId,
    /// What it was for.
    pub(crate) mode: RunMode,
    /// The environment.
    pub(crate) environment: String,
    /// When it started.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ended; null of one that did not.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// How it ended; null of one that did not.
    pub(crate) outcome: Option<Outcome>,
    /// From its start to the last live read-back.
    pub(crate) rto_actual_seconds: Option<u64>,
    /// Recovery time objective.
    pub(crate) rto_target_seconds: Option<u64>,
    /// From the time that the snapshot is of to the incident.
    pub(crate) rpo_actual_seconds: Option<u64>,
    /// Recovery point objective.
    pub(crate) rpo_target_seconds: Option<u64>,
    /// Rows of all projections.
    pub(crate) rows: u64,
    /// Who signed the drill off.
    pub(crate) sign_off: Option<String>,
}

/// How long a step took, over the runs of one mode in one environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StepTrend {
    /// What the runs were for.
    pub(crate) mode: RunMode,
    /// The environment.
    pub(crate) environment: String,
    /// The step.
    pub(crate) step: String,
    /// Milliseconds it took, the oldest run first.
    pub(crate) milliseconds: Vec<u64>,
    /// The median of all but the last.
    pub(crate) median_milliseconds: Option<u64>,
}

impl StepTrend {
    fn last(&self) -> u64 {
        self.milliseconds.last().copied().unwrap_or_default()
    }

    /// The last against the median of those before, in per cent.
    fn change(&self) -> Option<i64> {
        let median = i64::try_from(self.median_milliseconds?).ok().filter(|median| *median > 0)?;
        let last = i64::try_from(self.last()).ok()?;
        Some((last - median) * 100 / median)
    }
}

/// How long each step that succeeded took, over receipts from the newest to the oldest.
pub(crate) fn trends(receipts: &[Receipt]) -> Vec<StepTrend> {
    let mut all: BTreeMap<(String, String, String), StepTrend> = BTreeMap::new();
    for receipt in receipts.iter().rev() {
        let of = &receipt.predicate;
        for step in of.steps.iter().filter(|step| step.outcome == "succeeded") {
            let Some((from, to)) = step.worked() else { continue };
            let took = u64::try_from((to - from).num_milliseconds()).unwrap_or_default();
            let key = (of.environment.clone(), of.mode.to_string(), step.id.to_string());
            let trend = all.entry(key).or_insert_with(|| StepTrend {
                mode: of.mode,
                environment: of.environment.clone(),
                step: step.id.to_string(),
                milliseconds: Vec::new(),
                median_milliseconds: None,
            });
            trend.milliseconds.push(took);
        }
    }
    let mut all: Vec<StepTrend> = all.into_values().collect();
    for trend in &mut all {
        trend.median_milliseconds =
            median(trend.milliseconds.split_last().map_or(&[], |(_, former)| former));
    }
    all
}

fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// Runs as a table, then how the longest steps of each environment and mode move.
pub(crate) fn history(runs: &[Past], trends: &[StepTrend]) -> String {
    if runs.is_empty() {
        return "no such runs yet; start with: coppice rehearse PLAN --env ENV".to_owned();
    }
    let mut text = String::new();
    for run in runs {
        past(&mut text, run);
    }
    let mut groups: Vec<(&str, RunMode)> = Vec::new();
    for trend in trends {
        let group = (trend.environment.as_str(), trend.mode);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    for (environment, mode) in groups {
        let of = trends.iter().filter(|trend| trend.environment == environment);
        let mut of: Vec<_> = of.filter(|trend| trend.mode == mode).collect();
        of.sort_by_key(|trend| std::cmp::Reverse(trend.last()));
        group(&mut text, &format!("{} of {environment}", words::mode(mode)), &of);
    }
    text
}

fn past(text: &mut String, run: &Past) {
    let started = moment(run.started_at);
    let outcome = run.outcome.map_or("did not end", Outcome::name);
    let mode = words::mode(run.mode);
    let _infallible = writeln!(text, "{started}  {outcome}: {mode} of {}", run.environment);
    let rto = objective("RTO", run.rto_actual_seconds, run.rto_target_seconds);
    let rpo = objective("RPO", run.rpo_actual_seconds, run.rpo_target_seconds);
    let _infallible = writeln!(text, "  {rto}; {rpo}; {}", words::counted(run.rows, "row"));
    let signed = run.sign_off.as_ref().map(|by| format!("; signed off by {by}"));
    let _infallible = writeln!(text, "  run {}{}", run.run_id, signed.unwrap_or_default());
}

fn objective(name: &str, actual: Option<u64>, target: Option<u64>) -> String {
    let verdict = match (actual, target) {
        (Some(actual), Some(target)) if actual <= target => ", met",
        (Some(_), Some(_)) => ", MISSED",
        _ => "",
    };
    let actual = actual.map_or_else(|| "not measured".to_owned(), words::seconds);
    let target = target.map(|target| format!(" of {}", words::seconds(target)));
    format!("{name} {actual}{}{verdict}", target.unwrap_or_default())
}

fn group(text: &mut String, title: &str, trends: &[&StepTrend]) {
    let _infallible = writeln!(text, "\nTime per step, {title} (oldest run left)");
    let _infallible =
        writeln!(text, "  {:36}  {:>10}  {:>10}  {:>7}", "step", "last", "median", "change");
    for trend in trends.iter().take(MOST) {
        let time = |millis: u64| words::time(Duration::from_millis(millis));
        let median = trend.median_milliseconds.map_or_else(|| "-".to_owned(), time);
        let change = trend.change().map_or_else(|| "-".to_owned(), |change| format!("{change:+}%"));
        let _infallible = writeln!(
            text,
            "  {:36}  {:>10}  {median:>10}  {change:>7}  {}",
            shorter(&trend.step),
            time(trend.last()),
            bars(&trend.milliseconds)
        );
    }
    if trends.len() > MOST {
        let _infallible = writeln!(text, "  and {} shorter ones", trends.len() - MOST);
    }
}

/// A step's name in 36 columns: what it is about stands at its end.
fn shorter(step: &str) -> String {
    const COLUMNS: usize = 36;
    let count = step.chars().count();
    if count <= COLUMNS {
        return step.to_owned();
    }
    let start: String = step.chars().take(10).collect();
    let end: String = step.chars().skip(count - (COLUMNS - 11)).collect();
    format!("{start}…{end}")
}

/// The last few times as heights; the numbers stand beside it.
fn bars(milliseconds: &[u64]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const WIDTH: usize = 5;
    let shown = &milliseconds[milliseconds.len().saturating_sub(WIDTH)..];
    let most = shown.iter().copied().max().unwrap_or_default().max(1);
    let height = |took: &u64| {
        let height = u128::from(*took) * 7 / u128::from(most);
        HEIGHTS[usize::try_from(height).unwrap_or_default().min(7)]
    };
    shown.iter().map(height).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::samples;

    fn receipts() -> Vec<Receipt> {
        let whole = samples::receipt(&samples::whole());
        let mut slow = whole.clone();
        for step in &mut slow.predicate.steps {
            step.finished_at = step.finished_at.map(|at| at + chrono::TimeDelta::seconds(30));
        }
        vec![slow, whole.clone(), whole]
    }

    #[test]
    fn the_last_time_is_held_against_the_median_of_those_before() {
        let trends = trends(&receipts());
        let one = trends.iter().find(|trend| trend.step == "rebuild/postgis/places").unwrap();
        assert_eq!(one.milliseconds.len(), 3);
        assert_eq!(one.last(), one.median_milliseconds.unwrap() + 30_000);
        assert!(one.change().unwrap() > 0);
    }

    #[test]
    fn past_runs_are_told_in_eighty_columns() {
        let receipts = receipts();
        let runs: Vec<Past> = receipts
            .iter()
            .map(|receipt| {
                let of = &receipt.predicate;
                Past {
                    run_id: of.run_id,
                    mode: of.mode,
                    environment: of.environment.clone(),
                    started_at: of.started_at,
                    finished_at: Some(of.finished_at),
                    outcome: Some(of.outcome),
                    rto_actual_seconds: of.objectives.rto_actual_seconds,
                    rto_target_seconds: of.objectives.rto_target_seconds,
                    rpo_actual_seconds: of.objectives.rpo_actual_seconds,
                    rpo_target_seconds: of.objectives.rpo_target_seconds,
                    rows: of.projections.iter().filter_map(|line| line.rows).sum(),
                    sign_off: Some("kim".to_owned()),
                }
            })
            .collect();
        let text = history(&runs, &trends(&receipts));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::with_settings!({filters => vec![(r"\(\d\d:\d\d [+-]\d\d:\d\d\)", "(LOCAL)")]}, {
            insta::assert_snapshot!(text);
        });
    }
}
