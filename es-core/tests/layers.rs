//! The layers of the library: each imports only those listed before it.
use std::path::{Path, PathBuf};
use std::{fs, io};

const LAYERS: [&str; 3] = ["domain", "persistence", "application"];

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

#[test]
fn a_layer_imports_only_the_layers_before_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (place, layer) in LAYERS.iter().enumerate() {
        let files = sources(&source.join(layer)).unwrap();
        assert!(!files.is_empty(), "the layer `{layer}` has no files");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for later in LAYERS[place + 1..].iter().chain(&["testing", "__private"]) {
                for import in [format!("crate::{later}"), format!("crate::{{{later}")] {
                    assert!(
                        !text.contains(&import),
                        "{} imports `{later}`, which comes after `{layer}`",
                        file.display()
                    );
                }
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
