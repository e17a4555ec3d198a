//! One finding of the catalog may be let pass, with a reason: it is told everywhere, and nothing
//! else passes with it.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;

const COLLECTION: &str = "catalog/ks_airports/2026-02.c4f9633b/stac/collection.json";
const NAME: &str = "dangling-link@catalog/ks_airports/2026-02.c4f9633b/stac/collection.json";
const WHY: [&str; 2] = ["--reason", "the page moved; looked at by kim"];

fn edit(bench: &Bench, key: &str, from: &str, to: &str) {
    let path = bench.path("origin").join(key);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{key} has no {from}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

/// A bench whose snapshot has one link that leads nowhere.
fn with_a_dangling_link() -> Bench {
    let bench = Bench::new();
    edit(&bench, COLLECTION, "\"rel\": \"describedby\"", "\"rel\": \"about\"");
    bench.try_to_seal();
    bench
}

fn run(bench: &Bench, code: i32, verb: &str, accepted: &[&str]) -> Value {
    let names = accepted.iter().flat_map(|name| ["--accept", name]);
    let args: Vec<&str> = std::iter::once(verb).chain(names).chain(WHY).collect();
    bench.receipt(code, &args)
}

fn finding(receipt: &Value) -> &Value {
    let all = receipt["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["key"] == COLLECTION).unwrap()
}

#[test]
fn a_finding_that_was_looked_at_passes_and_stands_in_receipt_and_ledger() {
    let bench = with_a_dangling_link();
    bench.init();
    let shut = run(&bench, 1, "rehearse", &[]);
    assert_eq!(
        (&shut["outcome"], &finding(&shut)["severity"]),
        (&"partial".into(), &"blocks".into())
    );
    assert_eq!(shut["accepted"], Value::Null);
    // How it may be let pass is told where it blocks.
    let text = bench.run(&["rehearse", "plans/kansas.yaml", "--env", "dev"]).expect(1).stdout;
    let told = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&format!("--accept '{NAME}'")), "{text}");

    let restored = run(&bench, 0, "restore", &[NAME]);
    assert_eq!(restored["outcome"], "recovered", "{restored:#}");
    assert_eq!(restored["accepted"], serde_json::json!([{ "finding": NAME, "met": true }]));
    let finding = finding(&restored);
    assert_eq!((&finding["severity"], &finding["accepted"]), (&"warns".into(), &NAME.into()));
    let ledger = crate::bench::files(&bench.path(".coppice/dev/canonical"));
    let cites = |bytes: &Vec<u8>| {
        let record: Value = serde_json::from_slice(bytes).unwrap_or_default();
        record["accepted"] == serde_json::json!([NAME]) && record["reason"] == WHY[1]
    };
    assert!(ledger.values().any(cites), "no record of the ledger says what was let pass");

    // The next run asks again: nothing is let pass for good.
    let again = run(&bench, 1, "rebuild", &[]);
    assert_eq!(again["outcome"], "partial", "{again:#}");
    let exact = format!("{NAME}#{}", finding["expected"].as_str().unwrap());
    run(&bench, 0, "rebuild", &[&exact]);
}

#[test]
fn what_is_named_wrongly_or_twice_or_is_no_such_finding_lets_nothing_pass() {
    let bench = with_a_dangling_link();
    let plan = ["rehearse", "plans/kansas.yaml", "--env", "dev", "--accept"];
    let refused = |name: &str, why: &str| {
        let args = [&plan[..], &[name], &WHY].concat();
        let said = bench.json(&args).expect(2).json();
        let message = said["error"].to_string();
        assert!(message.contains(why), "{message}");
    };
    refused("altered@processed/a/1/artifacts/a", "never let pass");
    refused("policy-label-missing@catalog/a/1/dcat.jsonld", "never let pass");
    refused("ledger-cut@audit/ledger", "never let pass");
    refused("dangling@catalog/a/1/dcat.jsonld", "no finding is of kind");
    refused("dangling-link", "KIND@KEY");
    let without = bench.json(&[&plan[..], &[NAME]].concat()).expect(2).json();
    assert!(without["error"].to_string().contains("--reason"), "{without}");

    // Of another object: nothing is met.
    let other = NAME.replace("collection", "other");
    let receipt = run(&bench, 1, "rehearse", &[&other]);
    assert_eq!(receipt["accepted"], serde_json::json!([{ "finding": other, "met": false }]));
    assert_eq!(receipt["outcome"], "partial");

    // Two of the kind at one object: one name is not enough.
    let bench = Bench::new();
    edit(&bench, COLLECTION, "\"rel\": \"describedby\"", "\"rel\": \"about\"");
    edit(&bench, COLLECTION, "./items/ks_airports.json", "./items/other.json");
    bench.try_to_seal();
    let receipt = run(&bench, 1, "rehearse", &[NAME]);
    assert_eq!(receipt["accepted"][0]["met"], false, "{receipt:#}");
    let all = receipt["findings"].as_array().unwrap().iter();
    let exact: Vec<String> = all
        .filter(|finding| finding["key"] == COLLECTION)
        .map(|finding| format!("{NAME}#{}", finding["expected"].as_str().unwrap()))
        .collect();
    assert!(exact.len() > 1, "{receipt:#}");
    let receipt = run(&bench, 1, "rehearse", &[&exact[0]]);
    assert_eq!(receipt["accepted"][0]["met"], true, "{receipt:#}");
    let all: Vec<&str> = exact.iter().map(String::as_str).collect();
    run(&bench, 0, "rehearse", &all);
}
