//! What a URL says: of the server, which is the driver's to read, and of the store.
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

/// Why a URL means no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAUrl {
    Unreadable,
    /// It can be read but for this.
    Option(&'static str),
    /// What stands behind the name of an option cannot be read.
    Value {
        option: &'static str,
        accepted: &'static str,
    },
}

/// What a URL says.
pub(crate) struct Url {
    pub(crate) config: Box<Config>,
    pub(crate) of_the_store: Vec<OfTheStore>,
}

/// What is said of the store, and not of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OfTheStore {
    Schema(String),
    TablePrefix(String),
    PoolSize(usize),
    StatementTimeout(Duration),
    LockTimeout(Duration),
}

impl OfTheStore {
    /// Reads one option; `None` where it is the driver's.
    fn read(option: &str) -> Option<Result<Self, NotAUrl>> {
        let (name, value) = option.split_once('=')?;
        let text = || percent_decode_str(value).decode_utf8_lossy().into_owned();
        let lasting = |option, of: fn(Duration) -> Self| {
            let accepted = "how long, such as `30s`, `500ms` or `5min`";
            let time = time(value).map(of);
            time.ok_or(NotAUrl::Value { option, accepted })
        };
        Some(match name {
            "schema" => Ok(Self::Schema(text())),
            "table_prefix" => Ok(Self::TablePrefix(text())),
            "pool_size" => match value.parse() {
                Ok(size @ 1..) => Ok(Self::PoolSize(size)),
                _ => Err(NotAUrl::Value {
                    option: "pool_size",
                    accepted: "how many connections, from 1 on",
                }),
            },
            "statement_timeout" => lasting("statement_timeout", Self::StatementTimeout),
            "lock_timeout" => lasting("lock_timeout", Self::LockTimeout),
            _ => return None,
        })
    }
}

/// A number of milliseconds, seconds or minutes, which is not 0 and which the server can count.
fn time(text: &str) -> Option<Duration> {
    let unit = text.find(|digit: char| !digit.is_ascii_digit())?;
    let milliseconds = match &text[unit..] {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        _ => return None,
    };
    let number: u64 = text[..unit].parse().ok()?;
    let milliseconds = number.checked_mul(milliseconds)?;
    (1..=i32::MAX.unsigned_abs().into())
        .contains(&milliseconds)
        .then_some(Duration::from_millis(milliseconds))
}

/// Where what a URL says besides begins, behind its question mark.
fn query(url: &str) -> Option<usize> {
    // A question mark before the host is part of a password.
    let host = url.find('@').unwrap_or(0);
    url[host..].find('?').map(|place| host + place)
}

/// What people write for Postgres's own programs, and the driver does not know. Only these are named in an error: what else stands there may be
/// part of a password.
const OF_LIBPQ: [&str; 11] = [
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "requiressl",
    "gssencmode",
    "passfile",
    "service",
    "require_auth",
    "client_encoding",
];

pub(crate) fn read(url: &str) -> Result<Url, NotAUrl> {
    let Some(query) = query(url) else {
        return Ok(Url {
            config: server(url)?,
            of_the_store: Vec::new(),
        });
    };
    let mut of_the_store = Vec::new();
    let mut of_the_server = Vec::new();
    for option in url[query + 1..].split('&') {
        match OfTheStore::read(option) {
            Some(said) => of_the_store.push(said?),
            None => of_the_server.push(option),
        }
    }
    let mut rest = url[..query].to_owned();
    if !of_the_server.is_empty() {
        rest = format!("{rest}?{}", of_the_server.join("&"));
    }
    Ok(Url {
        config: server(&rest)?,
        of_the_store,
    })
}

/// Reads a URL without what is said of the store.
fn server(url: &str) -> Result<Box<Config>, NotAUrl> {
    let (server, said) = url.split_at(query(url).unwrap_or(url.len()));
    // Certificates are always checked, and the names in them.
    let said = said.replace("sslmode=verify-full", "sslmode=require");
    let config = format!("{server}{said}").parse::<Config>();
    config.map(Box::new).map_err(|_| {
        let mut names = said
            .split(['?', '&'])
            .filter_map(|option| option.split_once('='));
        let unknown = names.find_map(|(name, value)| {
            let of_libpq = OF_LIBPQ.iter().find(|known| **known == name);
            let is_no_mode =
                name == "sslmode" && !["disable", "prefer", "require"].contains(&value);
            of_libpq.copied().or(is_no_mode.then_some("sslmode"))
        });
        unknown.map_or(NotAUrl::Unreadable, NotAUrl::Option)
    })
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    #[test]
    fn an_option_of_libpq_is_understood_or_named() {
        let at = |said: &str| read(&format!("postgres://u:p?sslmode=x@db/school?{said}"));
        for said in ["sslmode=verify-full", "connect_timeout=1&sslmode=require"] {
            let mode = at(said).map(|url| url.config.get_ssl_mode());
            assert_eq!(mode, Ok(SslMode::Require), "{said}");
        }
        for (said, option) in [
            ("sslmode=verify-ca", NotAUrl::Option("sslmode")),
            (
                "sslmode=require&sslrootcert=ca.pem",
                NotAUrl::Option("sslrootcert"),
            ),
            ("colour=red", NotAUrl::Unreadable),
            ("sslmode", NotAUrl::Unreadable),
        ] {
            assert_eq!(at(said).map(drop), Err(option), "{said}");
        }
        assert_eq!(read("school.db").map(drop), Err(NotAUrl::Unreadable));
    }

    #[test]
    fn a_url_says_something_of_the_store_among_what_the_driver_is_told() {
        let url = "postgres://u:p?schema=x@db/school?connect_timeout=1&schema=my%20office&pool_size=20&statement_timeout=5min&\
                   table_prefix=dogs_&sslmode=disable&lock_timeout=1500ms";
        let read = read(url).map(|url| (*url.config, url.of_the_store));
        let (config, of_the_store) = read.expect("it can be read");
        assert_eq!(
            of_the_store,
            [
                OfTheStore::Schema("my office".to_owned()),
                OfTheStore::PoolSize(20),
                OfTheStore::StatementTimeout(Duration::from_secs(300)),
                OfTheStore::TablePrefix("dogs_".to_owned()),
                OfTheStore::LockTimeout(Duration::from_millis(1_500)),
            ]
        );
        let without = "postgres://u:p?schema=x@db/school?connect_timeout=1&sslmode=disable";
        assert_eq!(Ok(config), without.parse().map_err(|_| ()));
    }

    #[test]
    fn without_anything_of_the_store_a_url_is_the_drivers() {
        for url in [
            "postgres://db/school",
            "postgres://db/school?sslmode=disable",
            "host=db dbname=school",
        ] {
            let read = read(url).map(|url| (*url.config, url.of_the_store));
            let config: Config = url.parse().expect("the driver reads it");
            assert_eq!(read, Ok((config, Vec::new())), "{url}");
        }
        assert!(read("postgres://db/school?schema=office").is_ok());
    }

    #[test]
    fn a_value_that_means_nothing_is_refused() {
        let refused = |said: &str| match read(&format!("postgres://db/school?{said}")) {
            Err(NotAUrl::Value { option, .. }) => Some(option),
            _ => None,
        };
        for size in ["0", "-1", "many", "", "1.5", "99999999999999999999"] {
            let said = format!("pool_size={size}");
            assert_eq!(refused(&said), Some("pool_size"), "{size}");
        }
        for time in [
            "30",
            "0s",
            "s",
            "",
            "-1s",
            "1h",
            "1.5s",
            "5 s",
            "2147484s",
            "99999999999999999999s",
        ] {
            for option in ["statement_timeout", "lock_timeout"] {
                let said = format!("{option}={time}");
                assert_eq!(refused(&said), Some(option), "{time}");
            }
        }
    }
}
