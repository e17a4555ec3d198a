use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Public, RestrictedFile, file};
use crate::model::{DatasetVersionId, Failure, Finding, JobId, Output, Redact, Touched};

/// Libraries that move bytes and know no values.
const TRANSPORT: [&str; 7] =
    ["coppice", "h2", "hyper", "object_store", "reqwest", "rustls", "tokio"];

/// Keeps what only some may see out of whatever leaves the process. Until it is told what is
/// public, nothing is.
#[derive(Debug)]
pub(crate) struct Redactor(Mutex<State>);

#[derive(Debug)]
struct State {
    key: [u8; 32],
    public: Public,
    /// Paths of ours, in which the name of a zone means nothing.
    places: BTreeSet<String>,
    hidden: BTreeMap<String, String>,
    files: Vec<RestrictedFile>,
    /// The file of the run, made when there is something to keep.
    of_run: Option<PathBuf>,
    /// How somebody who may see them comes to the names.
    way: Option<String>,
}

impl Default for Redactor {
    fn default() -> Self {
        let seed = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(uuid::Uuid::into_bytes);
        Self(Mutex::new(State {
            key: *blake3::hash(&seed.concat()).as_bytes(),
            public: Public::default(),
            places: BTreeSet::new(),
            hidden: BTreeMap::new(),
            files: Vec::new(),
            of_run: None,
            way: None,
        }))
    }
}

impl Redactor {
    /// Says what is public.
    pub(crate) fn show(&self, public: Public) {
        self.state().public = public;
    }

    /// Names a folder of ours: a zone's name in its path is none.
    pub(crate) fn know_place(&self, place: &Path) {
        let text = place.display().to_string();
        if text.len() > 1 {
            self.state().places.insert(text);
        }
    }

    /// Keeps what hashes stand for in a file, from now on and from before.
    pub(crate) fn keep_in(&self, mut file: RestrictedFile) -> std::io::Result<()> {
        let mut state = self.state();
        file.add(&state.hidden)?;
        state.files.push(file);
        Ok(())
    }

    /// Keeps what hashes stand for in the file of a run, under the run's own secret. It is made
    /// now if anything in play is not public, else when there is something to keep. `way` says
    /// how somebody who may see the names comes to them.
    pub(crate) fn keep_for_run(&self, path: &Path, way: String) -> std::io::Result<()> {
        let mut state = self.state();
        state.way = Some(way);
        state.of_run = Some(path.to_owned());
        if !state.public.everything || path.exists() {
            state.make_file()?;
        }
        Ok(())
    }

    /// The secret under which names are hidden, as text: with it, what one machine has hidden is
    /// found on another. It lets whoever has it test a guess, and tells no name.
    pub(crate) fn secret(&self) -> String {
        blake3::Hash::from_bytes(self.state().key).to_hex().to_string()
    }

    /// Hides names under a secret that `secret` gave; that of a run's own file goes before.
    pub(crate) fn hide_under(&self, secret: &str) {
        match blake3::Hash::from_hex(secret) {
            Ok(hash) => self.state().key = *hash.as_bytes(),
            Err(error) => tracing::warn!(%error, "the secret of the run cannot be read"),
        }
    }

    /// How many names were hidden, and in which files they can be looked up.
    pub(crate) fn hidden(&self) -> (usize, Vec<String>) {
        let state = self.state();
        let files = state.files.iter().map(|file| file.path().display().to_string());
        (state.hidden.len(), files.collect())
    }

    /// The name of a key where outputs keep it: itself, or a hash that nobody needs to map back.
    pub(crate) fn name_of(&self, key: &str) -> String {
        let mut state = self.state();
        if state.public.has_key(key) {
            return key.to_owned();
        }
        // A resumed run asks for the same name.
        state.ensure_file();
        state.stand_in(key)
    }

    /// What another program said of a job, for the owner alone where it may quote what is not
    /// public.
    pub(crate) fn words(&self, job: &JobId, said: &str) -> String {
        let mut state = self.state();
        let mut new = BTreeMap::new();
        let shown = if said.trim().is_empty() {
            String::new()
        } else if state.public.has_job(job) {
            state.text(said, &mut new)
        } else {
            state.hide(said, &mut new)
        };
        state.remember(new);
        shown
    }

    /// Hides what findings name.
    pub(crate) fn findings(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let mut state = self.state();
        let mut new = BTreeMap::new();
        let shown = findings.into_iter().map(|finding| state.finding(finding, &mut new)).collect();
        state.remember(new);
        shown
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one insertion: there is nothing half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redact for Redactor {
    fn text(&self, text: &str) -> String {
        let mut state = self.state();
        let mut new = BTreeMap::new();
        let shown = state.text(text, &mut new);
        state.remember(new);
        shown
    }

    fn failure(&self, touched: Touched<'_>, failure: Failure) -> Failure {
        let mut state = self.state();
        let mut new = BTreeMap::new();
        let shown = state.failure(touched, failure, &mut new);
        state.remember(new);
        shown
    }

    fn output(&self, mut output: Output) -> Output {
        output.findings = self.findings(output.findings);
        output
    }

    fn may_log(&self, target: &str) -> bool {
        let library = target.split("::").next().unwrap_or_default();
        TRANSPORT.contains(&library) || self.state().public.everything
    }
}

type New = BTreeMap<String, String>;

impl State {
    fn make_file(&mut self) -> std::io::Result<()> {
        let Some(path) = self.of_run.take() else { return Ok(()) };
        let (mut file, key) = RestrictedFile::of_run(&path, self.key)?;
        file.add(&self.hidden)?;
        self.key = key;
        self.files.push(file);
        Ok(())
    }

    fn ensure_file(&mut self) {
        let path = self.of_run.clone();
        if let (Err(error), Some(path)) = (self.make_file(), path) {
            file::lost(&path, &error);
        }
    }

    fn stand_in(&self, text: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, text.as_bytes()).to_hex();
        format!("hidden:{}", &hash[..16])
    }

    fn hide(&self, text: &str, new: &mut New) -> String {
        let stand_in = self.stand_in(text);
        if !self.hidden.contains_key(&stand_in) {
            new.insert(stand_in.clone(), text.to_owned());
        }
        stand_in
    }

    /// What was hidden is durable in its files before anything that cites it leaves.
    fn remember(&mut self, new: New) {
        if new.is_empty() {
            return;
        }
        self.ensure_file();
        for file in &mut self.files {
            if let Err(error) = file.add(&new) {
                // Not through the log, which asks for this lock; the names are lost, not shown.
                file::lost(file.path(), &error);
            }
        }
        self.hidden.extend(new);
    }

    fn text(&self, text: &str, new: &mut New) -> String {
        match self.public.first_secret(text, &self.places) {
            Some(at) => format!("{}{}", &text[..at], self.hide(&text[at..], new)),
            None => text.to_owned(),
        }
    }

    fn finding(&self, mut finding: Finding, new: &mut New) -> Finding {
        let version = finding.dataset_version_id.as_ref();
        let shown = version.is_none_or(|version| self.public.has_version(version))
            && finding.key.as_deref().is_none_or(|key| self.public.has_key(key));
        let mut each = |value: Option<String>| match value {
            Some(value) if shown => Some(self.text(&value, new)),
            Some(value) if value.starts_with("hidden:") => Some(value),
            Some(value) => Some(self.hide(&value, new)),
            None => None,
        };
        finding.key = each(finding.key);
        finding.expected = each(finding.expected);
        finding.actual = each(finding.actual);
        finding.hint = if shown { self.text(&finding.hint, new) } else { self.hint(&finding, new) };
        finding
    }

    /// Hints of findings may name keys and values; of what is hidden, the hint is too.
    fn hint(&self, finding: &Finding, new: &mut New) -> String {
        if finding.hint.contains("hidden:") {
            return finding.hint.clone();
        }
        let stand_in = self.hide(&finding.hint, new);
        format!(
            "{}: what to do is told to those who may see the data ({stand_in})",
            finding.kind.name()
        )
    }

    fn failure(&self, touched: Touched<'_>, mut failure: Failure, new: &mut New) -> Failure {
        let findings = std::mem::take(&mut failure.findings);
        failure.findings = findings.into_iter().map(|finding| self.finding(finding, new)).collect();
        if failure.plain || self.may_quote(touched.job, touched.version) {
            failure.message = self.text(&failure.message, new);
            failure.causes = failure.causes.iter().map(|cause| self.text(cause, new)).collect();
            failure.hint = failure.hint.map(|hint| self.text(&hint, new));
            return failure;
        }
        let mut words = vec![std::mem::take(&mut failure.message)];
        words.append(&mut failure.causes);
        words.extend(failure.hint.take());
        let stand_in = self.hide(&words.join(": "), new);
        let class = failure.class.as_deref().unwrap_or(failure.code.name());
        failure.message =
            format!("{class}; the reason may quote data that are not public: {stand_in}");
        failure.hint.clone_from(&self.way);
        failure
    }

    fn may_quote(&self, job: Option<&JobId>, version: Option<&DatasetVersionId>) -> bool {
        job.is_none_or(|job| self.public.has_job(job))
            && version.is_none_or(|version| self.public.has_version(version))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::access::read_restricted;
    use crate::model::{Code, FindingKind};

    fn found(version: Option<&str>, key: &str) -> Finding {
        let version = version.map(|version| version.parse().unwrap());
        Finding::blocking(FindingKind::Altered, format!("look at {key}"))
            .at(key)
            .of_version(version.as_ref())
            .differs("Fort Secret", "Fort Open")
    }

    fn redactor() -> Redactor {
        let redactor = Redactor::default();
        let (open, shut) =
            ("2026-02.aaaaaaaa".parse().unwrap(), "2026-02.bbbbbbbb".parse().unwrap());
        redactor.show(
            Public::of([("places", &open, true), ("nests", &shut, false)])
                .with_jobs(["postgis/places".parse().unwrap()]),
        );
        redactor
    }

    #[test]
    fn findings_of_what_is_not_public_name_nothing_and_can_be_mapped_back() {
        let redactor = redactor();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.restricted.jsonl");
        redactor.keep_for_run(&path, "ask".to_owned()).unwrap();
        let shown = [
            found(Some("2026-02.aaaaaaaa"), "processed/places/2026-02.aaaaaaaa/artifacts/a"),
            found(None, "raw/places/1/manifest.json"),
            found(None, "audit/ledger/records/x.json"),
        ];
        assert_eq!(redactor.findings(shown.to_vec()), shown);
        for finding in [
            found(Some("2026-02.bbbbbbbb"), "processed/nests/2026-02.bbbbbbbb/artifacts/eagle"),
            // Labelled one way, named another way: both must be public.
            found(Some("2026-02.aaaaaaaa"), "processed/nests/2026-02.bbbbbbbb/artifacts/eagle"),
            found(None, "raw/nests/eagle/1"),
            found(None, "quarantine/places/eagle"),
        ] {
            let hidden = redactor.findings(vec![finding.clone()]).remove(0);
            let text = serde_json::to_string(&hidden).unwrap();
            assert!(!text.contains("eagle") && !text.contains("Fort"), "{text}");
            let names = read_restricted(&path).unwrap();
            assert_eq!(names.get(&hidden.key.clone().unwrap()), finding.key.as_ref());
            // Twice equals once: a gate repeats what a step found.
            assert_eq!(redactor.findings(vec![hidden.clone()]), [hidden]);
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn words_of_a_job_that_reads_more_than_public_data_are_withheld() {
        let redactor = redactor();
        let (open, shut): (JobId, JobId) =
            ("postgis/places".parse().unwrap(), "postgis/nests".parse().unwrap());
        let mut failure = Failure::permanent(Code::StepFailed, "copying 38.21,-97.4")
            .class("postgres 23502")
            .hint("not 38.21");
        failure.causes.push("Failing row contains (eagle, 38.21)".to_owned());
        let touched = |job| Touched { job: Some(job), version: None };
        assert_eq!(redactor.failure(touched(&open), failure.clone()), failure);
        let withheld = redactor.failure(touched(&shut), failure.clone());
        let text = format!("{withheld:?}");
        assert!(!text.contains("38.21") && !text.contains("eagle"), "{text}");
        assert!(withheld.message.starts_with("postgres 23502; "), "{}", withheld.message);
        let ours = Failure::permanent(Code::StepFailed, "3 rows, fewer than expected").plain();
        assert_eq!(redactor.failure(touched(&shut), ours.clone()), ours);
        assert!(!redactor.may_log("sqlx::postgres::notice"));
        assert!(redactor.may_log("object_store::client"));
    }

    #[test]
    fn what_a_program_says_of_data_that_are_not_public_is_for_their_owner() {
        let redactor = redactor();
        let of = |job: &str| redactor.words(&job.parse().unwrap(), "3 nests at 38.21\n");
        assert_eq!(of("postgis/places"), "3 nests at 38.21\n");
        assert!(of("command/nests").starts_with("hidden:"), "{}", of("command/nests"));
        assert_eq!(redactor.words(&"command/nests".parse().unwrap(), "\n"), "");
    }

    #[test]
    fn keys_in_texts_are_hidden_and_another_run_has_other_stand_ins() {
        let text = "failed to read `raw/nests/1/eagle.csv`: denied";
        let hidden = redactor().text(text);
        assert!(hidden.starts_with("failed to read `hidden:") && !hidden.contains("eagle"));
        assert_ne!(hidden, redactor().text(text));
        let same = redactor();
        assert_eq!(same.text(text), same.text(text));
        assert_eq!(same.name_of("raw/places/1/a"), "raw/places/1/a");
        assert!(same.name_of("raw/nests/1/eagle").starts_with("hidden:"));
    }

    #[test]
    fn a_resumed_run_keeps_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.restricted.jsonl");
        let names = [redactor(), redactor()].map(|redactor| {
            redactor.keep_for_run(&path, "ask".to_owned()).unwrap();
            redactor.name_of("raw/nests/1/eagle")
        });
        assert_eq!(names[0], names[1]);
    }
}
