//! A folder with a school, and this program as its management binary.
use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use es_core::testing::VirtualClock;
use es_core::{Application, Version};
use tempfile::TempDir;

use crate::school::{Dog, Trainer, application};

pub(crate) struct Place {
    folder: TempDir,
}

/// What a child said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

impl Place {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A school with stores, and nothing in them.
    pub(crate) fn migrated() -> Self {
        let place = Self::new();
        assert_eq!(place.run(["migrate"]).status, 0);
        place
    }

    /// A school with a story: Fido learns two tricks, a trainer is hired and praised, Rex learns a trick.
    pub(crate) fn seeded() -> Self {
        let place = Self::migrated();
        block_on(async {
            let monday = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_542_800);
            let clock = VirtualClock::at(monday);
            let app = place.app_with(clock.clone()).await;
            let pass = || clock.advance(Duration::from_secs(3_600));
            let mut fido = Dog::register("Fido");
            fido.add_trick("roll over");
            app.save(&mut fido).await.unwrap();
            pass();
            let mut trainer = Trainer::hire();
            trainer.praise();
            let alice = app.with(es_core::Metadata::new().actor("alice"));
            fido.add_trick("play dead");
            alice.save((&mut fido, &mut trainer)).await.unwrap();
            pass();
            let mut rex = Dog::register("Rex");
            rex.add_trick("sit");
            app.save(&mut rex).await.unwrap();
        });
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn app_with(&self, clock: VirtualClock) -> Application {
        let url = format!("sqlite:{}", self.path("school.db").display());
        application("school", url, |builder| builder.clock(clock)).await
    }

    /// The application of the school, in this process.
    pub(crate) async fn app(&self) -> Application {
        let url = format!("sqlite:{}", self.path("school.db").display());
        application("school", url, |builder| builder).await
    }

    pub(crate) async fn office(&self) -> Application {
        let url = format!("sqlite:{}", self.path("office.db").display());
        application("office", url, |builder| builder).await
    }

    /// Fido learns more, one commit for each trick.
    pub(crate) fn learn(&self, tricks: &[&str]) {
        self.learn_in(tricks.len(), tricks);
    }

    /// Fido learns more, in so many commits: each takes as long as the disk does.
    pub(crate) fn learn_in(&self, commits: usize, tricks: &[&str]) {
        block_on(async {
            let app = self.app().await;
            for tricks in tricks.chunks(tricks.len().div_ceil(commits)) {
                let learn = |fido: &mut Dog| {
                    for trick in tricks {
                        fido.add_trick(*trick);
                    }
                };
                app.update(Dog::id_for("Fido"), learn).await.unwrap();
            }
        });
    }

    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .arg0("school")
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("MANAGED", "school")
            .env("SCHOOL_ES_STORE", "sqlite:school.db")
            .env("OFFICE_ES_STORE", "sqlite:office.db")
            .env("KENNEL_ES_STORE", "sqlite:kennel.db")
            .env("USER", "alice")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ended {
        self.ended(self.command(arguments).output().unwrap())
    }

    pub(crate) fn ended(&self, output: Output) -> Ended {
        Ended {
            status: output.status.code().unwrap_or(-1),
            out: self.redacted(&output.stdout),
            err: self.redacted(&output.stderr),
        }
    }

    /// The text without what is different each time: the folder, and ids that were drawn.
    pub(crate) fn redacted(&self, text: &[u8]) -> String {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let folder = self.folder.path().canonicalize().unwrap();
        let text = text.replace(&*folder.to_string_lossy(), "FOLDER");
        let text = text.replace(&*self.folder.path().to_string_lossy(), "FOLDER");
        let mut redacted = String::new();
        let mut rest = &*text;
        while let Some(place) = rest.find("\"commit\":\"") {
            let (before, after) = rest.split_at(place + 10);
            redacted.push_str(before);
            redacted.push_str("COMMIT");
            rest = &after[36..];
        }
        redacted.push_str(rest);
        redacted
    }
}

/// How long a stream of Fido is.
pub(crate) async fn version_of_fido(app: &Application) -> Version {
    use es_core::Aggregate;
    let fido = app.find::<Dog>(Dog::id_for("Fido")).await.unwrap();
    fido.map_or(Version::NEW, |fido| fido.version())
}
