//! Who asks for a run, why, and whether a protected environment lets it happen.

use std::collections::BTreeSet;
use std::path::Path;

use tokio::process::Command;

use super::request::Request;
use crate::model::{Code, Failure, RunMode};
use crate::plan::Environment;

/// Who, why, and how sure.
#[derive(Debug, Clone, Default)]
pub(crate) struct Governance {
    /// Why.
    pub(crate) reason: Option<String>,
    /// Who, if not the user of the operating system.
    pub(crate) actor: Option<String>,
    /// The environment's name, as a confirmation.
    pub(crate) confirm: Option<String>,
    /// The one plan digest that is accepted.
    pub(crate) expect_plan: Option<String>,
}

/// Refuses what a protected environment does not allow. Gives the git commit of the plan.
pub(super) async fn judge(
    request: &Request,
    environment: &Environment,
) -> Result<Option<String>, Failure> {
    let folder = request.file.parent().unwrap_or(Path::new("/"));
    let commit = git(folder, &["rev-parse", "HEAD"]).await;
    if !environment.protected || request.mode == RunMode::Rehearse || request.dry_run {
        // Whatever it is for: who names another environment means another one.
        return match wrongly_confirmed(request) {
            Some(message) => Err(Failure::permanent(Code::Usage, message)
                .hint("name the environment that is meant with --env and with --confirm")),
            None => Ok(commit),
        };
    }
    let mut obstacles = asked(request);
    match uncommitted(request, folder).await {
        Some(changed) if changed.is_empty() => {}
        Some(changed) => obstacles.push((
            format!("plan and jobs have changes that are not committed: {}", some_of(&changed)),
            "commit them: what runs in a protected environment must be in git".to_owned(),
        )),
        None => obstacles.push((
            format!("the plan's folder {} is in no git tree", folder.display()),
            "put it into git: what runs in a protected environment must be there".to_owned(),
        )),
    }
    if obstacles.is_empty() {
        return Ok(commit);
    }
    // All at once: at three in the morning nobody wants to meet them one by one.
    let (messages, hints): (Vec<_>, Vec<_>) = obstacles.into_iter().unzip();
    let message =
        format!("the environment `{}` is protected: {}", request.env, messages.join("; "));
    Err(Failure::permanent(Code::Usage, message).hint(hints.join("; ")))
}

/// What the command line lacks, and what to do about it.
fn asked(request: &Request) -> Vec<(String, String)> {
    let name = &request.env;
    let mut obstacles = Vec::new();
    if request.governance.reason.as_deref().unwrap_or_default().trim().is_empty() {
        obstacles.push((
            "no reason was given".to_owned(),
            "say why with --reason TEXT, for the receipt and the ledger".to_owned(),
        ));
    }
    if request.governance.confirm.as_deref() != Some(name) {
        let wrong = wrongly_confirmed(request);
        let message = wrong.unwrap_or_else(|| "it was not confirmed".to_owned());
        obstacles.push((message, format!("add --confirm {name}")));
    }
    obstacles
}

/// Says which name was given as a confirmation, where it is that of another environment.
fn wrongly_confirmed(request: &Request) -> Option<String> {
    let given = request.governance.confirm.as_deref()?;
    let expected = &request.env;
    let wrong = !given.is_empty() && given != expected;
    wrong.then(|| {
        format!("it was not confirmed: `{given}` was given, and `{expected}` was expected")
    })
}

/// What of plan and jobs is not as git has it: changed, taken away, not added, or ignored. `None`
/// where there is no git tree.
async fn uncommitted(request: &Request, folder: &Path) -> Option<BTreeSet<String>> {
    let jobs = folder.join(&request.plan.plan.spec.jobs).display().to_string();
    let mut changes = git(folder, &["status", "--porcelain", "--", ".", &jobs]).await?;
    // Those that were read, one by one: what git ignores is in no commit either.
    let depth = Path::new(&request.plan.file).components().count();
    let root = request.file.ancestors().nth(depth)?;
    let mut read = vec!["--literal-pathspecs", "status", "--porcelain", "--ignored"];
    read.extend(["--untracked-files=all", "--"]);
    read.extend(request.plan.files.keys().map(String::as_str));
    changes.push('\n');
    changes += &git(root, &read).await?;
    let name = |line: &str| Some(line.trim_start().split_once(' ')?.1.trim().to_owned());
    Some(changes.lines().filter_map(name).collect())
}

/// The first names, and how many more there are.
fn some_of(names: &BTreeSet<String>) -> String {
    let first: Vec<_> = names.iter().take(3).map(String::as_str).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

async fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(args).output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
