//! What each wrong setting is answered with.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::error::Error;

use es_store::Settings;
use es_store_memory::MemoryStore;
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// A key, written as it would be in a setting.
const KEY: &str = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=";

fn school() -> Settings {
    Settings::new("school").environment(|_| None)
}

/// An error with its causes.
fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}\n  {error}");
        cause = error.source();
    }
    text
}

fn opened(settings: Settings) -> String {
    text(&pollster::block_on(settings.open()).unwrap_err())
}

/// Over an open store, so that no URL is needed.
fn opened_over(settings: Settings) -> String {
    let builder = pollster::block_on(settings.builder_over(MemoryStore::new()));
    text(&builder.err().unwrap())
}

/// What each of these variables of the environment is answered with.
fn all(variables: impl IntoIterator<Item = (&'static str, &'static str)>) -> String {
    let texts = variables.into_iter().map(|(variable, value)| {
        let settings = school().environment(move |name| (name == variable).then(|| value.into()));
        opened_over(settings) + "\n"
    });
    texts.collect()
}

fn check(actual: &str, expected: &Expect) {
    assert!(
        !actual.contains("SECRET") && !actual.contains("c2Vj"),
        "{actual}"
    );
    expected.assert_eq(actual);
}

#[test]
fn a_wrong_value_names_its_variable_itself_and_what_is_accepted() {
    let wrong = [
        ("ES_COMPRESSION", "gzip"),
        ("SCHOOL_ES_COMPRESSION", "zstd:fast"),
        ("ES_COMPRESSION", "zstd:256"),
        ("ES_SNAPSHOTS", "always"),
        ("SCHOOL_ES_SNAPSHOTS", "every:0"),
        ("ES_CACHE", "-1"),
        ("ES_CACHE", "18446744073709551616"),
        // What got into the wrong variable is no less secret there.
        (
            "ES_COMPRESSION",
            "1:c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=",
        ),
        ("ES_SNAPSHOTS", "postgres://es:SECRET@db/school"),
    ];
    check(
        &all(wrong),
        &expect![[r#"
            `ES_COMPRESSION` in the environment is `gzip`; write `none`, `zstd`, or `zstd:1` to `zstd:22`
            `SCHOOL_ES_COMPRESSION` in the environment is `zstd:fast`; write `none`, `zstd`, or `zstd:1` to `zstd:22`
            `ES_COMPRESSION` in the environment is `zstd:256`; write `none`, `zstd`, or `zstd:1` to `zstd:22`
            `ES_SNAPSHOTS` in the environment is `always`; write `as-declared`, `every:100` or another number of events, `by-hand`, or `off`
            `SCHOOL_ES_SNAPSHOTS` in the environment is `every:0`; write `as-declared`, `every:100` or another number of events, `by-hand`, or `off`
            `ES_CACHE` in the environment is `-1`; write a number such as `1000`, or `0` for none
            `ES_CACHE` in the environment is `18446744073709551616`; write a number such as `1000`, or `0` for none
            `ES_COMPRESSION` in the environment is `***`; write `none`, `zstd`, or `zstd:1` to `zstd:22`
            `ES_SNAPSHOTS` in the environment is `postgres://***@db/school`; write `as-declared`, `every:100` or another number of events, `by-hand`, or `off`
        "#]],
    );
}

#[cfg(feature = "zstd")]
#[test]
fn a_level_that_zstd_has_not_is_a_wrong_value() {
    check(
        &all([("ES_COMPRESSION", "zstd:23")]),
        &expect![[r#"
        `ES_COMPRESSION` in the environment is `zstd:23`; write `none`, `zstd`, or `zstd:1` to `zstd:22`
    "#]],
    );
}

#[cfg(feature = "aes")]
#[test]
fn wrong_keys_are_answered_without_them() {
    let wrong = [
        ("ES_CIPHER_KEYS", ""),
        ("SCHOOL_ES_CIPHER_KEYS", " \n"),
        (
            "ES_CIPHER_KEYS",
            "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=",
        ),
        (
            "ES_CIPHER_KEYS",
            "c2Vj:cmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=",
        ),
        ("ES_CIPHER_KEYS", "1:SECRET"),
        ("ES_CIPHER_KEYS", "1:SECRET!"),
        (
            "ES_CIPHER_KEYS",
            "1:c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=,1:c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=",
        ),
    ];
    check(
        &all(wrong),
        &expect![[r#"
            `ES_CIPHER_KEYS` in the environment cannot be read; write `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts, or unset it where nothing is to be encrypted
              there is no key; write `ID:KEY`, or several separated by commas, the first of which encrypts
            `SCHOOL_ES_CIPHER_KEYS` in the environment cannot be read; write `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts, or unset it where nothing is to be encrypted
              there is no key; write `ID:KEY`, or several separated by commas, the first of which encrypts
            `ES_CIPHER_KEYS` in the environment cannot be read; write `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts, or unset it where nothing is to be encrypted
              entry 1 of the keys has no id; write `ID:KEY`, such as `1:` and 32 random bytes in base64
            `ES_CIPHER_KEYS` in the environment cannot be read; write `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts, or unset it where nothing is to be encrypted
              the id of entry 1 of the keys is not a number from 0 to 4294967295; write `ID:KEY`
            `ES_CIPHER_KEYS` in the environment cannot be read; write `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts, or unset it where nothing is to be encrypted
              key 1 cannot be read
              this is no base64; a key is 32 random bytes in base64, 44 characters with the padding
            `ES_CIPHER_KEYS` in the environment cannot be read; write `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts, or unset it where nothing is to be encrypted
              key 1 cannot be read
              this is no base64; a key is 32 random bytes in base64, 44 characters with the padding
            `ES_CIPHER_KEYS` in the environment cannot be read; write `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts, or unset it where nothing is to be encrypted
              two keys have the id 1; give the new one an id that was never used
        "#]],
    );
}

#[cfg(not(feature = "zstd"))]
#[test]
fn without_zstd_its_feature_is_named() {
    let wanted = [
        ("ES_COMPRESSION", "zstd"),
        ("SCHOOL_ES_COMPRESSION", "ZSTD:22"),
    ];
    check(
        &all(wanted),
        &expect![[r#"
        `ES_COMPRESSION` in the environment is `zstd`, which takes the feature `zstd` of es-store; build with it, or unset the variable
        `SCHOOL_ES_COMPRESSION` in the environment is `ZSTD:22`, which takes the feature `zstd` of es-store; build with it, or unset the variable
    "#]],
    );
}

#[cfg(not(feature = "aes"))]
#[test]
fn without_aes_keys_are_refused_and_its_feature_is_named() {
    let wanted = [
        (
            "ES_CIPHER_KEYS",
            "1:c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I=",
        ),
        ("SCHOOL_ES_CIPHER_KEYS", ""),
    ];
    check(
        &all(wanted),
        &expect![[r#"
        `ES_CIPHER_KEYS` in the environment is `***`, which takes the feature `aes` of es-store; build with it, or unset the variable
        `SCHOOL_ES_CIPHER_KEYS` in the environment is `***`, which takes the feature `aes` of es-store; build with it, or unset the variable
    "#]],
    );
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_shown_as_far_as_it_can_be() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let not_unicode = |variable: &'static str, value: &'static [u8]| {
        let value = OsStr::from_bytes(value);
        school().environment(move |name| (name == variable).then(|| value.to_owned()))
    };
    let texts = [
        opened(not_unicode("SCHOOL_ES_STORE", b"memory:\xff")),
        opened(not_unicode(
            "ES_STORE",
            b"postgres://es:SECRET\xff@db/school",
        )),
        opened_over(not_unicode("ES_CACHE", b"1\xff")),
        opened_over(not_unicode("ES_CIPHER_KEYS", b"1:SECRET\xff")),
    ];
    check(
        &texts.join("\n"),
        &expect![[r#"
            `SCHOOL_ES_STORE` in the environment is `memory:�`, which is not Unicode; write `memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`
            `ES_STORE` in the environment is `postgres://***@db/school`, which is not Unicode; write `memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`
            `ES_CACHE` in the environment is `1�`, which is not Unicode; write a number such as `1000`, or `0` for none
            `ES_CIPHER_KEYS` in the environment is `***`, which is not Unicode; write `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts"#]],
    );
}

#[cfg(all(feature = "memory", feature = "sqlite", not(feature = "postgres")))]
#[test]
fn a_url_is_answered_by_those_that_are_accepted() {
    let in_environment = |url: &'static str| {
        opened(school().environment(move |name| (name == "SCHOOL_ES_STORE").then(|| url.into())))
    };
    let texts = [
        opened(school()),
        opened(school().store("")),
        opened(school().store("school.db")),
        opened(school().map([("ES_STORE", "memory:school")])),
        in_environment("mysql://es:SECRET@db/school"),
        in_environment("sqlite:"),
        in_environment("sqlite://es:SECRET@host/school"),
        in_environment("Postgres://es:SECRET@db:5432/school?sslmode=require"),
        opened(school().store("postgresql:host=db password=SECRET")),
        opened(school().map([("ES_STORE", format!("1:{KEY}"))])),
    ];
    check(
        &texts.join("\n"),
        &expect![[r#"
            no store is chosen; set `SCHOOL_ES_STORE` or `ES_STORE` to a URL (this build of es-store accepts `memory:`, `sqlite:PATH`)
            the store given is ``; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`
            the store given is `school.db`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`
            `ES_STORE` in the map is `memory:school`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`
            `SCHOOL_ES_STORE` in the environment is `mysql://***@db/school`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`
            `SCHOOL_ES_STORE` in the environment is `sqlite:`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`
            `SCHOOL_ES_STORE` in the environment is `sqlite://***@host/school`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`
            `SCHOOL_ES_STORE` in the environment is `Postgres://***@db:5432/school?***`, but this build of es-store has no Postgres store; write a URL that it accepts: `memory:`, `sqlite:PATH`
            the store given is `postgresql:***`, but this build of es-store has no Postgres store; write a URL that it accepts: `memory:`, `sqlite:PATH`
            `ES_STORE` in the map is `***`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`"#]],
    );
}

#[cfg(all(feature = "memory", feature = "sqlite", feature = "postgres"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_answered_in_its_own_words() -> Result<(), Box<dyn std::error::Error>> {
    use es_store_postgres::testing::TestLog;

    let answer = async |url: &str| {
        let settings = school().map([("ES_STORE", url)]);
        let shown = format!("{settings:?}");
        assert!(!shown.contains("SECRET"), "{shown}");
        text(&settings.open().await.unwrap_err())
    };
    let texts = [
        answer("postgresql:host=db password=SECRET").await,
        answer("postgres://").await,
        answer("postgres://es:SECRET@db:port/school").await,
        answer("postgres://es:SECRET@db:99999/school?schema=office").await,
        answer("postgres://es@db/school?sslmod=require&password=SECRET").await,
        answer("postgres://es@db/school?sslmode=verify-ca&password=SECRET").await,
        answer("postgres://es@db/school?password=SECRET&pool_size=SECRET").await,
        answer("postgres://es@db/school?lock_timeout=30").await,
    ];
    check(
        &texts.join("\n"),
        &expect![[r#"
            `ES_STORE` in the map is `postgresql:***`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`
            `ES_STORE` in the map is `postgres://`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`
            `ES_STORE` in the map is `postgres://***@db:port/school`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`
            `ES_STORE` in the map is `postgres://***@db:99999/school?***`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`
            `ES_STORE` in the map is `postgres://***@db/school?***`; write a URL that this build of es-store accepts: `memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`
            what the URL of the Postgres server says by `sslmode` is not known here; `sslmode` is `disable`, `prefer`, `require` or `verify-full`, and certificates are checked by those that the system trusts, or those in the file that `SSL_CERT_FILE` names
            what the URL of the Postgres server says by `pool_size` is not understood; write how many connections, from 1 on
            what the URL of the Postgres server says by `lock_timeout` is not understood; write how long, such as `30s`, `500ms` or `5min`"#]],
    );

    // Of several applications, each with a URL of its own, it is said which one finds no server.
    let away = school().map([("SCHOOL_ES_STORE", "postgres://es:SECRET@127.0.0.1:1/school")]);
    let away = text(&away.open().await.unwrap_err());
    let named = "cannot open the log\n  `SCHOOL_ES_STORE` in the map is `postgres://***@127.0.0.1:1/school`, and none opens there\n  ";
    assert!(away.starts_with(named), "{away}");

    let log = TestLog::new().await?;
    let at = log.url().replace("//es@", "//es:SECRET@");
    // A database in which nobody has migrated anything.
    let database = format!("es_{}", log.schema());
    let (client, connection) = tokio_postgres::connect(log.url(), tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client
        .batch_execute(&format!("CREATE DATABASE {database}"))
        .await?;
    let (server, _) = at.rsplit_once('/').unwrap();
    let unmigrated = answer(&format!("{server}/{database}")).await;
    client
        .batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)"))
        .await?;
    connection.abort();
    assert!(
        unmigrated.starts_with("there are no tables of `public.es_` yet; run "),
        "{unmigrated}"
    );
    Ok(())
}

#[cfg(not(any(feature = "memory", feature = "sqlite", feature = "postgres")))]
#[test]
fn a_build_without_stores_says_which_features_have_any() {
    let texts = [opened(school()), opened(school().store("memory:"))];
    check(
        &texts.join("\n"),
        &expect![[r#"
            no store is chosen; set `SCHOOL_ES_STORE` or `ES_STORE` to a URL (this build of es-store accepts none without a feature: `memory`, `sqlite`, `postgres`)
            the store given is `memory:`, but this build of es-store has no memory store; write a URL that it accepts: none without a feature: `memory`, `sqlite`, `postgres`"#]],
    );
}

#[test]
fn a_mistyped_name_in_the_map_is_answered_by_those_there_are() {
    let texts = [
        "ES_SNAPSHOT",
        "SCHOOL_ES_STOR",
        "es_store",
        "ES_SCHOOL_STORE",
    ]
    .map(|name| opened(school().map([(name, KEY)]).store("memory:")));
    check(
        &texts.join("\n"),
        &expect![[r#"
            the map has `ES_SNAPSHOT`, which is no setting; write one of `ES_STORE`, `ES_COMPRESSION`, `ES_CIPHER_KEYS`, `ES_SNAPSHOTS`, `ES_CACHE`, or the same with `SCHOOL_` in front
            the map has `SCHOOL_ES_STOR`, which is no setting; write one of `ES_STORE`, `ES_COMPRESSION`, `ES_CIPHER_KEYS`, `ES_SNAPSHOTS`, `ES_CACHE`, or the same with `SCHOOL_` in front
            the map has `es_store`, which is no setting; write one of `ES_STORE`, `ES_COMPRESSION`, `ES_CIPHER_KEYS`, `ES_SNAPSHOTS`, `ES_CACHE`, or the same with `SCHOOL_` in front
            the map has `ES_SCHOOL_STORE`, which is no setting; write one of `ES_STORE`, `ES_COMPRESSION`, `ES_CIPHER_KEYS`, `ES_SNAPSHOTS`, `ES_CACHE`, or the same with `SCHOOL_` in front"#]],
    );
}

#[test]
fn names_that_are_not_ours_are_ignored_in_the_map() {
    let settings = school().map([
        ("DATABASE_URL", "postgres://db"),
        ("TYPES_STORE", "1"),
        ("OFFICE_ES_STORE", "sqlite:office.db"),
        ("ES_CACHE", "7"),
    ]);
    assert!(pollster::block_on(settings.builder_over(MemoryStore::new())).is_ok());
}

#[test]
fn a_name_that_makes_no_prefix_is_refused() {
    let nameless = Settings::new("").environment(|_| None).store("memory:");
    check(
        &opened(nameless),
        &expect![
            "the application's name `` makes no prefix for variables; begin it with a letter from A to Z"
        ],
    );
}

#[test]
fn a_url_for_the_name_of_an_application_is_refused() {
    // Where the environment has a store, it would be opened in the place of the one that was meant.
    let named = |name| opened(Settings::new(name).environment(|_| Some("memory:".into())));
    let texts = [
        named("sqlite:important.db"),
        named("postgres://es:SECRET@db/school"),
        opened_over(Settings::new("sqlite:important.db").environment(|_| None)),
        text(&Settings::new("memory:").store_url().unwrap_err()),
    ];
    check(
        &texts.join("\n"),
        &expect![[r#"
            `sqlite:important.db` stands where the application's name is said, and is the URL of a store; write a name there, and the URL in `ES_STORE` or by `Settings::new(name).store(url)`
            `postgres://***@db/school` stands where the application's name is said, and is the URL of a store; write a name there, and the URL in `ES_STORE` or by `Settings::new(name).store(url)`
            `sqlite:important.db` stands where the application's name is said, and is the URL of a store; write a name there, and the URL in `ES_STORE` or by `Settings::new(name).store(url)`
            `memory:` stands where the application's name is said, and is the URL of a store; write a name there, and the URL in `ES_STORE` or by `Settings::new(name).store(url)`"#]],
    );
    let misnamed = Settings::new("postgres://es:SECRET@db/school");
    assert!(!format!("{misnamed:?}").contains("SECRET"), "{misnamed:?}");
}

#[test]
fn debug_shows_neither_keys_nor_passwords() {
    let settings = school()
        .map([
            ("ES_CIPHER_KEYS", format!("1:{KEY}")),
            ("ES_CACHE", "7".to_owned()),
        ])
        .store("postgres://es:SECRET@db/school")
        .cache(9);
    #[cfg(feature = "aes")]
    let settings = settings.keys(es_core::persistence::Keys::new(
        1,
        es_core::persistence::Key::from_base64(KEY).unwrap(),
    ));
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("SECRET") && !shown.contains("c2Vj"),
        "{shown}"
    );
    assert!(
        shown.contains("***@db") && shown.contains("ES_CIPHER_KEYS"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn a_key_is_not_shown_whichever_variable_it_got_into(
        key in "[A-Za-z0-9+/]{43}=",
        form in 0..4,
        variable in prop::sample::select(&[
            "ES_STORE", "ES_COMPRESSION", "ES_CIPHER_KEYS", "ES_SNAPSHOTS", "ES_CACHE",
        ][..]),
    ) {
        let value = match form {
            0 => key.clone(),
            1 => format!("1:{key}"),
            2 => format!("{key}:1"),
            _ => format!("2:{key},1:{key},1:{key}"),
        };
        let settings = || school().map([(variable, &value)]);
        let mut shown = format!("{:?}", settings());
        let over = settings().builder_over(MemoryStore::new());
        let errors = [
            pollster::block_on(settings().open()).err(),
            pollster::block_on(over).err(),
        ];
        for error in errors.into_iter().flatten() {
            shown += &format!(" {error:?} {}", text(&error));
        }
        prop_assert!(!shown.contains(&key[..8]) && !shown.contains(&key[36..]), "{shown}");
    }
}
