use std::fmt;
use std::str::Utf8Error;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::secrets;
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

    /// A problem of a file that is no text, at the first byte that is none.
    pub(super) fn of_bytes(file: &str, bytes: &[u8], error: &Utf8Error) -> Self {
        let mut problem = Self::of_file(file, format!("is no UTF-8 text: {error}"));
        // Up to that byte the text is that of the file; what is none is shown as U+FFFD.
        let text = String::from_utf8_lossy(bytes);
        let before = text.get(..error.valid_up_to()).unwrap_or_default();
        problem.line = before.matches('\n').count() + 1;
        problem.column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let shown = NamedSource::new(file, secrets::blank(&text)).with_language("yaml");
        problem.source = Some(Arc::new(shown));
        problem.hint("save the file as UTF-8".to_owned())
    }

    /// Says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says what to do where nothing better is said.
    #[must_use]
    pub(super) fn or_hint(self, hint: impl FnOnce(&Self) -> String) -> Self {
        if self.says_what_to_do() {
            return self;
        }
        let hint = hint(&self);
        self.hint(hint)
    }

    /// Whether it says what to do. Some messages name an example themselves.
    pub(super) fn says_what_to_do(&self) -> bool {
        self.hint.is_some() || self.message.contains("such as")
    }

    /// The bytes that the caret goes under: of what is no YAML the parser tells line and column
    /// alone.
    pub(super) fn caret(&self) -> Option<(usize, usize)> {
        self.span.or_else(|| {
            let text = self.source.as_ref()?.inner();
            let above = text.split_inclusive('\n').take(self.line.checked_sub(1)?);
            let start: usize = above.map(str::len).sum();
            let line = text.get(start..)?.lines().next().unwrap_or_default();
            let character = line.char_indices().nth(self.column.checked_sub(1)?);
            let (offset, length) = character.map_or((line.len(), 1), |(at, c)| (at, c.len_utf8()));
            Some((start + offset, length))
        })
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
        if self.caret().is_none() && !self.file.is_empty() {
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
        let (offset, length) = self.caret()?;
        let label = LabeledSpan::new(Some("here".to_owned()), offset, length);
        Some(Box::new(std::iter::once(label)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use bytes::Bytes;
    use miette::{GraphicalReportHandler, GraphicalTheme};

    use super::*;
    use crate::plan::load::read;
    use crate::plan::samples::{PLAN, of, table_job};

    fn shown(problem: &Problem) -> String {
        let mut shown = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
        handler.render_report(&mut shown, problem).unwrap();
        shown
    }

    #[test]
    fn what_is_no_yaml_is_shown_under_its_line() {
        let job = table_job("postgis/a", "a").replace("kind:", "kind");
        let problems = of(&[("plan.yaml", PLAN), ("jobs/a.yaml", &job)]).map(|_| ()).unwrap_err();
        let shown = shown(&problems[0]);
        assert!(shown.contains("[jobs/a.yaml:2:1]"), "{shown}");
        assert!(shown.contains("kind RebuildJob") && shown.contains("here"), "{shown}");
        assert!(shown.contains("help: look for"), "{shown}");
    }

    #[test]
    fn what_is_no_text_is_shown_at_its_first_byte() {
        let job = "kind: RebuildJob\nname: caf\u{e9} ".as_bytes().iter().copied();
        let files = BTreeMap::from([
            ("plan.yaml".to_owned(), Bytes::from_static(PLAN.as_bytes())),
            ("jobs/a.yaml".to_owned(), job.chain([0xff, b'x']).collect()),
        ]);
        let problems = read(files, "plan.yaml", Path::new("/srv")).map(|_| ()).unwrap_err();
        assert_eq!(problems[0].location(), "jobs/a.yaml:2:12");
        let shown = shown(&problems[0]);
        assert!(shown.contains("caf\u{e9} \u{FFFD}x") && shown.contains("as UTF-8"), "{shown}");
    }
}
