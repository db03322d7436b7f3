//! The whole log, as lines.
use std::fmt::{self, Write as _};
use std::io::Write;

use es_core::persistence::Span;
use es_core::{Application, Position};
use serde::Serialize;

use super::line::{End, FORM, Head};
use super::{PAGE, PrintError};
use crate::Progress;
use crate::output::{Human, Text, counted};

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExportReport {
    /// The application.
    pub application: Option<String>,
    /// How many events.
    pub events: u64,
    /// The position of the last of them.
    pub head: Position,
}

/// Writes all events as JSON Lines: a head, a line for each event with everything that is stored of it, and an end without which an
/// [import](crate::import) knows that something is missing. What is encrypted stays encrypted.
///
/// Events that are committed meanwhile are left out. Checkpoints, read models and snapshots are not in it: they are made again.
/// So a process manager that is let loose on the imported log answers all of it once more, effects outside included: carry the log over with the
/// tools of its database where that must not be.
///
/// ```
/// # use es_core::Application;
/// # async fn backup(app: Application) -> Result<(), Box<dyn std::error::Error>> {
/// let mut file = std::io::BufWriter::new(std::fs::File::create("school.jsonl")?);
/// let report = es_manage::export(&app, Default::default(), &mut file, &()).await?;
/// println!("{} events", report.events);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`PrintError`]; what was written has no end line.
pub async fn export(
    app: &Application,
    after: Position,
    out: &mut (dyn Write + Send),
    progress: &dyn Progress,
) -> Result<ExportReport, PrintError> {
    let head = app.log().head().await?;
    if after > head {
        return Err(PrintError::Before { after, head });
    }
    let mut written = 0;
    let failed = |written| move |source| PrintError::Output { written, source };
    let begin = Head {
        export: FORM,
        application: app.name().map(str::to_owned),
    };
    line(out, &begin).map_err(failed(0))?;
    progress.begin("exporting", Some(head.get().saturating_sub(after.get())));
    let mut read_to = after;
    while read_to < head {
        let span = Span::after(read_to).up_to(head).limit(PAGE);
        let page = app.log().page(span).await?;
        for record in &page.records {
            let position = next_of(read_to);
            if record.position != position {
                return Err(PrintError::Hole { position });
            }
            read_to = position;
            line(out, record).map_err(failed(written))?;
            written += 1;
        }
        progress.at(written);
        // A store that answers at once leaves no time to whoever would break it off.
        tokio::task::yield_now().await;
        if page.records.is_empty() {
            let position = next_of(read_to);
            return Err(PrintError::Hole { position });
        }
    }
    line(out, &End { events: written }).map_err(failed(written))?;
    out.flush().map_err(failed(written))?;
    progress.end();
    Ok(ExportReport {
        application: begin.application,
        events: written,
        head,
    })
}

fn next_of(position: Position) -> Position {
    Position::from(position.get() + 1)
}

fn line(out: &mut (dyn Write + Send), line: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

impl Human for ExportReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        writeln!(
            text,
            "{} exported, up to position {}",
            counted(self.events, "event"),
            self.head
        )
    }
}
