use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;
use crate::source::{Described, descriptions};

/// A coordinate with fewer digits stands in other data too.
const DIGITS: usize = 6;

/// What no output may tell, one a line: names and positions of what is not public, and the people
/// in what came along with an acquisition.
pub(crate) fn terms(sources: &Path) -> Outcome<String> {
    let mut terms = BTreeSet::new();
    for described in descriptions(sources)? {
        if !described.sensitive.is_empty() {
            of_features(&described, sources, &mut terms)?;
        }
        for file in &described.also_acquired {
            let text = fs::read_to_string(sources.join(file))?;
            let cells = text.lines().skip(1).flat_map(|line| line.split(',').take(2));
            terms.extend(cells.map(str::to_owned));
        }
    }
    Ok(terms.into_iter().map(|term| term + "\n").collect())
}

fn of_features(described: &Described, sources: &Path, terms: &mut BTreeSet<String>) -> Outcome {
    let document: Value = serde_json::from_slice(&fs::read(sources.join(&described.acquired))?)?;
    for feature in document["features"].as_array().ok_or("no features")? {
        let properties = &feature["properties"];
        terms.extend(
            described
                .sensitive
                .iter()
                .filter_map(|name| properties[name].as_str())
                .map(str::to_owned),
        );
        let numbers = feature["geometry"]["coordinates"].as_array().ok_or("no point")?;
        let numbers = numbers.iter().map(Value::to_string);
        terms.extend(
            numbers.filter(|text| {
                text.split_once('.').is_some_and(|(_, digits)| digits.len() >= DIGITS)
            }),
        );
    }
    Ok(())
}
