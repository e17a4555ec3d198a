use super::samples::{broken, receipt, whole};
use super::{Objectives, ProjectionOutcome, Receipt};
use crate::journal::EventKind;
use crate::journal::samples::time;
use crate::model::Outcome;

#[test]
fn a_whole_run_says_what_is_live_and_how_that_is_known() {
    let receipt = receipt(&whole());
    let predicate = &receipt.predicate;
    assert_eq!(predicate.outcome, Outcome::Recovered);
    assert_eq!(receipt.subject.len(), 2);
    assert!(receipt.subject.iter().all(|subject| subject.digest["blake3"].len() == 64));
    let outcomes: Vec<_> =
        predicate.projections.iter().map(|line| (line.outcome, line.live, line.proven)).collect();
    let expected =
        [(ProjectionOutcome::Rebuilt, true, true), (ProjectionOutcome::Unchanged, true, true)];
    assert_eq!(outcomes, expected);
    assert!(predicate.gates.iter().all(|gate| gate.open));
    let objectives = &predicate.objectives;
    assert_eq!(
        (objectives.rto_actual_seconds, objectives.rpo_actual_seconds),
        (Some(402), Some(3600))
    );
    assert_eq!((objectives.met, objectives.incident_source.as_str()), (Some(true), "run-start"));
    assert_eq!(predicate.cutover_window_ms, Some(1000));
    assert_eq!(predicate.drill.as_ref().map(|drill| drill.scope.as_str()), Some("everything"));
    assert_eq!(predicate.restored.objects, 1204);
}

#[test]
fn what_is_behind_a_shut_gate_is_blocked_and_named() {
    let receipt = receipt(&broken());
    let predicate = &receipt.predicate;
    assert_eq!(predicate.outcome, Outcome::Partial);
    let places = &predicate.projections[0];
    assert_eq!(
        (places.outcome, places.live, places.proven),
        (ProjectionOutcome::Blocked, false, false)
    );
    assert!(places.generation.is_some() && places.projection_digest.is_none());
    let gate = &predicate.gates[1];
    assert_eq!((gate.id.as_str(), gate.open), ("canonical-intact/2026-02.abcd1234", false));
    // The same defect is in the shard's and in the step's failure: it is one finding.
    assert_eq!(predicate.findings.len(), 1);
    assert_eq!(predicate.objectives.met, Some(false));
    assert_eq!(predicate.drill.as_ref().unwrap().corrections.len(), 1);
}

#[test]
fn a_run_cut_short_has_no_numbers_that_were_not_measured() {
    let events = broken();
    let at = events
        .iter()
        .position(|event| event.kind.step().is_some_and(|step| step.as_str() == "decide"));
    let receipt = receipt(&events[..at.unwrap()]);
    let objectives = &receipt.predicate.objectives;
    assert_eq!((objectives.rto_actual_seconds, objectives.since_incident_seconds), (None, None));
    assert_eq!(objectives.met, Some(false), "it was to go live, and did not");
    assert!(receipt.subject.is_empty() && receipt.predicate.cutover_window_ms.is_none());
}

/// What a whole run measured whose incident was so many seconds before its start.
fn after_an_incident(seconds: i64) -> Objectives {
    let mut events = whole();
    let Some(EventKind::RunStarted(info)) = events.first_mut().map(|event| &mut event.kind) else {
        panic!("it never started");
    };
    info.request.incident_at = Some(time(-seconds));
    // The snapshot is of an hour before the start.
    info.request.rpo_target_seconds = Some(3000);
    receipt(&events).predicate.objectives
}

#[test]
fn what_was_lost_is_counted_from_the_incident_that_was_given() {
    let given = after_an_incident(600);
    assert_eq!((given.incident_source.as_str(), given.incident_at), ("given", time(-600)));
    assert_eq!((given.rpo_actual_seconds, given.met), (Some(3000), Some(true)));
    // What is promised of a recovery counts from its start all the same.
    assert_eq!((given.rto_actual_seconds, given.since_incident_seconds), (Some(402), Some(1002)));
    let later = after_an_incident(599);
    assert_eq!((later.rpo_actual_seconds, later.met), (Some(3001), Some(false)));
    // The damage may be older than the snapshot: then nothing was lost since.
    assert_eq!(after_an_incident(7200).rpo_actual_seconds, Some(0));
}

#[test]
fn a_receipt_keeps_its_form() {
    insta::assert_json_snapshot!(receipt(&broken()));
}

#[test]
fn a_receipt_is_what_its_schema_says_and_reads_back() {
    let schema = serde_json::to_value(schemars::schema_for!(Receipt)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for events in [whole(), broken()] {
        let receipt = receipt(&events);
        let value = serde_json::to_value(&receipt).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(serde_json::from_value::<Receipt>(value).unwrap(), receipt);
    }
    assert!(!validator.is_valid(&serde_json::json!({ "_type": "x" })));
}
