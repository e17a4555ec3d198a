//! Numbers as people read them.

use std::time::Duration;

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use crate::model::RunMode;

/// What a terminal shows at least.
pub(crate) const WIDTH: usize = 80;

/// A count with commas: `1,204`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 object`, `2 objects`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A time in two units: `3.1 s`, `4 min 12 s`, `2 h 3 min`, `1 d 4 h`.
pub(crate) fn time(time: Duration) -> String {
    // Rounded up, as objectives are: a part of a run is never longer than the run.
    let seconds = match time.as_secs() {
        short @ 0..10 => short,
        long => long + u64::from(time.subsec_nanos() > 0),
    };
    match seconds {
        0..10 => format!("{}.{} s", seconds, time.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Whole seconds as a time.
pub(crate) fn seconds(seconds: u64) -> String {
    if seconds < 10 { format!("{seconds} s") } else { time(Duration::from_secs(seconds)) }
}

fn two(first: u64, unit: &str, second: u64, smaller: &str) -> String {
    if second == 0 {
        format!("{first} {unit}")
    } else {
        format!("{first} {unit} {second} {smaller}")
    }
}

/// A mode as the thing that is done.
pub(super) fn mode(mode: RunMode) -> &'static str {
    match mode {
        RunMode::Restore => "restore",
        RunMode::Rehearse => "rehearsal",
        RunMode::Rebuild => "rebuild",
        RunMode::Rollback => "rollback",
    }
}

/// Breaks a line at spaces to a width in columns; what follows is indented by four more. A word
/// that is too long by itself stays whole, so that it can be copied.
pub(crate) fn wrap(line: &str, width: usize) -> Vec<String> {
    hung(line, width, 4)
}

fn hung(line: &str, width: usize, hang: usize) -> Vec<String> {
    let indent = " ".repeat(line.len() - line.trim_start().len() + hang);
    let options = Options::new(width)
        .subsequent_indent(&indent)
        .break_words(false)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(line, options).into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// A text in which no line is wider than a terminal, except for a word that is by itself. A command
/// to copy is not broken: it gets a line of its own.
pub(crate) fn fit(text: &str) -> String {
    fit_to(text, WIDTH, 4)
}

/// The same to a width in columns; what follows in a line is indented by `hang` more.
pub(crate) fn fit_to(text: &str, width: usize, hang: usize) -> String {
    text.lines().flat_map(|line| fit_line(line, width, hang)).collect::<Vec<_>>().join("\n")
}

fn fit_line(line: &str, width: usize, hang: usize) -> Vec<String> {
    if line.chars().count() <= width || is_command(line) {
        return vec![line.to_owned()];
    }
    let Some((words, command, rest)) = command_in(line) else {
        let lines = hung(line, width, hang);
        // A digest or path that is too long by itself is better beside what it is of.
        let fits = lines.iter().all(|line| line.chars().count() <= width);
        return if fits { lines } else { vec![line.to_owned()] };
    };
    let indent = " ".repeat(line.len() - line.trim_start().len());
    let mut lines = hung(words, width, hang);
    lines.push(format!("{indent}    {command}"));
    if !rest.is_empty() {
        lines.extend(fit_line(&format!("{indent}{rest}"), width, hang));
    }
    lines
}

/// The same where a wider line would be cut off: a command goes on as a shell reads it.
pub(crate) fn fit_on_screen(text: &str) -> String {
    let fitted = fit(text);
    let lines = fitted.lines().flat_map(|line| match line.chars().count() {
        fits if fits <= WIDTH => vec![line.to_owned()],
        _ if is_command(line) => {
            let lines = hung(line, WIDTH - 2, 4);
            let last = lines.len() - 1;
            let goes_on = |(at, line)| if at < last { format!("{line} \\") } else { line };
            lines.into_iter().enumerate().map(goes_on).collect()
        }
        _ => wrap(line, WIDTH),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_command(line: &str) -> bool {
    line.trim_start().starts_with("coppice ")
}

/// A command, or arguments of one, that a line ends with or that stand before a semicolon; the words
/// before it end with their colon, or stand in a column of their own.
fn command_in(line: &str) -> Option<(&str, &str, &str)> {
    let marks = [": coppice ", ": --accept ", "  coppice "];
    let at = marks.iter().filter_map(|mark| line.find(mark)).min()?;
    let (words, command) = line.split_at(at + 1);
    let (command, rest) = command.split_once("; ").unwrap_or((command, ""));
    Some((words, command.trim(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_say_them() {
        let counts = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in counts {
            assert_eq!(count(number), text);
        }
        let times = [
            (3_140, "3.1 s"),
            (58_900, "59 s"),
            (252_000, "4 min 12 s"),
            (120_000, "2 min"),
            (7_380_000, "2 h 3 min"),
            (100_800_000, "1 d 4 h"),
        ];
        for (millis, text) in times {
            assert_eq!(time(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_long_line_breaks_at_spaces_and_loses_nothing() {
        assert_eq!(wrap("  a b", 10), ["  a b"]);
        assert_eq!(
            wrap("  aa bb ccccccccccccc d", 8),
            ["  aa bb", "      ccccccccccccc", "      d"]
        );
        assert_eq!(wrap("  expected   some words", 17), ["  expected   some", "      words"]);
    }

    #[test]
    fn a_command_is_never_broken() {
        let command = format!("coppice resume {}", "x".repeat(70));
        let text = format!("short\n  nobody drives it; go on with: {command}");
        assert_eq!(fit(&text), format!("short\n  nobody drives it; go on with:\n      {command}"));
        assert_eq!(fit(&format!("  unblock  {command}")), format!("  unblock\n      {command}"));
        assert_eq!(fit(&format!("  {command}")), format!("  {command}"));
        let long = format!("  unblock  coppice approve {} --reason TEXT", "x".repeat(60));
        let shown = format!(
            "  unblock\n      coppice approve \\\n          {} \\\n          --reason TEXT",
            "x".repeat(60)
        );
        assert_eq!(fit_on_screen(&long), shown);
    }
}
