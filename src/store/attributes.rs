//! What a store keeps of an object beside its bytes.

use std::collections::BTreeMap;

use object_store::Attribute;
use serde::{Deserialize, Serialize};

/// What a store keeps of an object beside its bytes. A directory keeps nothing of it; where data
/// lie in a class of storage is the target's own matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// Its media type.
    pub(crate) content_type: Option<String>,
    /// How its bytes are encoded, such as `gzip`.
    pub(crate) content_encoding: Option<String>,
    /// The other HTTP headers that it is served with, by their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// What its owner wrote beside it.
    pub(crate) metadata: BTreeMap<String, String>,
}

const DISPOSITION: &str = "content-disposition";
const LANGUAGE: &str = "content-language";
const CACHE: &str = "cache-control";

impl From<&object_store::Attributes> for Attributes {
    fn from(found: &object_store::Attributes) -> Self {
        let mut attributes = Self::default();
        for (name, value) in found {
            let value = value.to_string();
            match name {
                Attribute::ContentType => attributes.content_type = Some(value),
                Attribute::ContentEncoding => attributes.content_encoding = Some(value),
                Attribute::ContentDisposition => attributes.header(DISPOSITION, value),
                Attribute::ContentLanguage => attributes.header(LANGUAGE, value),
                Attribute::CacheControl => attributes.header(CACHE, value),
                Attribute::Metadata(name) => {
                    attributes.metadata.insert(name.to_string(), value);
                }
                _ => {}
            }
        }
        attributes
    }
}

impl Attributes {
    fn header(&mut self, name: &str, value: String) {
        self.headers.insert(name.to_owned(), value);
    }

    /// The same for `object_store`; a header that it does not know is left out.
    pub(super) fn for_store(&self) -> object_store::Attributes {
        let mut attributes = object_store::Attributes::new();
        let mut put = |name: Attribute, value: &String| {
            attributes.insert(name, value.clone().into());
        };
        if let Some(value) = &self.content_type {
            put(Attribute::ContentType, value);
        }
        if let Some(value) = &self.content_encoding {
            put(Attribute::ContentEncoding, value);
        }
        for (name, value) in &self.headers {
            match name.as_str() {
                DISPOSITION => put(Attribute::ContentDisposition, value),
                LANGUAGE => put(Attribute::ContentLanguage, value),
                CACHE => put(Attribute::CacheControl, value),
                _ => {}
            }
        }
        for (name, value) in &self.metadata {
            put(Attribute::Metadata(name.clone().into()), value);
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_keeps_comes_back_as_it_was() {
        let text = |text: &str| text.to_owned();
        let attributes = Attributes {
            content_type: Some(text("text/csv")),
            content_encoding: Some(text("gzip")),
            headers: [DISPOSITION, LANGUAGE, CACHE].map(|n| (text(n), format!("of {n}"))).into(),
            metadata: [(text("origin"), text("census"))].into(),
        };
        assert_eq!(Attributes::from(&attributes.for_store()), attributes);
        assert!(Attributes::default().for_store().is_empty());
    }
}
