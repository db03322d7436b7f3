//! The server that is measured, and whether it can be called durable.
use std::fs;
use std::path::Path;

use es_store_postgres::testing::{Disk as Waiting, Server as Private, VARIABLE, server_url};
use tokio::runtime::Builder;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::harness::{Disk, Effort};

pub(crate) struct Server {
    url: String,
    /// What tells the schemas of this run from those of others on a server that stays.
    run: String,
    /// Stopped, and its folder deleted, with this.
    _private: Option<Private>,
}

impl Server {
    /// The one that the environment names, or one of our own on the disk that is measured; `None`, and a line that says why, where there is none.
    pub(crate) fn of(effort: &Effort) -> Option<Self> {
        let given = std::env::var(VARIABLE).is_ok_and(|url| !url.is_empty());
        if given || effort.tiny {
            match server_url() {
                Ok(url) => return Self::checked(url, None, effort),
                Err(error) => return none(&error),
            }
        }
        let folder = Disk::parent(effort).expect("this program is in a folder");
        let disk = Disk::of(effort).expect("there is a folder that files can be made in");
        if !disk.is_one(effort).expect("the folder can be written to") {
            return None;
        }
        match private(&folder) {
            Ok(private) => Self::checked(private.url(), Some(private), effort),
            Err(error) => none(&error),
        }
    }

    fn checked(url: String, private: Option<Private>, effort: &Effort) -> Option<Self> {
        if !effort.tiny {
            let said = settings(&url);
            let [version, fsync, commit] = &said;
            let line = format!("Postgres {version}, fsync {fsync}, synchronous_commit {commit}");
            println!("{line}");
            effort.report.say(line);
            if said[1] == "off" || said[2] == "off" {
                println!(
                    "  that is not durable, so nothing of Postgres is measured; name another server by {VARIABLE}"
                );
                return None;
            }
        }
        Some(Self {
            url,
            run: Uuid::now_v7().simple().to_string(),
            _private: private,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The whole name of a schema of this run.
    pub(crate) fn schema(&self, name: &str) -> String {
        format!("bench_{}_{name}", self.run)
    }
}

fn none(error: &dyn std::error::Error) -> Option<Server> {
    println!("\nno Postgres, so nothing of it is measured: {error}");
    None
}

/// Its user is let into the folder, and to it.
fn private(folder: &Path) -> Result<Private, es_store_postgres::testing::ServerError> {
    fs::create_dir_all(folder)?;
    Private::start_in(folder, Waiting::Synchronised)
}

/// What the server says of itself: version, `fsync`, `synchronous_commit`.
fn settings(url: &str) -> [String; 3] {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs no thread");
    runtime.block_on(async {
        let (client, line) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("the server answers");
        tokio::spawn(line);
        let said = client
            .query_one(
                "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')",
                &[],
            )
            .await
            .expect("everybody may ask");
        [0, 1, 2].map(|place| said.get(place))
    })
}
