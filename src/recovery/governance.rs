//! Who asks for a run, why, and whether a protected environment lets it happen.

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
        return Ok(commit);
    }
    let mut obstacles = asked(request);
    let folder_said = folder.display();
    match git(folder, &["status", "--porcelain", "--", "."]).await {
        Some(changes) if changes.is_empty() => {}
        Some(_) => obstacles.push((
            format!("the plan's folder {folder_said} has changes that are not committed"),
            "commit them: what runs in a protected environment must be in git".to_owned(),
        )),
        None => obstacles.push((
            format!("the plan's folder {folder_said} is in no git tree"),
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
        obstacles.push(("it was not confirmed".to_owned(), format!("add --confirm {name}")));
    }
    obstacles
}

async fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(args).output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
