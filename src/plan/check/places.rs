use std::collections::BTreeMap;
use std::path::Path;

use super::environments::escaped;
use crate::model::store_option::{self, ENDPOINT};
use crate::plan::paths::store_url;
use crate::plan::secrets::is_reference;
use crate::plan::source::Source;
use crate::plan::{
    Environment, GraphSpec, OptionValue, PostgisSpec, Problem, RecoveryPlan, StoreSpec,
    endpoint as graph_endpoint,
};

/// What a place is for. Two places that serve one purpose of one environment may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Canonical,
    Projections,
    Scratch,
    Backup,
    Graph,
    ScratchGraph,
}

/// A place that an environment names.
struct Place<'a> {
    environment: &'a str,
    purpose: Purpose,
    field: String,
    url: String,
    endpoint: Option<String>,
}

/// How one place lies to another.
enum Lies {
    At,
    Inside,
    Around,
}

/// No place serves two purposes, and no two environments share a target or its secret: a
/// rehearsal, a restore or a snapshot of one would hit the other.
pub(super) fn shared(plan: &RecoveryPlan, source: &Source, base: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: Vec<Place<'_>> = Vec::new();
    for (name, environment) in &plan.spec.environments {
        for place in places(name, environment, base) {
            let other = seen.iter().find_map(|other| Some((other, clash(&place, other)?)));
            if let Some((other, lies)) = other {
                problems.push(problem(source, &place, other, &lies));
            }
            seen.push(place);
        }
    }
    problems.extend(secrets(plan, source));
    problems.extend(of_scratch(plan, source));
    problems
}

fn places<'a>(name: &'a str, environment: &'a Environment, base: &Path) -> Vec<Place<'a>> {
    let stores = [
        (Purpose::Canonical, "canonical", Some(&environment.canonical)),
        (Purpose::Projections, "projections", Some(&environment.projections)),
        (Purpose::Scratch, "scratch", environment.scratch.as_ref()),
        (Purpose::Backup, "backup", Some(&environment.backup)),
    ];
    let mut places = Vec::new();
    for (purpose, field, spec) in stores {
        let Some(spec) = spec else { continue };
        let zones = spec.zones.iter().map(|(zone, url)| (format!("{field}/zones/{zone}"), url));
        let urls = std::iter::once((format!("{field}/url"), &spec.url)).chain(zones);
        places.extend(urls.filter_map(|(field, url)| {
            let (url, endpoint) = (normalised(url, base)?, endpoint(spec));
            Some(Place { environment: name, purpose, field, url, endpoint })
        }));
    }
    let graphs = [
        (Purpose::Graph, "graph", &environment.graph),
        (Purpose::ScratchGraph, "scratch_graph", &environment.scratch_graph),
    ];
    for (purpose, of, spec) in graphs {
        let Some(GraphSpec::Sparql(server)) = spec else { continue };
        let urls = server.urls().filter(|(field, _)| *field != "query");
        places.extend(urls.filter_map(|(field, url)| {
            let url =
                if is_reference(url) { url.to_owned() } else { graph_endpoint(url)?.to_string() };
            let field = format!("{of}/sparql/{field}");
            Some(Place { environment: name, purpose, field, url, endpoint: None })
        }));
    }
    places
}

/// A URL in one form: however it is written, one place has one.
fn normalised(url: &str, base: &Path) -> Option<String> {
    let url = store_url(url, base).ok()?;
    let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let host = url.host_str().unwrap_or_default().to_lowercase();
    Some(format!("{}://{host}/{}", url.scheme(), parts.join("/")))
}

/// Where a store's service is: two may have buckets of one name.
fn endpoint(spec: &StoreSpec) -> Option<String> {
    let scheme = spec.url.split_once(':').map_or("", |(scheme, _)| scheme);
    let mut options = spec.options.iter();
    options.find_map(|(name, value)| match value {
        OptionValue::Plain(value) if store_option::subject(scheme, name) == ENDPOINT => {
            Some(value.trim_end_matches('/').to_lowercase())
        }
        _ => None,
    })
}

fn clash(place: &Place<'_>, other: &Place<'_>) -> Option<Lies> {
    let same_purpose = place.purpose == other.purpose;
    // Names in scratch hold the run, and a backup may serve many environments.
    let may_share =
        matches!(place.purpose, Purpose::Scratch | Purpose::ScratchGraph | Purpose::Backup);
    if same_purpose && (place.environment == other.environment || may_share) {
        return None;
    }
    if place.endpoint.is_some() && other.endpoint.is_some() && place.endpoint != other.endpoint {
        return None;
    }
    let inside = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match (inside(&place.url, &other.url), inside(&other.url, &place.url)) {
        (true, true) => Some(Lies::At),
        (true, false) => Some(Lies::Inside),
        (false, true) => Some(Lies::Around),
        (false, false) => None,
    }
}

fn problem(source: &Source, place: &Place<'_>, other: &Place<'_>, lies: &Lies) -> Problem {
    let name = format!("{} of `{}`", other.field, other.environment);
    let itself = place.purpose == Purpose::Backup
        && other.purpose == Purpose::Canonical
        && place.environment == other.environment;
    let message = match lies {
        Lies::At if itself => "the backup is the canonical store itself".to_owned(),
        Lies::At => format!("this is also the {name}"),
        Lies::Inside => format!("this lies inside the {name}"),
        Lies::Around => format!("the {name} lies inside this"),
    };
    let at = format!("spec/environments/{}/{}", escaped(place.environment), place.field);
    let hint = "each target belongs to one environment and has one purpose";
    source.problem(&at, message).hint(hint.to_owned())
}

/// A secret that opens the targets of two environments lets a run of one reach the other.
fn secrets(plan: &RecoveryPlan, source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<&str, (&str, String)> = BTreeMap::new();
    for (name, environment) in &plan.spec.environments {
        for (field, secret) in references(environment) {
            match seen.get(secret) {
                Some((other, at)) if *other != name => {
                    let message = format!("this is also the {at} of `{other}`");
                    let at = format!("spec/environments/{}/{field}", escaped(name));
                    let hint = "give each environment credentials of its own, that open nothing \
                                of the other";
                    problems.push(source.problem(&at, message).hint(hint.to_owned()));
                }
                Some(_) => {}
                None => drop(seen.insert(secret, (name, field))),
            }
        }
    }
    problems
}

/// A rehearsal never has the credentials of a target, so what opens its server of graphs opens none.
fn of_scratch(plan: &RecoveryPlan, source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, environment) in &plan.spec.environments {
        let Some(GraphSpec::Sparql(server)) = &environment.scratch_graph else { continue };
        let Some((field, secret)) = server.secret() else { continue };
        if let Some(other) = opens(plan, secret) {
            let at = format!("spec/environments/{}/scratch_graph/sparql/{field}", escaped(name));
            let hint = "give rehearsals credentials of their own, that open no target";
            let problem = source.problem(&at, format!("this is also the {other}"));
            problems.push(problem.hint(hint.to_owned()));
        }
    }
    problems
}

/// The target that a secret opens, where it does.
pub(super) fn opens(plan: &RecoveryPlan, secret: &str) -> Option<String> {
    plan.spec.environments.iter().find_map(|(name, environment)| {
        let all = references(environment);
        let (field, _) = all.into_iter().find(|(_, known)| *known == secret)?;
        Some(format!("{field} of `{name}`"))
    })
}

/// The secrets that open what an environment writes to.
fn references(environment: &Environment) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    for (field, spec) in
        [("canonical", &environment.canonical), ("projections", &environment.projections)]
    {
        for (name, value) in &spec.options {
            if let OptionValue::Secret { secret } = value {
                found.push((format!("{field}/options/{}/secret", escaped(name)), secret.as_str()));
            }
        }
    }
    if let PostgisSpec::Server { secret, password } = &environment.postgis {
        found.push(("postgis/server/secret".to_owned(), secret));
        found.extend(
            password
                .iter()
                .map(|password| ("postgis/server/password".to_owned(), password.as_str())),
        );
    }
    if let Some(GraphSpec::Sparql(server)) = &environment.graph {
        let secret = server.secret();
        found.extend(secret.map(|(field, secret)| (format!("graph/sparql/{field}"), secret)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_of_a_store_is_the_option_that_its_client_takes_for_one() {
        let of = |url: &str, option: &str| {
            let options = serde_json::json!({ option: "https://H.example/" });
            let spec = serde_json::json!({ "url": url, "options": options });
            endpoint(&serde_json::from_value(spec).unwrap())
        };
        for (url, option) in [
            ("s3://b", "aws_endpoint"),
            ("s3://b", "AWS_ENDPOINT_URL"),
            ("s3://b", "aws_endpoint_url_s3"),
            ("gs://b", "google_base_url"),
            ("az://b", "azure_storage_endpoint"),
        ] {
            assert_eq!(of(url, option).as_deref(), Some("https://h.example"), "{url} {option}");
        }
        for (url, option) in [
            ("s3://b", "aws_metadata_endpoint"),
            ("s3://b", "aws_endpoint_url_sts"),
            ("s3://b", "google_base_url"),
            ("az://b", "azure_msi_endpoint"),
        ] {
            assert_eq!(of(url, option), None, "{url} {option}");
        }
    }
}
