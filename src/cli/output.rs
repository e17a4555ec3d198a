//! Results go to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;
use serde_json::json;
use textwrap::{WordSeparator, WordSplitter};

use super::args::Format;
use super::exit::Exit;
use crate::access::Redactor;
use crate::model::{Code, Failure, Redact, Touched};
use crate::plan::Problem;
use crate::report::{counted, fit, fit_to};

/// The columns that are left beside what a diagnostic puts before its lines.
const BESIDE: usize = 70;

/// Why a command gave no result.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Something did not work.
    Failure(Failure),
    /// A plan or its jobs have errors.
    Problems(Vec<Problem>),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Vec<Problem>> for Trouble {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

impl Trouble {
    /// The code, and what happened, in a line.
    pub(crate) fn told(&self) -> (String, String) {
        let failure = match self {
            Self::Failure(failure) => failure.clone(),
            Self::Problems(problems) => Problem::failure(problems),
        };
        (failure.code.name().to_owned(), failure.to_string())
    }

    /// The exit code of a command that ended so.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Failure(failure) => Exit::of(failure),
            Self::Problems(_) => Exit::Usage,
        }
    }
}

/// Writes one JSON document, or what `text` says, to standard output.
pub(crate) fn result<T: Serialize>(
    format: Format,
    value: &T,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let rendered = match format {
        Format::Json => serde_json::to_string_pretty(value).map_err(|error| {
            Failure::permanent(Code::Internal, "failed to write the result as JSON").because(&error)
        })?,
        _ => fit(&text()),
    };
    plain(&rendered)
}

/// Writes text to standard output. A reader that went away (`| head`) is no failure.
pub(crate) fn plain(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.trim_end().as_bytes()).and_then(|()| out.write_all(b"\n"));
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::permanent(Code::Internal, "failed to write to standard output")
                .because(&error))
        }
        _ => Ok(()),
    }
}

/// Writes a note for people to standard error; it may be lost.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says why a command gave no result: a diagnostic on standard error, or with `--format json`
/// the error document on standard output.
pub(crate) fn trouble(format: Format, redactor: &Redactor, trouble: &Trouble) {
    let shown = match trouble {
        Trouble::Failure(failure) => {
            Trouble::Failure(redactor.failure(Touched::default(), failure.clone()))
        }
        Trouble::Problems(problems) => Trouble::Problems(problems.clone()),
    };
    if format == Format::Json {
        let document = match &shown {
            Trouble::Failure(failure) => failure_json(failure),
            Trouble::Problems(problems) => problems_json(problems),
        };
        let _ = plain(&format!("{document:#}"));
        return;
    }
    match &shown {
        Trouble::Failure(failure) => note(&render(&Shown::of(failure), false)),
        Trouble::Problems(problems) => {
            for problem in problems {
                note(&render(problem, true));
            }
            if problems.len() > 1 {
                note(&format!("{} problems; nothing was done", problems.len()));
            }
        }
    }
}

/// Says as a document what is wrong with a command line: it holds what was typed, and no data.
pub(crate) fn misused(failure: &Failure) {
    let _ = plain(&format!("{:#}", failure_json(failure)));
}

/// Says that names were hidden, and where they can be looked up.
pub(crate) fn hidden(format: Format, redactor: &Redactor) {
    let (count, files) = redactor.hidden();
    if count == 0 || format == Format::Json {
        return;
    }
    note(&match files.as_slice() {
        [] => format!(
            "{count} hidden, since their data are not public: to have them, say --restricted-to FILE",
            count = counted(count as u64, "name")
        ),
        some => format!(
            "{count} hidden; for those who may see them: {}",
            some.join(", "),
            count = counted(count as u64, "name")
        ),
    });
}

fn failure_json(failure: &Failure) -> serde_json::Value {
    json!({"error": {
        "code": failure.code.name(),
        "message": failure.message,
        "causes": failure.causes,
        "hint": failure.hint,
        "findings": failure.findings,
    }})
}

fn problems_json(problems: &[Problem]) -> serde_json::Value {
    let location = |p: &Problem| json!({"file": p.file, "line": p.line, "column": p.column});
    let all: Vec<_> = problems
        .iter()
        .map(|p| json!({"message": p.message, "hint": p.hint, "location": location(p)}))
        .collect();
    let first = problems.first();
    json!({"error": {
        "code": Code::PlanInvalid.name(),
        "message": first.map(|p| p.message.clone()),
        "causes": [],
        "hint": first.and_then(|p| p.hint.clone()),
        "location": first.map(location),
        "problems": all,
    }})
}

/// Whether what goes to standard error may have colours: somebody sees them, and wants them.
pub(crate) fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && std::io::stderr().is_terminal()
}

fn render(diagnostic: &dyn Diagnostic, wrapped: bool) -> String {
    let theme =
        if colours() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    // Run ids and paths stay whole: they are there to be copied.
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(80)
        .with_wrap_lines(wrapped)
        .with_break_words(false)
        .with_word_separator(WordSeparator::AsciiSpace)
        .with_word_splitter(WordSplitter::NoHyphenation);
    if handler.render_report(&mut text, diagnostic).is_err() {
        return diagnostic.to_string();
    }
    text.trim_end().to_owned()
}

/// A failure as a diagnostic: its causes as a chain, its hint as help.
#[derive(Debug)]
struct Shown {
    message: String,
    code: Option<&'static str>,
    hint: Option<String>,
    cause: Option<Box<Shown>>,
}

impl Shown {
    fn of(failure: &Failure) -> Self {
        // Broken into lines here: a command to copy stays whole.
        let fit = |text: &String| fit_to(text, BESIDE, 0);
        let cause = failure.causes.iter().rev().fold(None, |inner, cause| {
            Some(Box::new(Self { message: fit(cause), code: None, hint: None, cause: inner }))
        });
        Self {
            message: fit(&failure.message),
            code: Some(failure.code.name()),
            hint: failure.hint.as_ref().map(fit),
            cause,
        }
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as Box<dyn std::fmt::Display>)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn std::fmt::Display>)
    }
}
