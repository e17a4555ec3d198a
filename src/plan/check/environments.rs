use std::path::Path;

use super::known_or;
use crate::model::store_option;
use crate::plan::paths::{SCHEMES, StoreUrlError, store_url};
use crate::plan::secrets::{WRITE_REFERENCE, is_reference, is_sensitive, literals};
use crate::plan::source::Source;
use crate::plan::{
    Environment, GraphSpec, Limits, OptionValue, PostgisSpec, Problem, RecoveryPlan, SparqlSpec,
    StoreSpec, names_endpoint,
};

/// What to do where a store is asked for and something else stands.
const WRITE_URL: &str = "write a URL such as s3://bucket/path, or a path from the plan's folder \
                         such as ../data/backup";

/// What is wrong in a plan apart from its jobs. `base` is the folder that the plan lies in.
pub(in crate::plan) fn plan(plan: &RecoveryPlan, source: &Source, base: &Path) -> Vec<Problem> {
    let mut check = Check { plan, source, base, problems: Vec::new() };
    let spec = &plan.spec;
    if spec.environments.is_empty() {
        let hint = "add one, such as `dev:`, with `backup`, `canonical`, `projections`, `postgis` \
                    and `objectives`";
        check.say("spec/environments", "a plan has at least one environment", hint);
    }
    let limits = &spec.limits;
    let usual = Limits::default();
    for ((name, value), (_, usual)) in numbers(limits).into_iter().zip(numbers(&usual)) {
        if value == 0 {
            let hint = format!("write 1 or more, or leave it out: then it is {usual}");
            check.say(&format!("spec/limits/{name}"), "must be at least 1", hint);
        }
    }
    let fewest = limits.fewest_connections();
    if limits.connections.is_some_and(|connections| connections < fewest) {
        let message = format!("{} queries at once need at least {fewest}", limits.queries);
        let hint = "allow more connections, or fewer `queries`";
        check.say("spec/limits/connections", message, hint);
    }
    for (name, environment) in &spec.environments {
        check.environment(name, environment);
    }
    check.problems.extend(super::places::shared(plan, source, base));
    check.problems
}

/// The limits that are at least 1, by name.
fn numbers(limits: &Limits) -> [(&'static str, u64); 6] {
    [
        ("transfers", u64::from(limits.transfers)),
        ("queries", u64::from(limits.queries)),
        ("query_memory_mib", u64::from(limits.query_memory_mib)),
        ("attempts", u64::from(limits.attempts)),
        ("step_timeout_seconds", limits.step_timeout_seconds),
        ("keep_generations", u64::from(limits.keep_generations)),
    ]
}

struct Check<'a> {
    plan: &'a RecoveryPlan,
    source: &'a Source,
    base: &'a Path,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let hint: String = hint.into();
        self.problems.push(self.source.problem(path, message).hint(hint));
    }

    fn environment(&mut self, name: &str, environment: &Environment) {
        let at = format!("spec/environments/{}", escaped(name));
        let good = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || !name.chars().all(good) {
            let problem =
                self.source.problem_of_key(&at, format!("`{name}` is no environment name"));
            let hint = "use letters, digits, `_` and `-`".to_owned();
            self.problems.push(problem.hint(Some(hint)));
        }
        self.store(&format!("{at}/backup"), &environment.backup);
        self.store(&format!("{at}/canonical"), &environment.canonical);
        self.store(&format!("{at}/projections"), &environment.projections);
        for (field, store) in
            [("scratch", &environment.scratch), ("withdrawals", &environment.withdrawals)]
        {
            if let Some(store) = store {
                self.store(&format!("{at}/{field}"), store);
            }
        }
        self.withdrawals(&at, environment);
        for (phase, all) in [("freeze", &environment.freeze), ("enable", &environment.enable)] {
            self.problems.extend(super::commands::commands(
                self.source,
                &format!("{at}/{phase}"),
                all,
            ));
        }
        if let PostgisSpec::Server { secret, password } = &environment.postgis {
            self.reference(&format!("{at}/postgis/server/secret"), secret);
            if let Some(password) = password {
                self.reference(&format!("{at}/postgis/server/password"), password);
            }
        }
        for (field, spec) in
            [("graph", &environment.graph), ("scratch_graph", &environment.scratch_graph)]
        {
            if let Some(GraphSpec::Sparql(server)) = spec {
                self.sparql(&format!("{at}/{field}/sparql"), server);
            }
        }
        if environment.scratch_graph.is_some() && environment.graph.is_none() {
            let hint = "leave it out, or say under `graph` where the environment keeps them";
            let message = "graphs of this environment are files, so they are rehearsed as files";
            self.say(&format!("{at}/scratch_graph"), message, hint);
        }
        for (index, other) in environment.accepts_snapshots_from.iter().enumerate() {
            if !self.plan.spec.environments.contains_key(other) {
                let names = self.plan.spec.environments.keys().map(String::as_str);
                let hint = known_or(other, names, "add it under `environments`");
                let at = format!("{at}/accepts_snapshots_from/{index}");
                self.say(&at, format!("unknown environment `{other}`"), hint);
            }
        }
    }

    fn sparql(&mut self, at: &str, server: &SparqlSpec) {
        for (field, _) in server.urls().filter(|(_, url)| !names_endpoint(url)) {
            let hint = "such as https://graph.example.org/query, or env:NAME; who asks is said \
                        under `auth`";
            let message = "expected an http or https URL without a user";
            self.say(&format!("{at}/{field}"), message, hint);
        }
        if let Some((field, secret)) = server.secret() {
            self.reference(&format!("{at}/{field}"), secret);
        }
    }

    /// The list is one file, and lies where no restore can bring an older one back.
    fn withdrawals(&mut self, at: &str, environment: &Environment) {
        let Some(list) = &environment.withdrawals else { return };
        if !list.zones.is_empty() {
            let hint = "take them away: the list is the one file at `url`";
            let message = "a list of withdrawals has no zones";
            self.say(&format!("{at}/withdrawals/zones"), message, hint);
        }
        let url = |spec: &StoreSpec| store_url(&spec.url, self.base).ok().map(String::from);
        let Some(place) = url(list) else { return };
        for (what, other) in
            [("canonical", &environment.canonical), ("backup", &environment.backup)]
        {
            let inside = url(other).is_some_and(|other| {
                let other = other.trim_end_matches('/');
                place
                    .strip_prefix(other)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            if inside {
                let hint = "keep it in a place of its own, with its own backup";
                let message = format!("the list of withdrawals lies inside the {what} store");
                self.say(&format!("{at}/withdrawals/url"), message, hint);
            }
        }
    }

    fn store(&mut self, at: &str, store: &StoreSpec) {
        self.url(&format!("{at}/url"), &store.url);
        for (zone, url) in &store.zones {
            self.url(&format!("{at}/zones/{zone}"), url);
        }
        for (name, value) in &store.options {
            let at = format!("{at}/options/{}", escaped(name));
            self.option(&at, store, name);
            match value {
                OptionValue::Secret { secret } => self.reference(&format!("{at}/secret"), secret),
                OptionValue::Plain(_) if is_sensitive(name) => {
                    let message = format!("`{name}` is a secret and stands here in plain text");
                    let hint = "write {secret: env:NAME} or {secret: file:PATH}, and change the \
                                secret: it may have been seen";
                    self.say(&at, message, hint);
                }
                OptionValue::Plain(_) => {}
            }
        }
    }

    /// The store and its zones take the same options.
    fn option(&mut self, at: &str, store: &StoreSpec, name: &str) {
        for url in std::iter::once(&store.url).chain(store.zones.values()) {
            let Ok(url) = store_url(url, self.base) else { continue };
            if let Err(error) = store_option::check(url.scheme(), name) {
                let problem = self.source.problem_of_key(at, error.to_string());
                self.problems.push(problem.hint(error.hint()));
                return;
            }
        }
    }

    fn url(&mut self, at: &str, url: &str) {
        // That is told of every text of the document.
        if !literals(url).is_empty() {
            return;
        }
        match store_url(url, self.base) {
            Ok(_) => {}
            Err(StoreUrlError::Scheme(scheme)) => {
                let hint = known_or(&scheme, SCHEMES, WRITE_URL);
                self.say(at, StoreUrlError::Scheme(scheme).to_string(), hint);
            }
            Err(error) => self.say(at, format!("`{url}` {error}"), WRITE_URL),
        }
    }

    fn reference(&mut self, at: &str, text: &str) {
        if !is_reference(text) {
            self.say(at, "expected a reference to a secret", WRITE_REFERENCE);
        }
    }
}

/// A name as a segment of a path into a document.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
