//! What was measured, as tables in Markdown that a document has between marks of its own.
use std::cell::RefCell;
use std::io;
use std::path::Path;

use super::document;
use super::machine::machine;
use super::statistics::{Sample, spread};

/// The tables of a run, each begun by what is said of it.
#[derive(Default)]
pub(crate) struct Report(RefCell<Vec<Table>>);

struct Table {
    name: &'static str,
    /// Where and how it was measured: lines above the table.
    said: Vec<String>,
    columns: &'static str,
    rows: Vec<String>,
}

/// One contestant in one scenario.
pub(super) struct Row<'r> {
    pub(super) scenario: &'r str,
    pub(super) contestant: &'r str,
    pub(super) figures: &'r Sample,
    pub(super) unit: String,
    /// Ours to it, round by round; `None` for ours.
    pub(super) ratios: Option<&'r Sample>,
    pub(super) target: Option<String>,
    pub(super) durability: &'r str,
}

const ROWS: &str = "| what | who | median | rounds | ours : it | rounds | target | durable |\n|---|---|---:|---|---:|---|---|---|";

impl Report {
    /// Begins a table: the rows that follow are of it.
    pub(crate) fn table(&self, name: &'static str) {
        self.begin(name, ROWS);
    }

    /// Begins a table with columns of its own.
    pub(crate) fn begin(&self, name: &'static str, columns: &'static str) {
        self.0.borrow_mut().push(Table {
            name,
            said: Vec::new(),
            columns,
            rows: Vec::new(),
        });
    }

    /// Adds a line above the table.
    pub(crate) fn say(&self, line: impl Into<String>) {
        if let Some(table) = self.0.borrow_mut().last_mut() {
            table.said.push(line.into());
        }
    }

    /// Adds a row as it is to stand there.
    pub(crate) fn line(&self, row: String) {
        if let Some(table) = self.0.borrow_mut().last_mut() {
            table.rows.push(row);
        }
    }

    pub(super) fn row(&self, row: &Row<'_>) {
        let ratio = row
            .ratios
            .map(|ratios| format!("{:.2} | {}", ratios.median(), said(&spread(ratios))));
        self.line(format!(
            "| {} | {} | {} {} | {} | {} | {} | {} |",
            row.scenario,
            row.contestant,
            grouped(row.figures.median()),
            row.unit,
            said(&spread(row.figures)),
            ratio.unwrap_or_else(|| "| ".to_owned()),
            row.target.as_deref().unwrap_or_default(),
            row.durability,
        ));
    }

    /// Writes each table that has rows between its marks in a file, which is made where there is none.
    ///
    /// # Errors
    /// As [`document::put`]; tables before that one are written.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let tables = self.0.borrow();
        let tables = tables.iter().filter(|table| !table.rows.is_empty());
        for table in tables {
            document::put(path, table.name, &table.text())?;
        }
        Ok(())
    }
}

impl Table {
    fn text(&self) -> String {
        let mut lines = vec![machine()];
        lines.extend(self.said.iter().cloned());
        format!(
            "{}\n\n{}\n{}\n",
            lines.join("  \n"),
            self.columns,
            self.rows.join("\n")
        )
    }
}

/// In a table that is not of one width, single spaces do.
pub(super) fn said(spread: &str) -> String {
    spread.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A figure with three digits or more, and a space between each three of them.
pub(crate) fn grouped(figure: f64) -> String {
    let digits = match figure.abs() {
        small if small < 10.0 => return format!("{figure:.2}"),
        small if small < 100.0 => return format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    };
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_figures_are_grouped_and_small_ones_have_three_digits() {
        let figures = [0.5, 12.34, 567.8, 1_234.0, 1_234_567.0];
        let shown: Vec<_> = figures.into_iter().map(grouped).collect();
        assert_eq!(shown, ["0.50", "12.3", "568", "1 234", "1 234 567"]);
    }
}
