//! Does the provenance of a version hold: is everything declared, and does time run forward?

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::check::Check;
use super::documents::Role;
use super::identity::Stated;
use super::provenance::{Provenance, Time, Times};
use crate::model::FindingKind;

/// So many defects of one kind are told of one document; the last says how many more there are.
const TOLD: usize = 20;

/// Defects of one kind: what should be and what is.
type Defects = Vec<(String, String)>;

impl Check<'_> {
    /// Holds the PROV bundle to its own rules and to the version's artifacts.
    pub(super) fn provenance_constraints(&mut self) {
        let Some(prov) = &self.documents.prov else { return };
        let provenance = Provenance::of(prov);
        self.declared(&provenance);
        self.associated(&provenance);
        self.timed(&provenance);
        self.artifacts_have_provenance(&provenance);
        self.run_is_declared(&provenance);
    }

    /// Adds the defects of one kind.
    fn incomplete(&mut self, hint: &str, defects: Defects) {
        let key = self.documents.key_of(Role::Prov);
        let more = defects.len().saturating_sub(TOLD);
        for (at, (expected, actual)) in defects.into_iter().take(TOLD).enumerate() {
            let is_last = more > 0 && at + 1 == TOLD;
            let hint = if is_last { format!("{hint}; {more} more like this") } else { hint.into() };
            self.differ(FindingKind::ProvenanceIncomplete, &key, &hint, expected, actual);
        }
    }

    /// Everything that a relation names is declared, and an entity was generated once.
    fn declared(&mut self, provenance: &Provenance) {
        let is_entity = |iri: &str| provenance.entities.contains(iri);
        let is_activity = |iri: &str| provenance.activities.contains_key(iri);
        let undeclared =
            |iris: BTreeSet<&str>, is: &dyn Fn(&str) -> bool, class: &str| -> Defects {
                let lost = iris.into_iter().filter(|iri| !is(iri));
                lost.map(|iri| (format!("{iri} is a {class}"), "it is not declared".into()))
                    .collect()
            };
        let used = provenance.usages.values().flat_map(BTreeMap::keys).map(String::as_str);
        let hint = "an activity used what the bundle does not declare as an entity";
        self.incomplete(hint, undeclared(used.collect(), &is_entity, "prov:Entity"));

        let generated = provenance.generations.keys().map(String::as_str);
        let hint = "something was generated that the bundle does not declare as an entity";
        self.incomplete(hint, undeclared(generated.collect(), &is_entity, "prov:Entity"));

        let derived = provenance
            .derivations
            .iter()
            .flat_map(|(later, earlier)| std::iter::once(later).chain(earlier).map(String::as_str));
        let hint = "a derivation names what the bundle does not declare as an entity";
        self.incomplete(hint, undeclared(derived.collect(), &is_entity, "prov:Entity"));

        let generating = provenance.generations.values().flat_map(BTreeMap::keys);
        let runs = generating.chain(provenance.usages.keys()).map(String::as_str).collect();
        let hint = "an activity is named that the bundle does not declare";
        self.incomplete(hint, undeclared(runs, &is_activity, "prov:Activity"));

        let twice = provenance.generations.iter().filter(|(_, runs)| runs.len() > 1);
        let twice = twice.map(|(entity, runs)| {
            let runs: Vec<&str> = runs.keys().map(String::as_str).collect();
            (format!("one activity generated {entity}"), runs.join(", "))
        });
        let twice = twice.collect();
        self.incomplete("an entity is generated once: only one of the activities did", twice);
    }

    /// Every activity was done by an agent that is declared.
    fn associated(&mut self, provenance: &Provenance) {
        let (mut nobody, mut unknown) = (Defects::new(), Defects::new());
        for (iri, activity) in &provenance.activities {
            if activity.agents.is_empty() {
                nobody.push((format!("{iri} prov:wasAssociatedWith an agent"), "nobody".into()));
            }
            for agent in activity.agents.iter().filter(|agent| !provenance.agents.contains(*agent))
            {
                unknown.push((format!("{agent} is a prov:Agent"), "it is not declared".into()));
            }
        }
        self.incomplete("the activity does not say who did it", nobody);
        self.incomplete("an activity was done by an agent that is not declared", unknown);
    }

    /// An activity ends after it started, and makes and uses things in between.
    fn timed(&mut self, provenance: &Provenance) {
        let (mut bad, mut wrong) = (Defects::new(), Defects::new());
        let mut bounds = BTreeMap::new();
        for (iri, activity) in &provenance.activities {
            let started = moment(iri, &activity.started, &mut bad, &mut wrong);
            let ended = moment(iri, &activity.ended, &mut bad, &mut wrong);
            if let (Some(started), Some(ended)) = (started, ended)
                && ended < started
            {
                wrong.push((format!("{iri} ended after {started}"), ended.to_string()));
            }
            bounds.insert(iri.as_str(), (started, ended));
        }
        let mut generated = BTreeMap::new();
        for (entity, runs) in &provenance.generations {
            for (run, times) in runs {
                let what = format!("generation of {entity}");
                let at = moment(&what, times, &mut bad, &mut wrong);
                wrong.extend(outside(&what, at, run, &bounds));
                generated.extend(at.map(|at| (entity.as_str(), at)));
            }
        }
        for (run, entities) in &provenance.usages {
            for (entity, times) in entities {
                let what = format!("usage of {entity}");
                let at = moment(&what, times, &mut bad, &mut wrong);
                wrong.extend(outside(&what, at, run, &bounds));
                wrong.extend(before(&what, at, generated.get(entity.as_str())));
            }
        }
        for (later, earlier) in &provenance.derivations {
            for earlier in earlier {
                let at = generated.get(later.as_str()).copied();
                let what = format!("generation of {later}, which comes of {earlier},");
                wrong.extend(before(&what, at, generated.get(earlier.as_str())));
            }
        }
        self.incomplete("the time is no xsd:dateTime", bad);
        self.incomplete("the times contradict each other", wrong);
    }

    /// Every artifact is an entity with its digest, what made it and what it was made of.
    fn artifacts_have_provenance(&mut self, provenance: &Provenance) {
        let Some(stated) = self.documents.prov_states() else { return };
        let mut lacks: [(&str, Defects); 4] = [
            ("the artifact is no entity of the bundle: nobody knows where it is from", Vec::new()),
            ("the entity has no spdx:checksum that is BLAKE3 or SHA-256", Vec::new()),
            ("the entity does not say which activity generated it", Vec::new()),
            ("the entity does not say what it was derived from", Vec::new()),
        ];
        let artifacts: BTreeSet<String> =
            self.documents.listed().into_iter().map(|listed| listed.key).collect();
        for key in artifacts {
            let of_key =
                |one: &&Stated| one.object == key && provenance.entities.contains(&one.iri);
            let entities: Vec<&Stated> = stated.iter().filter(of_key).collect();
            if entities.is_empty() {
                lacks[0].1.push((format!("{key} is a prov:Entity"), "nothing".into()));
                continue;
            }
            let has = |is: &dyn Fn(&Stated) -> bool| entities.iter().any(|one| is(one));
            let said = [
                has(&|one| !one.digests.is_empty()),
                has(&|one| provenance.generations.contains_key(&one.iri)),
                has(&|one| provenance.derivations.contains_key(&one.iri)),
            ];
            for ((_, defects), said) in lacks[1..].iter_mut().zip(said) {
                if !said {
                    defects.push((key.clone(), "nothing".into()));
                }
            }
        }
        for (hint, defects) in lacks {
            self.incomplete(hint, defects);
        }
    }

    /// The run of the receipt is an activity of the bundle.
    fn run_is_declared(&mut self, provenance: &Provenance) {
        let Some(receipt) = self.documents.one(Role::Receipt) else { return };
        let Some(run) = receipt.json.get("run_id").and_then(|run| run.as_str()) else { return };
        if !provenance.activities.contains_key(run) {
            let hint = "the run of the receipt is no activity of the provenance bundle";
            let first = provenance.activities.keys().next();
            let actual = first.map_or("no activity", String::as_str);
            self.differ(FindingKind::DanglingLink, &receipt.key, hint, run, actual);
        }
    }
}

type Moment = DateTime<Utc>;
type Bounds<'a> = BTreeMap<&'a str, (Option<Moment>, Option<Moment>)>;

/// The one moment that is given, if one is.
fn moment(what: &str, times: &Times, bad: &mut Defects, wrong: &mut Defects) -> Option<Moment> {
    let mut moments = BTreeSet::new();
    for time in times {
        match time {
            Time::At(at) => {
                moments.insert(*at);
            }
            Time::Vague => {}
            Time::Bad(text) => bad.push((format!("{what}: an xsd:dateTime"), text.clone())),
        }
    }
    let (first, last) = (moments.first().copied()?, moments.last().copied()?);
    if first != last {
        wrong.push((format!("{what}: one time"), format!("{first} and {last}")));
    }
    Some(first)
}

/// Says so when something that an activity did was outside its time.
fn outside(
    what: &str,
    at: Option<Moment>,
    run: &str,
    bounds: &Bounds<'_>,
) -> Option<(String, String)> {
    let (at, (started, ended)) = (at?, bounds.get(run)?);
    if let Some(started) = started.filter(|started| at < *started) {
        return Some((format!("{what} after {run} started at {started}"), at.to_string()));
    }
    let ended = ended.filter(|ended| at > *ended)?;
    Some((format!("{what} before {run} ended at {ended}"), at.to_string()))
}

/// Says so when something was before what it needs was generated.
fn before(what: &str, at: Option<Moment>, generated: Option<&Moment>) -> Option<(String, String)> {
    let (at, generated) = (at?, generated?);
    (at < *generated).then(|| (format!("{what} after {generated}"), at.to_string()))
}
