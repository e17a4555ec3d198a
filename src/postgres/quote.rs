//! The one file that makes SQL text out of names and values: a template is always a constant, and
//! what goes into it is quoted by what it is.

use std::fmt::{self, Write as _};

use sqlx::AssertSqlSafe;

/// SQL text that is safe to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sql(String);

impl Sql {
    /// The text, for the COPY interface.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as sqlx takes it.
    pub(crate) fn safe(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.0.clone())
    }

    /// Joins pieces by `separator`.
    pub(crate) fn join(pieces: impl IntoIterator<Item = Self>, separator: &'static str) -> Self {
        let texts: Vec<String> = pieces.into_iter().map(|piece| piece.0).collect();
        Self(texts.join(separator))
    }

    /// A list of identifiers, `"a", "b"`.
    pub(crate) fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::join(names.into_iter().map(|name| sql("{}", &[Part::Ident(name)])), ", ")
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What may stand for a `{}` in a template.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// A name: `"na""me"`.
    Ident(&'a str),
    /// A name in a schema: `"schema"."name"`.
    Qualified(&'a str, &'a str),
    /// A text value: `'it''s'`.
    Literal(&'a str),
    /// A whole number.
    Int(i64),
    /// A finite number with a fraction.
    Float(f64),
    /// SQL that was made here before.
    Sql(&'a Sql),
    /// A query that a job declares. It must be the last part, and be run by `execute_one`, which
    /// takes no second statement.
    Query(&'a str),
}

/// Fills each `{}` of a constant template with the next part.
pub(crate) fn sql(template: &'static str, parts: &[Part<'_>]) -> Sql {
    let mut text = String::with_capacity(template.len() + parts.len() * 16);
    let mut parts = parts.iter();
    let mut pieces = template.split("{}");
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        if let Some(part) = parts.next() {
            part.write(&mut text);
        }
        text.push_str(piece);
    }
    Sql(text)
}

impl Part<'_> {
    fn write(&self, text: &mut String) {
        match self {
            Self::Ident(name) => quoted(text, name, '"'),
            Self::Qualified(schema, name) => {
                quoted(text, schema, '"');
                text.push('.');
                quoted(text, name, '"');
            }
            Self::Literal(value) => {
                // A backslash is an escape when standard_conforming_strings is off.
                if value.contains('\\') {
                    text.push_str(" E");
                    quoted(text, &value.replace('\\', "\\\\"), '\'');
                } else {
                    quoted(text, value, '\'');
                }
            }
            Self::Int(value) => {
                // Writing to a String cannot fail.
                let _ = write!(text, "{value}");
            }
            Self::Float(value) => {
                let _ = write!(text, "{value:e}::float8");
            }
            Self::Sql(sql) => text.push_str(&sql.0),
            Self::Query(query) => text.push_str(query.trim().trim_end_matches(';')),
        }
    }
}

fn quoted(text: &mut String, value: &str, quote: char) {
    text.push(quote);
    // PostgreSQL can hold no NUL; leaving it out lets the server say that the name is unknown.
    for c in value.chars().filter(|&c| c != '\0') {
        if c == quote {
            text.push(quote);
        }
        text.push(c);
    }
    text.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_quoted_by_what_it_is() {
        let list = Sql::idents(["a", "B c"]);
        let text = sql(
            "SELECT {} FROM {} WHERE {} = {} LIMIT {}",
            &[
                Part::Sql(&list),
                Part::Qualified("s\"x", "t"),
                Part::Ident("k;--"),
                Part::Literal("it's\\"),
                Part::Int(3),
            ],
        );
        assert_eq!(
            text.as_str(),
            r#"SELECT "a", "B c" FROM "s""x"."t" WHERE "k;--" =  E'it''s\\' LIMIT 3"#
        );
    }
}
