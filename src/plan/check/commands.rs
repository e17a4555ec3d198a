use std::collections::BTreeSet;

use super::variables;
use crate::model::RunMode;
use crate::plan::source::Source;
use crate::plan::{CommandSpec, Problem};

/// What is wrong with the commands at a place of a plan.
pub(super) fn commands(source: &Source, at: &str, all: &[CommandSpec]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for (index, command) in all.iter().enumerate() {
        let at = format!("{at}/{index}");
        let mut say = |field: &str, message: String, hint: &str| {
            let problem = source.problem(&format!("{at}/{field}"), message);
            problems.push(problem.hint(Some(hint.to_owned())));
        };
        let name = &command.name;
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(good) || name.starts_with('.') {
            say("name", format!("`{name}` is no name"), "use letters, digits, `.`, `_` and `-`");
        }
        if !names.insert(name) {
            say("name", format!("two commands are named `{name}`"), "give each its own name");
        }
        if command.program.trim().is_empty() {
            say("program", "expected a program".to_owned(), "a path, or a name found in PATH");
        }
        if command.modes.contains(&RunMode::Rehearse) {
            let hint = "what it does to real services cannot be rehearsed: leave it out";
            say("modes", "a rehearsal runs no such command".to_owned(), hint);
        }
        for (variable, value) in &command.env {
            if let Some((message, hint)) = variables::wrong(variable, value) {
                say("env", message, hint);
            }
        }
    }
    problems
}
