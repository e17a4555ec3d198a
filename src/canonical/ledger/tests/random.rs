use proptest::prelude::*;

use super::super::link::{Places, read_link};
use super::*;

proptest! {
    #[test]
    fn a_flipped_bit_anywhere_in_a_record_is_seen(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut record = Map::new();
        record.insert("subject".into(), json!("dcat://ks_counties@2026-02.9af6383b"));
        record.insert("prev_hash".into(), json!(Digest::sha256(b"before")));
        let hash = Digest::sha256(&canonical_json(&record).unwrap());
        record.insert("event_hash".into(), json!(hash));
        let mut bytes = canonical_json(&record).unwrap();
        prop_assert_eq!(read_link("k", &bytes, &mut Places::default()).1, vec![]);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let (_, findings) = read_link("k", &bytes, &mut Places::default());
        let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
        prop_assert_eq!(kinds, [K::LedgerAltered]);
    }
}

/// What somebody does to a ledger.
#[derive(Debug, Clone)]
enum Edit {
    Delete(usize),
    Swap(usize, usize),
    Change(usize),
    Forge(usize),
    Fork(usize, usize),
    CutTail(usize),
    CutTailAndHead(usize),
    CutBeginning(usize),
    Move(usize, usize),
    Copy(usize),
    Rewind(usize),
    TearCheckpoint(usize, usize),
    DropLine(usize, usize),
}

/// Of `Closed::new(3, 4)`.
const DAYS: usize = 3;
const EACH: usize = 4;
const ALL: usize = DAYS * EACH;

fn edits() -> impl Strategy<Value = Edit> {
    let at = 0..ALL;
    let two = (0..ALL, 1..ALL).prop_map(|(a, b)| (a, (a + b) % ALL));
    let line = (0..DAYS, 0..EACH);
    prop_oneof![
        at.clone().prop_map(Edit::Delete),
        two.prop_map(|(a, b)| Edit::Swap(a, b)),
        at.clone().prop_map(Edit::Change),
        at.clone().prop_map(Edit::Forge),
        (0..ALL, 1..4usize).prop_map(|(at, count)| Edit::Fork(at, count)),
        (1..ALL).prop_map(Edit::CutTail),
        (1..ALL).prop_map(Edit::CutTailAndHead),
        (1..ALL).prop_map(Edit::CutBeginning),
        (0..ALL, 1..DAYS).prop_map(|(at, day)| Edit::Move(at, (at / EACH + day) % DAYS)),
        at.clone().prop_map(Edit::Copy),
        (0..ALL - 1).prop_map(Edit::Rewind),
        line.clone().prop_map(|(day, at)| Edit::TearCheckpoint(day, at)),
        line.prop_map(|(day, at)| Edit::DropLine(day, at)),
    ]
}

impl Edit {
    fn apply(&self, closed: &Closed) {
        let Closed { platform, keys, checkpoints } = closed;
        let folder = |at: usize| keys[at].rsplit_once('/').unwrap().0.to_owned();
        match *self {
            Self::Delete(at) => platform.remove(&keys[at]),
            Self::Swap(a, b) => {
                let (a, b) = (platform.path(&keys[a]), platform.path(&keys[b]));
                let (first, second) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
                fs::write(a, second).unwrap();
                fs::write(b, first).unwrap();
            }
            Self::Change(at) => platform.edit(&keys[at], |text| text.replace("ada", "bob")),
            Self::Forge(at) => {
                let mut record = read(platform, &keys[at]);
                platform.remove(&keys[at]);
                record.insert("subject".into(), json!("forged"));
                put(platform, record);
            }
            Self::Fork(at, count) => {
                let mut record = read(platform, &keys[at]);
                for number in 0..count {
                    record.insert("subject".into(), json!(number));
                    let (_, hash) = put(platform, record.clone());
                    record.insert("prev_hash".into(), json!(hash));
                }
            }
            Self::CutTail(at) => closed.remove(&keys[at..]),
            Self::CutTailAndHead(at) => {
                closed.rewind(at - 1);
                closed.remove(&keys[at..]);
            }
            Self::CutBeginning(at) => closed.remove(&keys[..at]),
            Self::Move(at, day) => {
                let name = keys[at].rsplit_once('/').unwrap().1;
                let to = platform.path(&format!("{}/{name}", folder(day * EACH)));
                fs::rename(platform.path(&keys[at]), to).unwrap();
            }
            Self::Copy(at) => {
                let to = platform.path(&format!("{}/copy.json", folder(at)));
                fs::copy(platform.path(&keys[at]), to).unwrap();
            }
            Self::Rewind(at) => closed.rewind(at),
            Self::TearCheckpoint(day, at) => platform.edit(&checkpoints[day], |text| {
                let mut lines: Vec<&str> = text.lines().collect();
                lines[at] = &lines[at][..30];
                lines.join("\n")
            }),
            Self::DropLine(day, at) => platform.edit(&checkpoints[day], |text| {
                let mut lines: Vec<&str> = text.lines().collect();
                lines.remove(at);
                lines.join("\n")
            }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_edit_of_a_ledger_is_a_finding_and_an_untouched_one_is_none(edit in edits()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (before, after) = runtime.block_on(async {
            let closed = Closed::new(3, 4).await;
            let before = closed.report().await.findings;
            edit.apply(&closed);
            (before, closed.report().await.findings)
        });
        prop_assert_eq!(before, vec![]);
        prop_assert!(!after.is_empty(), "{:?}", edit);
        for finding in after {
            prop_assert!(finding.key.is_some() && !finding.hint.is_empty(), "{:?}", finding);
            prop_assert!(finding.expected.is_some() && finding.actual.is_some(), "{:?}", finding);
        }
    }
}
