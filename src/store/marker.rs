//! Environment markers of stores.

use chrono::{DateTime, Utc};

use super::{Created, Store, StoreError};
use crate::access::{Marker, judge};
use crate::model::{Code, Failure};

const KEY: &str = ".coppice/environment.json";
const LIMIT: u64 = 64 * 1024;

/// Reads a store's marker.
pub(crate) async fn read_marker(store: &Store) -> Result<Option<Marker>, Failure> {
    match store.read(KEY, LIMIT).await? {
        Some((bytes, _)) => parsed(store, &bytes).map(Some),
        None => Ok(None),
    }
}

/// Reads the marker of a place that we need no right to: where we may not look we may not write.
pub(crate) async fn glance_at_marker(store: &Store) -> Result<Option<Marker>, Failure> {
    match store.read(KEY, LIMIT).await {
        Err(StoreError::Denied { .. }) | Ok(None) => Ok(None),
        Ok(Some((bytes, _))) => parsed(store, &bytes).map(Some),
        Err(error) => Err(error.into()),
    }
}

fn parsed(store: &Store, bytes: &[u8]) -> Result<Marker, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::fenced(Code::Fenced, format!("failed to read the marker of {}", store.url()))
            .because(&error)
            .hint(format!("look at {KEY} there by hand"))
    })
}

/// Refuses a store that does not carry the environment's marker.
pub(crate) async fn check_marker(
    store: &Store,
    environment: &str,
    init: &str,
) -> Result<(), Failure> {
    let marker = read_marker(store).await?;
    judge(marker.as_ref(), environment, store.identity(), init)
}

/// Puts the environment's marker on a store, where there is none; one that is there must be the
/// same.
pub(crate) async fn write_marker(
    store: &Store,
    environment: &str,
    init: &str,
    now: DateTime<Utc>,
) -> Result<Created, Failure> {
    let marker = Marker::new(environment, store.identity(), now);
    let bytes = serde_json::to_vec_pretty(&marker).map_err(|error| {
        Failure::permanent(Code::Internal, "failed to write an environment marker").because(&error)
    })?;
    let bytes = bytes::Bytes::from(bytes);
    let created = store.create(KEY, bytes.clone()).await?;
    if created == Created::Exists {
        check_marker(store, environment, init).await?;
    } else if store.create(KEY, bytes).await? == Created::Written {
        return Err(overwrites(store));
    }
    Ok(created)
}

/// A server that takes a condition and does not hold it would let two runs take one lock.
fn overwrites(store: &Store) -> Failure {
    let message = format!("{} overwrites what was to be created only", store.url());
    Failure::permanent(Code::StoreUnreachable, message).hint(
        "its server knows no conditional writes: see docs/stores.md for what to set and what it costs",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureKind;
    use crate::store::{Location, Store};

    #[tokio::test]
    async fn a_store_keeps_its_marker_and_a_copy_of_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            Store::open(&Location::of_path(&folder.path().join(name)).unwrap()).unwrap()
        };
        let (store, init) = (open("a"), "coppice init plans/p.yaml --env dev");
        let refused = check_marker(&store, "dev", init).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Fenced);
        assert!(!folder.path().join("a").exists(), "asking writes nothing");
        for created in [Created::Written, Created::Exists] {
            assert_eq!(write_marker(&store, "dev", init, Utc::now()).await.unwrap(), created);
        }
        check_marker(&store, "dev", init).await.unwrap();
        assert!(write_marker(&store, "prod", init, Utc::now()).await.is_err());
        std::fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        assert!(check_marker(&open("b"), "dev", init).await.is_err());
    }

    /// Servers that take a condition and do not hold it are found out before they hold a lock.
    #[tokio::test]
    async fn a_server_that_overwrites_what_is_created_only_is_refused() {
        use crate::store::remote::testing::{Answer, Server, on};
        let server = Server::start(|_, _| Answer::object("\"e\"", b""));
        let store = Store::open(&on(&server, &[])).unwrap();
        let refused = write_marker(&store, "dev", "init", Utc::now()).await.unwrap_err();
        assert!(refused.message.contains("created only"), "{refused}");
        assert!(refused.hint.unwrap().contains("docs/stores.md"));
        assert_eq!(server.seen().len(), 2);
    }
}
