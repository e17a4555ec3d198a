use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use object_store::{Error, ListResult, ObjectMeta};

use super::Remote;
use super::client::meta;
use crate::store::{StoreError, Walked};

/// What a folder holds.
enum Entry {
    Object(ObjectMeta),
    Alias,
    Folder(String),
}

/// A folder whose listing is under way: one page of it is in memory at a time.
struct Listing {
    folder: String,
    /// Where the next page begins.
    token: Option<String>,
    /// Whether there may be one.
    more: bool,
    /// The last name that was listed, without a folder's slash.
    reached: String,
    /// By the bytes of the keys, a folder with its slash.
    waiting: BTreeMap<String, Entry>,
    /// The last key that was given out.
    given: String,
}

/// Walks folder by folder and page by page. Keys come by their bytes also from servers that sort by
/// segment, and a key that cannot be named spoils its folder only.
pub(super) fn walk(
    remote: Remote,
    prefix: String,
    skip: Vec<String>,
) -> BoxStream<'static, Result<Walked, StoreError>> {
    let start = (remote, skip, vec![Listing::new(prefix)]);
    futures::stream::try_unfold(start, |(remote, skip, mut open)| async move {
        let found = next(&remote, &skip, &mut open).await?;
        Ok(found.map(|found| (found, (remote, skip, open))))
    })
    .boxed()
}

/// The next object, looked for in the innermost folder first.
async fn next(
    remote: &Remote,
    skip: &[String],
    open: &mut Vec<Listing>,
) -> Result<Option<Walked>, StoreError> {
    loop {
        let Some(listing) = open.last_mut() else { return Ok(None) };
        match listing.take() {
            Some((_, Entry::Object(found))) => return Ok(Some(Walked::Object(meta(found)))),
            Some((name, Entry::Alias)) => {
                let why = "its key ends with a slash".to_owned();
                return Ok(Some(Walked::Unreadable { name, why }));
            }
            Some((_, Entry::Folder(folder))) => open.push(Listing::new(folder)),
            None if listing.more => {
                if let Err(why) = page(remote, listing, skip).await? {
                    listing.more = false;
                    let name = listing.folder.clone();
                    return Ok(Some(Walked::Unreadable { name, why }));
                }
            }
            None => drop(open.pop()),
        }
    }
}

impl Listing {
    fn new(folder: String) -> Self {
        Self {
            folder,
            token: None,
            more: true,
            reached: String::new(),
            waiting: BTreeMap::new(),
            given: String::new(),
        }
    }

    /// The first entry, if nothing that is still to be listed can come before it: a server that
    /// sorts by segment lists the folder `a/` before `a-b`.
    fn take(&mut self) -> Option<(String, Entry)> {
        let (key, _) = self.waiting.first_key_value()?;
        if self.more && *key > self.reached {
            return None;
        }
        let (key, entry) = self.waiting.pop_first()?;
        self.given.clone_from(&key);
        Some((key, entry))
    }

    fn add(&mut self, remote: &Remote, key: String, entry: Entry) -> Result<(), StoreError> {
        // Some servers tell a folder once on each page that it reaches over.
        if key == self.given && matches!(entry, Entry::Folder(_)) {
            return Ok(());
        }
        if key < self.given {
            let why = format!("the server lists `{key}` after `{}`: in no order", self.given);
            return Err(StoreError::Other { what: remote.what(&self.folder), source: why.into() });
        }
        self.waiting.insert(key, entry);
        Ok(())
    }
}

/// Lists one page more; or says why what is there cannot be told apart.
async fn page(
    remote: &Remote,
    listing: &mut Listing,
    skip: &[String],
) -> Result<Result<(), String>, StoreError> {
    let path = match Path::parse(&listing.folder) {
        Ok(path) => path,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let listed = match ask(remote, &path, listing.token.take()).await {
        Ok((listed, token)) => {
            listing.more = token.is_some();
            listing.token = token;
            listed
        }
        Err(error @ Error::InvalidPath { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(remote.failed(&listing.folder, error)),
    };
    for found in listed.objects {
        let key = found.location.as_ref().to_owned();
        if key != listing.folder {
            listing.reached = key.clone().max(std::mem::take(&mut listing.reached));
            listing.add(remote, key, Entry::Object(found))?;
        } else if found.size > 0 {
            // `object_store` drops the slash at the end, which would make another key of it. An
            // empty one is how servers and their tools mark a folder: it holds nothing.
            listing.add(remote, format!("{key}/"), Entry::Alias)?;
        }
    }
    for below in listed.common_prefixes {
        let folder = String::from(below);
        listing.reached = folder.clone().max(std::mem::take(&mut listing.reached));
        if !skip.contains(&folder) {
            listing.add(remote, format!("{folder}/"), Entry::Folder(folder))?;
        }
    }
    Ok(Ok(()))
}

/// One page of a folder, under keys below the store's own prefix.
async fn ask(
    remote: &Remote,
    folder: &Path,
    token: Option<String>,
) -> object_store::Result<(ListResult, Option<String>)> {
    let Some(pages) = remote.pages() else {
        return Ok((remote.objects_ref().list_with_delimiter(Some(folder)).await?, None));
    };
    let own = remote.prefix();
    let whole: Path = own.parts().chain(folder.parts()).collect();
    let prefix = (!whole.as_ref().is_empty()).then(|| format!("{whole}/"));
    let options = PaginatedListOptions {
        delimiter: Some("/".into()),
        max_keys: remote.page_size(),
        page_token: token,
        ..PaginatedListOptions::default()
    };
    let mut found = pages.list_paginated(prefix.as_deref(), options).await?;
    for object in &mut found.result.objects {
        object.location = below(own, &object.location)?;
    }
    for folder in &mut found.result.common_prefixes {
        *folder = below(own, folder)?;
    }
    Ok((found.result, found.page_token))
}

fn below(own: &Path, path: &Path) -> object_store::Result<Path> {
    let rest = path.as_ref().strip_prefix(own.as_ref()).unwrap_or(path.as_ref());
    Ok(Path::parse(rest.strip_prefix('/').unwrap_or(rest))?)
}
