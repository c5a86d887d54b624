//! A running nginx, which must end as healthy as it began.

use super::client::Client;
use super::explained::Explained;
use super::setup::Setup;
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub struct Nginx {
    setup: Setup,
    explained: Explained,
    master: Child,
    tolerated: Mutex<Vec<&'static str>>,
}

impl Nginx {
    pub(super) fn start(setup: Setup, conf: String) -> Nginx {
        let explained = Explained::new(&setup, conf);
        let stderr = std::fs::File::create(setup.path("stderr.log")).expect("a file in the prefix");
        let master = setup.nginx().stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
        let master = master.expect("nginx runs; set NGINX to its path");
        let mut nginx = Nginx { master, setup, explained, tolerated: Mutex::default() };
        // The process id is written once every socket is open; workers are started once signals are waited for.
        super::eventually("nginx listens", || {
            let ended = nginx.master.try_wait().expect("a child");
            assert!(ended.is_none(), "nginx did not start: {}", nginx.read("stderr.log"));
            nginx.read("nginx.pid").trim() == nginx.master().to_string()
                && !(nginx.setup.has_master && children_of(nginx.master()).is_empty())
        });
        nginx
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.path("nginx.sock"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    pub fn master(&self) -> u32 {
        self.master.id()
    }

    /// The lines of the error log that were written for a request and hold this text.
    pub fn request_log_with(&self, text: &str) -> Vec<String> {
        self.log_with(text).into_iter().filter(|line| line.contains(", request: \"")).collect()
    }

    /// The lines of the error log that hold this text.
    pub fn log_with(&self, text: &str) -> Vec<String> {
        self.read("error.log").lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// A file of the prefix, as text; empty when it is not there.
    pub fn read(&self, name: &str) -> String {
        std::fs::read(self.path(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Puts another body of `http {}` in place, for the next reload.
    pub fn rewrite(&self, body: &str) {
        self.explained.write(&self.setup, self.setup.with_http(body));
    }

    /// `nginx -s <what>`, from a shell that has none of the variables.
    pub fn command_in_empty_environment(&self, arguments: &[&str]) -> Output {
        self.explained.write_again(&self.setup);
        self.setup.nginx().env_clear().args(arguments).output().expect("nginx runs")
    }

    /// The location of this URI gives this key set, wherever it has it from.
    pub fn gives(&self, uri: &str, set: impl AsRef<[u8]>) {
        super::published::gives(&self.path(""), uri, set.as_ref());
    }

    /// Lines of the error log with this text are what the test is about, and no sign of ill health.
    pub fn tolerate(&self, text: &'static str) {
        self.tolerated.lock().expect("no panic").push(text);
    }

    /// Kills a worker, which gets no chance to tidy up.
    pub fn kill(&self, worker: u32) {
        self.tolerate("exited on signal 9");
        signal_to(worker, Signal::KILL);
    }

    /// Holds a worker up wherever it is, until it is resumed.
    pub fn pause(&self, worker: u32) {
        signal_to(worker, Signal::STOP);
        super::eventually("the worker stands still", || self.is_held(worker));
    }

    /// Whether a worker stands still.
    pub fn is_held(&self, worker: u32) -> bool {
        field_of(worker, "State").is_some_and(|state| state.starts_with('T'))
    }

    pub fn resume(&self, worker: u32) {
        signal_to(worker, Signal::CONT);
    }

    pub fn reload(&self) {
        self.explained.write_again(&self.setup);
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.master), signal);
    }

    fn ended_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            if !matches!(self.master.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// A graceful stop, since nginx then reports connections that were forgotten.
    fn stop(&mut self) -> bool {
        self.signal(Signal::QUIT);
        if self.ended_within(super::patient(Duration::from_secs(10))) {
            return true;
        }
        self.signal(Signal::TERM);
        if !self.ended_within(super::patient(Duration::from_secs(5))) {
            let workers = children_of(self.master());
            self.signal(Signal::KILL);
            for pid in workers.into_iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
                let _ = kill_process(pid, Signal::KILL);
            }
            let _ = self.master.wait();
        }
        false
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let graceful = self.stop();
        let log = self.read("error.log");
        if std::thread::panicking() {
            eprintln!("--- error.log of the nginx of this test\n{log}---");
            return;
        }
        let worst = ["exited on signal", "exited with fatal", "[alert]", "[emerg]", "[crit]"];
        let tolerated = self.tolerated.lock().expect("no panic");
        let is_bad = |line: &&str| {
            worst.iter().any(|word| line.contains(word)) && !tolerated.iter().any(|text| line.contains(text))
        };
        let bad: Vec<&str> = log.lines().filter(is_bad).collect();
        assert!(bad.is_empty(), "nginx was not well: {bad:#?}");
        assert!(graceful, "nginx did not stop within 10 s of SIGQUIT");
        if self.setup.is_explained {
            self.explained.check(&self.setup);
        }
    }
}

fn signal_to(worker: u32, signal: Signal) {
    let worker = Pid::from_raw(worker.cast_signed()).expect("a process id");
    kill_process(worker, signal).expect("the worker is there");
}

/// Process ids of the workers of a master.
pub fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()));
    ids.filter(|pid: &u32| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    field_of(pid, "PPid")?.parse().ok()
}

/// What the system says of a process under a name.
fn field_of(pid: u32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}
