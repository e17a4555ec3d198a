//! What was read of a table, held against what the catalog says of it and what the job allows.

use super::declared;
use super::geometry::{Bounds, shown};
use super::settle::Read;
use super::{DatasetError, Session};
use crate::model::{DatasetVersion, Finding, FindingKind, OnBadRow, PolicyLabel};

/// The rows of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    /// Rows that a query gets.
    pub(crate) rows: u64,
    /// Rows that were refused.
    pub(crate) refused: u64,
    /// Rows among those that it gets whose geometry was repaired.
    pub(crate) repaired: u64,
}

impl Session {
    /// How many rows of a registered table were read, refused and repaired.
    pub(crate) fn counted(&self, table: &str) -> Result<Counted, DatasetError> {
        let mut counted = Counted::default();
        for (_, read) in &self.table(table)?.parts {
            counted.rows += read.rows;
            counted.refused += read.refused.rows();
            counted.repaired += read.repaired.rows();
        }
        Ok(counted)
    }

    /// West, south, east, north in degrees of all that was read of a table.
    #[cfg(test)]
    pub(crate) fn extent(&self, table: &str) -> Option<[f64; 4]> {
        bounds(&self.table(table).ok()?.parts).bbox()
    }

    /// Holds what was read of a table against its catalog and the job: `count-mismatch`,
    /// `extent-mismatch`, `columns-mismatch`, `crs-mismatch`, `rows-refused`, `rows-repaired`.
    pub(crate) fn hold(
        &self,
        table: &str,
        on_bad_row: &OnBadRow,
    ) -> Result<Vec<Finding>, DatasetError> {
        let known = self.table(table)?;
        let mut findings = differences(&known.version, &known.parts);
        findings.extend(declared::differences(known));
        findings.extend(bad_rows(&known.version, &known.parts, on_bad_row));
        Ok(findings)
    }

    pub(super) fn table(&self, table: &str) -> Result<&super::session::Table, DatasetError> {
        self.tables.get(table).ok_or_else(|| DatasetError::NoTable { table: table.to_owned() })
    }
}

fn bounds(parts: &[(String, Read)]) -> Bounds {
    let mut bounds = Bounds::default();
    for (_, read) in parts {
        bounds.merge(&read.bounds);
    }
    bounds
}

pub(super) fn is_public(version: &DatasetVersion) -> bool {
    version.policy_label.is_some_and(PolicyLabel::is_public)
}

fn differences(version: &DatasetVersion, parts: &[(String, Read)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let finding = |kind, hint: &str| {
        let finding = Finding::blocking(kind, hint).of_version(Some(&version.version));
        match parts.first() {
            Some((key, _)) => finding.at(key),
            None => finding,
        }
    };
    let all: u64 = parts.iter().map(|(_, read)| read.all()).sum();
    if let Some(rows) = version.rows
        && rows != all
    {
        let refused: u64 = parts.iter().map(|(_, read)| read.refused.rows()).sum();
        let actual = match refused {
            0 => all.to_string(),
            _ => format!("{all}, of which {refused} were refused"),
        };
        let hint = "the artifact and its catalog disagree: publish a version in which they agree";
        findings.push(finding(FindingKind::CountMismatch, hint).differs(rows, actual));
    }
    for (key, read) in parts.iter().filter(|(_, read)| read.outside.rows() > 0) {
        let hint = "readers skip rows by these boxes: publish a version whose boxes are right";
        let finding = Finding::blocking(FindingKind::ExtentMismatch, hint).at(key);
        let rows = format!("{} of {} rows", read.outside.rows(), read.all());
        let actual = format!("{rows}: {}", read.outside.shown(is_public(version)));
        let finding = finding.of_version(Some(&version.version));
        findings.push(finding.differs("boxes that hold their geometries", actual));
    }
    let found = bounds(parts);
    if let Some(declared) = version.bbox
        && !found.within(declared)
    {
        let hint = "geometries lie outside the catalog's extent: publish a version that is right";
        let actual = found.bbox().filter(|_| is_public(version)).map(shown);
        let actual = actual.unwrap_or_else(|| "another extent".to_owned());
        findings.push(finding(FindingKind::ExtentMismatch, hint).differs(shown(declared), actual));
    }
    findings
}

/// One finding for each artifact with rows that were refused, and one for each with repaired
/// ones: bounds hold for the table as a whole.
fn bad_rows(
    version: &DatasetVersion,
    parts: &[(String, Read)],
    on_bad_row: &OnBadRow,
) -> Vec<Finding> {
    let sum = |of: fn(&Read) -> u64| parts.iter().map(|(_, read)| of(read)).sum::<u64>();
    let all = sum(Read::all);
    let may_skip = on_bad_row.may_skip(sum(|read| read.refused.rows()), all);
    let may_repair = on_bad_row.may_repair(sum(|read| read.repaired.rows()), all);
    let mut findings = Vec::new();
    for (key, read) in parts {
        for (kind, tally, allowed) in [
            (FindingKind::RowsRefused, &read.refused, may_skip),
            (FindingKind::RowsRepaired, &read.repaired, may_repair),
        ] {
            if tally.rows() == 0 {
                continue;
            }
            let finding = if allowed {
                Finding::warning(kind, "publish a version without such rows")
            } else {
                let hint = "publish a version without such rows, or say in the job what becomes \
                            of them: `on_bad_row`";
                Finding::blocking(kind, hint)
            };
            let within = if allowed { "within what the job allows" } else { "0" };
            let rows = format!("{} of {} rows", tally.rows(), read.all());
            let actual = format!("{rows}: {}", tally.shown(is_public(version)));
            findings
                .push(finding.of_version(Some(&version.version)).at(key).differs(within, actual));
        }
    }
    findings
}
