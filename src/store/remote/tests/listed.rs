use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use futures::TryStreamExt;

use super::*;
use crate::store::backend::Backend;
use crate::store::contract::nasty_keys;
use crate::store::remote::Remote;
use crate::store::remote::testing::{Answer, Request, Server, location, on};
use crate::store::{Created, Gate, Walked};

const PAGE: usize = 1000;

/// One page of a list as S3 tells it.
fn xml(keys: &[String], folders: &[String], next: Option<String>) -> Answer {
    let mut text = format!("<ListBucketResult><IsTruncated>{}</IsTruncated>", next.is_some());
    if let Some(next) = next {
        write!(text, "<NextContinuationToken>{next}</NextContinuationToken>").unwrap();
    }
    for key in keys {
        let rest = "<LastModified>2026-11-27T03:00:00.000Z</LastModified><ETag>\"e\"</ETag>";
        write!(text, "<Contents><Key>{key}</Key>{rest}<Size>1</Size></Contents>").unwrap();
    }
    for folder in folders {
        write!(text, "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>").unwrap();
    }
    text.push_str("</ListBucketResult>");
    Answer::Say(200, Vec::new(), text.into_bytes())
}

fn query(request: &Request) -> BTreeMap<String, String> {
    let url = url::Url::parse(&format!("http://h{}", request.target)).unwrap();
    url.query_pairs().into_owned().collect()
}

/// A folder of 100,000 objects is never in memory as a whole: pages are asked for as they are needed.
#[tokio::test]
async fn a_hundred_thousand_keys_come_page_by_page() {
    const ALL: usize = 100_000;
    let server = Server::start(|request, _| {
        let query = query(request);
        if query["prefix"] == "kfm/" {
            return xml(&[], &["kfm/raw/".to_owned()], None);
        }
        assert_eq!(query["prefix"], "kfm/raw/");
        let from = query.get("continuation-token").map_or(0, |token| token.parse().unwrap());
        let keys: Vec<_> = (from..from + PAGE).map(|n| format!("kfm/raw/{n:06}")).collect();
        let next = (from + PAGE < ALL).then(|| (from + PAGE).to_string());
        xml(&keys, &[], next)
    });
    let store = Store::open(&on(&server, &[])).unwrap();
    let mut walk = store.walk("");
    for number in 0..ALL {
        let found = walk.try_next().await.unwrap().unwrap();
        assert_eq!(found.name(), format!("raw/{number:06}"));
        if number % 4999 == 0 {
            // The root, and the pages that hold what was given out.
            assert!(server.seen().len() <= 2 + number / PAGE, "at {number}");
        }
    }
    assert_eq!(walk.try_next().await.unwrap(), None);
    assert_eq!(server.seen().len(), 1 + ALL / PAGE);
}

/// What a server that sorts by segment, or by bytes, lists on its pages.
#[tokio::test]
async fn keys_come_by_their_bytes_whichever_way_a_server_sorts() {
    // `.` and `-` sort before `/`, which a server that sorts by segment does not look at.
    let by_segment: &[&[&str]] = &[&["a/", "a-b"], &["a.b", "a0"], &["b"]];
    let by_bytes: &[&[&str]] = &[&["a-b", "a.b"], &["a/", "a0"], &["b"]];
    let folder_twice: &[&[&str]] = &[&["a-b", "a.b", "a/"], &["a/", "a0"], &["b"]];
    for pages in [by_segment, by_bytes, folder_twice] {
        let server = Server::start(move |request, _| {
            let query = query(request);
            if query["prefix"] == "kfm/a/" {
                return xml(&["kfm/a/x".to_owned()], &[], None);
            }
            let at: usize = query.get("continuation-token").map_or(0, |t| t.parse().unwrap());
            let named = pages[at].iter().map(|name| format!("kfm/{name}"));
            let (folders, keys): (Vec<_>, Vec<_>) = named.partition(|name| name.ends_with('/'));
            xml(&keys, &folders, (at + 1 < pages.len()).then(|| (at + 1).to_string()))
        });
        let store = Store::open(&on(&server, &[])).unwrap();
        assert_eq!(names(&store).await.unwrap(), ["a-b", "a.b", "a/x", "a0", "b"]);
    }
}

#[tokio::test]
async fn a_list_in_no_order_is_an_error_and_no_gap() {
    let server = Server::start(|request, _| match query(request).get("continuation-token") {
        None => xml(&["kfm/m".to_owned()], &[], Some("1".to_owned())),
        Some(_) => xml(&["kfm/a".to_owned()], &[], None),
    });
    let store = Store::open(&on(&server, &[])).unwrap();
    let error = names(&store).await.unwrap_err();
    assert!(error.in_full().contains("in no order"), "{}", error.in_full());
}

#[tokio::test]
async fn a_key_that_cannot_be_named_spoils_its_folder_only() {
    let server = Server::start(|request, _| match &*query(request)["prefix"] {
        "kfm/" => xml(&["kfm/z".to_owned()], &["kfm/bad/".to_owned(), "kfm/ok/".to_owned()], None),
        "kfm/bad/" => xml(&["kfm/bad/a//b".to_owned()], &[], None),
        _ => xml(&["kfm/ok/x".to_owned()], &[], None),
    });
    let store = Store::open(&on(&server, &[])).unwrap();
    let walked: Vec<Walked> = store.walk("").try_collect().await.unwrap();
    assert!(matches!(&walked[0], Walked::Unreadable { name, .. } if name == "bad"), "{walked:?}");
    assert_eq!(walked[1..].iter().map(Walked::name).collect::<Vec<_>>(), ["ok/x", "z"]);
}

/// Pages of two keys, from the real server, which sorts by segment.
#[tokio::test]
async fn small_pages_of_a_real_server_make_one_sorted_list() {
    let location = location("paged");
    let store = Store::open(&location).unwrap();
    let above = store.url().len() - "s3://tests/".len() + 1;
    let mut keys: Vec<_> =
        nasty_keys().into_iter().filter(|key| key.len() + above <= 1024).collect();
    keys.extend(
        ["raw/sort/a/c/d", "raw/sort/a0", "raw/sort/a-b/c", "raw/sort/ab"].map(str::to_owned),
    );
    keys.sort();
    for key in &keys {
        store.create(key, "x".into()).await.unwrap();
    }
    let url = url::Url::parse(&location.url).unwrap();
    for size in [1, 2, 3, 7] {
        let remote = Remote::open(&url, &location).unwrap().with_pages_of(size);
        let walked: Vec<Walked> = remote.walk("", Vec::new()).try_collect().await.unwrap();
        assert_eq!(walked.iter().map(Walked::name).collect::<Vec<_>>(), keys, "pages of {size}");
    }
}

/// Pages as the real server makes them, in two folders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_keys_as_a_real_server_is_given_come_back() {
    let all = std::env::var("COPPICE_TEST_KEYS").map_or(5_000, |keys| keys.parse().unwrap());
    let mut location = location("many");
    let limits = crate::model::StoreLimits { requests_at_once: 128, ..Default::default() };
    location.gate = Gate::shared("many", &limits);
    let store = Arc::new(Store::open(&location).unwrap());
    let key = |number: usize| format!("raw/{:02}/{number:06}", number % 2);
    let puts = stream::iter((0..all).map(|number| {
        let (store, key) = (store.clone(), key(number));
        tokio::spawn(async move { store.create(&key, Bytes::new()).await.unwrap() })
    }));
    puts.buffer_unordered(128)
        .for_each(|done| async { assert_eq!(done.unwrap(), Created::Written) })
        .await;
    let mut expected: Vec<_> = (0..all).map(key).collect();
    expected.sort();
    assert_eq!(names(&store).await.unwrap(), expected);
}
