//! `coppice forget`: takes snapshots away by a rule, or by name.

use super::args::{ForgetArgs, Global};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::stores;
use crate::access::resolve_actor;
use crate::canonical::{BackupStore, Decided, ForgetOutcome, Keep, State, What, forget};
use crate::model::{Code, Failure};

/// `coppice forget`.
pub(super) async fn run(global: &Global, args: &ForgetArgs) -> Result<Exit, Trouble> {
    let what = what(args)?;
    let backup = BackupStore::open(stores::open(&args.store)?).await.map_err(Failure::from)?;
    let actor = resolve_actor(args.actor.as_deref()).principal;
    let done = forget(&backup, &what, &actor, args.dry_run).await?;
    output::result(global.format, &done, || text(&done))?;
    Ok(if done.findings.is_empty() { Exit::Done } else { Exit::Found })
}

fn what(args: &ForgetArgs) -> Result<What, Failure> {
    if !args.snapshot.is_empty() {
        return Ok(What::Named(args.snapshot.clone()));
    }
    let keep = Keep {
        last: args.keep_last,
        hourly: args.keep_hourly,
        daily: args.keep_daily,
        weekly: args.keep_weekly,
        monthly: args.keep_monthly,
        yearly: args.keep_yearly,
        suspect: args.keep_suspect,
    };
    if keep.is_nothing() {
        let message = "the rule keeps nothing; nothing was forgotten";
        return Err(Failure::permanent(Code::Usage, message)
            .hint("say how many to keep, such as --keep-daily 14, or name one with --snapshot"));
    }
    Ok(What::Policy(keep))
}

fn text(done: &ForgetOutcome) -> String {
    let word = if done.dry_run { "would forget" } else { "forgot" };
    let mut lines: Vec<String> =
        done.kept.iter().map(|kept| line("kept", kept, &kept.reasons.join(", "))).collect();
    lines.extend(done.forgotten.iter().map(|gone| line(word, gone, "")));
    lines.push(format!(
        "{word} {} of {}; {}",
        done.forgotten.len(),
        done.forgotten.len() + done.kept.len(),
        if done.forgotten.is_empty() {
            "nothing to prune for that"
        } else {
            "`coppice prune` frees their space"
        }
    ));
    format!("{}{}", lines.join("\n"), super::findings::list(&done.findings))
}

fn line(word: &str, decided: &Decided, why: &str) -> String {
    let state = match decided.state {
        Some(State::Clean) => "clean",
        Some(State::Suspect) => "SUSPECT",
        None => "DAMAGED",
    };
    let as_of = decided.as_of.map(|at| at.format("%Y-%m-%d %H:%M:%SZ").to_string());
    format!(
        "{word:12}  {}  {:20}  {state:7}  {:10}  {why}",
        decided.snapshot.short(),
        as_of.unwrap_or_default(),
        decided.environment.as_deref().unwrap_or("-"),
    )
    .trim_end()
    .to_owned()
}
