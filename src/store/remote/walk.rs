use std::collections::VecDeque;

use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{Error, ObjectMeta};

use super::Remote;
use super::client::meta;
use crate::store::{StoreError, Walked};

/// What is still to be walked, next first.
enum Left {
    Folder(String),
    Object(ObjectMeta),
    Alias(String),
}

/// Walks folder by folder: only one is in memory at a time, keys come by their bytes even from
/// servers that sort by segment, and a key that cannot be named spoils its folder only.
pub(super) fn walk(
    remote: Remote,
    prefix: String,
    skip: Vec<String>,
) -> BoxStream<'static, Result<Walked, StoreError>> {
    let start = (remote, skip, VecDeque::from([Left::Folder(prefix)]));
    futures::stream::try_unfold(start, |(remote, skip, mut left)| async move {
        loop {
            let found = match left.pop_front() {
                None => return Ok(None),
                Some(Left::Object(found)) => Walked::Object(meta(found)),
                Some(Left::Alias(name)) => {
                    Walked::Unreadable { name, why: "its key ends with a slash".to_owned() }
                }
                Some(Left::Folder(folder)) => match list(&remote, &folder, &skip).await? {
                    Ok(more) => {
                        more.into_iter().rev().for_each(|entry| left.push_front(entry));
                        continue;
                    }
                    Err(why) => Walked::Unreadable { name: folder, why },
                },
            };
            return Ok(Some((found, (remote, skip, left))));
        }
    })
    .boxed()
}

/// One folder's entries, sorted; or why it cannot be told apart.
async fn list(
    remote: &Remote,
    folder: &str,
    skip: &[String],
) -> Result<Result<Vec<Left>, String>, StoreError> {
    let path = match Path::parse(folder) {
        Ok(path) => path,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let listed = match remote.objects_ref().list_with_delimiter(Some(&path)).await {
        Ok(listed) => listed,
        Err(error @ Error::InvalidPath { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(remote.failed(folder, error)),
    };
    let mut entries: Vec<(String, Left)> = Vec::new();
    for found in listed.objects {
        let key = found.location.as_ref().to_owned();
        if key == folder {
            // `object_store` drops the slash at the end, which would make another key of it. An
            // empty one is how servers and their tools mark a folder: it holds nothing.
            if found.size > 0 {
                let name = format!("{key}/");
                entries.push((name.clone(), Left::Alias(name)));
            }
        } else {
            entries.push((key, Left::Object(found)));
        }
    }
    for below in listed.common_prefixes {
        if !skip.iter().any(|folder| folder == below.as_ref()) {
            entries.push((format!("{below}/"), Left::Folder(below.into())));
        }
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Ok(entries.into_iter().map(|(_, entry)| entry).collect()))
}
