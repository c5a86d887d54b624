//! The nginx under test: started, signalled, watched, stopped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

pub struct Nginx {
    master: Child,
}

impl Nginx {
    pub fn start(prefix: &Path) -> Nginx {
        let stderr = File::create(prefix.join("stderr.log")).expect("a file in the prefix");
        let mut command = Command::new(binary());
        command.current_dir(prefix).env_clear();
        command.arg("-p").arg(prefix).arg("-c").arg(prefix.join("nginx.conf")).args(["-e", "error.log"]);
        let master = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        let mut nginx = Nginx { master: master.expect("nginx runs; set NGINX to its path") };
        let deadline = Instant::now() + Duration::from_secs(30);
        while nginx.control().workers().is_empty() || !prefix.join("h2.sock").exists() {
            let ended = nginx.master.try_wait().expect("a child");
            let said = || std::fs::read_to_string(prefix.join("stderr.log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "nginx did not start: {}", said());
            std::thread::sleep(Duration::from_millis(10));
        }
        nginx
    }

    /// What the other parts of a run need of it.
    pub fn control(&self) -> Control {
        Control { master: self.master.id() }
    }

    /// A graceful stop. False when it took too long.
    pub fn stop(&mut self) -> bool {
        self.control().signal(Signal::QUIT);
        if self.has_ended_within(Duration::from_secs(20)) {
            return true;
        }
        self.end();
        false
    }

    fn has_ended_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            if !matches!(self.master.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn end(&mut self) {
        self.control().signal(Signal::TERM);
        if !self.has_ended_within(Duration::from_secs(5)) {
            let control = self.control();
            let workers = control.workers();
            workers.into_iter().for_each(|worker| _ = control.kill(worker));
            control.signal(Signal::KILL);
            let _ = self.master.wait();
        }
    }
}

/// The master, which is there until `Nginx` has waited for it.
#[derive(Clone, Copy)]
pub struct Control {
    pub master: u32,
}

impl Control {
    /// Process ids of the workers, old ones that have not ended yet among them.
    pub fn workers(self) -> Vec<u32> {
        children_of(self.master)
    }

    pub fn reload(self) {
        self.signal(Signal::HUP);
    }

    /// Kills a worker, which gets no chance to tidy up. False when it has just ended by itself.
    pub fn kill(self, worker: u32) -> bool {
        let Some(pid) = Pid::from_raw(worker.cast_signed()) else { return false };
        // The process behind the handle is a worker for sure, once it is seen to be one.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        self.workers().contains(&worker) && pidfd_send_signal(&handle, Signal::KILL).is_ok()
    }

    fn signal(self, signal: Signal) {
        if let Some(master) = Pid::from_raw(self.master.cast_signed()) {
            let _ = kill_process(master, signal);
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if matches!(self.master.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("NGINX") {
        return named.into();
    }
    // An ordinary user's PATH has no /usr/sbin, where packages put nginx.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    directories.find_map(|directory| Some(directory.join("nginx")).filter(|file| file.is_file())).unwrap_or_else(|| {
        panic!("there is no nginx in PATH or /usr/sbin: install it, or name it in NGINX");
    })
}
