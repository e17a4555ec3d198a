//! What DCAT, PROV and the run receipt say.

use super::damage::Damage::Edit;
use super::damage::{DCAT, ITEM, PROV, RECEIPT};
use super::{AIRPORTS, ALONE, Answer, OF_AIRPORTS, hold};

/// What DCAT says.
pub(super) const DCAT_SAID: &[Answer] = &[
    Answer {
        damage: Edit(DCAT, "dct:license", "dct:rights"),
        found: &[("license-missing", DCAT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Edit(DCAT, "c71f96f8", "c71f96f9"),
        found: &[("checksum-mismatch", DCAT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 6,
    },
    Answer {
        damage: Edit(DCAT, "artifacts/ks_airports.parquet\"", "artifacts/other.parquet\""),
        found: &[("dangling-link", DCAT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 7,
    },
    Answer {
        damage: Edit(DCAT, "\"kfm:row_count\": 334", "\"kfm:row_count\": 335"),
        found: &[("documents-disagree", ITEM)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Edit(DCAT, "\"dct:title\"", "\"dkt:title\""),
        found: &[("schema-invalid", DCAT)],
        holds: AIRPORTS,
        blocked: &[],
        told: None,
        store: 9,
    },
    Answer {
        damage: Edit(DCAT, "kfm://run/019c4643", "kfm://run/019c4644"),
        found: &[("dangling-link", DCAT), ("documents-disagree", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 2,
    },
    Answer {
        damage: Edit(
            DCAT,
            "\"kfm:policy_label\": \"public\"",
            "\"kfm:policy_label\": \"restricted\"",
        ),
        found: &[("policy-label-conflict", "hidden")],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: Some(&[("policy-denied", ""), ("policy-label-conflict", "hidden")]),
        store: ALONE,
    },
    Answer {
        damage: Edit(
            DCAT,
            "\"kfm:policy_label\": \"public\"",
            "\"kfm:policy_label\": \"everyone\"",
        ),
        found: &[("policy-label-unknown", "hidden")],
        holds: AIRPORTS,
        blocked: &["postgis/airports", "search/kansas", "tiles/kansas"],
        told: Some(&[("policy-denied", ""), ("policy-label-unknown", "hidden")]),
        store: ALONE,
    },
];

/// What provenance and run receipt say.
pub(super) const ORIGIN_SAID: &[Answer] = &[
    Answer {
        damage: Edit(PROV, "2026-02-10T06:37:00Z", "2026-02-10T05:37:00Z"),
        found: &[("provenance-incomplete", PROV)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Edit(
            PROV,
            "\"@id\": \"kfm://store/raw/ks_airports/20260210T060600Z/artifacts/ks_airports.geojson\"\n        }\n      ],\n      \"prov:wasGeneratedBy\"",
            "\"@id\": \"kfm://store/processed/ks_airports/2026-02.c4f9633b/artifacts/ks_airports.parquet\"\n        }\n      ],\n      \"prov:wasGeneratedBy\"",
        ),
        found: &[("provenance-cycle", PROV)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Edit(
            PROV,
            "\"prov:wasAssociatedWith\": {\n        \"@id\": \"urn:kfm:agent:kfm-pipeline\"",
            "\"prov:wasAssociatedWith\": {\n        \"@id\": \"urn:kfm:agent:nobody\"",
        ),
        found: &[("provenance-incomplete", PROV)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 2,
    },
    Answer {
        damage: Edit(
            RECEIPT,
            "\"spec_hash\": \"sha256:c4f9633b26",
            "\"spec_hash\": \"sha256:c4f9633b27",
        ),
        found: &[("spec-hash-mismatch", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 2,
    },
    Answer {
        damage: Edit(RECEIPT, "\"pipeline_version\": 1", "\"pipeline_version\": 2"),
        found: &[("spec-hash-mismatch", DCAT), ("spec-hash-mismatch", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Edit(RECEIPT, "\"pipeline_version\": 1", "\"pipeline_version\": 9007199254740993"),
        found: &[("spec-hash-mismatch", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 3,
    },
    Answer {
        damage: Edit(
            RECEIPT,
            "\"operation\": \"process\"",
            "\"operation\": \"process\", \"operation\": \"process\"",
        ),
        found: &[("schema-invalid", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 7,
    },
    Answer {
        damage: Edit(RECEIPT, "\"digest\": \"sha256:1cef063e", "\"digest\": \"sha256:1cef063f"),
        found: &[("checksum-mismatch", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 8,
    },
    Answer {
        damage: Edit(
            RECEIPT,
            "\"dataset_version_id\": \"2026-02",
            "\"dataset_version_id\": \"2025-02",
        ),
        found: &[("documents-disagree", RECEIPT)],
        holds: AIRPORTS,
        blocked: OF_AIRPORTS,
        told: None,
        store: 1,
    },
    Answer {
        damage: Edit(RECEIPT, "\"kfm_run_receipt_version\": \"v1\",", ""),
        found: &[("schema-invalid", RECEIPT)],
        holds: AIRPORTS,
        blocked: &[],
        told: None,
        store: 9,
    },
];

#[test]
fn every_wrong_word_of_dcat_has_its_answer() {
    hold(DCAT_SAID);
}

#[test]
fn every_wrong_word_on_the_origin_has_its_answer() {
    hold(ORIGIN_SAID);
}
