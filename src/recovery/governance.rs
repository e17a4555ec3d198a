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
    let name = &request.env;
    let refuse =
        |message: String, hint: String| Err(Failure::permanent(Code::Usage, message).hint(hint));
    if request.governance.reason.as_deref().unwrap_or_default().trim().is_empty() {
        return refuse(
            format!("the environment `{name}` is protected, and no reason was given"),
            "say why with --reason TEXT; it goes into the receipt and the ledger".to_owned(),
        );
    }
    if request.governance.confirm.as_deref() != Some(name) {
        return refuse(
            format!("the environment `{name}` is protected, and was not confirmed"),
            format!("add --confirm {name}"),
        );
    }
    match git(folder, &["status", "--porcelain", "--", "."]).await {
        Some(changes) if changes.is_empty() => Ok(commit),
        Some(_) => refuse(
            format!("the plan's folder {} has changes that are not committed", folder.display()),
            "commit them: what runs in a protected environment must be in git".to_owned(),
        ),
        None => refuse(
            format!("the plan's folder {} is in no git tree", folder.display()),
            "what runs in a protected environment must be in git".to_owned(),
        ),
    }
}

async fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(args).output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
