//! Fields under the names that serde stores them by: files of before list them under those of the parameters, with `rename` in the attributes.
use std::ops::Range;

use super::{Written, WrittenField};

/// The file as it would be written now: it says the same.
pub(super) fn by_stored_names(written: Written) -> Written {
    let mut written = written;
    let events = written.values_mut().flat_map(|events| events.values_mut());
    for event in events {
        let fields = std::mem::take(&mut event.fields);
        event.fields = fields
            .into_iter()
            .map(|(name, field)| by_stored_name(name, field))
            .collect();
    }
    written
}

/// A field under its stored name, which the attributes need not say once more.
pub(super) fn by_stored_name(name: String, field: WrittenField) -> (String, WrittenField) {
    let Some(rename) = rename(&field.serde) else {
        return (name, field);
    };
    let stored = field.serde[rename.name].to_owned();
    let serde = match rename.key {
        Some(key) => without(&field.serde, key),
        None => field.serde,
    };
    let ty = field.ty;
    (stored, WrittenField { ty, serde })
}

struct Rename {
    /// Where the stored name is.
    name: Range<usize>,
    /// Where `rename = ".."` is, where it says the stored name and nothing more.
    key: Option<Range<usize>>,
}

/// What `rename = ".."` or `rename(serialize = "..")` says in attributes.
fn rename(serde: &str) -> Option<Rename> {
    let mut begin = 0;
    // What is not within quotes, up to here.
    let mut outside = String::new();
    let mut parts = serde.split('"');
    while let (Some(part), Some(text)) = (parts.next(), parts.next()) {
        outside += part;
        let quote = begin + part.len();
        let name = quote + 1..quote + 1 + text.len();
        let (after_name, before) = (name.end + 1, &serde[begin..quote]);
        if key(before) == Some("rename") {
            let start = begin + before.rfind("rename")?;
            let key = Some(start..after_name);
            return Some(Rename { name, key });
        }
        let in_rename = outside
            .rfind('(')
            .is_some_and(|list| last_word(&outside[..list]) == "rename");
        if in_rename && key(before) == Some("serialize") {
            return Some(Rename { name, key: None });
        }
        begin = after_name;
    }
    None
}

/// The key before `=` at the end of a text.
fn key(before: &str) -> Option<&str> {
    Some(last_word(before.trim_end().strip_suffix('=')?))
}

fn last_word(text: &str) -> &str {
    let text = text.trim_end();
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    &text[text.trim_end_matches(is_part).len()..]
}

/// Attributes without one key.
fn without(serde: &str, key: Range<usize>) -> String {
    let (mut before, mut after) = (&serde[..key.start], &serde[key.end..]);
    if let Some(next) = after.trim_start().strip_prefix(',') {
        after = next.trim_start();
    } else if let Some(last) = before.trim_end().strip_suffix(',') {
        before = last;
    }
    if let (Some(others), Some(more)) = (before.strip_suffix("#[serde("), after.strip_prefix(")]"))
    {
        (before, after) = (others.trim_end(), more);
    }
    format!("{before}{after}").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_stored(serde: &str, expected: (&str, &str)) {
        let field = WrittenField {
            ty: "u8".to_owned(),
            serde: serde.to_owned(),
        };
        let (name, field) = by_stored_name("to".to_owned(), field);
        assert_eq!((&*name, &*field.serde), expected);
    }

    #[test]
    fn what_serde_is_told_of_the_stored_name_is_read() {
        assert_stored("", ("to", ""));
        assert_stored(r#"#[serde(rename = "a")]"#, ("a", ""));
        assert_stored(
            r#"#[serde(default, rename = "a")]"#,
            ("a", "#[serde(default)]"),
        );
        assert_stored(
            r#"#[serde(rename = "a", default)] #[serde(alias = "b")]"#,
            ("a", r#"#[serde(default)] #[serde(alias = "b")]"#),
        );
        assert_stored(
            r#"#[serde(default)] #[serde(rename = "a")]"#,
            ("a", "#[serde(default)]"),
        );
        let both = r#"#[serde(rename(deserialize = "b", serialize = "a"))]"#;
        assert_stored(both, ("a", both));
        let others = r#"#[serde(rename(deserialize = "b"), alias = "rename = ", bound(serialize = "T: Sized"))]"#;
        assert_stored(others, ("to", others));
    }
}
