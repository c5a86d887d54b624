//! Allocations that fail, one by one: a library that is preloaded into nginx counts those of nginx and of the module.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::setup::Setup;

/// The memory of one nginx.
pub struct Shortage {
    control: File,
}

impl Setup {
    /// Prepares an nginx whose allocations can be made to fail.
    pub fn with_shortage(mut self) -> (Setup, Shortage) {
        self.has_faults = true;
        let path = self.path("no-memory");
        std::fs::write(&path, [0; 20]).expect("a file in the prefix");
        let control = OpenOptions::new().read(true).write(true).open(&path).expect("the file");
        let (library, path) = (library().display().to_string(), path.display().to_string());
        (self.env("LD_PRELOAD", &library).env("NO_MEMORY", &path), Shortage { control })
    }
}

/// Whose allocations are counted, as in no_memory.c.
const ALL: u32 = 0;
const OF_THE_MODULE: u32 = 1;
const ALL_SINCE_THE_MODULE: u32 = 2;

impl Shortage {
    /// The n-th allocation since the module's first one fails.
    pub fn only_once_loaded(&self, number: u32) {
        self.set(number, number, ALL_SINCE_THE_MODULE);
    }

    /// The same, and so do all that follow.
    pub fn since_once_loaded(&self, number: u32) {
        self.set(number, u32::MAX, ALL_SINCE_THE_MODULE);
    }

    /// The n-th allocation from now on fails.
    pub fn only(&self, number: u32) {
        self.set(number, number, ALL);
    }

    /// The n-th allocation from now on fails, and so do all that follow.
    pub fn since(&self, number: u32) {
        self.set(number, u32::MAX, ALL);
    }

    /// The module's n-th allocation fails.
    pub fn only_of_the_module(&self, number: u32) {
        self.set(number, number, OF_THE_MODULE);
    }

    /// The module's n-th allocation fails, and so do all of its that follow; those of nginx do not.
    pub fn of_the_module_since(&self, number: u32) {
        self.set(number, u32::MAX, OF_THE_MODULE);
    }

    /// How many have failed.
    pub fn failed(&self) -> u32 {
        let mut failed = [0; 4];
        self.control.read_exact_at(&mut failed, 12).expect("the file");
        u32::from_ne_bytes(failed)
    }

    /// Nothing fails any more: how many have failed.
    pub fn end(&self) -> u32 {
        let failed = self.failed();
        self.set(0, 0, ALL);
        failed
    }

    fn set(&self, first: u32, last: u32, whose: u32) {
        // The first number last: it switches the rest on.
        self.control.write_all_at(&0_u32.to_ne_bytes(), 0).expect("the file");
        let rest: Vec<u8> = [last, 0, 0, whose].into_iter().flat_map(u32::to_ne_bytes).collect();
        self.control.write_all_at(&rest, 4).expect("the file");
        self.control.write_all_at(&first.to_ne_bytes(), 0).expect("the file");
    }
}

/// Compiles the library, once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/common/no_memory.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_memory.so");
        let new = library.with_extension(std::process::id().to_string());
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .arg(&new)
            .arg(source)
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "cc makes a library");
        std::fs::rename(&new, &library).expect("the library in its place");
        library
    })
}
