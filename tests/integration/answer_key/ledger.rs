//! The ledger, which holds everything back.

use super::damage::Damage::{Cut, Edit, Flip, Remove};
use super::damage::{CHECKPOINT, CHECKPOINT_MANIFEST, FIRST_DAY, HEAD, LAST, RECORD};
use super::{ALL, ALONE, Answer, hold};

/// Its records.
pub(super) const RECORDS_DAMAGED: &[Answer] = &[
    Answer {
        damage: Edit(RECORD, "\"actor\"", "\"aktor\""),
        found: &[("ledger-altered", RECORD)],
        holds: &[],
        blocked: ALL,
        told: None,
        store: 13,
    },
    Answer {
        damage: Flip(RECORD),
        found: &[("ledger-altered", RECORD)],
        holds: &[],
        blocked: ALL,
        told: None,
        store: ALONE,
    },
    Answer {
        damage: Remove(RECORD),
        found: &[
            (
                "ledger-broken-chain",
                "audit/ledger/records/2026/2026-02/2026-02-10/promote_77c56be3e21becd34e56ede23ea812c722647b84a16bff04f1fdc9d8d3a12b85.json",
            ),
            ("ledger-checkpoint-mismatch", CHECKPOINT),
        ],
        holds: &[],
        blocked: ALL,
        told: None,
        store: 11,
    },
    Answer {
        damage: Remove(LAST),
        found: &[
            ("ledger-cut", "audit/checkpoints/2026/2026-02/audit_checkpoint_2026-02-11.ndjson"),
            ("ledger-cut", HEAD),
        ],
        holds: &[],
        blocked: ALL,
        told: None,
        store: 11,
    },
    Answer {
        damage: Remove(FIRST_DAY),
        found: &[
            (
                "ledger-cut",
                "audit/ledger/records/2026/2026-02/2026-02-11/ingest_e7ac5bc2fcbd9b46eeba09a0b8c860c872b0a21fc947a738559fa48940246554.json",
            ),
            ("ledger-day-missing", CHECKPOINT),
        ],
        holds: &[],
        blocked: ALL,
        told: None,
        store: 12,
    },
];

/// Its head and its checkpoints.
pub(super) const HEAD_DAMAGED: &[Answer] = &[
    Answer {
        damage: Remove(HEAD),
        found: &[("ledger-head-mismatch", HEAD)],
        holds: &[],
        blocked: ALL,
        told: None,
        store: 12,
    },
    Answer {
        damage: Edit(HEAD, "sha256:9001", "sha256:9002"),
        found: &[("ledger-head-mismatch", HEAD)],
        holds: &[],
        blocked: ALL,
        told: Some(&[("ledger-cut", HEAD)]),
        store: 13,
    },
    Answer {
        damage: Cut(CHECKPOINT),
        found: &[("ledger-checkpoint-mismatch", CHECKPOINT)],
        holds: &[],
        blocked: ALL,
        told: None,
        store: 12,
    },
    Answer {
        damage: Remove(CHECKPOINT),
        found: &[("missing", CHECKPOINT)],
        holds: &[],
        blocked: ALL,
        told: None,
        store: 13,
    },
    Answer {
        damage: Cut(CHECKPOINT_MANIFEST),
        found: &[("ledger-checkpoint-mismatch", CHECKPOINT_MANIFEST)],
        holds: &[],
        blocked: ALL,
        told: None,
        store: 11,
    },
];

#[test]
fn every_damage_to_records_has_its_answer() {
    hold(RECORDS_DAMAGED);
}

#[test]
fn every_damage_to_head_and_checkpoints_has_its_answer() {
    hold(HEAD_DAMAGED);
}
