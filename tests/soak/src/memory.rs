//! Resident memory of nginx's processes, and whether it is flat.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use crate::nginx::Control;

/// KiB that the median of a phase's last quarter may be above that of its third; before that, remembered tokens fill their
/// room. A run of two million requests has some forty reloads between the two, so that a page lost at each would show.
pub const MASTER_LIMIT: i64 = 128;

/// The same for the worker that has most, whose remembered tokens are of many sizes. A hundred bytes lost with each request
/// would be ten times as much.
pub const WORKER_LIMIT: i64 = 1024;

/// Samples of a phase without which nothing can be said of it.
const ENOUGH: usize = 40;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Storm,
    Calm,
}

/// KiB.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub phase: Phase,
    pub master: u64,
    pub worst_worker: u64,
    pub workers: usize,
}

#[derive(Default)]
pub struct Memory {
    samples: Mutex<Vec<Sample>>,
}

/// How memory went in a phase.
#[derive(Debug, PartialEq, Eq)]
pub struct Trend {
    pub early: u64,
    pub late: u64,
    pub highest: u64,
}

impl Trend {
    pub fn growth(&self) -> i64 {
        self.late.cast_signed() - self.early.cast_signed()
    }
}

impl Memory {
    /// Takes a sample.
    pub fn look(&self, nginx: Control, phase: Phase) {
        let workers = nginx.workers();
        let worst = workers.iter().filter_map(|worker| resident(*worker)).max();
        if let (Some(master), Some(worst_worker)) = (resident(nginx.master), worst) {
            let sample = Sample { phase, master, worst_worker, workers: workers.len() };
            self.samples.lock().expect("no panic").push(sample);
        }
    }

    pub fn last(&self) -> Option<Sample> {
        self.samples.lock().expect("no panic").last().copied()
    }

    pub fn most_workers(&self) -> usize {
        self.samples.lock().expect("no panic").iter().map(|sample| sample.workers).max().unwrap_or(0)
    }

    /// How a number went in the second half of a phase; `None` when there are too few samples.
    pub fn trend(&self, phase: Phase, number: impl Fn(&Sample) -> u64) -> Option<Trend> {
        let samples = self.samples.lock().expect("no panic");
        trend(&samples.iter().filter(|sample| sample.phase == phase).map(number).collect::<Vec<_>>())
    }
}

fn trend(numbers: &[u64]) -> Option<Trend> {
    if numbers.len() < ENOUGH {
        return None;
    }
    let (early, late) = numbers[numbers.len() / 2..].split_at(numbers.len() / 4);
    Some(Trend { early: median(early), late: median(late), highest: numbers.iter().copied().max()? })
}

fn median(numbers: &[u64]) -> u64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// KiB of a process.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

/// Takes samples until the run is over.
pub async fn watch(memory: Arc<Memory>, look: impl Fn(&Memory)) {
    loop {
        look(&memory);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_flat_from_growing() {
        let flat: Vec<u64> = (0..200).map(|i| 9_000 + i * 37 % 300).collect();
        assert!(trend(&flat).unwrap().growth() <= MASTER_LIMIT);
        let growing: Vec<u64> = (0..200).map(|i| 9_000 + i * 40).collect();
        assert!(trend(&growing).unwrap().growth() > WORKER_LIMIT);
        let filled_at_first: Vec<u64> = (0..200).map(|i| 9_000 + 400 * i.min(20)).collect();
        assert_eq!(trend(&filled_at_first).unwrap().growth(), 0);
        assert_eq!(trend(&flat[..10]), None);
    }
}
