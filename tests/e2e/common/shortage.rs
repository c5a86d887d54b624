//! Allocations that fail, one by one: a library that is preloaded into nginx counts those of nginx and of the module.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::setup::Setup;

/// The memory of one nginx.
pub struct Shortage {
    control: File,
}

impl Setup {
    /// Prepares an nginx whose allocations can be made to fail.
    pub fn with_shortage(self) -> (Setup, Shortage) {
        let (setup, control) = self.unexplained().preload("no_memory", "NO_MEMORY", 20);
        (setup, Shortage { control })
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

    /// Nothing fails, and the module's allocations are counted from now on.
    pub fn count_of_the_module(&self) {
        self.set(u32::MAX, u32::MAX, OF_THE_MODULE);
    }

    /// How many have been counted.
    pub fn seen(&self) -> u32 {
        self.number_at(8)
    }

    /// How many have failed.
    pub fn failed(&self) -> u32 {
        self.number_at(12)
    }

    /// Nothing fails any more: how many have failed.
    pub fn end(&self) -> u32 {
        let failed = self.failed();
        self.set(0, 0, ALL);
        failed
    }

    fn number_at(&self, place: u64) -> u32 {
        let mut number = [0; 4];
        self.control.read_exact_at(&mut number, place).expect("the file");
        u32::from_ne_bytes(number)
    }

    fn set(&self, first: u32, last: u32, whose: u32) {
        // The first number last: it switches the rest on.
        self.control.write_all_at(&0_u32.to_ne_bytes(), 0).expect("the file");
        let rest: Vec<u8> = [last, 0, 0, whose].into_iter().flat_map(u32::to_ne_bytes).collect();
        self.control.write_all_at(&rest, 4).expect("the file");
        self.control.write_all_at(&first.to_ne_bytes(), 0).expect("the file");
    }
}
