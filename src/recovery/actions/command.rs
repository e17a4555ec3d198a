//! Runs a command of the plan: before the first write, or once all is live.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::engine::{Action, StepContext};
use crate::model::{Failure, Output, Preview, Previews, Redact};
use crate::plan::{CommandParams, CommandSpec, StepSpec};
use crate::process::{Ended, Program};
use crate::recovery::programs::variables;
use crate::recovery::{World, params};

struct Command {
    params: CommandParams,
    world: Arc<World>,
}

/// Binds a `Command` step.
pub(crate) fn bind(spec: &StepSpec, world: &Arc<World>) -> Result<Arc<dyn Action>, Failure> {
    Ok(Arc::new(Command { params: params(spec)?, world: world.clone() }))
}

#[async_trait]
impl Action for Command {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        // Where another run took over meanwhile, its services are not ours to stop.
        self.world.still_locked().await?;
        let mut program = self.program()?;
        program.env.insert("COPPICE_RUN_ID".into(), self.world.run.to_string());
        program.env.insert("COPPICE_ENV".into(), self.world.setting.name.clone());
        program.env.insert("COPPICE_PHASE".into(), self.params.phase.name().to_owned());
        let Ended { took, output } = program.run(&cx.cancel).await?;
        let redact = |text: &str| self.world.redactor.text(text);
        Ok(Output {
            value: json!({
                "program": self.params.command.program,
                "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "stdout": redact(&output.stdout),
                "stderr": redact(&output.stderr),
            }),
            ..Output::default()
        })
    }

    async fn preview(&self, _before: &Previews) -> Result<Preview, Failure> {
        let CommandSpec { program, args, .. } = &self.params.command;
        let line: Vec<_> = [program].into_iter().chain(args).map(String::as_str).collect();
        let limit = humantime::format_duration(self.params.command.limit());
        Ok(Preview::noted(format!("would run `{}`, {limit} at most", line.join(" "))))
    }
}

impl Command {
    fn program(&self) -> Result<Program, Failure> {
        let command = &self.params.command;
        let base = self.world.setting.plan.parent().unwrap_or(Path::new("/"));
        let (env, secrets) = variables(&command.env, base)?;
        Ok(Program {
            name: command.program.clone(),
            file: if command.program.contains('/') {
                base.join(&command.program)
            } else {
                command.program.clone().into()
            },
            args: command.args.clone(),
            env,
            secrets,
            folder: base.to_owned(),
            timeout: command.limit(),
        })
    }
}
