//! Clocks that are moved while nginx runs, workers that are held up where the module reads one, and how often it asks whether
//! another process lives.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::setup::Setup;

/// The clocks of one nginx. As in moved_clock.c.
pub struct Clocks {
    control: File,
}

impl Setup {
    /// Prepares an nginx whose clocks can be moved.
    pub fn with_clocks(self) -> (Setup, Clocks) {
        let (setup, control) = self.preload("moved_clock", "MOVED_CLOCK", 40);
        (setup, Clocks { control })
    }
}

impl Clocks {
    /// The time of day is ahead by so many seconds; less than 0: behind.
    pub fn set_of_day(&self, seconds: i64) {
        self.write(0, &seconds.to_ne_bytes());
        wait_for_a_reading();
    }

    /// The clocks that nobody sets are ahead by so many seconds.
    pub fn set_running(&self, seconds: i64) {
        self.write(8, &seconds.to_ne_bytes());
        wait_for_a_reading();
    }

    /// Holds this worker up at the n-th point from now: before a reading of the module's, behind it, before the next.
    pub fn hold(&self, worker: u32, point: u32) {
        self.write(16, &0_u32.to_ne_bytes());
        let rest = [point, 0].map(u32::to_ne_bytes).concat();
        self.write(20, &rest);
        self.write(16, &worker.to_ne_bytes());
    }

    /// Points that it has passed since.
    pub fn passed(&self) -> u32 {
        self.read(24)
    }

    /// How often the workers have asked whether a process lives.
    pub fn asked(&self) -> u32 {
        self.read(28)
    }

    /// Whether a process lives is not told from now on.
    pub fn deny(&self, error: i32) {
        self.write(32, &error.to_ne_bytes());
    }

    fn read(&self, at: u64) -> u32 {
        let mut number = [0; 4];
        self.control.read_exact_at(&mut number, at).expect("the file");
        u32::from_ne_bytes(number)
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        self.control.write_all_at(bytes, at).expect("the file");
    }
}

/// The module reads the clocks when nginx's time has moved on.
fn wait_for_a_reading() {
    std::thread::sleep(Duration::from_millis(2));
}
