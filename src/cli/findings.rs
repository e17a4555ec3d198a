//! Findings as a person reads them.

use std::fmt::Write;

use crate::model::{Finding, Severity};

/// Shown at once; the rest is counted.
const MOST: usize = 20;

/// Lists findings, each with what to do; empty where there are none.
pub(super) fn list(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings.iter().take(MOST) {
        let weight = match finding.severity {
            Severity::Blocks => "BLOCKS",
            Severity::Warns => "warns",
        };
        let key = finding.key.as_deref().unwrap_or("-");
        let _ = write!(text, "\n\n{weight} {}: {key}", finding.kind.name());
        for (name, value) in [("expected", &finding.expected), ("actual", &finding.actual)] {
            if let Some(value) = value {
                let _ = write!(text, "\n  {name:8}  {value}");
            }
        }
        if !finding.blocks.is_empty() {
            let _ = write!(text, "\n  holds back {}", finding.blocks.join(", "));
        }
        let _ = write!(text, "\n  do        {}", finding.hint);
    }
    if findings.len() > MOST {
        let _ = write!(text, "\n\nand {} more; --format json lists all", findings.len() - MOST);
    }
    text
}
