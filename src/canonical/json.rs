//! Reads JSON that decides something: nothing in it is passed over, and nothing is rounded that is
//! hashed.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// Above it two integers may share one double, which is what RFC 8785 writes.
const EXACT: u64 = 1 << 53;

/// Why a document is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    /// It is no JSON, nests too deep, or gives a member twice.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// An integer that its canonical form would round.
    #[error(
        "the integer {number} at line {line} column {column} is beyond 2^53 and would be rounded: \
         write it as a string"
    )]
    Integer {
        /// The integer as written, shortened.
        number: String,
        /// Its line, from 1.
        line: usize,
        /// Its column in bytes, from 1.
        column: usize,
    },
}

/// Reads a document; a member that is given twice is an error, where other readers keep one of the
/// two. Nesting is bounded (128), so no document exhausts the stack.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads a document that is hashed in its RFC 8785 form: as `parse`, and integers beyond 2^53 are
/// an error, since the form would round them.
pub(crate) fn parse_strict(bytes: &[u8]) -> Result<Value, JsonError> {
    let value = parse(bytes)?;
    match rounded_integer(bytes) {
        None => Ok(value),
        Some((at, number)) => {
            let before = &bytes[..at];
            let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            Err(JsonError::Integer {
                number: number.chars().take(40).collect(),
                line: before.split(|byte| *byte == b'\n').count(),
                column: at - line_start + 1,
            })
        }
    }
}

/// The text of one member of an object as it stands in the document.
pub(crate) fn member<'a>(bytes: &'a [u8], name: &str) -> Option<&'a str> {
    #[derive(Deserialize)]
    struct Members<'a>(#[serde(borrow)] std::collections::BTreeMap<String, &'a RawValue>);
    let mut members: Members<'a> = serde_json::from_slice(bytes).ok()?;
    members.0.remove(name).map(RawValue::get)
}

/// The first integer that a double may not hold, in a document that is known to be JSON.
fn rounded_integer(bytes: &[u8]) -> Option<(usize, &str)> {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = string_end(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let part =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let length = bytes[at..].iter().take_while(|byte| part(byte)).count();
                let number = std::str::from_utf8(&bytes[at..at + length]).ok()?;
                let is_integer = !number.contains(['.', 'e', 'E']);
                let magnitude = number.trim_start_matches('-').parse::<u64>();
                if is_integer && magnitude.map_or(true, |magnitude| magnitude > EXACT) {
                    return Some((at, number));
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// Where the string whose inside begins at `at` is over.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// Builds a value and refuses members that are given twice.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Strict)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member `{name}` is given twice")));
            }
            let value = map.next_value_seed(Strict)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::digest::canonical_json;

    #[test]
    fn a_member_that_is_given_twice_is_refused_wherever_it_stands() {
        for bad in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"x": [{"y": {"b": null, "b": null}}]}"#,
        ] {
            let error = parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("is given twice at line 1"), "{error}");
        }
        let good = br#"{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}"#;
        assert_eq!(parse(good).unwrap(), json!({"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}));
    }

    #[test]
    fn integers_that_would_be_rounded_are_refused_with_their_place() {
        for good in [
            "9007199254740992",
            "-9007199254740992",
            "-0",
            "1e300",
            "-3.4028234663852886e38",
            r#""9007199254740993""#,
            r#"{"\"": 1, "9007199254740993": "\\"}"#,
        ] {
            parse_strict(good.as_bytes()).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for bad in ["9007199254740993", "-9007199254740993", "18446744073709551616"] {
            parse(bad.as_bytes()).unwrap();
            let document = format!("{{\"a\":\n  [0, {bad}]}}");
            let error = parse_strict(document.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad} at line 2 column 7")), "{error}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for bad in [
            "",
            "{",
            "1e400",
            "-1e400",
            "NaN",
            "Infinity",
            r#""\ud800""#,
            "01",
            "1 2",
            "\u{feff}1",
            &deep,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn zero_has_one_canonical_form() {
        for zero in ["0", "-0", "0.0", "-0.0", "0e5"] {
            let value = parse_strict(zero.as_bytes()).unwrap();
            assert_eq!(canonical_json(&value).unwrap(), b"0", "{zero}");
        }
    }

    #[test]
    fn a_member_is_given_as_it_stands() {
        let bytes = br#"{"spec_hash": "x", "spec": {"b": 1.0, "a": [ ]}}"#;
        assert_eq!(member(bytes, "spec"), Some(r#"{"b": 1.0, "a": [ ]}"#));
        assert_eq!(member(bytes, "other"), None);
        assert_eq!(member(b"[1]", "spec"), None);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (-(1i64 << 53)..=1 << 53).prop_map(Value::from),
            "[\\PC\"\\\\0-9]{0,8}".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                proptest::collection::btree_map("[a-c\"\\\\9]{0,3}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_as_others_read_it(value in values()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(parse_strict(text.as_bytes()).unwrap(), value);
        }
    }
}
