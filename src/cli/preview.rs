//! A preview for people and for scripts.

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::model::{Amount, Fate, Outcome, Preview, Thing, size};
use crate::plan::{Difference, Differs, StepKind, render};
use crate::recovery::{Foresight, Former};
use crate::report::{count, wrap};

/// Columns that a line may have.
const WIDTH: usize = 80;
/// The column at which the words begin.
const WORDS: usize = 32;
/// What a preview cannot know, of a snapshot and of data in place.
const UNSEEN: [&str; 2] = [
    "  foreseen is what was known when the snapshot was sealed; what was damaged",
    "  since is found by the run itself, and blocks what depends on it",
];
const UNREAD: [&str; 2] =
    ["  damage to the inputs is found by the run itself, and blocks what is made of", "  them"];
/// So many differences are shown to people.
const SHOWN: usize = 24;

/// The whole as people read it: the graph, what each step would do, totals, what is new.
pub(super) fn text(foresight: &Foresight) -> String {
    let mut lines = vec![render::text(&foresight.graph), "What each step would do".to_owned()];
    for step in &foresight.graph.steps {
        if let Some(preview) = foresight.previews.get(&step.id).filter(|it| !it.is_empty()) {
            lines.extend(of_step(step.id.as_str(), preview));
        }
    }
    lines.extend([String::new(), "In all".to_owned()]);
    lines.extend(totals(&foresight.previews.totals()));
    if foresight.graph.steps.iter().any(|step| step.kind == StepKind::Gate) {
        let unknown = if foresight.graph.snapshot.is_some() { UNSEEN } else { UNREAD };
        lines.extend(unknown.map(str::to_owned));
    }
    lines.push(String::new());
    match &foresight.last {
        None => lines.push("No former run of this environment and mode is known here.".to_owned()),
        Some(former) => lines.extend(against(former)),
    }
    lines.join("\n")
}

fn of_step(name: &str, preview: &Preview) -> Vec<String> {
    let mut words = match &preview.blocked {
        Some(why) => wrapped(&format!("blocked: {why}")),
        None => listed(preview.changes().map(|(thing, fate, amount)| one(thing, fate, amount))),
    };
    words.extend(preview.note.iter().flat_map(|note| wrapped(note)));
    beside(&format!("  {name}"), words)
}

/// Lines beside a name; a long name has a line of its own.
fn beside(name: &str, words: Vec<String>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut before = name.to_owned();
    // A word that is too long for the column, such as a path, has the whole width.
    if words.iter().any(|line| line.chars().count() > WIDTH - WORDS) {
        lines.push(before);
        let whole = wrap(&words.join(" "), WIDTH - 8);
        lines.extend(whole.iter().map(|line| format!("      {}", line.trim_start())));
        return lines;
    }
    if before.chars().count() + 2 > WORDS {
        lines.push(std::mem::take(&mut before));
    }
    for line in words {
        lines.push(format!("{before:WORDS$}{line}"));
        before = String::new();
    }
    lines
}

fn wrapped(words: &str) -> Vec<String> {
    wrap(words, WIDTH - WORDS).into_iter().map(|line| line.trim_start().to_owned()).collect()
}

/// Items with commas between them, none of them broken.
fn listed(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            // One column stays for the comma that may follow.
            Some(line) if line.chars().count() + item.chars().count() + 3 <= WIDTH - WORDS => {
                *line = format!("{line}, {item}");
            }
            Some(line) => {
                line.push(',');
                lines.push(item);
            }
            None => lines.push(item),
        }
    }
    lines
}

fn one(thing: Thing, fate: Fate, amount: Amount) -> String {
    let mut text = format!("{} {}", fate.name(), count(amount.count));
    if thing != Thing::Object {
        text = format!("{text} {}", noun(thing, amount.count));
    }
    match (amount.bytes, amount.rows) {
        (Some(bytes), _) => format!("{text} ({})", size(bytes)),
        (None, Some(1)) => format!("{text} (1 row)"),
        (None, Some(rows)) => format!("{text} ({} rows)", count(rows)),
        (None, None) => text,
    }
}

fn noun(thing: Thing, number: u64) -> &'static str {
    match (thing, number) {
        (Thing::Object, 1) => "object",
        (Thing::Object, _) => "objects",
        (Thing::Projection, 1) => "projection",
        (Thing::Projection, _) => "projections",
        (Thing::Generation, 1) => "generation",
        (Thing::Generation, _) => "generations",
    }
}

fn totals(totals: &Preview) -> Vec<String> {
    let mut lines = Vec::new();
    for thing in [Thing::Object, Thing::Projection, Thing::Generation] {
        let of_thing = totals.changes().filter(|(other, ..)| *other == thing);
        let fates = listed(of_thing.map(|(_, fate, amount)| one(Thing::Object, fate, amount)));
        lines.extend(beside(&format!("  {}", noun(thing, 2)), fates));
    }
    if lines.is_empty() {
        lines.push("  nothing would change".to_owned());
    }
    lines
}

fn against(former: &Former) -> Vec<String> {
    let at = crate::model::moment(former.started_at);
    let end = former.outcome.map_or("not ended", Outcome::name);
    if former.same {
        return vec![format!("Same plan as run {}", former.run), format!("  of {at} ({end}).")];
    }
    let mut lines = vec![format!("Since run {}", former.run), format!("  of {at} ({end}):")];
    if former.differences.is_empty() {
        lines.push("  files or facts of the plan changed, and no step did".to_owned());
    }
    for one in former.differences.iter().take(SHOWN) {
        lines.extend(beside(&format!("  {}", named(one)), wrapped(&changed(one))));
    }
    let more = former.differences.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(format!("  and {} more; --format json shows all", count(more as u64)));
    }
    lines
}

fn named(one: &Difference) -> String {
    let what = match one.what {
        Differs::Snapshot => return "snapshot".to_owned(),
        Differs::Input => "input",
        Differs::Label => "label of",
        Differs::Job => "job",
        Differs::Step => "step",
    };
    format!("{what} {}", one.name)
}

fn changed(one: &Difference) -> String {
    let name = |text: &String| text.parse().map_or_else(|_| text.clone(), |d: Digest| d.short());
    let (before, now) = (one.before.as_ref().map(name), one.now.as_ref().map(name));
    match (before, now) {
        (Some(before), Some(now)) if before == now => "does it in another way".to_owned(),
        (Some(before), Some(now)) => format!("{before} -> {now}"),
        (None, Some(now)) => format!("new: {now}"),
        (before, None) => format!("not part of it now: {}", before.unwrap_or_default()),
    }
}

/// The whole as scripts read it: `preview` in each step, `totals` and `diff` beside the rest.
pub(super) fn json(foresight: &Foresight) -> Value {
    let mut document = render::json(&foresight.graph);
    if let Some(steps) = document["steps"].as_array_mut() {
        for (step, spec) in steps.iter_mut().zip(&foresight.graph.steps) {
            step["preview"] = foresight.previews.get(&spec.id).map_or(Value::Null, of);
        }
    }
    document["totals"] = changes(&foresight.previews.totals());
    document["diff"] = foresight.last.as_ref().map_or(Value::Null, |former| {
        json!({
            "run_id": former.run,
            "started_at": former.started_at,
            "outcome": former.outcome,
            "plan_digest": former.plan_digest,
            "same": former.same,
            "changes": former.differences,
        })
    });
    document
}

fn of(preview: &Preview) -> Value {
    json!({
        "changes": changes(preview),
        "blocked": preview.blocked,
        "note": preview.note,
        "findings": preview.findings,
    })
}

fn changes(preview: &Preview) -> Value {
    let change = |(thing, fate, amount): (Thing, Fate, Amount)| {
        json!({
            "thing": thing,
            "fate": fate,
            "count": amount.count,
            "bytes": amount.bytes,
            "rows": amount.rows,
        })
    };
    preview.changes().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_a_terminal_and_says_how_much() {
        let mut preview = Preview::default();
        for (fate, size) in [(Fate::Create, 2_000_000), (Fate::Replace, 10), (Fate::Keep, 9_000)] {
            preview.add(Thing::Object, fate, Some(size), None);
        }
        let mut lines = of_step("restore/objects/processed", &preview);
        lines.extend(of_step("verify/version/a_very_long_dataset_name/2026-02.aaaaaaaa", &preview));
        let mut built = Preview::default();
        built.add(Thing::Projection, Fate::Unchanged, None, Some(1204));
        lines.extend(of_step("rebuild/postgis/places", &built));
        let why =
            "gate/policy/tiles/a: data under the label internal may not go to a public target";
        lines.extend(of_step("rebuild/tiles/a", &Preview::blocked(why)));
        preview.merge(&built);
        let path = "file:///srv/a-folder-with-a-long-name/and-another/canonical carries no marker";
        lines.extend(of_step("fence", &Preview::noted(path)));
        lines.extend(totals(&preview));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:#?}");
        insta::assert_snapshot!(lines.join("\n"));
    }
}
