//! What changes a protected environment is confirmed by its name: with `--confirm`, or on a
//! terminal by typing it.

use std::io::{IsTerminal, Write};

use crate::model::{Code, Failure, RunMode};
use crate::recovery::Request;

/// Asks for the environment's name where that is demanded, was not given, and somebody is there.
pub(super) fn ask(request: &mut Request) -> Result<(), Failure> {
    let protected = request.plan.environment(&request.env).is_ok_and(|env| env.protected);
    let changes = request.mode != RunMode::Rehearse && !request.dry_run;
    // Without a reason it is refused, with all else that is lacking: nothing is asked before.
    let reason = request.governance.reason.as_deref().unwrap_or_default();
    let asked = request.governance.confirm.is_none() && !reason.trim().is_empty();
    if !protected || !changes || !asked || !somebody_is_there() {
        return Ok(());
    }
    let Request { env, mode, .. } = request;
    let failed = |error: std::io::Error| {
        Failure::permanent(Code::Usage, "failed to ask for a confirmation")
            .because(&error)
            .hint("give it with --confirm ENV")
    };
    let mut terminal = std::io::stderr().lock();
    write!(terminal, "`{env}` is protected, and a {mode} changes it.\nType its name to go on: ")
        .and_then(|()| terminal.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    request.governance.confirm = Some(answer.trim().to_owned());
    Ok(())
}

fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}
