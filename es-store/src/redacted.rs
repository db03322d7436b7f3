//! Values as far as they may be shown.

/// The text, with what may be a password replaced by `***`: in doubt, all but the scheme.
///
/// Every value is shown like this, since a URL or a key may have got into the wrong variable. A key in base64 ends with `=`.
pub(crate) fn redacted(text: &str) -> String {
    let scheme = scheme(text);
    let rest = &text[scheme.len()..];
    let (slashes, plain) = match rest.strip_prefix("//") {
        Some(rest) => ("//", plain(rest)),
        // It may be `user:password@host`, where the user looks like a scheme.
        None if rest.contains('@') => ("", None),
        None => ("", plain(rest)),
    };
    match plain {
        Some(plain) => format!("{scheme}{slashes}{plain}"),
        None => format!("{scheme}{slashes}***"),
    }
}

/// How the text begins if it is a URL, up to the colon.
fn scheme(text: &str) -> &str {
    let is_scheme = |letters: &str| {
        letters.starts_with(|first: char| first.is_ascii_alphabetic())
            && letters
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    };
    match text.find(':') {
        Some(colon) if is_scheme(&text[..colon]) => &text[..=colon],
        _ => "",
    }
}

/// What follows the scheme, without user, password and query; `None` where it cannot be told what is a password.
fn plain(rest: &str) -> Option<String> {
    if let Some((secret, place)) = rest.rsplit_once('@') {
        // A password that is not escaped may have any of these in it.
        if secret.contains(['/', '?', '#', '=']) {
            return None;
        }
        return without_query(place).map(|place| format!("***@{place}"));
    }
    let place = without_query(rest)?;
    // SQLite's name for a database in memory, and nobody's password.
    if place.trim_end_matches("?***") == ":memory:" {
        return Some(place);
    }
    let authority = place.split('/').next()?;
    match authority.rsplit_once(':') {
        Some((_, port)) if !is_number(port) => None, // `user:password`, where the host was forgotten
        _ => Some(place),
    }
}

fn is_number(port: &str) -> bool {
    !port.is_empty() && port.chars().all(|digit| digit.is_ascii_digit())
}

fn without_query(place: &str) -> Option<String> {
    let (path, query) = match place.find(['?', '#']) {
        Some(end) => (&place[..end], "?***"),
        None => (place, ""),
    };
    // Such as `host=db password=secret`.
    (!path.contains('=')).then(|| format!("{path}{query}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_and_queries_are_hidden_and_the_rest_is_shown() {
        let shown = [
            ("memory:", "memory:"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("sqlite::memory:?cache=shared", "sqlite::memory:?***"),
            ("zstd:23", "zstd:23"),
            ("many", "many"),
            ("school.db", "school.db"),
            ("sqlite:///var/lib/school.db", "sqlite:///var/lib/school.db"),
            ("postgres://db:5432/school", "postgres://db:5432/school"),
            ("postgres://es@db/school", "postgres://***@db/school"),
            (
                "postgres://es:pw@db:5432/school",
                "postgres://***@db:5432/school",
            ),
            ("postgres://es:p@w@db/school", "postgres://***@db/school"),
            ("postgres://es:p/w@db/school", "postgres://***"),
            ("postgres://es:pw", "postgres://***"),
            (
                "postgres://db/school?password=pw",
                "postgres://db/school?***",
            ),
            ("postgres:host=db password=pw", "postgres:***"),
            ("host=db password=pw", "***"),
            ("es:pw@db", "es:***"),
            ("1:a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=", "***"),
        ];
        for (text, expected) in shown {
            assert_eq!(redacted(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_password_is_shown_wherever_it_may_stand(
            before in "[a-z:/@?#=%& ]{0,6}",
            after in "[a-z:/@?#=%& ]{0,6}",
            form in 0..5,
        ) {
            let password = format!("{before}SECRET{after}");
            let text = match form {
                0 => format!("postgres://es:{password}@db:5432/school?sslmode=require"),
                1 => format!("postgres://db/school?sslmode=require&password={password}"),
                // After an `@` would be the host, for everybody.
                2 => format!("postgres://es:{}", password.replace('@', "")),
                3 => format!("host=db password={password} dbname=school"),
                _ => format!("es:{password}@db"),
            };
            prop_assert!(!redacted(&text).contains("SECRET"), "{}", redacted(&text));
        }
    }
}
