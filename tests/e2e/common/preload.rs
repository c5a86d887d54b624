//! Libraries that are preloaded into nginx, to put it where it seldom is.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::setup::Setup;

impl Setup {
    /// Preloads the library of this name, whose control file of so many bytes is named by the variable.
    pub(super) fn preload(self, name: &'static str, variable: &str, bytes: usize) -> (Setup, File) {
        let path = self.path(name);
        std::fs::write(&path, vec![0; bytes]).expect("a file in the prefix");
        let control = OpenOptions::new().read(true).write(true).open(&path).expect("the file");
        let (library, path) = (library(name).display().to_string(), path.display().to_string());
        (self.env("LD_PRELOAD", &library).env(variable, &path), control)
    }
}

/// Compiles a library, once.
fn library(name: &'static str) -> PathBuf {
    static LIBRARIES: Mutex<BTreeMap<&'static str, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut libraries = LIBRARIES.lock().expect("no panic");
    libraries.entry(name).or_insert_with(|| compile(name)).clone()
}

fn compile(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/common").join(name).with_extension("c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("so");
    let new = library.with_extension(std::process::id().to_string());
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
        .args([&new, &source])
        .arg("-ldl")
        .status();
    assert!(compiled.is_ok_and(|status| status.success()), "cc makes a library");
    std::fs::rename(&new, &library).expect("the library in its place");
    library
}
