use serde_json::Value;

use super::check::Check;
use super::documents::{Document, Role};
use super::reference::{Target, follow};
use crate::model::FindingKind;

/// Links that stay within the stores. `self` may be the address that a document is published at.
const LOCAL: [&str; 6] = ["collection", "item", "parent", "root", "child", "receipt"];

impl Check<'_> {
    /// STAC: the collection is described by DCAT and knows its items; an item knows its
    /// collection and its run receipt; every link leads to what is there.
    pub(super) fn stac_links(&mut self) {
        let documents = self.documents;
        let (dcat, receipt) = (documents.key_of(Role::Dcat), documents.key_of(Role::Receipt));
        let home = documents.key_of(Role::Collection);
        if let Some(collection) = documents.one(Role::Collection).filter(|one| one.json.is_object())
        {
            self.link(collection, "`describedby`", &dcat, |rel| rel == "describedby");
            self.items_of(collection);
        }
        for item in documents.of(Role::Item).filter(|item| item.json.is_object()) {
            self.link(item, "to its run receipt", &receipt, |_| true);
            self.link(item, "`collection`", &home, |rel| rel == "collection");
            self.parent(item, &home);
        }
        let stac = [Role::Collection, Role::Item, Role::Stac];
        for document in stac.into_iter().flat_map(|role| documents.of(role)) {
            self.followed(document);
        }
    }

    /// The parent of an item is its collection, or a catalog between the two; never another item.
    fn parent(&mut self, item: &Document, home: &str) {
        for parent in linked(item, |rel| rel == "parent") {
            if self.documents.of(Role::Item).any(|one| one.key == parent) {
                let hint = "the link `parent` leads to what is no collection or catalog";
                self.differ(FindingKind::DanglingLink, &item.key, hint, home, parent);
            }
        }
    }

    /// The collection's items: each one that is there is linked, each link leads to one.
    fn items_of(&mut self, collection: &Document) {
        let documents = self.documents;
        let named: Vec<String> = linked(collection, |rel| rel == "item").collect();
        for item in documents.of(Role::Item).filter(|item| !named.contains(&item.key)) {
            let hint = "the collection has no link to this item: readers do not find it";
            self.differ(FindingKind::DanglingLink, &collection.key, hint, &item.key, "nothing");
        }
        let is_item = |key: &String| documents.of(Role::Item).any(|item| item.key == *key);
        let others: Vec<String> =
            named.into_iter().filter(|key| !is_item(key) && !self.is_gone(key)).collect();
        for target in others {
            let hint = "a link `item` leads to what is no item of this version";
            let expected = "an item of this version";
            self.differ(FindingKind::DanglingLink, &collection.key, hint, expected, target);
        }
    }

    /// Says so when a document has no link of the kind to `target`.
    fn link(&mut self, from: &Document, kind: &str, target: &str, is: fn(&str) -> bool) {
        let mut links = linked(from, is);
        if !links.any(|link| link == target) {
            let actual = linked(from, is).next().unwrap_or_else(|| "nothing".to_owned());
            let hint = format!("the link {kind} is missing or leads elsewhere");
            self.differ(FindingKind::DanglingLink, &from.key, &hint, target, actual);
        }
    }

    /// Follows every link of a document.
    fn followed(&mut self, from: &Document) {
        for link in links(from) {
            match follow(&from.key, link.href) {
                Target::Object(object) if self.is_gone(&object) => {
                    let hint = "a link leads to an object that is not there: restore it";
                    self.differ(FindingKind::DanglingLink, &from.key, hint, object, "nothing");
                }
                Target::Object(object) if link.rel == "self" && object != from.key => {
                    let hint = "the link `self` leads to another document";
                    self.differ(FindingKind::DanglingLink, &from.key, hint, &from.key, object);
                }
                Target::Outside(outside) if LOCAL.contains(&link.rel) => {
                    let hint = format!("the link `{}` {}", link.rel, outside.why());
                    self.outside(&from.key, &hint, link.href);
                }
                Target::Outside(super::reference::Outside::AboveRoot) => {
                    let hint =
                        format!("the link `{}` climbs above the root of the store", link.rel);
                    self.outside(&from.key, &hint, link.href);
                }
                _ => {}
            }
        }
    }
}

struct Link<'a> {
    rel: &'a str,
    href: &'a str,
}

fn links(from: &Document) -> impl Iterator<Item = Link<'_>> {
    let links = from.json.get("links").and_then(Value::as_array);
    links.into_iter().flatten().filter_map(|link| {
        let text = |member: &str| link.get(member).and_then(Value::as_str);
        Some(Link { rel: text("rel")?, href: text("href")? })
    })
}

/// The objects that a document's links of some kind lead to.
fn linked(from: &Document, is: fn(&str) -> bool) -> impl Iterator<Item = String> {
    links(from).filter(move |link| is(link.rel)).filter_map(|link| {
        match follow(&from.key, link.href) {
            Target::Object(key) => Some(key),
            Target::Elsewhere | Target::Outside(_) => None,
        }
    })
}
