use super::*;
use crate::model::{Code, Failure, FailureKind};
use crate::store::remote::testing::{Answer, Server, on};

/// All that is asked of a store, each with how many requests it costs when it is refused.
async fn asked(store: &Store) -> Vec<(&'static str, usize, StoreError)> {
    let large = noise(17 << 20);
    vec![
        ("head", 2, store.head("raw/a").await.unwrap_err()),
        ("read", 1, content(store, "raw/a").await.unwrap_err()),
        ("list", 1, names(store).await.unwrap_err()),
        ("create", 1, store.create("raw/a", "x".into()).await.unwrap_err()),
        ("publish", 1, publish(store, "raw/a", b"x").await.unwrap_err()),
        ("publish in parts", 1, publish(store, "raw/a", &large).await.unwrap_err()),
    ]
}

#[tokio::test]
async fn credentials_that_are_not_taken_are_told_as_such_and_tried_once() {
    for (status, code, hint) in [
        (400, "ExpiredToken", "run out"),
        (400, "TokenRefreshRequired", "run out"),
        (400, "InvalidToken", "does not know"),
        (403, "InvalidAccessKeyId", "does not know"),
        (400, "InvalidAccessKeyId", "does not know"),
        (403, "SignatureDoesNotMatch", "does not know"),
        (403, "RequestTimeTooSkewed", "clock"),
    ] {
        let server = Server::start(move |_, _| Answer::error(status, code));
        let store = Store::open(&on(&server, &[])).unwrap();
        let mut requests = 0;
        for (what, costs, error) in asked(&store).await {
            assert!(!error.is_of_one_object(), "{what}");
            let failure = Failure::from(error);
            let told = (failure.kind, failure.code);
            assert_eq!(told, (FailureKind::Permanent, Code::Credentials), "{what}: {failure:?}");
            assert!(failure.hint.as_ref().unwrap().contains(hint), "{what}: {failure:?}");
            assert!(!format!("{failure:?}").contains("hush"), "{what}: {failure:?}");
            requests += costs;
        }
        assert_eq!(server.seen().len(), requests, "{code} is never tried again");
    }
}

#[tokio::test]
async fn one_object_that_is_not_for_us_is_one_object() {
    let server = Server::start(|_, _| Answer::error(403, "AccessDenied"));
    let store = Store::open(&on(&server, &[])).unwrap();
    for (what, _, error) in asked(&store).await {
        assert!(matches!(error, StoreError::Denied { .. }), "{what}: {error}");
        assert!(error.is_of_one_object());
        assert_eq!(Failure::from(error).code, Code::Credentials);
    }
}

#[tokio::test]
async fn what_is_set_up_wrongly_says_what_to_change() {
    for (status, code, hint) in [
        (404, "NoSuchBucket", "no such bucket"),
        (400, "AuthorizationHeaderMalformed", "aws_region"),
        (301, "PermanentRedirect", "aws_region"),
        (501, "NotImplemented", "does not know this kind"),
    ] {
        // An object that is not there is none of these: HEAD cannot tell it from a missing bucket.
        let server = Server::start(move |_, _| Answer::error(status, code));
        let store = Store::open(&on(&server, &[])).unwrap();
        for error in [
            content(&store, "raw/a").await.unwrap_err(),
            names(&store).await.unwrap_err(),
            store.create("raw/a", "x".into()).await.unwrap_err(),
            publish(&store, "raw/a", b"x").await.unwrap_err(),
        ] {
            let failure = Failure::from(error);
            let told = (failure.kind, failure.code);
            let expected = (FailureKind::Permanent, Code::StoreUnreachable);
            assert_eq!(told, expected, "{code}: {failure:?}");
            assert!(failure.hint.as_ref().unwrap().contains(hint), "{failure:?}");
        }
    }
}
