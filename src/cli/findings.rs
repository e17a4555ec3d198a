//! Findings as a person reads them.

use std::fmt::Write;

use crate::model::{Finding, Severity};

/// Shown at once; the rest is counted.
const MOST: usize = 20;
/// Columns that a line may have.
const WIDTH: usize = 80;

/// Lists findings, each with what to do; empty where there are none.
pub(super) fn list(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings.iter().take(MOST) {
        let weight = match finding.severity {
            Severity::Blocks => "BLOCKS",
            Severity::Warns => "warns",
        };
        let key = finding.key.as_deref().unwrap_or("-");
        let what = format!("{weight} {}:", finding.kind.name());
        // A key that is too long for the line has one of its own.
        let beside = if what.len() + 1 + key.chars().count() > WIDTH { "\n  " } else { " " };
        let _ = write!(text, "\n\n{what}{beside}{key}");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FindingKind;

    #[test]
    fn a_long_key_has_a_line_of_its_own() {
        let found = |key: &str| Finding::warning(FindingKind::Grown, "look at it").at(key);
        let long =
            format!("processed/ks_counties/2026-02.aaaaaaaa/artifacts/{}.csv", "x".repeat(20));
        let text = list(&[found("raw/a"), found(&long)]);
        assert!(text.contains("\n\nwarns grown: raw/a\n"), "{text}");
        assert!(text.contains(&format!("\n\nwarns grown:\n  {long}\n")), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
