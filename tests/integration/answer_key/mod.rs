//! Damages of the fixture, each with its answer: what is found where, which versions it holds
//! back, which jobs are blocked when the damaged platform is recovered, and that all others come
//! up. None is missed, and nothing else is found.

mod bytes;
mod damage;
mod elsewhere;
mod ledger;
mod linked;
mod stac;

use std::collections::BTreeSet;

use serde_json::Value;

use self::damage::{Damage, spelled};
use crate::bench::{Bench, ERASED};

/// What a damage must come to.
struct Answer {
    damage: Damage,
    /// The findings by kind and object, each at least once, and no other.
    found: &'static [(&'static str, &'static str)],
    /// The dataset versions that they hold back.
    holds: &'static [&'static str],
    /// The jobs that a recovery out of a snapshot of it leaves blocked; all others come up. A defect
    /// of form that was sealed with the snapshot only warns there: production lived with it.
    blocked: &'static [&'static str],
    /// What that recovery finds, where it is not the same.
    told: Option<&'static [(&'static str, &'static str)]>,
}

/// The newest version of the airports.
const AIRPORTS: &[&str] = &["2026-02.c4f9633b"];

/// Every job of the plan.
const ALL: &[&str] = &[
    "graph/kansas",
    "postgis/airports",
    "postgis/counties",
    "postgis/county_centers",
    "postgis/county_lines",
    "postgis/earthquakes",
    "postgis/flights",
    "postgis/places",
    "postgis/routes",
    "postgis/species",
    "postgis/species_restricted",
    "postgis/warnings",
    "postgis/zipcodes",
    "search/kansas",
    "tiles/kansas",
];

/// Those that are made of the airports: the graph reads every catalog, the search index those of
/// the newest versions that are public, the tiles have a layer of them.
const OF_AIRPORTS: &[&str] = &["graph/kansas", "postgis/airports", "search/kansas", "tiles/kansas"];

type Found = BTreeSet<(String, String)>;

/// The kinds and objects of findings. What may not be named has no name here.
fn found(document: &Value) -> Found {
    let of = |finding: &Value, name: &str| {
        let text = finding[name].as_str().unwrap_or_default();
        if text.starts_with("hidden:") { "hidden".to_owned() } else { text.to_owned() }
    };
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|finding| (of(finding, "kind"), of(finding, "key"))).collect()
}

fn owned(pairs: &[(&str, &str)]) -> Found {
    pairs.iter().map(|(kind, key)| ((*kind).to_owned(), (*key).to_owned())).collect()
}

/// What a damage came to.
struct Outcome {
    found: Found,
    holds: BTreeSet<String>,
    blocked: BTreeSet<String>,
    told: Found,
}

impl Outcome {
    fn is(&self, answer: &Answer) -> bool {
        let same = |these: &BTreeSet<String>, those: &[&str]| {
            these.iter().map(String::as_str).eq(BTreeSet::from_iter(those.iter().copied()))
        };
        self.found == owned(answer.found)
            && same(&self.holds, answer.holds)
            && same(&self.blocked, answer.blocked)
            && self.told == owned(answer.told.unwrap_or(answer.found))
    }

    /// As a table would spell it.
    fn spelled(&self, damage: &Damage) -> String {
        let pairs = |found: &Found| {
            let pairs = found.iter().map(|(kind, key)| format!("({kind:?}, {})", spelled(key)));
            format!("&[{}]", pairs.collect::<Vec<_>>().join(", "))
        };
        let told = match self.told == self.found {
            true => "None".to_owned(),
            false => format!("Some({})", pairs(&self.told)),
        };
        format!(
            "Answer {{ damage: {}, found: {}, holds: &{:?}, blocked: &{:?}, told: {told} }},",
            damage.spelled(),
            pairs(&self.found),
            self.holds,
            self.blocked,
        )
    }
}

/// Demands every answer, and tells of all that are wrong at once.
fn hold(answers: &[Answer]) {
    let mut wrong = Vec::new();
    for answer in answers {
        let outcome = come_to(&answer.damage);
        if !outcome.is(answer) {
            wrong.push(outcome.spelled(&answer.damage));
        }
    }
    assert!(wrong.is_empty(), "{} answers are others:\n{}", wrong.len(), wrong.join("\n"));
}

/// Verifies the damaged platform by itself, seals it, and rehearses its recovery.
fn come_to(damage: &Damage) -> Outcome {
    let bench = Bench::new();
    damage.apply(&bench.path("origin"));
    let verified = bench.json(&["verify", "origin"]).json();
    let held = verified["findings"].as_array().unwrap().iter();
    let held = held.flat_map(|finding| finding["blocks"].as_array().unwrap());
    bench.try_to_seal();
    let ended = bench.json(&["rehearse", "plans/kansas.yaml", "--env", "dev"]);
    let receipt = ended.json()["predicate"].clone();
    let blocked = blocked(&receipt, &damage.spelled());
    // What blocks makes a recovery partial, also where no job needs it.
    let blocks = receipt["findings"].as_array().unwrap().iter().any(|f| f["severity"] == "blocks");
    let (code, outcome) = if blocks { (1, "partial") } else { (0, "recovered") };
    assert_eq!((ended.code, &receipt["outcome"]), (code, &Value::from(outcome)), "{damage:?}");
    assert!(blocks || blocked.is_empty(), "{damage:?}: {receipt:#}");
    let mut told = found(&receipt);
    // The fixture has one withdrawal, which every recovery tells of.
    assert!(told.remove(&("withdrawn".to_owned(), ERASED.to_owned())), "{damage:?}: {told:?}");
    Outcome {
        found: found(&verified),
        holds: held.map(|version| version.as_str().unwrap().to_owned()).collect(),
        blocked,
        told,
    }
}

/// The jobs that are blocked, where all others are built, proven and live.
fn blocked(receipt: &Value, damage: &str) -> BTreeSet<String> {
    let mut blocked = BTreeSet::new();
    let mut up = BTreeSet::new();
    for projection in receipt["projections"].as_array().unwrap() {
        let job = projection["job"].as_str().unwrap().to_owned();
        if projection["outcome"] == "blocked" {
            assert_eq!(projection["live"], false, "{damage}: {projection:#}");
            blocked.insert(job);
            continue;
        }
        assert_eq!(projection["outcome"], "rebuilt", "{damage}: {projection:#}");
        assert_eq!(projection["proven"], true, "{damage}: {projection:#}");
        assert_eq!(projection["live"], true, "{damage}: {projection:#}");
        up.insert(job);
    }
    assert_eq!(blocked.len() + up.len(), ALL.len(), "{damage}: {receipt:#}");
    blocked
}
