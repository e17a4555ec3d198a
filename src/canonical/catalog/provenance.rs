//! What PROV-O statements say: entities, activities and agents, and who made what of what.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::rdf::{Rdf, term};

const PROV: &str = "http://www.w3.org/ns/prov#";

const ENTITIES: [&str; 5] = ["Entity", "Plan", "Bundle", "Collection", "EmptyCollection"];
const AGENTS: [&str; 4] = ["Agent", "Person", "Organization", "SoftwareAgent"];
/// Relations by which one entity comes of another, each with its qualified form.
const DERIVATIONS: [(&str, &str); 4] = [
    ("wasDerivedFrom", "qualifiedDerivation"),
    ("wasRevisionOf", "qualifiedRevision"),
    ("wasQuotedFrom", "qualifiedQuotation"),
    ("hadPrimarySource", "qualifiedPrimarySource"),
];

/// A time as a document gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Time {
    /// A moment.
    At(DateTime<Utc>),
    /// A time without a zone, or a day: it cannot be put in order.
    Vague,
    /// No `xsd:dateTime`.
    Bad(String),
}

impl Time {
    fn read(text: &str) -> Self {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Self::At(time.with_timezone(&Utc));
        }
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok();
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
        if local || day { Self::Vague } else { Self::Bad(text.to_owned()) }
    }
}

/// When something was, as far as it is said.
pub(super) type Times = Vec<Time>;

/// An activity.
#[derive(Debug, Default)]
pub(super) struct Activity {
    pub(super) started: Times,
    pub(super) ended: Times,
    pub(super) agents: BTreeSet<String>,
}

/// All that is said of provenance in some triples, by IRI.
#[derive(Debug, Default)]
pub(super) struct Provenance {
    /// What is declared as an entity.
    pub(super) entities: BTreeSet<String>,
    /// What is declared as an activity.
    pub(super) activities: BTreeMap<String, Activity>,
    /// What is declared as an agent.
    pub(super) agents: BTreeSet<String>,
    /// Which activities generated an entity, and when.
    pub(super) generations: BTreeMap<String, BTreeMap<String, Times>>,
    /// Which entities an activity used, and when.
    pub(super) usages: BTreeMap<String, BTreeMap<String, Times>>,
    /// What an entity was derived from.
    pub(super) derivations: BTreeMap<String, BTreeSet<String>>,
    /// Which activities an activity was informed by.
    pub(super) informed: BTreeMap<String, BTreeSet<String>>,
}

impl Provenance {
    /// Gathers what triples say, in simple and qualified terms and in either direction.
    pub(super) fn of(rdf: &Rdf) -> Self {
        let mut provenance = Self {
            entities: declared(rdf, &ENTITIES),
            agents: declared(rdf, &AGENTS),
            ..Self::default()
        };
        provenance.add_activities(rdf);
        provenance.add_generations(rdf);
        provenance.add_usages(rdf);
        for (simple, qualified) in DERIVATIONS {
            let named = pairs(rdf, simple).chain(through(rdf, qualified, "entity"));
            for (later, earlier) in named {
                provenance.derivations.entry(later).or_default().insert(earlier);
            }
        }
        let informed = pairs(rdf, "wasInformedBy");
        for (later, earlier) in informed.chain(through(rdf, "qualifiedCommunication", "activity")) {
            provenance.informed.entry(later).or_default().insert(earlier);
        }
        provenance
    }

    fn add_activities(&mut self, rdf: &Rdf) {
        let times = |subject: &str, name: &str| -> Times {
            rdf.objects(subject, &prov(name)).iter().map(|text| Time::read(text)).collect()
        };
        for iri in rdf.of_type(term::ACTIVITY) {
            let started = times(&iri, "startedAtTime");
            let ended = times(&iri, "endedAtTime");
            self.activities.insert(iri, Activity { started, ended, agents: BTreeSet::new() });
        }
        let simple = pairs(rdf, "wasAssociatedWith");
        for (activity, agent) in simple.chain(through(rdf, "qualifiedAssociation", "agent")) {
            if let Some(activity) = self.activities.get_mut(&activity) {
                activity.agents.insert(agent);
            }
        }
    }

    fn add_generations(&mut self, rdf: &Rdf) {
        let inverse = pairs(rdf, "generated").map(|(activity, entity)| (entity, activity));
        for (entity, activity) in pairs(rdf, "wasGeneratedBy").chain(inverse) {
            self.generations.entry(entity).or_default().entry(activity).or_default();
        }
        for (entity, node) in pairs(rdf, "qualifiedGeneration") {
            for activity in rdf.objects(&node, &prov("activity")) {
                let at = rdf.objects(&node, &prov("atTime"));
                let known = self.generations.entry(entity.clone()).or_default();
                known.entry(activity).or_default().extend(at.iter().map(|text| Time::read(text)));
            }
        }
        for (entity, text) in pairs(rdf, "generatedAtTime") {
            for times in
                self.generations.get_mut(&entity).into_iter().flat_map(BTreeMap::values_mut)
            {
                times.push(Time::read(&text));
            }
        }
    }

    fn add_usages(&mut self, rdf: &Rdf) {
        for (activity, entity) in pairs(rdf, "used") {
            self.usages.entry(activity).or_default().entry(entity).or_default();
        }
        for (activity, node) in pairs(rdf, "qualifiedUsage") {
            for entity in rdf.objects(&node, &prov("entity")) {
                let at = rdf.objects(&node, &prov("atTime"));
                let known = self.usages.entry(activity.clone()).or_default();
                known.entry(entity).or_default().extend(at.iter().map(|text| Time::read(text)));
            }
        }
    }

    /// Every step from a later thing to the earlier one that it needs.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&str, &str, Step)> {
        fn flat<'a, I: IntoIterator<Item = &'a String> + 'a>(
            of: impl Iterator<Item = (&'a String, I)> + 'a,
            step: Step,
        ) -> impl Iterator<Item = (&'a str, &'a str, Step)> {
            of.flat_map(move |(later, all)| {
                all.into_iter().map(move |earlier| (later.as_str(), earlier.as_str(), step))
            })
        }
        let generated = self.generations.iter().map(|(entity, all)| (entity, all.keys()));
        let used = self.usages.iter().map(|(activity, all)| (activity, all.keys()));
        flat(self.derivations.iter(), Step::Derived)
            .chain(flat(generated, Step::Generated))
            .chain(flat(used, Step::Used))
            .chain(flat(self.informed.iter(), Step::Informed))
    }
}

/// How a thing needs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// An entity comes of an entity.
    Derived,
    /// An entity was generated by an activity.
    Generated,
    /// An activity used an entity.
    Used,
    /// An activity used what another one made.
    Informed,
}

fn prov(name: &str) -> String {
    format!("{PROV}{name}")
}

fn declared(rdf: &Rdf, classes: &[&str]) -> BTreeSet<String> {
    classes.iter().flat_map(|class| rdf.of_type(&prov(class))).collect()
}

fn pairs(rdf: &Rdf, name: &str) -> impl Iterator<Item = (String, String)> {
    rdf.pairs(&prov(name)).into_iter()
}

/// The subjects of a qualified relation and what its node leads to.
fn through(rdf: &Rdf, name: &str, leads: &str) -> impl Iterator<Item = (String, String)> {
    let leads = prov(leads);
    pairs(rdf, name).flat_map(move |(subject, node)| {
        let ends = rdf.objects(&node, &leads).into_iter();
        ends.map(move |end| (subject.clone(), end)).collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn simple_qualified_and_inverse_terms_say_the_same() {
        let read = |graph: serde_json::Value| {
            let document = json!({"@context": "https://www.w3.org/ns/prov", "@graph": graph});
            let (rdf, problems) = Rdf::read("catalog/a/b/prov/bundle.jsonld", document).unwrap();
            assert_eq!(problems, Vec::<String>::new());
            let provenance = Provenance::of(&rdf);
            let mut steps: Vec<_> = provenance
                .steps()
                .map(|(later, earlier, step)| format!("{later} {step:?} {earlier}"))
                .collect();
            steps.sort();
            let agents = provenance.activities["urn:run"].agents.clone();
            (steps, agents)
        };
        let simple = read(json!([
            {"id": "urn:run", "type": "Activity", "used": ["urn:in"], "wasInformedBy": "urn:old",
             "wasAssociatedWith": "urn:agent"},
            {"id": "urn:out", "wasGeneratedBy": "urn:run", "wasDerivedFrom": "urn:in"},
        ]));
        let other = read(json!([
            {"id": "urn:run", "type": "Activity", "qualifiedUsage": {"entity": "urn:in"},
             "qualifiedCommunication": {"activity": "urn:old"}, "generated": "urn:out",
             "qualifiedAssociation": {"agent": "urn:agent"}},
            {"id": "urn:out", "qualifiedPrimarySource": {"entity": "urn:in"}},
        ]));
        assert_eq!(simple, other);
        assert_eq!(simple.0.len(), 4);
    }

    #[test]
    fn times_are_read_or_said_to_be_none() {
        assert!(matches!(Time::read("2026-02-10T06:30:00Z"), Time::At(_)));
        assert!(matches!(Time::read("2026-02-10T06:30:00.5-06:00"), Time::At(_)));
        assert_eq!(Time::read("2026-02-10T06:30:00"), Time::Vague);
        assert_eq!(Time::read("2026-02-10"), Time::Vague);
        for bad in ["", "10/02/2026", "2026-13-01T00:00:00Z", "soon"] {
            assert_eq!(Time::read(bad), Time::Bad(bad.to_owned()));
        }
    }
}
