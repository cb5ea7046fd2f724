//! What fuzzing begins with, and every input that it once found something by.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz_targets::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/fuzz").join(name)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    read.map(|entry| entry.unwrap().path()).collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries(folder).into_iter().map(name).collect()
}

#[test]
fn every_input_that_fuzzing_knows_passes() {
    let mut failing = Vec::new();
    for (target, body) in TARGETS {
        let seeds = entries(&folder("seeds").join(target));
        assert!(!seeds.is_empty(), "{target} begins with nothing");
        let once_failed = folder("regressions").join(target);
        let once_failed = if once_failed.exists() { entries(&once_failed) } else { Vec::new() };
        for path in seeds.into_iter().chain(once_failed) {
            let input = fs::read(&path).unwrap();
            if catch_unwind(|| body(&input)).is_err() {
                failing.push(path);
            }
        }
    }
    assert!(failing.is_empty(), "see above what is wrong with {failing:?}");
}

#[test]
fn every_target_is_fuzzed_and_no_folder_is_for_none() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("targets")), targets);
    assert_eq!(names(&folder("seeds")), targets);
    assert!(names(&folder("regressions")).is_subset(&targets));
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &targets {
        let line = format!("path = \"targets/{name}.rs\"");
        assert!(manifest.contains(&line), "{name} is not built");
    }
}
