//! What became of bytes.

use super::damage::Damage::{Add, Cut, Edit, Flip, Grow, Remove};
use super::damage::{
    ARTIFACT, CHECKSUMS, COLLECTION, DCAT, ITEM, JSON, PROV, RAW, RAW_MANIFEST, RAW_STRAY, RECEIPT,
    RELEASE, REPORT, STRAY,
};
use super::{AIRPORTS, ALONE, Answer, OF_AIRPORTS, hold};

/// Artifacts and the report on them.
pub(super) const ARTIFACTS_DAMAGED: &[Answer] = &[
    Answer {
        damage: Remove(ARTIFACT),
        found: &[
            ("dangling-link", DCAT),
            ("dangling-link", PROV),
            ("dangling-link", RECEIPT),
            ("dangling-link", ITEM),
            ("missing", ARTIFACT),
        ],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Flip(ARTIFACT),
        found: &[
            ("checksum-mismatch", DCAT),
            ("checksum-mismatch", PROV),
            ("checksum-mismatch", RECEIPT),
            ("checksum-mismatch", ITEM),
            ("checksum-mismatch", CHECKSUMS),
        ],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 2,
    },
    Answer {
        damage: Cut(ARTIFACT),
        found: &[
            ("checksum-mismatch", DCAT),
            ("checksum-mismatch", PROV),
            ("checksum-mismatch", RECEIPT),
            ("checksum-mismatch", ITEM),
            ("checksum-mismatch", CHECKSUMS),
        ],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 3,
    },
    Answer {
        damage: Grow(JSON),
        found: &[
            ("checksum-mismatch", DCAT),
            ("checksum-mismatch", PROV),
            ("checksum-mismatch", RECEIPT),
            ("checksum-mismatch", ITEM),
            ("checksum-mismatch", CHECKSUMS),
        ],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Add(STRAY),
        found: &[("extra", STRAY)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Flip(REPORT),
        found: &[("checksum-mismatch", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 6,
    },
];

/// Documents of a version.
pub(super) const DOCUMENTS_DAMAGED: &[Answer] = &[
    Answer {
        damage: Remove(CHECKSUMS),
        found: &[("missing", CHECKSUMS)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 4,
    },
    Answer {
        damage: Remove(RECEIPT),
        found: &[("dangling-link", ITEM), ("missing", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 5,
    },
    Answer {
        damage: Remove(DCAT),
        found: &[("dangling-link", COLLECTION), ("missing", DCAT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 4,
    },
    Answer {
        damage: Remove(PROV),
        found: &[("missing", PROV)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 5,
    },
    Answer {
        damage: Remove(COLLECTION),
        found: &[("dangling-link", ITEM), ("missing", COLLECTION)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 2,
    },
    Answer {
        damage: Remove(ITEM),
        found: &[("dangling-link", COLLECTION), ("dangling-link", RELEASE)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 6,
    },
    Answer {
        damage: Cut(CHECKSUMS),
        found: &[("schema-invalid", CHECKSUMS)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 5,
    },
    Answer {
        damage: Cut(DCAT),
        found: &[("schema-invalid", DCAT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 5,
    },
];

/// Raw objects, their manifest, and what belongs nowhere.
pub(super) const OTHERS_DAMAGED: &[Answer] = &[
    Answer {
        damage: Flip(RAW),
        found: &[
            ("checksum-mismatch", PROV),
            ("checksum-mismatch", RECEIPT),
            ("checksum-mismatch", RAW_MANIFEST),
        ],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 4,
    },
    Answer {
        damage: Remove(RAW),
        found: &[("missing", RAW)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Remove(RAW_MANIFEST),
        found: &[("missing", RAW_MANIFEST)],
        holds: &[],
        blocked: &[],
        told: None,
        store: ALONE,
    },
    Answer {
        damage: Add(RAW_STRAY),
        found: &[("extra", RAW_STRAY)],
        holds: &[],
        blocked: &[],
        told: None,
        store: 10,
    },
    Answer {
        damage: Add("elsewhere/notes.txt"),
        found: &[("unknown-zone", "hidden")],
        holds: &[],
        blocked: &[],
        told: Some(&[]),
        store: 9,
    },
    Answer {
        damage: Edit(RAW_MANIFEST, "acc92070", "acc92071"),
        found: &[("checksum-mismatch", RAW_MANIFEST)],
        holds: &[],
        blocked: &[],
        told: None,
        store: 10,
    },
];

#[test]
fn every_damage_to_an_artifact_has_its_answer() {
    hold(ARTIFACTS_DAMAGED);
}

#[test]
fn every_damage_to_a_document_has_its_answer() {
    hold(DOCUMENTS_DAMAGED);
}

#[test]
fn every_damage_to_raw_objects_has_its_answer() {
    hold(OTHERS_DAMAGED);
}
