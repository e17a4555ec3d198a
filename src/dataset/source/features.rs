use std::fmt;
use std::io::BufRead;

use datafusion::error::DataFusionError;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::json;
use super::rows::{Said, Take};
use super::stream::malformed;
use crate::dataset::crs::Crs;
use crate::dataset::defect::Defect;

/// Reads a `FeatureCollection`, a feature at a time, wherever in it they stand.
pub(super) fn rows(
    input: &mut dyn BufRead,
    key: &str,
    take: &mut dyn Take,
) -> Result<Said, DataFusionError> {
    let mut collection = Collection { take, number: 0, failed: None, said: Said::Nothing };
    let mut reader = serde_json::Deserializer::from_reader(input);
    let read = (&mut collection).deserialize(&mut reader).and_then(|()| reader.end());
    if let Some(error) = collection.failed {
        return Err(error);
    }
    // The parser's own words may quote values.
    read.or(Err(malformed(key, "it is no FeatureCollection, or cut short")))?;
    Ok(collection.said)
}

struct Collection<'a> {
    take: &'a mut dyn Take,
    number: u64,
    failed: Option<DataFusionError>,
    said: Said,
}

impl<'de> DeserializeSeed<'de> for &mut Collection<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Collection<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a FeatureCollection")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut is_collection, mut features) = (false, 0);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "type" => is_collection = map.next_value::<Value>()? == "FeatureCollection",
                "features" => {
                    features += 1;
                    map.next_value_seed(Features(self))?;
                }
                "crs" => self.said = said(&map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if is_collection && features == 1 {
            return Ok(());
        }
        Err(A::Error::custom("no collection"))
    }
}

/// The member `crs` of GeoJSON before 2016.
pub(super) fn said(value: &Value) -> Said {
    if value.is_null() {
        return Said::Nothing;
    }
    let name = value.pointer("/properties/name").and_then(Value::as_str);
    Said::of(name.and_then(Crs::parse), || name.unwrap_or("an unnamed system").to_owned())
}

struct Features<'c, 'a>(&'c mut Collection<'a>);

impl<'de> DeserializeSeed<'de> for Features<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Features<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("features")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut features: A) -> Result<(), A::Error> {
        while let Some(value) = features.next_element::<Value>()? {
            self.0.number += 1;
            let row = match value {
                Value::Object(members) => json::feature(members),
                _ => Err(Defect::MalformedRow),
            };
            if let Err(error) = self.0.take.row(self.0.number, row) {
                self.0.failed = Some(error);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}
