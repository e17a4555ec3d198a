//! Stores with several damages, recovered once each.
//!
//! Damages share a store where each is still told apart: what is found of one is found of no other,
//! hides nothing of another, and blocks the same jobs. That one of them would block by itself is
//! seen by its own findings, since any finding that blocks shuts the gate of what it holds back.

use std::ops::RangeInclusive;

use super::bytes::{ARTIFACTS_DAMAGED, DOCUMENTS_DAMAGED, OTHERS_DAMAGED};
use super::elsewhere::OTHER_DATASETS;
use super::ledger::{HEAD_DAMAGED, RECORDS_DAMAGED};
use super::linked::{DCAT_SAID, ORIGIN_SAID};
use super::stac::{ARTIFACTS_SAID, COLLECTION_SAID, ITEM_SAID};
use super::{Answer, Found, Recovered, blocks, damaged, held, named, same, wrong_alone};

/// Every table.
const TABLES: &[&[Answer]] = &[
    ARTIFACTS_DAMAGED,
    DOCUMENTS_DAMAGED,
    OTHERS_DAMAGED,
    OTHER_DATASETS,
    RECORDS_DAMAGED,
    HEAD_DAMAGED,
    DCAT_SAID,
    ORIGIN_SAID,
    ARTIFACTS_SAID,
    ITEM_SAID,
    COLLECTION_SAID,
];

/// Those that hold the airports back, in halves for two processes.
const AIRPORTS_HELD: [RangeInclusive<u8>; 2] = [1..=4, 5..=8];

/// Those that block no job: what only warns, and beside it what makes a recovery partial.
const NOTHING_BLOCKED: RangeInclusive<u8> = 9..=10;

/// Those whose ledger is damaged.
const LEDGER_DAMAGED: RangeInclusive<u8> = 11..=13;

/// Whether a test here recovers the store of an answer, with the answer in it.
pub(super) fn recovers(answer: &Answer) -> bool {
    let [first, second] = &AIRPORTS_HELD;
    let stores = [first, second, &NOTHING_BLOCKED, &LEDGER_DAMAGED];
    stores.iter().any(|stores| stores.contains(&answer.store))
        && TABLES.iter().copied().flatten().any(|known| known.damage == answer.damage)
}

/// Recovers these stores, and demands that each damage comes to its answer there.
fn recover(stores: &RangeInclusive<u8>) {
    for store in stores.clone() {
        let all = TABLES.iter().copied().flatten();
        let answers: Vec<&Answer> = all.filter(|answer| answer.store == store).collect();
        if let Err(words) = come_to(&answers) {
            // Which of them it is shows best where each is by itself.
            let alone: Vec<_> = answers.iter().filter_map(|answer| wrong_alone(answer)).collect();
            panic!("store {store}: {words}\nby itself:\n{}", alone.join("\n"));
        }
    }
}

/// Recovers a store with these damages; says what is not as their answers have it.
fn come_to(answers: &[&Answer]) -> Result<(), String> {
    let expected: Found = answers.iter().flat_map(|answer| answer.told()).collect();
    let one_by_one: usize = answers.iter().map(|answer| answer.told().len()).sum();
    if answers.len() < 2 || expected.len() != one_by_one {
        return Err("its damages are too few, or two of them are told alike".to_owned());
    }
    let recovered = Recovered::of(&damaged(answers.iter().copied()))?;
    for answer in answers {
        let damage = answer.damage.spelled();
        if !same(&recovered.blocked, answer.blocked) {
            return Err(format!("{damage} came to block {:?}", recovered.blocked));
        }
        if !shuts(answer, &recovered) {
            return Err(format!("{damage} holds something else back: {:#?}", recovered.findings));
        }
    }
    let missed: Vec<_> = expected.difference(&recovered.told).collect();
    let others: Vec<_> = recovered.told.difference(&expected).collect();
    if missed.is_empty() && others.is_empty() {
        return Ok(());
    }
    Err(format!("missed: {missed:?}; found besides: {others:?}"))
}

/// Whether the findings of a damage would hold back what they should without those of the others.
fn shuts(answer: &Answer, recovered: &Recovered) -> bool {
    let told = answer.told();
    let own = recovered.findings.iter().filter(|finding| told.contains(&named(finding)));
    let own: Vec<_> = own.filter(|finding| blocks(finding)).collect();
    if answer.blocked.is_empty() {
        return held(own.into_iter()).is_empty();
    }
    !own.is_empty() && same(&held(own.into_iter()), answer.holds)
}

#[test]
fn damages_that_hold_a_version_back_come_to_the_same_together() {
    recover(&AIRPORTS_HELD[0]);
}

#[test]
fn more_damages_that_hold_a_version_back_come_to_the_same_together() {
    recover(&AIRPORTS_HELD[1]);
}

#[test]
fn damages_that_block_no_job_come_to_the_same_together() {
    recover(&NOTHING_BLOCKED);
}

#[test]
fn damages_to_the_ledger_come_to_the_same_together() {
    recover(&LEDGER_DAMAGED);
}
