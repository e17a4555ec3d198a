use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::model::{Code, Failure};

/// One thing that is wrong in a plan or a rebuild job: where, what, and what to do.
#[derive(Clone)]
pub(crate) struct Problem {
    /// The file, as the plan's folder knows it.
    pub(crate) file: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    pub(crate) column: usize,
    /// The bytes that are meant: offset and length.
    pub(crate) span: Option<(usize, usize)>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// The file's text, passwords blanked.
    pub(crate) source: Option<Arc<NamedSource<String>>>,
}

impl Problem {
    /// A problem of a whole file.
    pub(crate) fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            span: None,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// `file:line:column`, as editors understand it.
    pub(crate) fn location(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}:{}", self.file, self.column),
        }
    }

    /// All problems as the one failure that a command ends with.
    pub(crate) fn failure(problems: &[Self]) -> Failure {
        let count = problems.len();
        let s = if count == 1 { "" } else { "s" };
        let mut failure =
            Failure::permanent(Code::PlanInvalid, format!("the plan has {count} problem{s}"));
        failure.causes =
            problems.iter().map(|p| format!("{}: {}", p.location(), p.message)).collect();
        failure.hint = problems.iter().find_map(|p| p.hint.clone());
        failure
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With its text at hand the place is shown; without it, it has to be said.
        if self.source.is_none() && !self.file.is_empty() {
            write!(f, "{}: ", self.location())?;
        }
        f.write_str(&self.message)
    }
}

/// Without the source text: a test or a log wants one line.
impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location(), self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(Code::PlanInvalid.name()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_deref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (offset, length) = self.span?;
        let label = LabeledSpan::new(Some("here".to_owned()), offset, length);
        Some(Box::new(std::iter::once(label)))
    }
}
