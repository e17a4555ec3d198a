//! Which snapshots a rule keeps. Pure: what is listed, held and asked for decides it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::holds::Holds;
use crate::canonical::backup::Listed;
use crate::canonical::manifest::State;
use crate::digest::Digest;
use crate::model::Zone;

/// How many snapshots are kept, for each source. Periods are those of UTC; a week is that of ISO
/// 8601. Of each of the N newest periods in which there is a clean snapshot, its newest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Keep {
    /// The newest clean ones.
    pub(crate) last: u32,
    /// One an hour.
    pub(crate) hourly: u32,
    /// One a day.
    pub(crate) daily: u32,
    /// One a week.
    pub(crate) weekly: u32,
    /// One a month.
    pub(crate) monthly: u32,
    /// One a year.
    pub(crate) yearly: u32,
    /// The newest suspect ones, beside those that are newer than the newest clean one.
    pub(crate) suspect: u32,
}

/// Why a snapshot is kept; no reason is no keeping.
pub(super) type Reasons = BTreeMap<Digest, Vec<String>>;

type Period = (i32, u32, u32);
type Rule = (&'static str, u32, fn(&DateTime<Utc>) -> Period);

impl Keep {
    /// Whether it names anything to keep.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self { suspect: self.suspect, ..Self::default() }
    }

    fn rules(&self) -> [Rule; 5] {
        [
            ("hourly", self.hourly, |at| (at.year(), at.ordinal(), at.hour())),
            ("daily", self.daily, |at| (at.year(), at.ordinal(), 0)),
            ("weekly", self.weekly, |at| (at.iso_week().year(), at.iso_week().week(), 0)),
            ("monthly", self.monthly, |at| (at.year(), at.month(), 0)),
            ("yearly", self.yearly, |at| (at.year(), 0, 0)),
        ]
    }

    /// Says for every snapshot why it is kept. `all` comes newest first.
    pub(super) fn reasons(&self, all: &[Listed], holds: &Holds, now: DateTime<Utc>) -> Reasons {
        let mut reasons: Reasons = all.iter().map(|listed| (listed.snapshot, Vec::new())).collect();
        for (snapshot, why) in protected(all, holds, now) {
            reasons.entry(snapshot).or_default().push(why);
        }
        for group in sources(all).values() {
            let of_state =
                |state: State| group.iter().copied().filter(move |listed| listed.state == state);
            let mut keep = |listed: &Listed, why: &str| {
                reasons.entry(listed.snapshot).or_default().push(why.to_owned());
            };
            for listed in of_state(State::Clean).take(self.last as usize) {
                keep(listed, "last");
            }
            for (name, count, period) in self.rules() {
                let mut seen = BTreeSet::new();
                for listed in of_state(State::Clean) {
                    if seen.len() < count as usize && seen.insert(period(&listed.as_of)) {
                        keep(listed, name);
                    }
                }
            }
            for listed in of_state(State::Suspect).take(self.suspect as usize) {
                keep(listed, "suspect");
            }
        }
        reasons
    }
}

/// What no rule and no name may forget: what is held, the newest clean snapshot of each source,
/// and suspect ones that are newer, which may be the only trace of what came since.
pub(super) fn protected(
    all: &[Listed],
    holds: &Holds,
    now: DateTime<Utc>,
) -> Vec<(Digest, String)> {
    let mut protected = Vec::new();
    for listed in all {
        if let Some(hold) = holds.get(&listed.snapshot).filter(|hold| hold.binds(now)) {
            protected.push((listed.snapshot, hold.words()));
        }
    }
    for group in sources(all).values() {
        for listed in group {
            let clean = listed.state == State::Clean;
            let why = if clean { "the newest clean one" } else { "newer than any clean one" };
            protected.push((listed.snapshot, why.to_owned()));
            if clean {
                break;
            }
        }
    }
    protected
}

type Name<'a> = (Option<&'a str>, &'a str, &'a BTreeMap<Zone, String>);

/// The snapshots of each source, newest first.
fn sources(all: &[Listed]) -> BTreeMap<Name<'_>, Vec<&Listed>> {
    let mut sources: BTreeMap<Name<'_>, Vec<&Listed>> = BTreeMap::new();
    for listed in all {
        let source = &listed.source;
        let name = (source.environment.as_deref(), source.store.as_str(), &source.zones);
        sources.entry(name).or_default().push(listed);
    }
    sources
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone};
    use proptest::prelude::*;

    use super::*;
    use crate::canonical::manifest::Source;
    use crate::canonical::upkeep::Hold;

    fn start() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 1, 0, 30, 0).unwrap()
    }

    fn listed(hours: i64, state: State, source: &str) -> Listed {
        let as_of = start() + TimeDelta::hours(hours);
        Listed {
            snapshot: Digest::blake3(format!("{hours} {source}").as_bytes()),
            state,
            as_of,
            objects: 1,
            bytes: 1,
            source: Source {
                environment: Some(source.to_owned()),
                store: "file:///x".to_owned(),
                zones: BTreeMap::new(),
                tool: "coppice".to_owned(),
            },
        }
    }

    fn kept(keep: Keep, hours: &[i64]) -> Vec<i64> {
        let mut hours = hours.to_vec();
        hours.sort_unstable_by_key(|hour| std::cmp::Reverse(*hour));
        let all: Vec<_> = hours.iter().map(|hour| listed(*hour, State::Clean, "dev")).collect();
        let reasons = keep.reasons(&all, &Holds::new(), start());
        let names =
            |hour: &&i64| !reasons[&listed(**hour, State::Clean, "dev").snapshot].is_empty();
        hours.iter().filter(names).copied().collect()
    }

    #[test]
    fn of_each_period_the_newest_is_kept_and_empty_periods_count_nothing() {
        let keep = Keep::default();
        assert_eq!(kept(Keep { last: 2, ..keep }, &[1, 2, 3]), [3, 2]);
        // Two on the first day, one on the third, two on the fourth.
        let hours = [1, 5, 50, 75, 80];
        assert_eq!(kept(Keep { daily: 2, ..keep }, &hours), [80, 50]);
        assert_eq!(kept(Keep { daily: 3, ..keep }, &hours), [80, 50, 5]);
        assert_eq!(kept(Keep { hourly: 9, ..keep }, &hours), [80, 75, 50, 5, 1]);
        // 2026-01-01 is a Thursday: its week ends after hour 96.
        assert_eq!(kept(Keep { weekly: 2, ..keep }, &[1, 90, 97]), [97, 90]);
        assert_eq!(kept(Keep { monthly: 2, ..keep }, &[1, 700, 750, 760]), [760, 700]);
        assert_eq!(kept(Keep { yearly: 5, ..keep }, &[1, 8000, 9000]), [9000, 8000]);
        // Rules add up.
        assert_eq!(kept(Keep { last: 1, monthly: 2, ..keep }, &[1, 700, 760]), [760, 700]);
    }

    #[test]
    fn what_is_newer_than_any_clean_one_stays_and_older_suspects_are_counted_apart() {
        let all = [
            listed(4, State::Suspect, "dev"),
            listed(3, State::Clean, "dev"),
            listed(2, State::Suspect, "dev"),
            listed(1, State::Suspect, "dev"),
        ];
        let keep = Keep { last: 9, suspect: 2, ..Keep::default() };
        let reasons = keep.reasons(&all, &Holds::new(), start());
        let why = |at: usize| reasons[&all[at].snapshot].join(", ");
        assert_eq!(why(0), "newer than any clean one, suspect");
        assert_eq!(why(1), "the newest clean one, last");
        assert_eq!((why(2), why(3)), ("suspect".to_owned(), String::new()));
    }

    proptest! {
        #[test]
        fn no_rule_forgets_what_is_held_or_the_newest_clean_one(
            drawn in proptest::collection::btree_map(0i64..20_000, (any::<bool>(), any::<bool>(), any::<bool>()), 1..40),
            counts in proptest::array::uniform7(0u32..4),
            more in 0usize..7,
        ) {
            let state = |clean: bool| if clean { State::Clean } else { State::Suspect };
            let all: Vec<Listed> = drawn
                .iter()
                .rev()
                .map(|(hour, (clean, dev, _))| listed(*hour, state(*clean), if *dev { "dev" } else { "prod" }))
                .collect();
            let hold = Hold { until: None, legal: true, reason: String::new(), actor: String::new(), at: start() };
            let held = drawn.iter().rev().zip(&all).filter(|((_, (_, _, held)), _)| *held);
            let holds: Holds = held.map(|(_, listed)| (listed.snapshot, hold.clone())).collect();
            let of = |c: [u32; 7]| Keep {
                last: c[0], hourly: c[1], daily: c[2], weekly: c[3], monthly: c[4], yearly: c[5], suspect: c[6],
            };
            let reasons = of(counts).reasons(&all, &holds, start());
            prop_assert!(holds.keys().all(|held| !reasons[held].is_empty()));
            for source in ["dev", "prod"] {
                let newest = all.iter().find(|l| l.state == State::Clean && l.source.environment.as_deref() == Some(source));
                prop_assert!(newest.is_none_or(|newest| !reasons[&newest.snapshot].is_empty()));
            }
            // Asking for more forgets nothing that was kept.
            let mut greater = counts;
            greater[more] += 1;
            let with_more = of(greater).reasons(&all, &holds, start());
            prop_assert!(reasons.iter().all(|(name, why)| why.is_empty() || !with_more[name].is_empty()));
        }
    }
}
