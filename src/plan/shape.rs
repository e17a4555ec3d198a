//! Holds a document against its JSON Schema: all that is wrong with its form, each with its place.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::hint::{did_you_mean, nearest};
use super::source::Source;
use super::{Period, Problem, schema, secrets};

/// The form that documents of one type have.
pub(super) struct Shape {
    schema: Value,
    validator: Result<Validator, String>,
}

impl Shape {
    /// The form of a document type.
    pub(super) fn of<T: schemars::JsonSchema>() -> Self {
        let schema = schema::inlined::<T>();
        let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string());
        Self { schema, validator }
    }

    /// Everything that is wrong with the form.
    pub(super) fn problems(&self, source: &Source) -> Vec<Problem> {
        let json = source.json();
        match &self.validator {
            Ok(validator) => {
                let mut problems = Vec::new();
                for error in validator.iter_errors(&json) {
                    self.collect(source, &error, &mut problems);
                }
                problems
            }
            Err(error) => vec![source.problem("", format!("failed to use the schema: {error}"))],
        }
    }

    fn collect(&self, source: &Source, error: &ValidationError<'_>, problems: &mut Vec<Problem>) {
        let path = error.instance_path().as_str();
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                let known = self.members_beside(error);
                for name in unexpected {
                    let at = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                    problems.push(
                        source
                            .problem_of_key(&at, format!("unknown field `{name}`"))
                            .hint(did_you_mean(name, known.iter().copied())),
                    );
                }
            }
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problems.push(source.problem_of_key(path, format!("field `{name}` is missing")));
            }
            Kind::Enum { options } => {
                let known: Vec<_> =
                    options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                problems.push(of_choice(source, path, error.instance(), &known));
            }
            Kind::Constant { expected_value } => {
                let known: Vec<_> = expected_value.as_str().into_iter().collect();
                problems.push(of_choice(source, path, error.instance(), &known));
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                self.collect_branch(source, error, context, problems);
            }
            Kind::Type { .. } => problems.push(self.of_type(source, error)),
            Kind::Pattern { pattern } => problems.push(of_form(source, error, pattern)),
            _ => problems.push(source.problem(path, error.masked_with("the value").to_string())),
        }
    }

    /// Of a value that may have several forms: what is wrong with the one that was meant.
    fn collect_branch(
        &self,
        source: &Source,
        error: &ValidationError<'_>,
        branches: &[Vec<ValidationError<'static>>],
        problems: &mut Vec<Problem>,
    ) {
        let path = error.instance_path().as_str();
        let constants: Vec<_> = branches.iter().flatten().flat_map(constants).collect();
        if error.instance().is_string() && !constants.is_empty() {
            let known: Vec<_> = constants.iter().map(String::as_str).collect();
            problems.push(of_choice(source, path, error.instance(), &known));
            return;
        }
        let tags: Vec<_> = branches.iter().filter_map(|branch| missing_tag(branch, path)).collect();
        if tags.len() == branches.len() && !tags.is_empty() {
            let given = error.instance().as_object().and_then(|m| m.keys().next());
            let (at, name) = match given {
                Some(name) => (format!("{path}/{name}"), name.as_str()),
                None => (path.to_owned(), ""),
            };
            let message = match given {
                Some(name) if nearest(name, tags.iter().copied()).is_some() => {
                    format!("unknown field `{name}`")
                }
                _ => format!("expected one of {}", tags.join(", ")),
            };
            let hint = did_you_mean(name, tags.iter().copied());
            problems.push(source.problem_of_key(&at, message).hint(hint));
            return;
        }
        // The meant form is the one that the check got furthest into.
        let depth = |e: &ValidationError<'_>| e.instance_path().as_str().matches('/').count();
        let meant = branches.iter().min_by_key(|branch| {
            let tagless = missing_tag(branch, path).is_some();
            let deepest = branch.iter().map(depth).max().unwrap_or(0);
            (tagless, std::cmp::Reverse(deepest), branch.len())
        });
        for inner in meant.into_iter().flatten() {
            self.collect(source, inner, problems);
        }
    }

    fn of_type(&self, source: &Source, error: &ValidationError<'_>) -> Problem {
        let path = error.instance_path().as_str();
        let wanted = self.schema.pointer(error.schema_path().as_str());
        let wanted = match wanted {
            Some(Value::String(one)) => one.clone(),
            Some(Value::Array(some)) => some
                .iter()
                .filter_map(Value::as_str)
                .filter(|one| *one != "null")
                .collect::<Vec<_>>()
                .join(" or "),
            _ => "another type".to_owned(),
        };
        let wanted = wanted.replace("object", "mapping").replace("array", "list");
        let given = match error.instance().as_ref() {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        };
        let article = if wanted.starts_with('i') { "an" } else { "a" };
        let quote = wanted == "string" && matches!(given, "a number" | "a boolean");
        source
            .problem(path, format!("expected {article} {wanted}, found {given}"))
            .hint(quote.then(|| "put it in quotes".to_owned()))
    }

    /// The members that the schema allows where one that it does not was found.
    fn members_beside(&self, error: &ValidationError<'_>) -> Vec<&str> {
        let path = error.schema_path().as_str();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let members = self.schema.pointer(&format!("{parent}/properties"));
        let members = members.and_then(Value::as_object);
        members.into_iter().flat_map(|m| m.keys().map(String::as_str)).collect()
    }
}

/// A text of another form than is asked for. What should be a reference may be a secret.
fn of_form(source: &Source, error: &ValidationError<'_>, pattern: &str) -> Problem {
    let path = error.instance_path().as_str();
    if pattern == secrets::REFERENCE {
        let hint = secrets::WRITE_REFERENCE.to_owned();
        return source.problem(path, "expected a reference to a secret").hint(hint);
    }
    let given = error.instance().as_str().unwrap_or_default();
    match given.parse::<Period>() {
        Err(error) if pattern == Period::PATTERN => source.problem(path, error.to_string()),
        _ => source.problem(path, error.masked_with("the value").to_string()),
    }
}

fn constants(error: &ValidationError<'static>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match error.kind() {
        Kind::Constant { expected_value } => text(expected_value).into_iter().collect(),
        Kind::Enum { options } => {
            options.as_array().into_iter().flatten().filter_map(text).collect()
        }
        _ => Vec::new(),
    }
}

/// The member at `path` itself that a form asks for and that is not there.
fn missing_tag<'a>(branch: &'a [ValidationError<'static>], path: &str) -> Option<&'a str> {
    branch.iter().find_map(|error| match error.kind() {
        Kind::Required { property } if error.instance_path().as_str() == path => property.as_str(),
        _ => None,
    })
}

fn of_choice(source: &Source, path: &str, given: &Value, known: &[&str]) -> Problem {
    match given.as_str() {
        Some(given) => source
            .problem(path, format!("unknown value `{given}`"))
            .hint(did_you_mean(given, known.iter().copied())),
        None => source.problem(path, format!("expected one of {}", known.join(", "))),
    }
}
