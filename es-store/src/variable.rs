//! The variables that settings are read from. The documentation of the crate has the same in a table.

/// A variable, without an application's name in front.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// Which values are accepted, for people.
    pub(crate) accepted: &'static str,
    /// Whether no part of its value may be shown, and an empty one is a mistake.
    pub(crate) secret: bool,
}

pub(crate) const STORE: Variable = Variable {
    name: "ES_STORE",
    accepted: "`memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`",
    secret: false,
};

pub(crate) const COMPRESSION: Variable = Variable {
    name: "ES_COMPRESSION",
    accepted: "`none`, `zstd`, or `zstd:1` to `zstd:22`",
    secret: false,
};

pub(crate) const CIPHER_KEYS: Variable = Variable {
    name: "ES_CIPHER_KEYS",
    accepted: "`ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts",
    secret: true,
};

pub(crate) const SNAPSHOTS: Variable = Variable {
    name: "ES_SNAPSHOTS",
    accepted: "`as-declared`, `every:100` or another number of events, `by-hand`, or `off`",
    secret: false,
};

pub(crate) const CACHE: Variable = Variable {
    name: "ES_CACHE",
    accepted: "a number such as `1000`, or `0` for none",
    secret: false,
};

pub(crate) const ALL: [&Variable; 5] = [&STORE, &COMPRESSION, &CIPHER_KEYS, &SNAPSHOTS, &CACHE];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_these_variables_and_what_they_accept() {
        let documentation = include_str!("lib.rs");
        let rows = documentation
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `ES_"))
            .map(|row| row.split(" | ").collect::<Vec<_>>());
        let documented: Vec<_> = rows
            .map(|row| (format!("`ES_{}", row[0]), row[2].to_owned()))
            .collect();
        let known =
            ALL.map(|variable| (format!("`{}`", variable.name), variable.accepted.to_owned()));
        assert_eq!(documented, known);
    }
}
