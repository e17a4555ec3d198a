//! Where a run reads and writes: the environment's own places, or scratch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::graph_server::GraphServer;
use super::setting::Setting;
use super::targets::Database;
use crate::access::SecretRef;
use crate::canonical::CanonicalStores;
use crate::model::store_option::ROOT_CERTIFICATE;
use crate::model::{Code, Failure, RunId, RunMode, Zone};
use crate::plan::{Environment, OptionValue, PostgisSpec, StoreSpec};
use crate::postgres::Durability;
use crate::store::{Gate, Location, Store};

/// A store, and the stores of zones that live elsewhere. Secrets are references still.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    url: String,
    options: BTreeMap<String, OptionValue>,
    zones: BTreeMap<Zone, String>,
    base: PathBuf,
    /// One for the store, its zones and all that lies below it.
    gate: Arc<Gate>,
}

/// Where a run reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The backup store.
    pub(crate) backup: Place,
    /// The canonical stores.
    pub(crate) canonical: Place,
    /// The store of file-like projections.
    pub(crate) projections: Place,
    /// `PostGIS`.
    pub(crate) database: Database,
    /// The server of graphs; none: they are files among the projections.
    pub(crate) graph: Option<GraphServer>,
    /// Local copies of published projections.
    pub(crate) cache: PathBuf,
    /// The local folder that a rehearsal clears.
    pub(crate) scratch: Option<PathBuf>,
}

impl Places {
    /// Chooses the places of a run. Every name in a rehearsal's scratch holds the run's id.
    pub(crate) fn of(setting: &Setting, run: RunId, state: &Path) -> Result<Self, Failure> {
        let base = setting.plan.parent().unwrap_or(Path::new("/")).to_owned();
        let environment = &setting.environment;
        let backup = Place::of(&environment.backup, &base)?;
        if setting.mode == RunMode::Rehearse {
            return Self::scratch(setting, run, state, &base, backup);
        }
        let own = state.join("environments").join(own_name(setting));
        let database = match &environment.postgis {
            PostgisSpec::Private {} => {
                Database::Private { data: own.join("postgres"), durability: Durability::Durable }
            }
            PostgisSpec::Server { secret, password } => Database::Server {
                secret: secret.parse::<SecretRef>()?,
                password: password.as_ref().map(|text| text.parse::<SecretRef>()).transpose()?,
                base: base.clone(),
            },
        };
        Ok(Self {
            backup,
            canonical: Place::of(&environment.canonical, &base)?,
            projections: Place::of(&environment.projections, &base)?,
            database,
            graph: environment
                .graph
                .as_ref()
                .map(|spec| GraphServer::of(spec, &base, None))
                .transpose()?,
            cache: own.join("cache"),
            scratch: None,
        })
    }

    fn scratch(
        setting: &Setting,
        run: RunId,
        state: &Path,
        base: &Path,
        backup: Place,
    ) -> Result<Self, Failure> {
        let local = state.join("scratch").join(run.to_string());
        let Environment { scratch, scratch_graph, .. } = &setting.environment;
        let root = match scratch {
            Some(spec) => Place::of(spec, base)?.below(&run.to_string()),
            None => Place::local(&local)?,
        };
        Ok(Self {
            backup,
            canonical: root.below("canonical"),
            projections: root.below("projections"),
            database: Database::Private {
                data: local.join("postgres"),
                durability: Durability::Scratch,
            },
            graph: scratch_graph
                .as_ref()
                .map(|spec| GraphServer::of(spec, base, Some(run)))
                .transpose()?,
            cache: local.join("cache"),
            scratch: Some(local),
        })
    }
}

/// The name of an environment's private folder: two plans with an environment of the same name
/// keep apart.
fn own_name(setting: &Setting) -> String {
    let plan = setting.plan.display().to_string();
    let digest = crate::digest::Digest::blake3(plan.as_bytes());
    format!("{}-{}", setting.name, &digest.hex()[..8])
}

impl Place {
    /// The place that a plan names; paths are relative to `base`.
    pub(super) fn of(spec: &StoreSpec, base: &Path) -> Result<Self, Failure> {
        let resolved = spec.resolve(base).map_err(|error| {
            Failure::permanent(Code::PlanInvalid, format!("failed to read the store {}", spec.url))
                .because(&error)
        })?;
        Ok(Self {
            url: resolved.url.to_string(),
            options: spec.options.clone(),
            zones: resolved.zones.into_iter().map(|(zone, url)| (zone, url.to_string())).collect(),
            base: base.to_owned(),
            gate: Gate::shared(resolved.url.as_str(), &spec.limits.clone().unwrap_or_default()),
        })
    }

    fn local(path: &Path) -> Result<Self, Failure> {
        let location = Location::of_path(path)?;
        Ok(Self {
            url: location.url,
            options: BTreeMap::new(),
            zones: BTreeMap::new(),
            base: PathBuf::new(),
            gate: location.gate,
        })
    }

    fn below(&self, name: &str) -> Self {
        let below = |url: &str| format!("{}/{name}", url.trim_end_matches('/'));
        let zones = self.zones.iter().map(|(zone, url)| (*zone, below(url))).collect();
        Self { url: below(&self.url), zones, ..self.clone() }
    }

    /// Takes the place for that of one file: the folder that it lies in, and its name there.
    pub(super) fn of_file(&self) -> Result<(Self, String), Failure> {
        let trimmed = self.url.trim_end_matches('/');
        let named = trimmed.rsplit_once('/').filter(|(folder, _)| !folder.ends_with(":/"));
        let name = named.map(|(_, name)| percent_encoding::percent_decode_str(name).decode_utf8());
        let (Some((folder, _)), Some(Ok(name))) = (named, name) else {
            let message = format!("{} names no file", self.url);
            return Err(Failure::permanent(Code::PlanInvalid, message));
        };
        Ok((Self { url: folder.to_owned(), ..self.clone() }, name.into_owned()))
    }

    /// The URLs of the store and of its zones.
    pub(super) fn urls(&self) -> std::collections::BTreeSet<String> {
        self.zones.values().cloned().chain([self.url.clone()]).collect()
    }

    fn location(&self, url: &str) -> Result<Location, Failure> {
        let mut location = Location { gate: self.gate.clone(), ..Location::new(url) };
        for (name, value) in &self.options {
            let value = match value {
                // A path, unlike other values, is from the plan's folder.
                OptionValue::Plain(value) if is_certificate(name) => {
                    self.base.join(value).display().to_string()
                }
                OptionValue::Plain(value) => value.clone(),
                OptionValue::Secret { secret } => {
                    secret.parse::<SecretRef>()?.resolve(&self.base)?.expose().to_owned()
                }
            };
            location.options.insert(name.clone(), value);
        }
        Ok(location.with_process_env())
    }
}

fn is_certificate(option: &str) -> bool {
    option.eq_ignore_ascii_case(ROOT_CERTIFICATE)
}

/// A place as a stranger would ask for it: its options without what opens it.
pub(super) fn anonymous(place: &Place, url: &str) -> Result<Location, Failure> {
    let plain = |value: &OptionValue| matches!(value, OptionValue::Plain(_));
    let mut options = place.options.clone();
    // Whom to trust is no credential, even where it is kept like one.
    options.retain(|name, value| {
        is_certificate(name) || (plain(value) && !name.to_lowercase().contains("access_key"))
    });
    let mut location = Place { options, ..place.clone() }.location(url)?;
    let skip = match url.split(':').next() {
        Some("s3") => "aws_skip_signature",
        Some("gs") => "google_skip_signature",
        _ => "azure_skip_signature",
    };
    location.options.insert(skip.to_owned(), "true".to_owned());
    Ok(location)
}

/// A place's own store, or that of a zone, as we ask for it.
pub(super) fn known(place: &Place, url: &str) -> Result<Location, Failure> {
    place.location(url)
}

/// Opens the store of a place.
pub(crate) fn store(place: &Place) -> Result<Store, Failure> {
    Ok(Store::open(&place.location(&place.url)?)?)
}

/// Opens the canonical stores of a run.
pub(crate) fn canonical(places: &Places) -> Result<CanonicalStores, Failure> {
    let place = &places.canonical;
    Ok(CanonicalStores::new(store(place)?, zones(place)?))
}

/// Opens the stores of an environment's zones that have one of their own.
pub(crate) fn zones_of(
    environment: &Environment,
    plan: &Path,
) -> Result<BTreeMap<Zone, Store>, Failure> {
    let file = std::path::absolute(plan).unwrap_or_else(|_| plan.to_owned());
    zones(&Place::of(&environment.canonical, file.parent().unwrap_or(Path::new("/")))?)
}

fn zones(place: &Place) -> Result<BTreeMap<Zone, Store>, Failure> {
    let open = |(zone, url): (&Zone, &String)| {
        let store = Store::open(&place.location(url)?)?;
        Ok::<_, Failure>((*zone, store))
    };
    place.zones.iter().map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StoreLimits;

    #[test]
    fn a_store_its_zones_and_what_lies_below_pass_one_gate() {
        let plain = |value: &str| OptionValue::Plain(value.to_owned());
        let spec = |limits: StoreLimits| StoreSpec {
            url: "s3://kfm".to_owned(),
            options: [("root_certificate".to_owned(), plain("ca/internal.pem"))].into(),
            limits: Some(limits),
            zones: [(Zone::Raw, "s3://kfm-raw".to_owned())].into(),
        };
        let slow = StoreLimits { requests_per_second: Some(3), ..StoreLimits::default() };
        let place = Place::of(&spec(slow.clone()), Path::new("/plans")).unwrap();
        let all = [
            place.location("s3://kfm").unwrap(),
            place.location("s3://kfm-raw").unwrap(),
            place.below("run").location("s3://kfm/run").unwrap(),
            // A later step of the run, which reads the plan's place anew.
            Place::of(&spec(slow), Path::new("/plans")).unwrap().location("s3://kfm").unwrap(),
            anonymous(&place, "s3://kfm").unwrap(),
        ];
        for location in &all {
            assert!(Arc::ptr_eq(&location.gate, &all[0].gate));
            // A path, so it is from the plan's folder; whom to trust is no secret.
            assert_eq!(location.options["root_certificate"], "/plans/ca/internal.pem");
        }
        let other = Place::of(&spec(StoreLimits::default()), Path::new("/plans")).unwrap();
        assert!(!Arc::ptr_eq(&other.location("s3://kfm").unwrap().gate, &all[0].gate));
    }
}
