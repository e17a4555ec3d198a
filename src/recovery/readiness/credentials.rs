use std::collections::BTreeSet;
use std::path::Path;

use super::Probe;
use crate::access::SecretRef;
use crate::model::Failure;
use crate::plan::{Environment, GraphSpec, OptionValue, PostgisSpec};

/// Whether every secret that the environment refers to can be had. None is ever shown.
pub(super) fn probe(environment: &Environment, plan: &Path) -> Probe {
    let base = plan.parent().unwrap_or(Path::new("/"));
    let all = references(environment);
    let missing: Vec<Failure> = all.iter().filter_map(|text| resolve(text, base).err()).collect();
    match missing.first() {
        None if all.is_empty() => Probe::good("credentials", "the environment names no secret"),
        None => Probe::good("credentials", format!("all {} present", all.len())),
        Some(first) => {
            let each: Vec<_> = missing.iter().map(|failure| failure.message.clone()).collect();
            let hint = first.hint.clone().unwrap_or_default();
            Probe::bad("credentials", each.join("; "), hint)
        }
    }
}

fn resolve(text: &str, base: &Path) -> Result<(), Failure> {
    text.parse::<SecretRef>()?.resolve(base)?;
    Ok(())
}

fn references(environment: &Environment) -> BTreeSet<&str> {
    let optional = [&environment.scratch, &environment.withdrawals];
    let stores = [&environment.backup, &environment.canonical, &environment.projections];
    let stores = stores.into_iter().chain(optional.into_iter().flatten());
    let commands = environment.freeze.iter().chain(&environment.enable);
    let values = stores.flat_map(|store| store.options.values());
    let mut found: BTreeSet<&str> = values
        .chain(commands.flat_map(|command| command.env.values()))
        .filter_map(|value| match value {
            OptionValue::Secret { secret } => Some(secret.as_str()),
            OptionValue::Plain(_) => None,
        })
        .collect();
    if let PostgisSpec::Server { secret, password } = &environment.postgis {
        found.insert(secret);
        found.extend(password.as_deref());
    }
    for spec in [&environment.graph, &environment.scratch_graph].into_iter().flatten() {
        let GraphSpec::Sparql(server) = spec;
        found.extend(server.references());
    }
    found
}
