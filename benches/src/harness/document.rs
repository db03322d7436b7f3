//! A document of which programs write parts: what stands between two marks.
use std::fs;
use std::io;
use std::path::Path;

/// Puts a text between the marks of that name in a file, which is made where there is none.
///
/// # Errors
/// Where the file has no such marks, or cannot be read or written; it is then as it was.
pub(crate) fn put(path: &Path, name: &str, text: &str) -> io::Result<()> {
    let document = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => empty(name),
        document => document?,
    };
    let Some(document) = replaced(&document, name, text) else {
        return Err(io::Error::other(format!(
            "{} has no place for `{name}`; add\n{}",
            path.display(),
            empty(name)
        )));
    };
    fs::write(path, document)
}

fn marks(name: &str) -> [String; 2] {
    [
        format!("<!-- {name}: written by a program -->\n"),
        format!("<!-- end of {name} -->"),
    ]
}

fn empty(name: &str) -> String {
    let [from, to] = marks(name);
    format!("{from}{to}\n")
}

fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let [from, to] = marks(name);
    let (before, rest) = document.split_once(&from)?;
    let (_, after) = rest.split_once(&to)?;
    Some(format!("{before}{from}{text}{to}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_replaces_the_one_between_its_marks_and_nothing_else() {
        let [from, to] = marks("SQLite");
        let document = format!("before\n{from}old\n{to}\nafter\n{}", empty("memory"));
        let written = replaced(&document, "SQLite", "new\n").expect("there are marks");
        assert_eq!(
            written,
            format!("before\n{from}new\n{to}\nafter\n{}", empty("memory"))
        );
        assert_eq!(replaced(&document, "Postgres", "new\n"), None);
    }
}
