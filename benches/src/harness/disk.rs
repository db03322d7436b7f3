//! The folder that durable things are measured in, and how long its disk takes to have something.
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Effort;

/// A disk that answers sooner has not written anything.
const SOONEST: Duration = Duration::from_micros(20);

/// A folder of its own, which is gone with the last who has it.
#[derive(Clone)]
pub(crate) struct Disk {
    folder: Rc<TempDir>,
}

impl Disk {
    /// A new folder where the command line says, or beside this program, which is in the target directory.
    pub(crate) fn of(effort: &Effort) -> io::Result<Self> {
        let parent = Self::parent(effort)?;
        fs::create_dir_all(&parent)?;
        Ok(Self {
            folder: Rc::new(TempDir::new_in(parent)?),
        })
    }

    /// The folder in which the new one is.
    pub(crate) fn parent(effort: &Effort) -> io::Result<PathBuf> {
        match &effort.folder {
            Some(folder) => Ok(folder.clone()),
            None => beside_this_program(),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Prints how long the disk takes, and says whether what is measured on it can be called durable.
    pub(crate) fn is_one(&self, effort: &Effort) -> io::Result<bool> {
        let latency = latency(&self.file("latency"))?;
        let folder = self.folder.path().display();
        let said = format!("fdatasync {:.1} µs", latency.as_secs_f64() * 1e6);
        println!("\n{said} in {folder}");
        effort.report.say(said);
        if latency < SOONEST {
            println!("  that is no disk, so nothing durable is measured; choose another --folder");
        }
        Ok(latency >= SOONEST)
    }
}

fn beside_this_program() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program
        .parent()
        .unwrap_or(Path::new("."))
        .join("benches-files"))
}

/// The median time in which a page that is overwritten is on the disk.
fn latency(path: &Path) -> io::Result<Duration> {
    let mut file = File::create(path)?;
    let page = [7; 4096];
    file.write_all(&page)?;
    file.sync_all()?;
    let mut taken = Vec::new();
    for _ in 0..101 {
        let start = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&page)?;
        file.sync_data()?;
        taken.push(start.elapsed());
    }
    taken.sort_unstable();
    Ok(taken[taken.len() / 2])
}
