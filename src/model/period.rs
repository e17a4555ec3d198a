use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time as people write it: `30m`, `24h`, `90d`, `1h 30m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    text: String,
    length: Duration,
}

impl Period {
    /// What one looks like, for schemas.
    pub const PATTERN: &str = "^ *([0-9]+ *(ns|nsec|us|usec|ms|msec|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|M|months?|y|years?) *)+$";

    /// The length.
    pub fn length(&self) -> Duration {
        self.length
    }
}

/// Says why a text is no length of time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is no length of time: expected a number and a unit, such as 30m, 24h or 90d")]
pub struct ParsePeriodError {
    text: String,
}

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match humantime::parse_duration(text) {
            Ok(length) if !length.is_zero() => Ok(Self { text: text.to_owned(), length }),
            _ => Err(ParsePeriodError { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Period {
    type Error = ParsePeriodError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.text
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A length of time: a number and a unit, such as 30m, 24h or 90d.",
            "pattern": Self::PATTERN,
            "examples": ["30m", "24h", "90d", "1h 30m"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_written() {
        for (text, seconds) in
            [("30m", 1800), ("24h", 86_400), ("90d", 7_776_000), ("1h 30m", 5400)]
        {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.length(), Duration::from_secs(seconds));
            assert_eq!(period.to_string(), text);
        }
        let schema = serde_json::json!({ "pattern": Period::PATTERN });
        let has_form = |text: &str| jsonschema::is_valid(&schema, &text.into());
        for text in ["30m", "24h", "90d", "1h 30m", "1h30m", "2 weeks"] {
            assert!(has_form(text) && text.parse::<Period>().is_ok(), "{text}");
        }
        for text in ["", "30", "m", "30 parsecs", "-5m"] {
            assert!(!has_form(text), "{text}");
        }
        for bad in ["", "30", "m", "30 parsecs", "-5m", "0s"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }
}
