use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::link::Link;
use super::record::Name;

/// Links that nothing leads to yet, by the record before them.
#[derive(Debug, Default)]
pub(super) struct Pending {
    first: HashMap<Name, Link>,
    /// Further ones that follow the same record: a whole ledger has none.
    rivals: HashMap<Name, Vec<Link>>,
}

impl Pending {
    /// The same record, if it waits already.
    pub(super) fn same(&self, link: &Link) -> Option<&Link> {
        let first = self.first.get(&link.prev);
        let mut all = first.into_iter().chain(self.rivals.get(&link.prev).into_iter().flatten());
        all.find(|waiting| waiting.name == link.name)
    }

    pub(super) fn add(&mut self, link: Link) {
        match self.first.entry(link.prev) {
            Entry::Vacant(place) => {
                place.insert(link);
            }
            Entry::Occupied(_) => self.rivals.entry(link.prev).or_default().push(link),
        }
    }

    /// Takes all that follow a record, the earliest first.
    pub(super) fn take(&mut self, prev: &Name) -> Vec<Link> {
        let mut all: Vec<Link> = self.first.remove(prev).into_iter().collect();
        if let Some(rivals) = self.rivals.remove(prev) {
            all.extend(rivals);
            all.sort_by_key(|link| (link.at, link.name));
        }
        all
    }

    /// Takes one away.
    pub(super) fn remove(&mut self, link: &Link) {
        for other in self.take(&link.prev) {
            if other.name != link.name {
                self.add(other);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.first.clear();
        self.rivals.clear();
    }

    /// The earliest link up to `day` that follows no waiting link.
    pub(super) fn torn(&self, day: u32) -> Option<&Link> {
        if !self.all().any(|link| link.day <= day) {
            return None;
        }
        let names: HashSet<Name> = self.all().map(|link| link.name).collect();
        self.all()
            .filter(|link| link.day <= day && !names.contains(&link.prev))
            .min_by_key(|link| (link.at, link.name))
    }

    fn all(&self) -> impl Iterator<Item = &Link> {
        self.first.values().chain(self.rivals.values().flatten())
    }
}
