//! Writes the Kansas fixture: a small data platform with every zone, whole in every link; and, on
//! demand, as much synthetic data beside it as a bench wants.
//!
//! It shares no code with Coppice, so that what verifies the fixture did not make it. It reads no
//! clock and draws nothing at random: the same sources, numbers and seed give the same bytes.

mod catalog;
mod dataset;
mod json;
mod ledger;
mod out;
mod platform;
mod sensitive;
mod source;
mod synthetic;
mod variant;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::variant::Variant;

/// What may go wrong in a generator: anything, said once at the end.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Writes the Kansas fixture.
#[derive(Debug, Parser)]
struct Options {
    /// The folder to write into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The folder of the sources that the platform is made of; by default the repository's.
    #[arg(long, value_name = "DIR")]
    sources: Option<PathBuf>,
    /// Synthetic datasets to add.
    #[arg(long, value_name = "N", default_value_t = 0)]
    objects: u32,
    /// Features of each synthetic dataset version.
    #[arg(long, value_name = "N", default_value_t = 100)]
    features: u32,
    /// Versions of each synthetic dataset.
    #[arg(long, value_name = "N", default_value_t = 1)]
    versions: u32,
    /// What the synthetic features are drawn from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Renders the documents in another way that means the same.
    #[arg(long, value_enum, default_value_t)]
    variant: Variant,
    /// Where to write what no output may tell: names and positions of what is not public.
    #[arg(long, value_name = "FILE")]
    terms: Option<PathBuf>,
}

fn main() -> Outcome {
    let options = Options::parse();
    let sources = options.sources.clone().unwrap_or_else(sources);
    platform::generate(&sources, &options)
}

/// The files that the platform is made of.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sources")
}
