use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures::TryStreamExt;

use super::Probe;
use crate::model::{Failure, Zone};
use crate::recovery::places::{self, Place};
use crate::recovery::world::World;
use crate::store::{Store, StoreError, Walked};

/// Zones that nobody but the platform may read.
const CLOSED: [Zone; 4] = [Zone::Raw, Zone::Work, Zone::Quarantine, Zone::Audit];

/// What a backup store holds of every zone: the bytes of its objects, and their names.
const BACKUP: [&str; 2] = ["blobs", "snapshots"];

/// Whether anybody may read what is not public: asked by reading alone. Projections are left out:
/// they may be public on purpose.
pub(super) async fn probe(world: &World) -> Vec<Probe> {
    let zones = CLOSED.map(Zone::name);
    let places = &world.places;
    let roots = world.canonical.all().filter_map(Store::local_root);
    let mut probes: Vec<_> = roots.filter_map(|root| folder(root, &zones)).collect();
    probes.extend(remote(&places.canonical, &zones).await);
    // One that cannot be opened is told where the stores are asked whether they answer.
    if let Ok(backup) = places::store(&places.backup) {
        probes.extend(backup.local_root().and_then(|root| folder(root, &BACKUP)));
    }
    probes.extend(remote(&places.backup, &BACKUP).await);
    probes
}

/// Asks the object stores of a place as a stranger.
async fn remote(place: &Place, closed: &[&str]) -> Vec<Probe> {
    let mut probes = Vec::new();
    for url in place.urls() {
        if !url.starts_with("file:") && !url.starts_with("memory:") {
            let asked = strangers(place, &url, closed).await;
            probes.push(told(&format!("public {url}"), asked));
        }
    }
    probes
}

/// A folder that others may enter, and a closed one in it that others may list.
fn folder(root: &Path, closed: &[&str]) -> Option<Probe> {
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
    let open = closed.iter().copied().filter(|name| others(&root.join(name), 0o005));
    let open: Vec<&str> = open.collect();
    if open.is_empty() {
        return Some(Probe::good(&id, format!("others see none of {}", closed.join(", "))));
    }
    let seen = format!("every user of this machine may read {}", open.join(", "));
    Some(Probe::warn(&id, seen, format!("chmod o-rx {}", root.display())))
}

/// What an object store gives to whom it does not know.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    List,
    /// Objects of these folders.
    Objects(Vec<String>),
}

/// Asks an object store without credentials for a list, and for an object of each closed folder.
async fn strangers(place: &Place, url: &str, closed: &[&str]) -> Result<Given, Failure> {
    let stranger = Store::open(&places::anonymous(place, url)?)?;
    if !is_denied(stranger.walk("").try_next().await)? {
        return Ok(Given::List);
    }
    let ours = Store::open(&places::known(place, url)?)?;
    let mut open = Vec::new();
    for folder in closed {
        let Some(key) = any(&ours, folder).await? else { continue };
        if !is_denied(stranger.head(&key).await)? {
            open.push((*folder).to_owned());
        }
    }
    Ok(if open.is_empty() { Given::Nothing } else { Given::Objects(open) })
}

/// The first object of a folder.
async fn any(ours: &Store, folder: &str) -> Result<Option<String>, StoreError> {
    let mut walk = ours.walk(&format!("{folder}/"));
    while let Some(found) = walk.try_next().await? {
        if let Walked::Object(meta) = found {
            return Ok(Some(meta.key));
        }
    }
    Ok(None)
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
        Ok(Given::Objects(open)) => {
            let seen = format!("anybody may read what is not public: {}", open.join(", "));
            Probe::bad(id, seen, hint)
        }
        Err(failure) => Probe::failed(id, failure),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::plan::{OptionValue, StoreSpec};

    /// A bucket with one object in each folder; answers strangers as `stranger` says, by path.
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
                let is_list = first.contains("list-type") && code == 200;
                let body = if is_list { list(&first) } else { String::new() };
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

    /// The one object of the folder that is asked for.
    fn list(request: &str) -> String {
        let all = CLOSED.map(Zone::name).into_iter().chain(BACKUP);
        let mut asked = all.filter(|folder| request.contains(&format!("prefix={folder}")));
        let folder = asked.next().unwrap_or("raw");
        format!(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>bucket</Name>\
             <IsTruncated>false</IsTruncated><KeyCount>1</KeyCount><Contents>\
             <Key>{folder}/a</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
             <ETag>\"a\"</ETag><Size>0</Size></Contents></ListBucketResult>"
        )
    }

    #[tokio::test]
    async fn a_bucket_that_answers_strangers_is_found() {
        let zones = CLOSED.map(Zone::name);
        let url = "s3://bucket";
        let closed = bucket(|_| 403);
        assert_eq!(strangers(&closed, url, &zones).await.unwrap(), Given::Nothing);
        assert_eq!(strangers(&closed, url, &BACKUP).await.unwrap(), Given::Nothing);
        let listed = bucket(|_| 200);
        assert_eq!(strangers(&listed, url, &BACKUP).await.unwrap(), Given::List);
        // Each folder is asked for: the first that is closed says nothing of the others.
        let some = |request: &str| -> u16 {
            let open = ["/quarantine/", "/audit/", "/blobs/"];
            let is_open = open.iter().any(|folder| request.contains(folder));
            if request.starts_with("HEAD") && is_open { 200 } else { 403 }
        };
        let given = |folders: &[&str]| {
            Given::Objects(folders.iter().map(|folder| (*folder).to_owned()).collect())
        };
        let readable = bucket(some);
        let asked = strangers(&readable, url, &zones).await;
        assert_eq!(asked.as_ref().unwrap(), &given(&["quarantine", "audit"]));
        let probe = told("public", asked);
        assert!(!probe.ok && probe.seen.ends_with("quarantine, audit"), "{}", probe.seen);
        assert_eq!(strangers(&readable, url, &BACKUP).await.unwrap(), given(&["blobs"]));
        // What cannot be told is told so.
        let odd = bucket(|_| 418);
        assert!(!told("public", strangers(&odd, url, &zones).await).ok);
    }

    #[test]
    fn a_folder_that_others_may_read_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("raw")).unwrap();
        std::fs::create_dir(root.join("blobs")).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let level = || super::folder(root, &CLOSED.map(Zone::name)).unwrap().level;
        set(root, 0o700);
        assert_eq!(level(), super::super::Level::Ok);
        set(root, 0o755);
        set(&root.join("raw"), 0o750);
        set(&root.join("blobs"), 0o755);
        assert_eq!(level(), super::super::Level::Ok);
        set(&root.join("raw"), 0o755);
        assert_eq!(level(), super::super::Level::Warn);
        let backup = super::folder(root, &BACKUP).unwrap();
        assert_eq!(backup.level, super::super::Level::Warn);
        assert!(backup.seen.ends_with("may read blobs"), "{}", backup.seen);
        set(&root.join("blobs"), 0o750);
        assert_eq!(super::folder(root, &BACKUP).unwrap().level, super::super::Level::Ok);
    }
}
