//! A private Postgres server: a folder of its own, a free port, and an end with the process that started it.
//!
//! Nothing of this crate is needed here, so that the repository's own `xtask` can use it too.
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether what the server says to have stored is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// It is: `fsync=on`, as servers are.
    Synchronised,
    /// It need not be: `fsync=off`. Faster, and good enough for tests in which no machine fails.
    NotWaitedFor,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The programs of a server are not installed.
    #[error(
        "no Postgres server is installed; run `apt-get install postgresql`, or set ES_TEST_POSTGRES_URL to the URL of a server"
    )]
    Missing,
    /// A server does not run as root, and there is nobody else.
    #[error(
        "a Postgres server does not run as root, and there is neither a user `postgres` nor `nobody`; set ES_TEST_POSTGRES_URL to the URL of a server"
    )]
    Root,
    /// It did not start.
    #[error("the Postgres server did not start: {said}")]
    Failed {
        /// What it said.
        said: String,
    },
    /// A process or a folder could not be had.
    #[error("cannot start a Postgres server")]
    Io(#[from] io::Error),
}

/// A private server, which is stopped when this is dropped, or when the process ends, however it does.
#[derive(Debug)]
pub struct Server {
    port: u16,
    folder: PathBuf,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    /// Keeps it running as long as its input is open, and then stops it and deletes its folder.
    keeper: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What keeps the server: a shell that ends with its input, and nothing else ends it.
const KEEPER: &str = r#"
trap '' INT TERM HUP PIPE
programs=$1 folder=$2 port=$3 fsync=$4
start() {
    "$programs/pg_ctl" --pgdata "$folder/data" --wait --timeout 60 --silent --log "$folder/log" --options \
        "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= -c fsync=$fsync -c max_connections=300 -c log_statement=none" \
        start >"$folder/said" 2>&1
}
stop() { "$programs/pg_ctl" --pgdata "$folder/data" --wait --silent --mode "$1" stop >/dev/null 2>&1; }
say() { if "$@"; then echo ready; else echo failed; cat "$folder/said" "$folder/log"; echo end; fi; }
cd "$folder" && "$programs/initdb" --pgdata "$folder/data" --username es --auth trust --encoding UTF8 --locale C --no-sync \
    >"$folder/said" 2>&1 && say start || { echo failed; cat "$folder/said"; echo end; }
while read -r order; do
    case $order in
    restart) stop immediate; say start ;;
    esac
done
stop immediate
cd / && rm -rf "$folder"
"#;

/// Folders are told apart by the process and this.
static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Server {
    /// Starts a server, whose folder is where temporary files are.
    ///
    /// # Errors
    /// [`ServerError`]; nothing is left running.
    pub fn start(disk: Disk) -> Result<Self, ServerError> {
        Self::start_in(&std::env::temp_dir(), disk)
    }

    /// Starts a server, whose folder is in this one: for its disk, which is the one to measure. The user that it runs as must be let into it.
    ///
    /// # Errors
    /// [`ServerError`]; nothing is left running.
    pub fn start_in(parent: &Path, disk: Disk) -> Result<Self, ServerError> {
        let programs = programs().ok_or(ServerError::Missing)?;
        let user = user()?;
        let mut said = String::new();
        // The port may be taken between being found free and being used.
        for _ in 0..5 {
            match Self::attempt(parent, &programs, user, disk) {
                Err(ServerError::Failed { said: why })
                    if why.contains("Address already in use") =>
                {
                    said = why;
                }
                other => return other,
            }
        }
        Err(ServerError::Failed { said })
    }

    fn attempt(
        parent: &Path,
        programs: &Path,
        user: Option<(u32, u32)>,
        disk: Disk,
    ) -> Result<Self, ServerError> {
        let (mut keeper, port, folder) = keeper(parent, programs, user, disk)?;
        let input = keeper.stdin.take();
        let output = keeper
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no output"))?;
        let mut server = Self {
            port,
            folder,
            programs: programs.to_owned(),
            user,
            keeper,
            input,
            output: BufReader::new(output),
        };
        server.until_ready()?;
        Ok(server)
    }

    /// Its URL: a database in which everything may be done.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://es@127.0.0.1:{}/postgres", self.port)
    }

    /// Its port on this machine.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it without any courtesy, as a crash of its machine would, and starts it again.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn restart(&mut self) -> Result<(), ServerError> {
        if let Some(input) = &mut self.input {
            input.write_all(b"restart\n")?;
        }
        self.until_ready()
    }

    /// Another program of the server's, such as `psql` or `pg_dump`.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "es")
            .env("PGDATABASE", "postgres");
        command
    }

    /// The folder that it has for itself, readable for its own user alone; `data` in it is the server's.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The user and the group that it runs as, where these are not those of this process.
    #[must_use]
    pub fn user(&self) -> Option<(u32, u32)> {
        self.user
    }

    fn until_ready(&mut self) -> Result<(), ServerError> {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line)?;
            match line.trim_end() {
                "ready" => return Ok(()),
                "end" => return Err(ServerError::Failed { said }),
                _ if length == 0 => return Err(ServerError::Failed { said }),
                _ => said += &line,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.keeper.wait();
    }
}

/// Starts what starts a server, and says the port and the folder that the server gets.
fn keeper(
    parent: &Path,
    programs: &Path,
    user: Option<(u32, u32)>,
    disk: Disk,
) -> io::Result<(Child, u16, PathBuf)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let name = format!(
        "es-postgres-{}-{}",
        std::process::id(),
        FOLDERS.fetch_add(1, Ordering::Relaxed)
    );
    let folder = parent.join(name);
    fs::create_dir(&folder)?;
    let mut keeper = Command::new("sh");
    keeper
        .args(["-c", KEEPER, "es-postgres-keeper"])
        .args([programs, &folder])
        .arg(port.to_string())
        .arg(match disk {
            Disk::Synchronised => "on",
            Disk::NotWaitedFor => "off",
        })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    own_group(&mut keeper);
    if let Some(user) = user {
        become_user(&mut keeper, &folder, user)?;
    }
    Ok((keeper.spawn()?, port, folder))
}

/// The folder of the server's programs: where Debian keeps them, the newest first, or on the path.
fn programs() -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| {
        ["postgres", "initdb", "pg_ctl"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| has_all(folder))
        .collect();
    found.sort();
    if let Some((_, folder)) = found.pop() {
        return Some(folder);
    }
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(has_all)
        // Links would not find the other files of the server.
        .find_map(|folder| {
            let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
            Some(postgres.parent()?.to_owned())
        })
}

/// Who runs the server where this process is root: the first of these that there is.
#[cfg(unix)]
fn user() -> Result<Option<(u32, u32)>, ServerError> {
    use std::os::unix::fs::MetadataExt;

    // Files belong to who makes them, and this is the plainest way to ask.
    let (process, number) = (std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
    let probe = std::env::temp_dir().join(format!("es-postgres-whoami-{process}-{number}"));
    fs::create_dir_all(&probe)?;
    let owner = fs::metadata(&probe)?.uid();
    fs::remove_dir(&probe)?;
    if owner != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |wanted: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let id = fields.nth(1)?.parse().ok()?;
            let group = fields.next()?.parse().ok()?;
            (name == wanted).then_some((id, group))
        })
    };
    match find("postgres").or_else(|| find("nobody")) {
        Some(user) => Ok(Some(user)),
        None => Err(ServerError::Root),
    }
}

#[cfg(not(unix))]
fn user() -> Result<Option<(u32, u32)>, ServerError> {
    Ok(None)
}

#[cfg(unix)]
fn become_user(command: &mut Command, folder: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    use std::os::unix::process::CommandExt;

    std::os::unix::fs::chown(folder, Some(user), Some(group))?;
    command.uid(user).gid(group);
    Ok(())
}

#[cfg(not(unix))]
fn become_user(_: &mut Command, _: &Path, _: (u32, u32)) -> io::Result<()> {
    Ok(())
}

/// What interrupts this process from the keyboard does not interrupt the one that tidies up after it.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn several_are_started_at_once() {
        let askers: Vec<_> = (0..8)
            .map(|_| thread::spawn(|| (0..50).try_for_each(|_| user().map(drop))))
            .collect();
        for asker in askers {
            let asked = asker.join().expect("it does not panic");
            asked.expect("somebody can run it");
        }
    }

    #[test]
    fn nothing_is_left_of_a_server_whose_process_died_while_it_started() {
        let programs = programs().expect("a server is installed");
        let user = user().expect("somebody can run it");
        let parent = std::env::temp_dir();
        let started = keeper(&parent, &programs, user, Disk::NotWaitedFor);
        let (mut keeper, _, folder) = started.expect("a shell can be started");
        // What a process had open is closed when it dies.
        drop((keeper.stdin.take(), keeper.stdout.take()));
        keeper.wait().expect("it ends");
        let left = folder.exists();
        if left {
            let data = folder.join("data");
            let mut stop = Command::new(programs.join("pg_ctl"));
            stop.args(["stop", "--mode", "immediate", "--pgdata"])
                .arg(data);
            if let Some(user) = user {
                become_user(&mut stop, &folder, user).expect("it is ours");
            }
            drop(stop.output());
            drop(fs::remove_dir_all(&folder));
        }
        assert!(!left, "the server ran on in {}", folder.display());
    }
}
