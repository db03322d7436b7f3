//! The layers of the library: each imports only those listed before it.
use std::path::{Path, PathBuf};
use std::{fs, io};

const LAYERS: [&str; 4] = ["domain", "persistence", "application", "system"];

fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// What comes right after each `crate::` in the code.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|import| {
            let end = import.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            &import[..end.unwrap_or(import.len())]
        })
}

#[test]
fn a_layer_imports_only_the_layers_before_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (place, layer) in LAYERS.iter().enumerate() {
        let files = sources(&source.join(layer)).unwrap();
        assert!(!files.is_empty(), "the layer `{layer}` has no files");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for import in imports(&text) {
                // Also against re-exports at the root, and against several layers in one braced import.
                assert!(
                    LAYERS[..=place].contains(&import),
                    "{} imports `crate::{import}`, which does not come before `{layer}`",
                    file.display()
                );
            }
            for later in LAYERS[place + 1..].iter().chain(&["testing"]) {
                let climbs = text.contains(&format!("super::{later}"));
                assert!(!climbs, "{} climbs to `{later}`", file.display());
            }
        }
    }
}

#[test]
fn every_folder_of_the_library_is_a_known_layer() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            assert!(
                name == "testing" || LAYERS.contains(&&*name),
                "which layer is `{name}`?"
            );
        }
    }
}

#[test]
fn every_law_is_in_the_suite() {
    let laws = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing/laws");
    let suite = fs::read_to_string(laws.join("suite.rs")).unwrap();
    for file in sources(&laws).unwrap() {
        let chapter = file.file_stem().and_then(|stem| stem.to_str()).unwrap();
        for line in fs::read_to_string(&file).unwrap().lines() {
            if let Some(law) = line.strip_prefix("pub async fn ") {
                let law = &law[..law.find(['(', '<']).unwrap()];
                let named = suite.contains(&format!("{chapter}::{law}\n"));
                assert!(named, "`{chapter}::{law}` is not in suite.rs");
            }
        }
    }
}
