use crate::model::OptionValue;
use crate::plan::secrets::{is_reference, is_sensitive};

/// What Coppice sets itself for the program of a job.
pub(super) const WHO: [&str; 3] = ["PATH", "HOME", "TMPDIR"];

/// What is wrong with a variable of a program, and what to do.
pub(super) fn wrong(name: &str, value: &OptionValue) -> Option<(String, &'static str)> {
    match value {
        OptionValue::Secret { secret } if !is_reference(secret) => {
            let hint = "write env:NAME or file:PATH; if a secret stood here, change it";
            Some((format!("`{name}`: expected a reference to a secret"), hint))
        }
        OptionValue::Plain(_) if is_sensitive(name) => {
            let hint = "write `{ secret: env:NAME }`, never the secret itself";
            Some((format!("`{name}` looks like a secret"), hint))
        }
        _ => None,
    }
}
