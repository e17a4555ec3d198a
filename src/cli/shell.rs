//! `coppice completions`, `coppice man`, `coppice schema`: for shells and editors.

use std::path::Path;

use clap::CommandFactory;

use super::args::{Cli, SchemaOf};
use super::output;
use crate::canonical::catalog::Format;
use crate::model::{Code, Failure};
use crate::{canonical, plan, receipt};

/// Prints the completions of a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "coppice", &mut text);
    output::plain(&String::from_utf8_lossy(&text))
}

/// Prints the manual page, or writes one of each command into a folder that is there.
pub(super) fn man(to: Option<&Path>) -> Result<(), Failure> {
    if let Some(folder) = to {
        return clap_mangen::generate_to(Cli::command(), folder).map_err(|error| {
            let message = format!("failed to write manual pages to {}", folder.display());
            Failure::permanent(Code::Usage, message).because(&error)
        });
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(|error| {
        Failure::permanent(Code::Internal, "failed to make the manual page").because(&error)
    })?;
    output::plain(&String::from_utf8_lossy(&text))
}

/// Prints a JSON Schema.
pub(super) fn schema(of: SchemaOf) -> Result<(), Failure> {
    let schema = match of {
        SchemaOf::RecoveryPlan => plan::recovery_plan_schema(),
        SchemaOf::RebuildJob => plan::rebuild_job_schema(),
        SchemaOf::Manifest => canonical::manifest_schema(),
        SchemaOf::Receipt => receipt::schema(),
        SchemaOf::Withdrawals => canonical::withdrawals::schema(),
        SchemaOf::Checksums => Format::Checksums.schema(),
        SchemaOf::RawManifest => Format::RawManifest.schema(),
        SchemaOf::RunReceipt => Format::RunReceipt.schema(),
        SchemaOf::Release => Format::Release.schema(),
    };
    output::plain(&format!("{schema:#}"))
}
