//! What people are told to type can be typed, and what scripts match on is documented.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{CommandFactory, Parser};

use super::args::Cli;
use crate::model::Code;

const RUN: &str = "01900000-0000-7000-8000-000000000001";

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| format!("docs/{}", name.to_string_lossy()));
    let names = names.filter(|name| Path::new(name).extension().is_some_and(|e| e == "md"));
    names.chain(["README.md".to_owned()]).map(|name| (name.clone(), page(&name))).collect()
}

/// Splits a line as a shell would, as far as our examples go.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn parses(place: &str, line: &str) {
    let words = words(line).into_iter().map(|word| match word.as_str() {
        "RUN" => RUN.to_owned(),
        _ => word,
    });
    // Help and version are told as errors that are none.
    if let Err(error) = Cli::try_parse_from(words)
        && error.use_stderr()
    {
        panic!("{place}: `{line}`: {error}");
    }
}

#[test]
fn every_command_has_an_example_that_can_be_typed() {
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let about = command.get_long_about().unwrap_or_default().to_string();
        let examples: Vec<_> =
            about.lines().filter_map(|line| line.trim().strip_prefix("Example: ")).collect();
        assert!(!examples.is_empty(), "{name} has no example: {about}");
        for example in examples {
            assert!(example.starts_with(&format!("coppice {name} ")) || name == "man", "{example}");
            parses(name, example);
        }
    }
}

/// Whether a line has the five fields of a time before its command, as in a crontab.
fn has_time(line: &str) -> bool {
    let fields: Vec<_> = line.split_whitespace().take(5).collect();
    let digits = |field: &&str| field.starts_with(|c: char| c == '*' || c.is_ascii_digit());
    let field = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || "*/,-".contains(c));
    fields.len() == 5 && fields[..3].iter().all(digits) && fields[3..].iter().all(field)
}

/// Refuses what cron does not do: go on with a line after a `\`, and hand a `%` to the command.
fn cron_reads(place: &str, text: &str) {
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && has_time(line) && line.contains("coppice ") {
            let goes_on = line.trim_end().ends_with('\\');
            assert!(!goes_on, "{place}: cron ends an entry with its line, write it on one: {line}");
            let cut = line.replace("\\%", "").contains('%');
            assert!(!cut, "{place}: cron cuts a command at a `%`, write `\\%`: {line}");
        }
    }
}

#[test]
fn every_command_in_the_docs_can_be_typed() {
    let mut seen = 0;
    for (name, text) in pages() {
        cron_reads(&name, &text);
        let text = text.replace("\\\n", " ");
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with("```") {
                inside = !inside;
            } else if let Some(at) = line.find("coppice ").filter(|_| inside) {
                // A line of a crontab has its time before it, one of a unit its key; a line of
                // output is none.
                let before = line[..at].trim();
                let unit = before.starts_with("ExecStart=");
                let mut rest = &line[at..];
                for end in [" #", " > ", " | "] {
                    rest = rest.split(end).next().unwrap_or_default();
                }
                if before.is_empty() || has_time(line) || unit {
                    parses(&name, rest.trim());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
#[should_panic(expected = "cron ends an entry with its line")]
fn an_entry_of_a_crontab_that_goes_on_is_refused() {
    cron_reads("page", "```\n*/5 3 * * mon coppice rehearse plan.yaml \\\n  --env dev\n```\n");
}

#[test]
fn every_error_code_and_exit_code_is_on_its_page() {
    let page = page("docs/codes.md");
    let documented: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();
    let known: BTreeSet<_> = Code::ALL.iter().map(|code| code.name().to_owned()).collect();
    assert_eq!(documented, known);
    for exit in [0, 1, 2, 3, 4, 5, 130] {
        assert!(page.contains(&format!("\n| {exit} |")), "{exit}");
    }
}

#[test]
fn every_page_is_in_the_index_and_every_link_leads_somewhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = page("docs/README.md");
    for (name, text) in pages() {
        let from = Path::new(&name).parent().unwrap();
        if name.starts_with("docs/") && name != "docs/README.md" {
            assert!(
                index.contains(&format!("({})", &name[5..])),
                "{name} is not in docs/README.md"
            );
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            let there = folder.join(from).join(target).exists();
            assert!(target.starts_with("http") || there, "{name}: {link}");
        }
    }
}

#[test]
fn help_fits_a_terminal() {
    let mut command = Cli::command().term_width(80);
    command.build();
    for command in command.get_subcommands_mut() {
        let help = command.render_long_help().to_string();
        // What is to be typed is not broken.
        let typed = |line: &&str| ["Usage: ", "Example: "].iter().any(|it| line.starts_with(it));
        for line in help.lines().filter(|line| !typed(line)) {
            assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
        }
    }
}
