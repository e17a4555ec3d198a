//! Other datasets: what needs them is blocked, and nothing else.

use super::damage::Damage::{Cut, Edit, Grow, Remove};
use super::damage::{EARTHQUAKES, FLIGHTS, FORMER_PROV, SITES_CHECKSUMS, WARNINGS, ZIPCODES_DCAT};
use super::{ALONE, Answer, hold};

/// Damages to one dataset each.
pub(super) const OTHER_DATASETS: &[Answer] = &[
    Answer {
        damage: Edit(ZIPCODES_DCAT, "dct:license", "dct:rights"),
        found: &[("license-missing", ZIPCODES_DCAT)],
        holds: &["2026-02.29ec178f"],
        blocked: &["graph/kansas", "postgis/zipcodes", "search/kansas", "tiles/kansas"],
        told: None,
        store: ALONE,
    },
    Answer {
        damage: Cut(FLIGHTS),
        found: &[
            ("checksum-mismatch", "catalog/ks_flights_2001_ict/2026-02.74695b01/dcat.jsonld"),
            (
                "checksum-mismatch",
                "catalog/ks_flights_2001_ict/2026-02.74695b01/prov/bundle.jsonld",
            ),
            (
                "checksum-mismatch",
                "catalog/ks_flights_2001_ict/2026-02.74695b01/receipts/run_receipt.json",
            ),
            (
                "checksum-mismatch",
                "catalog/ks_flights_2001_ict/2026-02.74695b01/stac/items/ks_flights_2001_ict.json",
            ),
            ("checksum-mismatch", "processed/ks_flights_2001_ict/2026-02.74695b01/checksums.json"),
        ],
        holds: &["2026-02.74695b01"],
        blocked: &[
            "graph/kansas",
            "postgis/flights",
            "postgis/routes",
            "search/kansas",
            "tiles/kansas",
        ],
        told: None,
        store: ALONE,
    },
    Answer {
        damage: Remove(WARNINGS),
        found: &[
            ("dangling-link", "catalog/ks_storm_warnings/2026-02.6d2832fb/dcat.jsonld"),
            ("dangling-link", "catalog/ks_storm_warnings/2026-02.6d2832fb/prov/bundle.jsonld"),
            (
                "dangling-link",
                "catalog/ks_storm_warnings/2026-02.6d2832fb/receipts/run_receipt.json",
            ),
            (
                "dangling-link",
                "catalog/ks_storm_warnings/2026-02.6d2832fb/stac/items/ks_storm_warnings.json",
            ),
            ("missing", WARNINGS),
        ],
        holds: &["2026-02.6d2832fb"],
        blocked: &["graph/kansas", "postgis/warnings", "search/kansas"],
        told: None,
        store: ALONE,
    },
    Answer {
        damage: Remove(SITES_CHECKSUMS),
        found: &[("missing", "hidden")],
        holds: &["2026-02.10272652"],
        blocked: &["graph/kansas", "postgis/species_restricted"],
        told: None,
        store: ALONE,
    },
    Answer {
        damage: Grow(EARTHQUAKES),
        found: &[("checksum-mismatch", "hidden")],
        holds: &["2026-02.304508b7"],
        blocked: &["graph/kansas", "postgis/earthquakes"],
        told: None,
        store: ALONE,
    },
    Answer {
        damage: Remove(FORMER_PROV),
        found: &[("missing", FORMER_PROV)],
        holds: &["2026-01.f3643be0"],
        blocked: &["graph/kansas"],
        told: Some(&[("missing", "hidden")]),
        store: ALONE,
    },
];

#[test]
fn every_damage_to_another_dataset_has_its_answer() {
    hold(OTHER_DATASETS);
}
