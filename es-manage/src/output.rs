//! What people see: short, calm, aligned, and as wide as their terminal.
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WORTH_A_LOOK: Style = AnsiColor::Yellow.on_default();
pub(crate) const HEAD: Style = Style::new().bold();
pub(crate) const QUIET: Style = Style::new().dimmed();

/// A report that people can read too.
pub(crate) trait Human {
    /// Writes it for a screen of so many columns.
    fn human(&self, text: &mut Text) -> fmt::Result;
}

/// Where a command prints, and how.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Screen {
    pub(crate) json: bool,
    pub(crate) color: ColorChoice,
}

impl Screen {
    /// Prints a report: for people, or as one JSON object in one line.
    pub(crate) fn print(&self, report: &(impl Human + Serialize)) -> io::Result<()> {
        if self.json {
            return written(io::stdout().lock(), &json_line(report)?);
        }
        let mut text = Text::new(width());
        report.human(&mut text).map_err(io::Error::other)?;
        let out = AutoStream::new(io::stdout().lock(), self.color);
        written(out, &text.text)
    }

    /// Prints something for people on the standard error, where nobody may listen.
    pub(crate) fn complain(&self, text: &str) {
        drop(written(
            AutoStream::new(io::stderr().lock(), self.color),
            text,
        ));
    }

    /// Prints a complaint as one JSON object in one line.
    pub(crate) fn complain_in_json(&self, complaint: &impl Serialize) {
        let line = json_line(complaint);
        drop(line.and_then(|line| written(io::stderr().lock(), &line)));
    }
}

fn written(mut out: impl Write, text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A line of JSON, which commands no terminal: JSON escapes by itself what is below the space, and `\u007f` to `\u009f` are escaped here.
pub(crate) fn json_line(value: &impl Serialize) -> io::Result<String> {
    let json = serde_json::to_string(value).map_err(io::Error::other)?;
    let commands = |letter| ('\u{7f}'..='\u{9f}').contains(&letter);
    if !json.contains(commands) {
        return Ok(json + "\n");
    }
    let mut line = String::with_capacity(json.len() + 1);
    for letter in json.chars() {
        // These stand in strings alone, and not behind a backslash; a tab may stand outside.
        if commands(letter) {
            write!(line, "\\u{:04x}", u32::from(letter)).map_err(io::Error::other)?;
        } else {
            line.push(letter);
        }
    }
    line.push('\n');
    Ok(line)
}

/// The columns of the terminal; `None` where there is none, and so no end of a line.
fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(terminal_size::Width(columns), _)| columns.into())
}

/// What a report says, where lines may be as long as they are.
#[cfg(test)]
pub(crate) fn said(report: &impl Human) -> String {
    let mut text = Text::new(None);
    report.human(&mut text).expect("a string takes all");
    text.text
}

/// Text for people, in the making.
#[derive(Debug)]
pub(crate) struct Text {
    text: String,
    width: Option<usize>,
}

impl Text {
    fn new(width: Option<usize>) -> Self {
        Self {
            text: String::new(),
            width,
        }
    }

    /// Whether so many columns fit beside each other.
    pub(crate) fn fits(&self, columns: usize) -> bool {
        self.width.is_none_or(|width| columns <= width)
    }

    /// Writes lines of cells, aligned below their heads where that fits; else each line as a block of its own, cell by cell.
    pub(crate) fn table<const N: usize>(
        &mut self,
        heads: [&str; N],
        rows: &[[Cell; N]],
    ) -> fmt::Result {
        let mut widths = heads.map(|head| head.chars().count());
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let gaps = 2 * N.saturating_sub(1);
        if self.fits(widths.iter().sum::<usize>() + gaps) {
            let heads = heads.map(|head| Cell::new(head).style(HEAD));
            for row in std::iter::once(&heads).chain(rows) {
                self.row(row, &widths)?;
            }
            return Ok(());
        }
        let head_width = heads.iter().skip(1).map(|head| head.chars().count());
        let head_width = head_width.max().unwrap_or(0);
        for row in rows {
            for (place, (head, cell)) in heads.iter().zip(row).enumerate() {
                if place == 0 {
                    writeln!(self, "{}", cell.clone().style(HEAD))?;
                } else if !cell.text.is_empty() {
                    let head = Cell::new(*head).style(QUIET);
                    let gap = head_width.saturating_sub(head.width());
                    writeln!(self, "  {head}{:gap$}  {cell}", "")?;
                }
            }
        }
        Ok(())
    }

    fn row<const N: usize>(&mut self, row: &[Cell; N], widths: &[usize; N]) -> fmt::Result {
        // What stands after the last cell that says something is space.
        let last = row.iter().rposition(|cell| !cell.text.is_empty());
        let Some(last) = last else {
            return writeln!(self);
        };
        for (place, (cell, width)) in row.iter().zip(widths).enumerate().take(last + 1) {
            let gap = width.saturating_sub(cell.width());
            match (cell.right, place == last) {
                (true, _) => write!(self, "{:gap$}{cell}", "")?,
                (false, true) => write!(self, "{cell}")?,
                (false, false) => write!(self, "{cell}{:gap$}", "")?,
            }
            if place < last {
                write!(self, "  ")?;
            }
        }
        writeln!(self)
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        Ok(())
    }
}

/// A short text in a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self {
            text: clean(&text.to_string()),
            style: Style::new(),
            right: false,
        }
    }

    /// A number, which ends where those above and below it end.
    pub(crate) fn number(number: u64) -> Self {
        Self {
            right: true,
            ..Self::new(grouped(number))
        }
    }

    pub(crate) fn style(self, style: Style) -> Self {
        Self { style, ..self }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        styled(&self.text, self.style).fmt(f)
    }
}

/// Text in a style.
pub(crate) fn styled<T: fmt::Display>(text: T, style: Style) -> Styled<T> {
    Styled { text, style }
}

/// See [`styled`].
pub(crate) struct Styled<T> {
    text: T,
    style: Style,
}

impl<T: fmt::Display> fmt::Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, style } = self;
        write!(f, "{style}{text}{style:#}")
    }
}

/// The text in one line, without what would command a terminal or turn the line around: what is stored may be anything.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_line_break(letter) || is_bidirectional(letter) {
            clean.extend(letter.escape_default());
        } else {
            clean.push(letter);
        }
    }
    clean
}

/// What breaks lines and is no control.
fn is_line_break(letter: char) -> bool {
    matches!(letter, '\u{2028}' | '\u{2029}')
}

/// What says in which direction a text is written: the `Bidi_Control` of Unicode.
fn is_bidirectional(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// 1234567 as `1 234 567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// "1 event", "2 events".
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// An error with its causes: each in a line of its own, below it.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let in_one_line = |text: String| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        clean(&lines.collect::<Vec<_>>().join("; "))
    };
    let mut told = in_one_line(error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = format!("\n  because: {}", in_one_line(error.to_string()));
        told.push_str(&line);
        cause = error.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: Option<usize>) -> String {
        let mut text = Text::new(width);
        let rows = [
            [Cell::new("book_list"), Cell::number(7), Cell::new("")],
            [
                Cell::new("fines"),
                Cell::number(12_345),
                Cell::new("stopped"),
            ],
        ];
        text.table(["follower", "behind", "reason"], &rows).unwrap();
        anstream::adapter::strip_str(&text.text).to_string()
    }

    #[test]
    fn a_table_is_aligned_where_it_fits() {
        let aligned = "follower   behind  reason\nbook_list       7\nfines      12 345  stopped\n";
        assert_eq!(table(None), aligned);
        assert_eq!(table(Some(26)), aligned);
    }

    #[test]
    fn where_it_does_not_fit_each_line_is_a_block() {
        let blocks = "book_list\n  behind  7\nfines\n  behind  12 345\n  reason  stopped\n";
        assert_eq!(table(Some(25)), blocks);
    }

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 12, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "12", "999", "1 000", "1 234 567"]);
    }

    #[test]
    fn what_commands_a_terminal_is_made_visible() {
        assert_eq!(clean("a\u{1b}[31mb\u{9b}"), "a\\u{1b}[31mb\\u{9b}");
    }

    #[test]
    fn what_is_stored_makes_no_lines_of_its_own() {
        assert_eq!(
            clean("a\nb\r\u{85}\u{2028}\u{2029}"),
            "a\\nb\\r\\u{85}\\u{2028}\\u{2029}"
        );
        for turning in [
            '\u{61c}', '\u{200e}', '\u{200f}', '\u{202e}', '\u{2066}', '\u{2069}',
        ] {
            assert_eq!(
                clean(&turning.to_string()),
                turning.escape_default().to_string()
            );
        }
        assert_eq!(clean("אבג, größer → 犬"), "אבג, größer → 犬");
    }

    #[test]
    fn json_stays_json() {
        let raw = serde_json::value::RawValue::from_string("{\t\"a\": \"\u{7f}é\"}".to_owned());
        assert_eq!(
            json_line(&raw.unwrap()).unwrap(),
            "{\t\"a\": \"\\u007fé\"}\n"
        );
    }

    #[test]
    fn each_cause_has_its_line() {
        let error = std::io::Error::other("of\nanother");
        let error = crate::PrintError::Output {
            written: 2,
            source: error,
        };
        let lines = "cannot write the output after 2 events; nothing of the log was changed\n  because: of; another";
        assert_eq!(told(&error), lines);
    }
}
