use std::collections::BTreeMap;
use std::path::Path;

use crate::access::{Secret, SecretRef};
use crate::model::{Failure, OptionValue};

/// The variables of a program: those that may be seen, and the secrets.
pub(super) type Variables = (BTreeMap<String, String>, BTreeMap<String, Secret>);

/// Resolves what a program is to see; a file reference is relative to `base`.
pub(in crate::recovery) fn variables(
    declared: &BTreeMap<String, OptionValue>,
    base: &Path,
) -> Result<Variables, Failure> {
    let (mut plain, mut secrets) = Variables::default();
    for (name, value) in declared {
        match value {
            OptionValue::Plain(value) => drop(plain.insert(name.clone(), value.clone())),
            OptionValue::Secret { secret } => {
                let secret = secret.parse::<SecretRef>()?.resolve(base)?;
                secrets.insert(name.clone(), secret);
            }
        }
    }
    Ok((plain, secrets))
}
