//! GCS and Azure: what goes out to them, and what an emulator makes of it as far as there is one.

use super::*;
use crate::store::limits::Lane;
use crate::store::remote::testing::{Answer, Request, Server, on, service_account};
use crate::store::{Created, Location};

fn place(url: &str, options: Options) -> Store {
    Store::open(&Location { options, ..Location::new(url) }).unwrap()
}

type Options = std::collections::BTreeMap<String, String>;

fn named(options: &[(&str, &str)]) -> Options {
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn gcs_options(server: &Server) -> Options {
    let account = service_account(&server.endpoint());
    named(&[("google_service_account_key", &*account), ("allow_http", "true")])
}

fn gcs(server: &Server) -> Store {
    place("gs://bucket/kfm", gcs_options(server))
}

/// The key that every emulator knows.
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn azure_options(server: &Server) -> Options {
    let endpoint = format!("{}/account", server.endpoint());
    named(&[
        ("azure_storage_account_name", "account"),
        ("azure_storage_account_key", KEY),
        ("azure_endpoint", &*endpoint),
        ("azure_allow_http", "true"),
    ])
}

fn azure(server: &Server) -> Store {
    place("az://container/kfm", azure_options(server))
}

/// Takes every condition, as a store does in which nothing is.
fn obliging() -> Server {
    Server::start(|request, _| {
        let xml = |body: &str| Answer::Say(200, Vec::new(), body.as_bytes().to_vec());
        if request.method == "POST" && request.target.contains("uploads") {
            return xml(
                "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            );
        }
        match Answer::object("\"e\"", b"x") {
            Answer::Say(_, mut headers, body) => {
                headers.push(("x-goog-generation", "7".to_owned()));
                let status = if request.method == "PUT" { 201 } else { 200 };
                Answer::Say(status, headers, body)
            }
            other => other,
        }
    })
}

async fn write(store: &Store) {
    assert_eq!(store.create("raw/a", "x".into()).await.unwrap(), Created::Written);
    let pin = store.head("raw/a").await.unwrap().unwrap().pin;
    assert!(store.compare_and_swap("raw/a", "y".into(), Some(&pin)).await.unwrap());
}

fn puts(server: &Server) -> Vec<Request> {
    server.seen().into_iter().filter(|request| request.method == "PUT").collect()
}

#[tokio::test]
async fn conditions_go_out_as_each_service_has_them() {
    let server = obliging();
    write(&gcs(&server)).await;
    let seen = puts(&server);
    assert!(seen.iter().all(|put| put.target == "/bucket/kfm%2Fraw%2Fa"), "{seen:?}");
    assert_eq!(seen[0].headers["x-goog-if-generation-match"], "0", "create only");
    assert_eq!(seen[1].headers["x-goog-if-generation-match"], "7", "in the state that was seen");

    let server = obliging();
    write(&azure(&server)).await;
    let seen = puts(&server);
    assert!(seen.iter().all(|put| put.target == "/account/container/kfm/raw/a"), "{seen:?}");
    assert_eq!(seen[0].headers["if-none-match"], "*");
    assert_eq!(seen[1].headers["if-match"], "\"e\"");
    for put in &seen {
        assert!(put.headers["authorization"].starts_with("SharedKey account:"));
        assert!(!format!("{put:?}").contains(KEY), "the key signs and stays here");
    }
}

#[tokio::test]
async fn what_is_there_already_is_not_overwritten() {
    for open in [gcs, azure] {
        let server = Server::start(|_, _| Answer::error(412, "ConditionNotMet"));
        assert_eq!(open(&server).create("raw/a", "x".into()).await.unwrap(), Created::Exists);
    }
    let server = Server::start(|_, _| Answer::error(409, "BlobAlreadyExists"));
    assert_eq!(azure(&server).create("raw/a", "x".into()).await.unwrap(), Created::Exists);
}

#[tokio::test]
async fn refusals_and_throttling_are_told_alike() {
    for open in [gcs, azure] {
        for (status, code) in [(401, "InvalidAuthenticationInfo"), (403, "AuthenticationFailed")] {
            let server = Server::start(move |_, _| Answer::error(status, code));
            let error = content(&open(&server), "raw/a").await.unwrap_err();
            assert!(matches!(error, StoreError::Credentials { .. }), "{error}");
            assert_eq!(server.seen().len(), 1);
        }
        let server = Server::start(|_, before| match before {
            0..3 => Answer::error(503, "ServerBusy"),
            _ => Answer::object("\"e\"", b"x"),
        });
        assert_eq!(content(&open(&server), "raw/a").await.unwrap().unwrap(), b"x");
    }
    let server = Server::start(|_, _| Answer::error(404, "ContainerNotFound"));
    let error = azure(&server).create("raw/a", "x".into()).await.unwrap_err();
    assert!(matches!(error, StoreError::Setup { .. }), "{error}");
}

/// However a service has keys in its URLs, a lock does not wait behind data.
#[tokio::test]
async fn own_keys_do_not_wait_for_bandwidth_on_any_service() {
    use crate::model::StoreLimits;
    use crate::store::Gate;
    let limits = StoreLimits { bandwidth_mib_per_second: Some(1), ..StoreLimits::default() };
    let server = obliging();
    for (name, url, options) in [
        ("own-gcs", "gs://bucket/kfm", gcs_options(&server)),
        ("own-azure", "az://container/kfm", azure_options(&server)),
        ("own-s3", "s3://bucket/kfm", on(&server, &[]).options),
    ] {
        let gate = Gate::shared(name, &limits);
        let location = Location { options, gate: gate.clone(), ..Location::new(url) };
        let store = Store::open(&location).unwrap();
        // A day's worth is owed.
        gate.pass(86_400 << 20, Lane::Data).await;
        let lock = store.create(".coppice/lock.json", "x".into());
        // Not for ever, where it does wait.
        let lock = tokio::time::timeout(std::time::Duration::from_mins(1), lock).await;
        assert_eq!(lock.expect(name).unwrap(), Created::Written, "{name}");
        let mut data = Box::pin(store.create("raw/a", "x".into()));
        // What came is handed over; what is owed is waited for before more.
        let (_, mut download) = store.stream("raw/a", None).await.unwrap().unwrap();
        assert_eq!(download.try_next().await.unwrap().unwrap(), "x");
        tokio::select! {
            biased;
            _ = &mut data => panic!("{name}: data did not wait"),
            _ = download.next() => panic!("{name}: a download did not wait"),
            read = store.read(".coppice/lock.json", 10) => assert!(read.unwrap().is_some()),
        }
    }
}
