//! Holds the table of rooms in ARCHITECTURE.md: who may use whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms and the rooms that they may use, as the table says.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## Rooms of `src/`").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<(String, String)> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            (cells[0].trim_matches('`').to_owned(), cells[2].to_owned())
        })
        .collect();
    let all: BTreeSet<String> = rows.iter().map(|(room, _)| room.clone()).collect();
    let allowed = |uses: &str| -> BTreeSet<String> {
        if let Some(rest) = uses.strip_prefix("everything") {
            let but: Vec<&str> = rest.split([' ', ',']).collect();
            return all.iter().filter(|room| !but.contains(&room.as_str())).cloned().collect();
        }
        uses.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    rows.iter().map(|(room, uses)| (room.clone(), allowed(uses))).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Every `crate::room` that a line names, also in `use crate::{a::b, c}`.
fn rooms_of(line: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let inside = rest.strip_prefix('{').map(|list| list.split('}').next().unwrap_or(list));
        let parts: Vec<&str> = match inside {
            Some(list) => list.split(',').collect(),
            None => vec![rest],
        };
        for part in parts {
            let name: String = part
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            if known.contains(name.as_str()) {
                found.push(name);
            }
        }
    }
    found
}

/// Whole files of tests, and what stands ready for them.
fn is_test(file: &Path) -> bool {
    let name = file.file_stem().unwrap().to_string_lossy();
    let marks = ["test", "fixture", "sample", "suite"];
    // The two of that name that are no suites are traits.
    let contract = name == "contract" && file.ends_with("store/contract.rs");
    contract
        || marks.iter().any(|mark| name.contains(mark))
        || file.components().any(|component| component.as_os_str() == "tests")
}

/// A file without what is compiled for tests only: from the attribute to the end of its item.
fn without_tests(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut kept = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push(line);
            continue;
        }
        kept.push("");
        let indent = line.len() - line.trim_start().len();
        for of_item in lines.by_ref() {
            kept.push("");
            let at_its_level = of_item.len() - of_item.trim_start().len() == indent;
            if at_its_level && of_item.ends_with([';', '}']) {
                break;
            }
        }
    }
    kept.join("\n")
}

#[test]
fn no_room_uses_one_that_the_table_does_not_allow() {
    let table = table();
    assert!(table.len() >= 16, "the table in ARCHITECTURE.md was not read: {table:?}");
    let known: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    let mut wrong = Vec::new();
    for (room, allowed) in &table {
        let mut files = Vec::new();
        sources(&root().join("src").join(room), &mut files);
        assert!(!files.is_empty(), "the room `{room}` is empty");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // Tests may look into other rooms.
            let lines = if is_test(&file) { String::new() } else { without_tests(&text) };
            for (number, line) in lines.lines().enumerate() {
                for used in rooms_of(line, &known) {
                    if used != *room && !allowed.contains(&used) {
                        wrong.push(format!("{}:{} uses {used}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_uses_sees_lists_and_paths() {
    let known = ["model", "store", "digest"].into();
    assert_eq!(rooms_of("use crate::{digest::Digest, store};", &known), ["digest", "store"]);
    assert_eq!(rooms_of("    x: crate::model::RunId,", &known), ["model"]);
    assert!(rooms_of("use crate::models::X;", &known).is_empty());
}

#[test]
fn what_follows_a_test_is_read_again() {
    let text =
        "use a;\n#[cfg(test)]\nmod tests;\nuse b;\n#[cfg(test)]\nmod more {\n    use c;\n}\nuse d;";
    let kept = without_tests(text);
    assert_eq!(
        kept.lines().filter(|l| !l.is_empty()).collect::<Vec<_>>(),
        ["use a;", "use b;", "use d;"]
    );
    assert_eq!(kept.lines().count(), text.lines().count());
}
