//! What the processes of a server have used of the processors.

use std::fs;
use std::time::{Duration, Instant};

use crate::Failure;

/// Process ids, as `12,13`; `-` for none.
#[derive(Clone, Default)]
pub struct Processes(Vec<u32>);

impl Processes {
    pub fn of(words: &str) -> Result<Self, Failure> {
        if words == "-" {
            return Ok(Self::default());
        }
        Ok(Self(words.split(',').map(str::parse).collect::<Result<_, _>>()?))
    }

    /// Nanoseconds on a processor, user and system, of all threads. The kernel brings the figure up to date when a
    /// thread stops running: see `rest`.
    pub fn time(&self) -> Result<u64, Failure> {
        let mut sum = 0;
        for pid in &self.0 {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
                sum += stat.split(' ').next().unwrap_or_default().parse::<u64>()?;
            }
        }
        Ok(sum)
    }

    /// Waits until none of them runs: the last answer is here before its sender has finished with it.
    pub fn rest(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.any_runs()? {
            if Instant::now() > deadline {
                return Err("a server does not come to rest".into());
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }

    fn any_runs(&self) -> Result<bool, Failure> {
        for pid in &self.0 {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
            // The state follows the name, which may hold anything.
            if stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R')) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
