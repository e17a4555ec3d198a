//! The last run as metrics, in the text format that Prometheus reads.

use chrono::{DateTime, Utc};
use prometheus::core::Collector;
use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};

use crate::model::RunMode;
use crate::receipt::{Objectives, Predicate, Receipt};

/// What a command was about, whether it came to a receipt or not.
pub(crate) struct Ran<'a> {
    /// The plan's name.
    pub(crate) plan: &'a str,
    /// The environment.
    pub(crate) environment: &'a str,
    /// What the run was for.
    pub(crate) mode: RunMode,
    /// When the command ended.
    pub(crate) at: DateTime<Utc>,
    /// How, as scripts see it.
    pub(crate) exit_code: u8,
    /// When such a run recovered everything for the last time.
    pub(crate) last_success: Option<DateTime<Utc>>,
}

/// Says what ran and what it came to. Without a receipt the metrics of one are absent, not zero.
pub(crate) fn textfile(
    ran: &Ran<'_>,
    receipt: Option<&Receipt>,
) -> Result<Vec<u8>, prometheus::Error> {
    let metrics = Metrics { registry: Registry::new(), ran, mode: ran.mode.to_string() };
    metrics.one("last_run_timestamp_seconds", "When the last run ended.", unix(ran.at))?;
    metrics.one("last_run_exit_code", "How it ended; 0 is good.", f64::from(ran.exit_code))?;
    if let Some(at) = ran.last_success {
        metrics.one("last_success_timestamp_seconds", "When one was last good.", unix(at))?;
    }
    if let Some(receipt) = receipt {
        metrics.receipt(&receipt.predicate)?;
    }
    let mut text = Vec::new();
    TextEncoder::new().encode(&metrics.registry.gather(), &mut text)?;
    Ok(text)
}

struct Metrics<'a> {
    registry: Registry,
    ran: &'a Ran<'a>,
    mode: String,
}

impl Metrics<'_> {
    fn receipt(&self, predicate: &Predicate) -> Result<(), prometheus::Error> {
        let took = predicate.finished_at - predicate.started_at;
        self.one("run_duration_seconds", "How long the run took.", took.as_seconds_f64())?;
        let outcome = [(predicate.outcome.name().to_owned(), 1.0)];
        self.many("run_outcome", "How the run ended.", "outcome", outcome)?;
        self.objectives(&predicate.objectives)?;
        let blocking = predicate.findings.iter().filter(|finding| finding.blocks()).count();
        let warning = predicate.findings.len() - blocking;
        let findings = [("blocks", blocking), ("warns", warning)];
        let findings =
            findings.map(|(severity, count)| (severity.to_owned(), number(count as u64)));
        self.many("findings", "Defects found, by severity.", "severity", findings)?;
        let gates = predicate.gates.iter().map(|gate| (gate.id.clone(), truth(gate.open)));
        self.many("gate_open", "Whether what waits behind a gate could go on.", "gate", gates)?;
        let moved = &predicate.restored;
        self.one(
            "restored_objects",
            "Objects at the target as the snapshot has them.",
            number(moved.objects),
        )?;
        self.one("restored_bytes", "Bytes written.", number(moved.bytes))?;
        let jobs = || predicate.projections.iter();
        let rows = jobs().filter_map(|line| Some((line.job.to_string(), number(line.rows?))));
        self.many("projection_rows", "Rows of a projection.", "job", rows)?;
        let proven = jobs().map(|line| (line.job.to_string(), truth(line.proven)));
        self.many("projection_proven", "Whether it holds what the data say.", "job", proven)?;
        let live = jobs().map(|line| (line.job.to_string(), truth(line.live)));
        self.many("projection_live", "Whether it was read back live.", "job", live)
    }

    fn objectives(&self, objectives: &Objectives) -> Result<(), prometheus::Error> {
        let Objectives { rto_actual_seconds, rto_target_seconds, .. } = *objectives;
        let Objectives { rpo_actual_seconds, rpo_target_seconds, .. } = *objectives;
        for (name, help, value) in [
            (
                "rto_actual_seconds",
                "From the start to the last live read-back.",
                rto_actual_seconds,
            ),
            ("rto_target_seconds", "Recovery time objective.", rto_target_seconds),
            ("rpo_actual_seconds", "From the snapshot to the incident.", rpo_actual_seconds),
            ("rpo_target_seconds", "Recovery point objective.", rpo_target_seconds),
            ("objectives_met", "Whether all were met.", objectives.met.map(u64::from)),
        ] {
            if let Some(value) = value {
                self.one(name, help, number(value))?;
            }
        }
        Ok(())
    }

    fn one(&self, name: &str, help: &str, value: f64) -> Result<(), prometheus::Error> {
        let gauge = GaugeVec::new(Opts::new(format!("coppice_{name}"), help), &LABELS)?;
        gauge.with_label_values(&self.labels()).set(value);
        self.register(gauge)
    }

    fn many(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (String, f64)>,
    ) -> Result<(), prometheus::Error> {
        let [plan, environment, mode] = LABELS;
        let labels = [plan, environment, mode, label];
        let gauge = GaugeVec::new(Opts::new(format!("coppice_{name}"), help), &labels)?;
        let [plan, environment, mode] = self.labels();
        for (of, value) in values {
            gauge.with_label_values(&[plan, environment, mode, of.as_str()]).set(value);
        }
        self.register(gauge)
    }

    fn labels(&self) -> [&str; 3] {
        [self.ran.plan, self.ran.environment, &self.mode]
    }

    fn register(&self, gauge: impl Collector + 'static) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(gauge))
    }
}

const LABELS: [&str; 3] = ["plan", "environment", "mode"];

fn unix(at: DateTime<Utc>) -> f64 {
    number(u64::try_from(at.timestamp_millis()).unwrap_or_default()) / 1000.0
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Exact up to 2^53, as every number of this format.
#[allow(clippy::cast_precision_loss, reason = "the format has no other numbers")]
fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::samples;

    fn ran(last_success: Option<DateTime<Utc>>) -> Ran<'static> {
        let at = DateTime::from_timestamp(1_800_000_000, 500_000_000).unwrap();
        let mode = RunMode::Rehearse;
        Ran { plan: "kansas", environment: "dev", mode, at, exit_code: 1, last_success }
    }

    #[test]
    fn a_receipt_is_told_in_metrics() {
        let ran = ran(DateTime::from_timestamp(1_700_000_000, 0));
        let text = textfile(&ran, Some(&samples::receipt(&samples::broken()))).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap());
    }

    #[test]
    fn without_a_receipt_only_the_end_is_told() {
        let text = String::from_utf8(textfile(&ran(None), None).unwrap()).unwrap();
        let values: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let labels = r#"{environment="dev",mode="rehearse",plan="kansas"}"#;
        assert_eq!(
            values,
            [
                format!("coppice_last_run_exit_code{labels} 1"),
                format!("coppice_last_run_timestamp_seconds{labels} 1800000000.5"),
            ]
        );
    }
}
