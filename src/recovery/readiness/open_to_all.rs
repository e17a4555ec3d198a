use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures::TryStreamExt;

use super::Probe;
use crate::model::{Failure, Zone};
use crate::recovery::places::{self, Place};
use crate::recovery::world::World;
use crate::store::{OWN, Store, StoreError, Walked};

/// Zones that nobody but the platform may read.
const CLOSED: [Zone; 4] = [Zone::Raw, Zone::Work, Zone::Quarantine, Zone::Audit];

/// Whether anybody may read what is not public: asked by reading alone.
pub(super) async fn probe(world: &World) -> Vec<Probe> {
    let mut probes = Vec::new();
    for store in world.canonical.all() {
        if let Some(root) = store.local_root() {
            probes.extend(folder(root));
        }
    }
    let place = &world.places.canonical;
    for url in place.urls() {
        if !url.starts_with("file:") && !url.starts_with("memory:") {
            let asked = strangers(place, &url).await;
            probes.push(told(&format!("public {url}"), asked));
        }
    }
    probes
}

/// A folder that others may enter, and a closed zone in it that others may list.
fn folder(root: &Path) -> Option<Probe> {
    let others = |path: &Path, bits: u32| {
        std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & bits == bits)
    };
    let id = format!("public {}", root.display());
    if !root.is_dir() {
        return None;
    }
    if !root.ancestors().all(|folder| others(folder, 0o001)) {
        return Some(Probe::good(&id, "others may not enter"));
    }
    let zones = CLOSED.iter().map(ToString::to_string);
    let open: Vec<_> = zones.filter(|zone| others(&root.join(zone), 0o005)).collect();
    if open.is_empty() {
        return Some(Probe::good(&id, "others see no closed zone"));
    }
    let seen = format!("every user of this machine may read {}", open.join(", "));
    Some(Probe::warn(&id, seen, format!("chmod o-rx {}", root.display())))
}

/// What an object store gives to whom it does not know.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    List,
    Object,
}

/// Asks an object store without credentials for a list, and for an object of a closed zone.
async fn strangers(place: &Place, url: &str) -> Result<Given, Failure> {
    let stranger = Store::open(&places::anonymous(place, url)?)?;
    if !is_denied(stranger.walk("").try_next().await)? {
        return Ok(Given::List);
    }
    let ours = Store::open(&places::known(place, url)?)?;
    for zone in CLOSED {
        let mut walk = ours.walk(&format!("{zone}/"));
        while let Some(found) = walk.try_next().await? {
            let Walked::Object(meta) = found else { continue };
            if meta.key.starts_with(OWN) {
                continue;
            }
            if !is_denied(stranger.head(&meta.key).await)? {
                return Ok(Given::Object);
            }
            break;
        }
    }
    Ok(Given::Nothing)
}

fn is_denied<T>(asked: Result<T, StoreError>) -> Result<bool, StoreError> {
    match asked {
        Ok(_) => Ok(false),
        Err(StoreError::Denied { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

fn told(id: &str, asked: Result<Given, Failure>) -> Probe {
    let hint = "take public access away from the bucket, and look who has read it";
    match asked {
        Ok(Given::Nothing) => Probe::good(id, "refused to strangers"),
        Ok(Given::List) => Probe::bad(id, "anybody may list it", hint),
        Ok(Given::Object) => Probe::bad(id, "anybody may read objects that are not public", hint),
        Err(failure) => Probe::failed(id, failure),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::plan::{OptionValue, StoreSpec};

    /// A bucket with one object in `raw/`; answers strangers as `stranger` says, by path.
    fn bucket(stranger: fn(&str) -> u16) -> Place {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                let rest: Vec<_> =
                    lines.map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
                let known = rest.iter().any(|l| l.to_lowercase().starts_with("authorization:"));
                let code = if known { 200 } else { stranger(&first) };
                let body = if first.contains("list-type") && code == 200 { LIST } else { "" };
                let answer = format!(
                    "HTTP/1.1 {code} X\r\nContent-Length: {}\r\nETag: \"a\"\r\nLast-Modified: \
                     Mon, 12 Oct 2009 17:50:00 GMT\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = (&stream).write_all(answer.as_bytes());
            }
        });
        let plain = |(name, value): (&str, String)| (name.to_owned(), OptionValue::Plain(value));
        let options = [
            ("aws_endpoint", format!("http://127.0.0.1:{port}")),
            ("aws_allow_http", "true".to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", "someone".to_owned()),
            ("aws_secret_access_key", "x".to_owned()),
        ];
        let spec = StoreSpec {
            url: "s3://bucket".to_owned(),
            options: options.map(plain).into(),
            limits: None,
            zones: std::collections::BTreeMap::new(),
        };
        Place::of(&spec, Path::new("/")).unwrap()
    }

    const LIST: &str = "<?xml version=\"1.0\"?><ListBucketResult><Name>bucket</Name>\
        <IsTruncated>false</IsTruncated><KeyCount>1</KeyCount><Contents><Key>raw/a</Key>\
        <LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"a\"</ETag><Size>0</Size>\
        </Contents></ListBucketResult>";

    #[tokio::test]
    async fn a_bucket_that_answers_strangers_is_found() {
        let closed = bucket(|_| 403);
        assert_eq!(strangers(&closed, "s3://bucket").await.unwrap(), Given::Nothing);
        let listed = bucket(|_| 200);
        assert_eq!(strangers(&listed, "s3://bucket").await.unwrap(), Given::List);
        let readable = bucket(|request| if request.starts_with("HEAD") { 200 } else { 403 });
        assert_eq!(strangers(&readable, "s3://bucket").await.unwrap(), Given::Object);
        // What cannot be told is told so.
        let odd = bucket(|_| 418);
        assert!(!told("public", strangers(&odd, "s3://bucket").await).ok);
    }

    #[test]
    fn a_folder_that_others_may_read_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("raw")).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let level = || super::folder(root).unwrap().level;
        set(root, 0o700);
        assert_eq!(level(), super::super::Level::Ok);
        set(root, 0o755);
        set(&root.join("raw"), 0o750);
        assert_eq!(level(), super::super::Level::Ok);
        set(&root.join("raw"), 0o755);
        assert_eq!(level(), super::super::Level::Warn);
    }
}
