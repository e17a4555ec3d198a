//! A server that is busy, breaks off, is silent or lets nobody in: what is asked again, and what is
//! done once all the same.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::client::Patience;
use super::proxy::{Fate, Proxy};
use super::testing::{Server, endpoints};
use super::tests::suite;
use super::*;
use crate::model::{Code, Failure, FailureKind};

const QUICK: Patience = Patience {
    connect: Duration::from_secs(10),
    silence: Duration::from_secs(30),
    pause: Duration::from_millis(1),
    tries: 5,
};

fn client(endpoints: Endpoints, auth: Auth) -> Client {
    Client::patient(endpoints, auth, Space::environment(), QUICK).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_asked_again_and_what_was_done_twice_is_done_once() {
    let server = Server::start();
    // A try comes through after four that do not. A graph is read as a stream: one that broke off is
    // another try of the step.
    let failed = AtomicU32::new(0);
    let fate = move |head: &str, _| match failed.fetch_add(1, Ordering::SeqCst) {
        0 => Fate::Status(503),
        1 => Fate::Reset,
        2 => Fate::AnswerLost,
        3 if !head.starts_with("GET") => Fate::AnswerTorn,
        3 => Fate::Status(429),
        _ => {
            failed.store(0, Ordering::SeqCst);
            Fate::Through
        }
    };
    let proxy = Proxy::before(server.port(), fate).await;
    suite(client(endpoints(proxy.port, true), Auth::None)).await;
    assert!(proxy.asked() > 100, "{}", proxy.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_answer_is_always_lost_is_a_failure_that_may_pass() {
    let server = Server::start();
    let proxy = Proxy::before(server.port(), |_, _| Fate::AnswerLost).await;
    let cut_off = client(endpoints(proxy.port, true), Auth::None);
    let failure = cut_off.mark("dev", "here", chrono::Utc::now()).await.unwrap_err();
    let failure = Failure::from(failure);
    assert_eq!(failure.code, Code::StoreUnreachable);
    assert!(matches!(failure.kind, FailureKind::Transient { .. }), "{failure:?}");
    assert_eq!(proxy.asked(), QUICK.tries);
    // It was done all the same, and once.
    let marker = server.client().marker().await.unwrap().unwrap();
    assert_eq!(&*marker.environment, "dev");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_is_given_up() {
    let server = Server::start();
    let proxy = Proxy::before(server.port(), |_, _| Fate::Silence).await;
    let patience = Patience { silence: Duration::from_millis(100), tries: 2, ..QUICK };
    let (at, space) = (endpoints(proxy.port, true), Space::environment());
    let client = Client::patient(at, Auth::None, space, patience).unwrap();
    let failure = Failure::from(client.marker().await.unwrap_err());
    assert_eq!(failure.code, Code::StoreUnreachable);
    assert!(matches!(failure.kind, FailureKind::Transient { .. }), "{failure:?}");
    assert_eq!(proxy.asked(), 2);
    assert!(failure.hint.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_counts_as_lost_when_its_lease_ends_while_the_server_is_silent() {
    let server = Server::start();
    // It asks who holds the server, takes it and asks again; then nothing comes back.
    let fate = |_: &str, asked: u32| if asked < 3 { Fate::Through } else { Fate::Silence };
    let proxy = Proxy::before(server.port(), fate).await;
    let client = client(endpoints(proxy.port, true), Auth::None);
    let request = LockRequest {
        run: crate::model::RunId::now(),
        holder: "kim",
        process: "first",
        epoch: 1,
        lease: Duration::from_secs(1),
        is_gone: &|_| false,
    };
    let lock = GraphLock::take(&client, &request).await.unwrap();
    // Much less than one request is waited for.
    let lost = tokio::time::timeout(QUICK.silence / 3, lock.lost().cancelled_owned()).await;
    assert!(lost.is_ok(), "the holder goes on while anybody may take the lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_never_taken_for_a_whole_one() {
    let server = Server::start();
    server.client().mark("dev", "here", chrono::Utc::now()).await.unwrap();
    let proxy = Proxy::before(server.port(), |_, _| Fate::AnswerTorn).await;
    let torn = client(endpoints(proxy.port, true), Auth::None);
    let failure = Failure::from(torn.marker().await.unwrap_err());
    assert_eq!(failure.code, Code::StoreUnreachable);
    let answer = torn.graph("urn:coppice:environment").await;
    let whole = match answer {
        Ok(answer) => answer.bytes().await.is_ok(),
        Err(_) => false,
    };
    assert!(!whole, "half a graph was read as a whole one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_is_asked_once() {
    let server = Server::start();
    for (status, code) in [
        (400, Code::StoreUnreachable),
        (401, Code::Credentials),
        (403, Code::Credentials),
        (404, Code::StoreUnreachable),
        (507, Code::NoSpace),
    ] {
        let proxy = Proxy::before(server.port(), move |_, _| Fate::Status(status)).await;
        let client = client(endpoints(proxy.port, true), Auth::None);
        let failure = Failure::from(client.marker().await.unwrap_err());
        assert_eq!((failure.kind, failure.code), (FailureKind::Permanent, code), "{status}");
        assert_eq!(proxy.asked(), 1, "{status}");
        assert!(failure.hint.is_some(), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_said_and_a_refusal_is_one_of_credentials() {
    let server = Server::start();
    let basic = || Auth::Basic { user: "kim".into(), password: "hunter2".into() };
    let bearer = || Auth::Bearer("hunter3".into());
    for (said, good, bad) in [
        ("authorization: Basic a2ltOmh1bnRlcjI=", basic(), bearer()),
        ("authorization: Bearer hunter3", bearer(), basic()),
    ] {
        let judge = move |head: &str, _| {
            let let_in = head.lines().any(|line| line.eq_ignore_ascii_case(said));
            if let_in { Fate::Through } else { Fate::Status(401) }
        };
        let proxy = Proxy::before(server.port(), judge).await;
        // Everything that is asked says it.
        let known = client(endpoints(proxy.port, true), good);
        assert_eq!(known.marker().await.unwrap(), None);
        known.update("try", "INSERT DATA { <a:b> <a:c> 1 }".into()).await.unwrap();
        known.graph("urn:coppice:registry").await.map(drop).unwrap_or_default();
        assert_eq!(proxy.asked(), 3);
        for bad in [bad, Auth::None] {
            let stranger = client(endpoints(proxy.port, true), bad);
            let failure = Failure::from(stranger.marker().await.unwrap_err());
            assert_eq!((failure.kind, failure.code), (FailureKind::Permanent, Code::Credentials));
            let told = format!("{failure:?} {stranger:?}");
            assert!(!told.contains("hunter"), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_may_come_back_and_one_that_speaks_otherwise_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = Failure::from(client(endpoints(free, true), Auth::None).marker().await.unwrap_err());
    assert_eq!(away.code, Code::StoreUnreachable);
    assert!(matches!(away.kind, FailureKind::Transient { .. }));
    let server = Server::start();
    let wrong = endpoints(server.port(), true);
    let wrong = Endpoints { query: wrong.update.clone(), ..wrong };
    let failure = Failure::from(client(wrong, Auth::None).marker().await.unwrap_err());
    assert_eq!((failure.kind, failure.code), (FailureKind::Permanent, Code::StoreUnreachable));
}
