//! A gate opens on evidence alone: what it waits for and cannot see leaves it shut.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;

use crate::engine::{Action, StepContext};
use crate::model::{
    Audience, Code, DatasetVersionId, Failure, Finding, FindingKind, JobId, Output, PolicyLabel,
    Preview, Previews, StepId, Verdict,
};
use crate::plan::{GateParams, StepSpec};
use crate::recovery::{GateOutput, VerifiedOutput, params, withdrawn};

struct Gate {
    gate: GateParams,
    waits_for: Vec<StepId>,
}

/// Binds a `Gate` step.
pub(crate) fn bind(spec: &StepSpec) -> Result<Arc<dyn Action>, Failure> {
    let waits_for = spec.after.iter().map(|(step, _)| step.clone()).collect();
    Ok(Arc::new(Gate { gate: params(spec)?, waits_for }))
}

#[async_trait]
impl Action for Gate {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let unseen: Vec<_> =
            self.waits_for.iter().filter(|s| !cx.inputs.contains_key(s)).cloned().collect();
        let mut passed = Vec::new();
        let mut against = Vec::new();
        for (step, output) in &cx.inputs {
            for finding in self.concerning(&output.findings) {
                let list = if finding.blocks() { &mut against } else { &mut passed };
                list.push(finding.clone());
            }
            tracing::debug!(%step, "gate read its evidence");
        }
        against.extend(self.denied());
        let id = self.gate.id();
        if !unseen.is_empty() || !against.is_empty() {
            return Err(shut(&id, &unseen, against));
        }
        let pins = self.pins(cx);
        let evidence = self.evidence(cx, &passed);
        let verdict = Verdict { id, open: true, evidence, findings: passed };
        Output::of(&GateOutput { verdict, pins })
    }

    async fn preview(&self, before: &Previews) -> Result<Preview, Failure> {
        let known = self.waits_for.iter().filter_map(|step| before.get(step));
        let known = known.flat_map(|preview| self.concerning(&preview.findings));
        let against: Vec<_> = known.filter(|finding| finding.blocks()).cloned().collect();
        if !against.is_empty() {
            return Ok(Preview::blocked(format!("known when it was sealed: {}", first(&against))));
        }
        Ok(match &self.gate {
            GateParams::Policy { label, audience, allowed: false, .. } => {
                let (label, to) = (label_name(*label), audience.name());
                Preview::blocked(format!(
                    "data under the label {label} may not go to a {to} target"
                ))
            }
            _ => Preview::default(),
        })
    }
}

impl Gate {
    fn concerning<'a>(&'a self, findings: &'a [Finding]) -> impl Iterator<Item = &'a Finding> {
        findings.iter().filter(move |finding| match &self.gate {
            GateParams::CanonicalIntact { version } => finding.concerns(version),
            GateParams::Ledger => true,
            // Findings about objects shut the gates of their versions, not of everything.
            GateParams::Manifest | GateParams::Policy { .. } | GateParams::Erased { .. } => false,
            // Those of versions shut the gates of their versions.
            GateParams::Withdrawals { .. } => {
                finding.kind == FindingKind::Withdrawn && finding.dataset_version_id.is_none()
            }
        })
    }

    fn denied(&self) -> Option<Finding> {
        match &self.gate {
            GateParams::Policy { job, label, audience, allowed: false } => {
                Some(denied(job, *label, *audience))
            }
            GateParams::Erased { job, datasets, versions } => Some(erased(job, datasets, versions)),
            _ => None,
        }
    }

    fn pins(&self, cx: &StepContext) -> Vec<crate::digest::Digest> {
        let GateParams::CanonicalIntact { version } = &self.gate else { return Vec::new() };
        let mut pins = Vec::new();
        for output in cx.inputs.values() {
            // The fence is among what it waits for, and pins nothing.
            let Ok(verified) = output.read::<VerifiedOutput>() else { continue };
            let of_version = |p: &&super::super::PinnedShard| p.version.as_ref() == Some(version);
            pins.extend(verified.pins.iter().filter(of_version).map(|p| p.blob));
        }
        pins
    }

    fn evidence(&self, cx: &StepContext, passed: &[Finding]) -> String {
        let accepted = passed.iter().filter(|finding| finding.accepted.is_some()).count();
        let mut warned = match passed.len() - accepted {
            0 => String::new(),
            n => format!("; {n} warnings let pass"),
        };
        if accepted > 0 {
            let _infallible = write!(warned, "; accepted by the operator: {accepted}");
        }
        match &self.gate {
            GateParams::Manifest => {
                format!("manifest proven, {} transfer steps done", cx.inputs.len())
            }
            GateParams::Ledger => format!("chain whole to its head{warned}"),
            GateParams::CanonicalIntact { .. } => {
                format!("artifacts, catalog and checksums agree{warned}")
            }
            GateParams::Withdrawals { entries } => {
                format!(
                    "{} read, nothing that was erased is left{warned}",
                    withdrawn::entries(*entries)
                )
            }
            GateParams::Erased { .. } => "nothing is left to build it of".to_owned(),
            GateParams::Policy { label, audience, .. } => {
                format!("label {} may reach {}", label_name(*label), audience.name())
            }
        }
    }
}

fn shut(id: &str, unseen: &[StepId], findings: Vec<Finding>) -> Failure {
    let mut why = Vec::new();
    if !unseen.is_empty() {
        let steps: Vec<_> = unseen.iter().map(ToString::to_string).collect();
        why.push(format!("no evidence from {}", steps.join(", ")));
    }
    if !findings.is_empty() {
        why.push(first(&findings));
    }
    let hint = match findings.first() {
        Some(finding) => finding.hint.clone(),
        None => "look at why the steps before it failed, then resume".to_owned(),
    };
    Failure::permanent(Code::GateShut, format!("gate {id} is shut: {}", why.join("; ")))
        .hint(hint)
        .with_findings(findings)
}

/// The first of some findings, and how many more there are.
fn first(findings: &[Finding]) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let key = first.key.as_deref().map(|key| format!(" at {key}")).unwrap_or_default();
    let more = match findings.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    format!("{}{key}{more}", first.kind.name())
}

fn denied(job: &JobId, label: Option<PolicyLabel>, audience: Audience) -> Finding {
    let hint = format!(
        "the strictest label of what {job} reads may not reach a {} target: leave the dataset out, \
         or give the job `audience: governed`",
        audience.name()
    );
    let mut finding = Finding::blocking(FindingKind::PolicyDenied, hint)
        .differs("public or public_generalized", label_name(label));
    finding.blocks = vec![job.to_string()];
    finding
}

fn erased(job: &JobId, datasets: &[String], versions: &[DatasetVersionId]) -> Finding {
    let names = datasets.join(", ");
    let hint = format!(
        "{job} reads {names}, of which no version is left: leave the job out of the plan, or \
         publish a new version"
    );
    let versions: Vec<_> = versions.iter().map(DatasetVersionId::as_str).collect();
    let actual = format!("nothing; erased as a whole: {}", versions.join(", "));
    let mut finding = Finding::blocking(FindingKind::Withdrawn, hint)
        .differs(format!("a version of {names}"), actual);
    finding.blocks = vec![job.to_string()];
    finding
}

fn label_name(label: Option<PolicyLabel>) -> &'static str {
    label.map_or("missing or unknown", PolicyLabel::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_without_evidence_says_whose_is_missing() {
        let unseen = ["verify/ledger".parse().unwrap()];
        let failure = shut("ledger", &unseen, Vec::new());
        assert_eq!(failure.code, Code::GateShut);
        assert_eq!(failure.message, "gate ledger is shut: no evidence from verify/ledger");
    }
}
