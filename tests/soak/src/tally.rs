//! What was counted, and what was wrong.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Faults that are told in full.
const TOLD: usize = 12;

#[derive(Default)]
pub struct Tally {
    /// Requests with an answer that was checked.
    pub checked: AtomicU64,
    /// Answers that depended on the second, or on a fetch that had just happened.
    pub close_calls: AtomicU64,
    /// Tokens that were let in, and refused when their time had run out.
    pub ran_out: AtomicU64,
    /// Tokens that were let in, and refused when their key was no longer published.
    pub lost_key: AtomicU64,
    /// Connections that ended before an answer, by a reload or with their worker.
    pub cut: AtomicU64,
    /// Requests that were asked again.
    pub asked_again: AtomicU64,
    /// Requests whose client went away.
    pub given_up: AtomicU64,
    /// Lines of the access log whose user was compared.
    pub log_lines: AtomicU64,
    /// Faults are expected, and not told as they come.
    pub quiet: AtomicBool,
    words: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    wrong: Mutex<Vec<String>>,
    wrongs: AtomicU64,
}

impl Tally {
    pub fn count(&self, place: &'static str, word: &'static str) {
        self.checked.fetch_add(1, Ordering::Relaxed);
        *self.words.lock().expect("no panic").entry((word, place)).or_default() += 1;
    }

    pub fn wrong(&self, what: String) {
        self.wrongs.fetch_add(1, Ordering::Relaxed);
        let mut wrong = self.wrong.lock().expect("no panic");
        if wrong.len() < TOLD {
            if !self.quiet.load(Ordering::Relaxed) {
                eprintln!("WRONG: {what}");
            }
            wrong.push(what);
        }
    }

    pub fn wrongs(&self) -> u64 {
        self.wrongs.load(Ordering::Relaxed)
    }

    pub fn first_wrong(&self) -> Option<String> {
        self.wrong.lock().expect("no panic").first().cloned()
    }

    pub fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// Every result word: how often, and at how many places.
    pub fn words(&self) -> Vec<(&'static str, u64, usize)> {
        let mut sums: BTreeMap<&'static str, (u64, usize)> = BTreeMap::new();
        for ((word, _), count) in self.words.lock().expect("no panic").iter() {
            let sum = sums.entry(word).or_default();
            *sum = (sum.0 + count, sum.1 + 1);
        }
        sums.into_iter().map(|(word, (count, places))| (word, count, places)).collect()
    }
}
