use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::model::{Code, Failure, FailureKind};
use crate::store::Created;
use crate::store::remote::testing::{Answer, Request, Server, by_way_of, location, on};

/// Says how often a request like this one came before.
#[derive(Default)]
struct Repeats(Mutex<BTreeMap<String, u32>>);

impl Repeats {
    fn before(&self, request: &Request) -> u32 {
        let name = format!("{} {}", request.method, request.target);
        let mut known = self.0.lock().unwrap();
        let count = known.entry(name).or_default();
        *count += 1;
        *count - 1
    }
}

/// Through a server that asks to slow down, breaks off and fails before each answer of the real one.
#[tokio::test]
async fn a_store_that_is_throttled_is_asked_again_until_it_answers() {
    let real = location("throttled");
    let repeats = Repeats::default();
    let (location, server) = by_way_of(&real, move |request, _| match repeats.before(request) {
        0 => Answer::error(503, "SlowDown"),
        1 => Answer::error(429, "TooManyRequests"),
        2 => Answer::error(500, "InternalError"),
        _ => Answer::Pass,
    });
    let store = Store::open(&location).unwrap();
    assert_eq!(store.create("raw/a", "one".into()).await.unwrap(), Created::Written);
    assert_eq!(store.create("raw/a", "two".into()).await.unwrap(), Created::Exists);
    let large = noise(40 << 20);
    assert_eq!(publish(&store, "raw/large", &large).await.unwrap(), Published::Written);
    assert!(content(&store, "raw/large").await.unwrap().unwrap() == large);
    assert_eq!(names(&store).await.unwrap(), ["raw/a", "raw/large"]);
    assert!(store.delete("raw/a").await.unwrap());
    let throttled = server.seen().iter().filter(|request| request.method == "POST").count();
    assert!(throttled >= 9, "creation, completion and deletion: {throttled}");
}

#[tokio::test]
async fn a_store_that_never_answers_is_asked_so_often_and_no_more() {
    for (status, code) in [(503, "SlowDown"), (429, "TooManyRequests")] {
        let server = Server::start(move |_, _| Answer::error(status, code));
        let store = Store::open(&on(&server, &[])).unwrap();
        let failure = Failure::from(store.create("raw/a", "x".into()).await.unwrap_err());
        assert_eq!(failure.kind, FailureKind::Transient { retry_after: None });
        assert_eq!(failure.code, Code::StoreUnreachable);
        assert!(failure.hint.unwrap().contains("requests_per_second"));
        assert_eq!(server.seen().len(), 9);
    }
}

/// What of a body was asked for.
fn from(request: &Request) -> usize {
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    range.map_or(0, |range| range.split('-').next().unwrap().parse().unwrap())
}

fn rest(body: &[u8], etag: &str, request: &Request) -> Answer {
    let at = from(request);
    let Answer::Say(_, mut headers, _) = Answer::object(etag, &[]) else { unreachable!() };
    let range = format!("bytes {at}-{}/{}", body.len() - 1, body.len());
    headers.push(("Content-Range", range));
    Answer::Say(if at == 0 { 200 } else { 206 }, headers, body[at..].to_vec())
}

#[tokio::test]
async fn a_download_that_breaks_off_again_and_again_comes_whole() {
    let body = noise(3 << 20);
    let own = body.clone();
    let server = Server::start(move |request, _| {
        Answer::Cut(
            Box::new(rest(&own, "\"v1\"", request)),
            (128 << 10).min(own.len() - from(request)),
        )
    });
    let store = Store::open(&on(&server, &[])).unwrap();
    assert!(content(&store, "raw/a").await.unwrap().unwrap() == body);
    let seen = server.seen();
    assert!(seen.len() >= 24, "{}", seen.len());
    let pinned = seen.iter().filter(|request| request.headers.contains_key("if-match")).count();
    assert!(pinned > 0, "in the same state of the object");
}

#[tokio::test]
async fn a_download_that_gets_nowhere_is_given_up() {
    let body = noise(1 << 20);
    let server = Server::start(move |request, _| match from(request) {
        0 => Answer::Cut(Box::new(rest(&body, "\"v1\"", request)), 1000),
        _ => Answer::Cut(Box::new(rest(&body, "\"v1\"", request)), 0),
    });
    let store = Store::open(&on(&server, &[])).unwrap();
    let error = content(&store, "raw/a").await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert!(server.seen().len() < 100);
}

#[tokio::test]
async fn a_download_is_not_taken_up_in_another_state() {
    let body = noise(1 << 20);
    let server = Server::start(move |request, _| match from(request) {
        0 => Answer::Cut(Box::new(rest(&body, "\"v1\"", request)), 1000),
        _ => rest(&body, "\"v2\"", request),
    });
    let store = Store::open(&on(&server, &[])).unwrap();
    let error = content(&store, "raw/a").await.unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }), "{error}");
}

/// The real server does what it is asked; that it did is lost on the way back.
#[tokio::test]
async fn a_write_whose_answer_was_lost_is_looked_for() {
    let real = location("lost");
    let repeats = Repeats::default();
    let (location, _server) = by_way_of(&real, move |request, _| {
        let first = repeats.before(request) == 0;
        if first && request.method == "PUT" { Answer::Lose } else { Answer::Pass }
    });
    let store = Store::open(&location).unwrap();
    assert_eq!(store.create("work/head", "1".into()).await.unwrap(), Created::Written);
    assert_eq!(store.create("work/head", "2".into()).await.unwrap(), Created::Exists);
    let again = Store::open(
        &by_way_of(&real, {
            let repeats = Repeats::default();
            move |request, _| {
                let first = repeats.before(request) == 0;
                if first && request.method == "PUT" { Answer::Lose } else { Answer::Pass }
            }
        })
        .0,
    )
    .unwrap();
    let pin = again.head("work/head").await.unwrap().unwrap().pin;
    assert!(again.compare_and_swap("work/head", "3".into(), Some(&pin)).await.unwrap());
    assert!(!again.compare_and_swap("work/head", "4".into(), Some(&pin)).await.unwrap());
    assert_eq!(content(&again, "work/head").await.unwrap().unwrap(), b"3");
}

/// What another wrote meanwhile is not taken for ours, however often we tried.
#[tokio::test]
async fn a_write_that_another_was_before_is_refused_after_a_lost_answer_too() {
    let real = location("other");
    Store::open(&real).unwrap().create("work/head", "theirs".into()).await.unwrap();
    let repeats = Repeats::default();
    let (location, server) = by_way_of(&real, move |request, _| {
        let first = repeats.before(request) == 0;
        if first && request.method == "PUT" { Answer::Lose } else { Answer::Pass }
    });
    let store = Store::open(&location).unwrap();
    assert_eq!(store.create("work/head", "ours".into()).await.unwrap(), Created::Exists);
    assert!(server.seen().len() > 2, "it was tried again and looked at");
}

/// Whether it makes an object of the parts of an upload.
fn completes(request: &Request) -> bool {
    request.method == "POST" && request.target.contains("uploadId=")
}

/// The parts are made an object, nobody is told, and to the next try there is no such upload.
#[tokio::test]
async fn an_upload_whose_completion_was_lost_is_published_anew() {
    let real = location("completed");
    let tries = AtomicU32::new(0);
    let (location, server) = by_way_of(&real, move |request, _| {
        if !completes(request) {
            return Answer::Pass;
        }
        match tries.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::Lose,
            1 => Answer::error(404, "NoSuchUpload"),
            _ => Answer::Pass,
        }
    });
    let store = Store::open(&location).unwrap();
    let large = noise(17 << 20);
    let error = publish(&store, "raw/large", &large).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    let failure = Failure::from(error);
    assert_eq!(failure.kind, FailureKind::Transient { retry_after: None }, "it is tried anew");
    assert_eq!(publish(&store, "raw/large", &large).await.unwrap(), Published::Written);
    assert!(content(&store, "raw/large").await.unwrap().unwrap() == large);
    assert_eq!(server.seen().iter().filter(|request| completes(request)).count(), 3);
}

/// Parts of an upload that will be no object are taken away, however it came to that; that they may
/// not be hides nothing of it.
#[tokio::test]
async fn an_upload_that_may_not_be_given_up_does_not_hide_why_it_is() {
    let real = location("given-up");
    Store::open(&real).unwrap().create("raw/theirs", "x".into()).await.unwrap();
    let (location, server) = by_way_of(&real, |request, _| match &*request.method {
        "DELETE" => Answer::error(403, "AccessDenied"),
        "POST" if completes(request) => Answer::error(400, "InvalidPart"),
        _ => Answer::Pass,
    });
    let store = Store::open(&location).unwrap();
    let given_up = || server.seen().iter().filter(|request| request.method == "DELETE").count();
    let bytes = noise(17 << 20);
    let expected = |of: &[u8]| Expected { digest: Digest::blake3(of), size: bytes.len() as u64 };

    let keep = OnConflict::Keep;
    let other = store.publish("raw/a", parts(&bytes), &expected(b"other"), keep).await.unwrap();
    assert!(matches!(other, Published::Differs { .. }), "{other:?}");
    assert_eq!(given_up(), 1);

    let gone = StoreError::Changed { what: "the source".to_owned() };
    let breaks = parts(&bytes).chain(stream::iter([Err(gone)])).boxed();
    let keep = OnConflict::Keep;
    let error = store.publish("raw/a", breaks, &expected(&bytes), keep).await.unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }), "{error}");
    assert_eq!(given_up(), 2);

    let keep = OnConflict::Keep;
    let theirs = store.publish("raw/theirs", parts(&bytes), &expected(&bytes), keep).await;
    assert_eq!(theirs.unwrap(), Published::Exists);
    assert_eq!(given_up(), 3);

    let error = publish(&store, "raw/a", &bytes).await.unwrap_err();
    assert!(matches!(error, StoreError::Other { .. }), "of the completion: {error}");
    assert_eq!(given_up(), 4);
    assert_eq!(names(&store).await.unwrap(), ["raw/theirs"]);
}
