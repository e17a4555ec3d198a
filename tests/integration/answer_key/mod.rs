//! Damages of the fixture, each with its answer: what is found where, which versions it holds
//! back, which jobs are blocked when the damaged platform is recovered, and that all others come
//! up. None is missed, and nothing else is found.
//!
//! Each is verified in a store of its own. A recovery takes long: most damages are recovered along
//! with others, as `stores` says.

mod bytes;
mod damage;
mod elsewhere;
mod ledger;
mod linked;
mod stac;
mod stores;

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
    /// The store in which it is recovered along with others, or `ALONE`.
    store: u8,
}

/// The store of a damage that is recovered by itself.
const ALONE: u8 = 0;

impl Answer {
    /// What a recovery finds.
    fn told(&self) -> Found {
        owned(self.told.unwrap_or(self.found))
    }
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

/// The kind and the object of a finding. What may not be named has no name here.
fn named(finding: &Value) -> (String, String) {
    let of = |name: &str| {
        let text = finding[name].as_str().unwrap_or_default();
        if text.starts_with("hidden:") { "hidden".to_owned() } else { text.to_owned() }
    };
    (of("kind"), of("key"))
}

fn owned(pairs: &[(&str, &str)]) -> Found {
    pairs.iter().map(|(kind, key)| ((*kind).to_owned(), (*key).to_owned())).collect()
}

fn same(these: &BTreeSet<String>, those: &[&str]) -> bool {
    these.iter().map(String::as_str).eq(BTreeSet::from_iter(those.iter().copied()))
}

/// What findings hold back: dataset versions, or jobs.
fn held<'a>(findings: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    let held = findings.flat_map(|finding| finding["blocks"].as_array().unwrap());
    held.map(|version| version.as_str().unwrap().to_owned()).collect()
}

/// What a damaged platform says when it is verified.
struct Verified {
    found: Found,
    holds: BTreeSet<String>,
}

impl Verified {
    fn of(bench: &Bench) -> Self {
        let verified = bench.json(&["verify", "origin"]).json();
        let findings = verified["findings"].as_array().unwrap();
        Self { found: findings.iter().map(named).collect(), holds: held(findings.iter()) }
    }

    fn is(&self, answer: &Answer) -> bool {
        self.found == owned(answer.found) && same(&self.holds, answer.holds)
    }
}

/// What a recovery of a damaged platform comes to.
struct Recovered {
    blocked: BTreeSet<String>,
    told: Found,
    findings: Vec<Value>,
}

impl Recovered {
    /// Seals what is on the bench, and rehearses its recovery. What no recovery may come to is an
    /// error.
    fn of(bench: &Bench) -> Result<Self, String> {
        bench.try_to_seal();
        let ended = bench.json(&["rehearse", "plans/kansas.yaml", "--env", "dev"]);
        let receipt: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        let receipt = &receipt["predicate"];
        let Some(findings) = receipt["findings"].as_array() else {
            return Err(format!("no receipt: {}\n{}", ended.stdout, ended.stderr));
        };
        let blocked = blocked(receipt)?;
        // What blocks makes a recovery partial, also where no job needs it.
        let blocks = findings.iter().any(blocks);
        let (code, outcome) = if blocks { (1, "partial") } else { (0, "recovered") };
        let mut told: Found = findings.iter().map(named).collect();
        // The fixture has one withdrawal, which every recovery tells of.
        let withdrawn = told.remove(&("withdrawn".to_owned(), ERASED.to_owned()));
        let ends = ended.code == code && receipt["outcome"] == outcome;
        if ends && withdrawn && (blocks || blocked.is_empty()) {
            return Ok(Self { blocked, told, findings: findings.clone() });
        }
        Err(format!("exit {}: {receipt:#}", ended.code))
    }

    fn is(&self, answer: &Answer) -> bool {
        same(&self.blocked, answer.blocked) && self.told == answer.told()
    }
}

fn blocks(finding: &Value) -> bool {
    finding["severity"] == "blocks"
}

/// The jobs that are blocked, where all others are built, proven and live.
fn blocked(receipt: &Value) -> Result<BTreeSet<String>, String> {
    let mut blocked = BTreeSet::new();
    let mut up = BTreeSet::new();
    for projection in receipt["projections"].as_array().unwrap() {
        let job = projection["job"].as_str().unwrap().to_owned();
        let [proven, live] = ["proven", "live"].map(|name| projection[name] == true);
        match projection["outcome"].as_str() {
            Some("blocked") if projection["live"] == false => blocked.insert(job),
            Some("rebuilt") if proven && live => up.insert(job),
            _ => return Err(format!("{projection:#}")),
        };
    }
    if blocked.len() + up.len() == ALL.len() { Ok(blocked) } else { Err(format!("{receipt:#}")) }
}

/// A bench with these damages.
fn damaged<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> Bench {
    let bench = Bench::new();
    for answer in answers {
        answer.damage.apply(&bench.path("origin"));
    }
    bench
}

/// Demands every answer, and tells of all that are wrong at once.
fn hold(answers: &[Answer]) {
    let mut wrong = Vec::new();
    for answer in answers {
        if answer.store != ALONE {
            assert!(stores::recovers(answer), "no test recovers {:?}", answer.damage);
            if Verified::of(&damaged([answer])).is(answer) {
                continue;
            }
        }
        wrong.extend(wrong_alone(answer));
    }
    assert!(wrong.is_empty(), "{} answers are others:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a damage comes to by itself, where that is not its answer.
fn wrong_alone(answer: &Answer) -> Option<String> {
    let bench = damaged([answer]);
    let verified = Verified::of(&bench);
    match Recovered::of(&bench) {
        Ok(recovered) if verified.is(answer) && recovered.is(answer) => None,
        Ok(recovered) => Some(spelled_out(answer, &verified, &recovered)),
        Err(words) => Some(format!("{}: {words}", answer.damage.spelled())),
    }
}

/// What a damage came to, as a table would spell it.
fn spelled_out(answer: &Answer, verified: &Verified, recovered: &Recovered) -> String {
    let pairs = |found: &Found| {
        let pairs = found.iter().map(|(kind, key)| format!("({kind:?}, {})", spelled(key)));
        format!("&[{}]", pairs.collect::<Vec<_>>().join(", "))
    };
    let told = match recovered.told == verified.found {
        true => "None".to_owned(),
        false => format!("Some({})", pairs(&recovered.told)),
    };
    let store = match answer.store {
        ALONE => "ALONE".to_owned(),
        store => store.to_string(),
    };
    format!(
        "Answer {{ damage: {}, found: {}, holds: &{:?}, blocked: &{:?}, told: {told}, \
         store: {store} }},",
        answer.damage.spelled(),
        pairs(&verified.found),
        verified.holds,
        recovered.blocked,
    )
}
