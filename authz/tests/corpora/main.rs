//! The corpora that fuzzing has saved, as ordinary tests: every property holds for every input, and the inputs are worth
//! keeping.

#[path = "../paths/backends.rs"]
mod backends;
#[path = "../paths/habits.rs"]
mod habits;
#[path = "../paths/nginx.rs"]
mod nginx;
#[path = "../properties/mod.rs"]
mod properties;

use std::path::{Path, PathBuf};

use properties::{PROPERTIES, Property, Reached};

/// The inputs of a target: `seeds` that fuzzing begins with, `cases` close to them, and the `corpus` that it has kept.
fn inputs(directory: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(directory).join(target);
    let Ok(entries) = directory.read_dir() else { return Vec::new() };
    let read = |path: PathBuf| {
        let content = std::fs::read(&path).unwrap();
        (path, content)
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

fn count(property: Property, inputs: &[(PathBuf, Vec<u8>)]) -> [usize; 3] {
    let mut counts = [0; 3];
    for (path, input) in inputs {
        let reached = std::panic::catch_unwind(|| property(input));
        let reached = reached.unwrap_or_else(|_| panic!("the property does not hold for {}", path.display()));
        counts[reached as usize] += 1;
    }
    counts
}

/// Every saved input holds, and they are worth keeping; what fuzzing begins with is let in, so that it has something to
/// spoil.
fn check(target: &str) {
    let (_, property) = PROPERTIES.into_iter().find(|(name, _)| *name == target).unwrap();
    count(property, &inputs("cases", target));
    let [nothing, refused, accepted] = count(property, &inputs("corpus", target));
    println!("{target}: {accepted} let in, {refused} refused, {nothing} that describe nothing");
    assert!(accepted >= 5 && refused >= 5, "{target}: the corpus is of no use");
    let seeds = inputs("seeds", target);
    assert!(!seeds.is_empty(), "{target}: no seeds");
    for (path, seed) in seeds {
        assert_eq!(property(&seed), Reached::Accepted, "{}", path.display());
    }
}

#[test]
fn header_values() {
    check("bearer");
}

#[test]
fn objects() {
    check("object");
}

#[test]
fn tokens() {
    check("token");
}

#[test]
fn decisions() {
    check("decision");
}

#[test]
fn paths() {
    check("path");
}

#[test]
fn guarded_paths() {
    check("guard");
}

#[test]
fn key_files() {
    check("key_file");
}

#[test]
fn key_sets() {
    check("key_set");
}
