//! The environment of a real process is read: this program runs itself as a child, with an environment of its own.
use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::process::{Command, ExitCode};

const CHILD: &str = "PROCESS_TEST_IS_CHILD";

fn main() -> ExitCode {
    if env::var_os(CHILD).is_some() {
        return child();
    }
    #[expect(clippy::unwrap_used, reason = "what panics here fails the test")]
    parent().unwrap();
    ExitCode::SUCCESS
}

/// Opens an application, and says on its standard output how that went.
fn child() -> ExitCode {
    match pollster::block_on(es_store::open("dog-school")) {
        Ok(app) => println!("opened {:?}", app.name()),
        Err(error) => println!("{error}"),
    }
    ExitCode::SUCCESS
}

fn parent() -> Result<(), Box<dyn Error>> {
    let postgres = match cfg!(feature = "postgres") {
        true => ", `postgres://USER:PASSWORD@HOST/DATABASE`",
        false => "",
    };
    let no_store = format!(
        "no store is chosen; \
        set `DOG_SCHOOL_ES_STORE` or `ES_STORE` to a URL (this build of es-store accepts `memory:`, `sqlite:PATH`{postgres})"
    );
    const OPENED: &str = r#"opened Some("dog-school")"#;
    assert_eq!(opened_with::<&str>(&[])?, no_store);
    assert_eq!(opened_with(&[("ES_STORE", "")])?, no_store);
    assert_eq!(opened_with(&[("ES_STORE", "memory:")])?, OPENED);
    let both = [("ES_STORE", "none:"), ("DOG_SCHOOL_ES_STORE", "memory:")];
    assert_eq!(opened_with(&both)?, OPENED);
    // Others read the environment too.
    let unknown = [("ES_STORE", "memory:"), ("ES_SNAPSHOT", "off")];
    assert_eq!(opened_with(&unknown)?, OPENED);
    let wrong = [("ES_STORE", "memory:"), ("DOG_SCHOOL_ES_CACHE", "many")];
    assert_eq!(
        opened_with(&wrong)?,
        "`DOG_SCHOOL_ES_CACHE` in the environment is `many`; \
         write a number such as `1000`, or `0` for none"
    );
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;

        let not_unicode = [
            ("ES_STORE", OsStr::new("memory:")),
            ("ES_SNAPSHOTS", OsStr::from_bytes(b"o\xff")),
        ];
        assert_eq!(
            opened_with(&not_unicode)?,
            "`ES_SNAPSHOTS` in the environment is `o\u{fffd}`, which is not Unicode; \
             write `as-declared`, `every:100` or another number of events, `by-hand`, or `off`"
        );
    }
    Ok(())
}

/// What a child with this environment says, and nothing of ours in it.
fn opened_with<V: AsRef<OsStr>>(environment: &[(&str, V)]) -> Result<String, Box<dyn Error>> {
    let ours = env::vars_os().map(|(name, _)| name);
    let ours = ours.filter(|name| name.to_string_lossy().contains("ES_"));
    let mut command = Command::new(env::current_exe()?);
    for name in ours {
        command.env_remove(name);
    }
    let output = command
        .env(CHILD, "yes")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
