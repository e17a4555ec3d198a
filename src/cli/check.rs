//! `coppice check`: could a run start now? Changes nothing on any target, fails closed.

use std::sync::Arc;

use serde_json::json;

use super::args::{EnvArgs, Global, RunArgs};
use super::entry::state;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::run::request;
use super::state::State;
use crate::journal::{Journal, SqliteJournal};
use crate::model::{Code, Failure, Redact, RunMode};
use crate::recovery::{self, Changed, Last, Level, Probe};
use crate::report::{fit_to, wrap};

/// Columns that a line may have.
const WIDTH: usize = 80;
/// Columns of a probe's name; a longer one has a line of its own.
const NAME: usize = 16;

/// `coppice check`.
pub(super) async fn run(global: &Global, args: &EnvArgs) -> Result<Exit, Trouble> {
    let state = state(global)?;
    let request = request(global, RunMode::Rebuild, args, &RunArgs::default(), &state)?;
    let (journal, trouble) = journal(&state).await?;
    let mut probes = recovery::probe(&request, journal.journal.clone()).await?;
    probes.extend(match (state.shared(), trouble) {
        (Some(reference), None) => {
            Some(Probe::good("journal", format!("shared, at the URL of {reference}")))
        }
        (Some(_), Some(failure)) => Some(Probe::failed("journal", failure)),
        (None, trouble) => trouble.map(|failure| Probe::failed("state", failure)),
    });
    for probe in &mut probes {
        probe.id = global.redactor.text(&probe.id);
        probe.seen = global.redactor.text(&probe.seen);
        probe.hint = probe.hint.take().map(|hint| global.redactor.text(&hint));
    }
    let path = recovery::last_path(state.dir(), &request.file, &request.env);
    let (now, last) = (Last::of(&probes), Last::read(&path));
    let changes = last.as_ref().map(|last| last.changes(&now)).unwrap_or_default();
    if let Err(error) = now.write(&path) {
        output::note(&format!("this check is not kept for the next one to compare: {error}"));
    }
    let ok = probes.iter().all(|probe| probe.ok);
    let document = json!({
        "ok": ok,
        "environment": request.env,
        "probes": probes,
        "last_checked_at": last.as_ref().map(|last| last.at),
        "changes": changes,
    });
    output::result(global.format, &document, || {
        let mut lines = table(&probes);
        lines.extend(since(last.as_ref(), &changes));
        lines.push(if ok { "ready".to_owned() } else { "not ready".to_owned() });
        lines.join("\n")
    })?;
    Ok(if ok { Exit::Done } else { Exit::Found })
}

/// A journal, and the folder that it lies in where that is one for this check alone.
struct Opened {
    journal: Arc<dyn Journal>,
    _folder: Option<tempfile::TempDir>,
}

/// The journal; one that cannot be opened is told, and the rest is looked at all the same.
async fn journal(state: &State) -> Result<(Opened, Option<Failure>), Failure> {
    let failure = match state.journal().await {
        Ok(journal) => return Ok((Opened { journal, _folder: None }, None)),
        Err(failure) => failure,
    };
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::permanent(Code::Journal, "failed to make a folder for this check").because(&error)
    })?;
    let journal = Arc::new(SqliteJournal::open(folder.path()).await?);
    Ok((Opened { journal, _folder: Some(folder) }, Some(failure)))
}

fn table(probes: &[Probe]) -> Vec<String> {
    let mut lines = Vec::new();
    for probe in probes {
        let mark = match probe.level {
            Level::Ok => "ok  ",
            Level::Warn => "WARN",
            Level::Fail => "FAIL",
        };
        let mut before = format!("{mark}  {:NAME$}  ", probe.id);
        if probe.id.chars().count() > NAME {
            lines.push(format!("{mark}  {}", probe.id));
            before = String::new();
        }
        lines.extend(beside(&before, &probe.seen));
        if let Some(hint) = &probe.hint {
            lines.extend(beside("", &format!("do: {hint}")));
        }
    }
    lines
}

/// Words in the column beside the names, under each other where they are long.
fn beside(before: &str, words: &str) -> Vec<String> {
    let column = NAME + 8;
    let fitted = fit_to(words, WIDTH - column, 0);
    // What is too long for the column, such as a path or a command, has the whole width.
    if fitted.lines().any(|line| line.chars().count() > WIDTH - column) {
        let whole = fit_to(words, WIDTH - 8, 0);
        let whole = whole.lines().map(|line| format!("      {}", line.trim_start()));
        let name = Some(before.trim_end().to_owned()).filter(|name| !name.is_empty());
        return name.into_iter().chain(whole).collect();
    }
    let mut before = before.to_owned();
    let lines = fitted.lines().map(|line| {
        let line = format!("{before:column$}{}", line.trim_start());
        before.clear();
        line
    });
    lines.collect()
}

fn since(last: Option<&Last>, changes: &[Changed]) -> Vec<String> {
    let Some(last) = last else { return vec!["the first check that is known here".to_owned()] };
    let at = crate::model::moment(last.at);
    if changes.is_empty() {
        return vec![format!("nothing changed since the check of {at}")];
    }
    let mut lines = vec![format!("changed since the check of {at}:")];
    for one in changes {
        let words = |text: &Option<String>| text.clone().unwrap_or_else(|| "not there".to_owned());
        lines.push(format!("  {}", one.id));
        lines.extend(wrap(&format!("      was {}", words(&one.before)), WIDTH));
        lines.extend(wrap(&format!("      is  {}", words(&one.now)), WIDTH));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_reads_well_on_eighty_columns() {
        let failure = Failure::permanent(Code::StoreUnreachable, "failed to reach s3://kfm-backup");
        let probes = [
            Probe::good("snapshot-age", "3 hours old, 24h allowed"),
            Probe::warn(
                "public /srv/kfm/canonical",
                "every user of this machine may read raw, work, quarantine, audit",
                "chmod o-rx /srv/kfm/canonical",
            ),
            Probe::failed("store backup", failure.hint("look whether the network is up")),
            Probe::bad(
                "grants",
                "the role lacks USAGE on schema live",
                "as the owner: GRANT USAGE",
            ),
        ];
        let before = [Probe::good("store backup", "answers"), Probe::good("lost", "x")];
        let mut lines = table(&probes);
        let (last, now) = (Last::of(&before), Last::of(&probes));
        let changes = last.changes(&now);
        lines.extend(since(Some(&last), &changes).into_iter().skip(1));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:#?}");
        insta::assert_snapshot!(lines.join("\n"));
    }
}
