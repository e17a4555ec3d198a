//! What checksums and STAC say, and releases.

use super::damage::Damage::Edit;
use super::damage::{CHECKSUMS, COLLECTION, ITEM, RELEASE};
use super::{AIRPORTS, ALONE, Answer, OF_AIRPORTS, hold};

/// What the checksums and the item say of artifacts.
pub(super) const ARTIFACTS_SAID: &[Answer] = &[
    Answer {
        damage: Edit(CHECKSUMS, "\"size\": 38001", "\"size\": 38002"),
        found: &[("checksum-mismatch", CHECKSUMS)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 6,
    },
    Answer {
        damage: Edit(CHECKSUMS, "c71f96f8", "c71f96f9"),
        found: &[("checksum-mismatch", CHECKSUMS)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 7,
    },
    Answer {
        damage: Edit(
            CHECKSUMS,
            "\"kfm_checksums_version\": \"v1\"",
            "\"kfm_checksums_version\": \"v7\"",
        ),
        found: &[("schema-invalid", CHECKSUMS)],
        holds: AIRPORTS,
        blocked: &[],
        told: None,
        store: 9,
    },
    Answer {
        damage: Edit(ITEM, "1e20c71f96f8", "1e20c71f96f9"),
        found: &[("checksum-mismatch", ITEM)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 4,
    },
    Answer {
        damage: Edit(ITEM, "\"122033afa8", "\"sha256:33afa8"),
        found: &[("checksum-not-multihash", ITEM)],
        holds: AIRPORTS,
        blocked: &[],
        told: None,
        store: 9,
    },
    Answer {
        damage: Edit(ITEM, "\"122033afa8", "\"1e2033afa8"),
        found: &[("checksum-mismatch", ITEM)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 5,
    },
    Answer {
        damage: Edit(ITEM, "\"file:size\": 38001", "\"file:size\": 1"),
        found: &[("checksum-mismatch", ITEM)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 7,
    },
];

/// What the item says.
pub(super) const ITEM_SAID: &[Answer] = &[
    Answer {
        damage: Edit(ITEM, "table/v1.2.0", "table/v9.9.9"),
        found: &[("unknown-extension", ITEM)],
        holds: AIRPORTS,
        blocked: &[],
        told: None,
        store: 9,
    },
    Answer {
        damage: Edit(ITEM, "\"stac_version\": \"1.1.0\"", "\"stac_version\": \"3.0.0\""),
        found: &[("schema-invalid", ITEM)],
        holds: AIRPORTS,
        blocked: &[],
        told: None,
        store: 9,
    },
    Answer {
        damage: Edit(ITEM, "\"datetime\": null", "\"datetime\": 7"),
        found: &[("schema-invalid", ITEM)],
        holds: AIRPORTS,
        blocked: &[],
        told: None,
        store: 10,
    },
    Answer {
        damage: Edit(ITEM, "artifacts/ks_airports.parquet\"", "artifacts/other.parquet\""),
        found: &[("dangling-link", ITEM)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 8,
    },
    Answer {
        damage: Edit(
            ITEM,
            "../../../../../processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.parquet",
            "../../../../../../../etc/passwd",
        ),
        found: &[("dangling-link", ITEM)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: ALONE,
    },
    Answer {
        damage: Edit(ITEM, "../../receipts/run_receipt.json", "../../receipts/other.json"),
        found: &[("dangling-link", ITEM)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 3,
    },
];

/// What the collection says, and the release.
pub(super) const COLLECTION_SAID: &[Answer] = &[
    Answer {
        damage: Edit(COLLECTION, "../dcat.jsonld", "../other.jsonld"),
        found: &[("dangling-link", COLLECTION)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Edit(COLLECTION, "\"rel\": \"describedby\"", "\"rel\": \"about\""),
        found: &[("dangling-link", COLLECTION)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 3,
    },
    Answer {
        damage: Edit(COLLECTION, "./items/ks_airports.json", "./items/other.json"),
        found: &[("dangling-link", COLLECTION)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 5,
    },
    Answer {
        damage: Edit(COLLECTION, "\"license\": \"MIT\",", ""),
        found: &[("schema-invalid", COLLECTION)],
        holds: AIRPORTS,
        blocked: &[],
        told: None,
        store: 9,
    },
    Answer {
        damage: Edit(RELEASE, "\"policy_label\": \"public\"", "\"policy_label\": \"internal\""),
        found: &[("policy-label-conflict", "hidden")],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: Some(&[("policy-denied", ""), ("policy-label-conflict", "hidden")]),
        store: ALONE,
    },
    Answer {
        damage: Edit(
            RELEASE,
            "\"dataset_version_id\": \"2026-02",
            "\"dataset_version_id\": \"2025-02",
        ),
        found: &[("documents-disagree", RELEASE)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Edit(RELEASE, "items/ks_airports\"", "items/other\""),
        found: &[("dangling-link", RELEASE)],
        holds: &[],
        blocked: &[],
        told: None,
        store: 9,
    },
];

#[test]
fn every_wrong_word_on_an_artifact_has_its_answer() {
    hold(ARTIFACTS_SAID);
}

#[test]
fn every_wrong_word_of_an_item_has_its_answer() {
    hold(ITEM_SAID);
}

#[test]
fn every_wrong_word_of_a_collection_has_its_answer() {
    hold(COLLECTION_SAID);
}
