//! A backend that remembers what it was asked, byte for byte, and answers 200.

use super::nginx::Nginx;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub struct Backend {
    socket: PathBuf,
    heads: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    /// Reached from the configuration as `http://unix:backend.sock`.
    pub fn of(nginx: &Nginx) -> Backend {
        let socket = nginx.path("backend.sock");
        let listener = UnixListener::bind(&socket).expect("a socket in the prefix");
        let (heads, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (heads.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream, &seen);
            }
        });
        Backend { socket, heads, stop, thread: Some(thread) }
    }

    /// The heads of the requests since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().expect("no panic in the backend"))
    }

    /// The one request since the last call: its method and target, and the value of a header. Which HTTP/1 nginx speaks
    /// to a backend depends on its version.
    pub fn take_one(&self, header: &str) -> (String, Option<String>) {
        let heads = self.take();
        let [head] = &heads[..] else { panic!("not one request reached the backend: {heads:?}") };
        let mut lines = head.lines();
        let line = lines.next().and_then(|line| line.rsplit_once(" HTTP/1.")).unwrap_or_default().0.to_owned();
        let value = lines
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case(header))
            .map(|(_, value)| value.to_owned());
        (line, value)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The connection wakes the thread out of accept.
        let woken = UnixStream::connect(&self.socket).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn serve(stream: UnixStream, heads: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(&stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().filter_map(|line| line.strip_prefix("Content-Length: ")).find_map(|n| n.parse().ok());
    let _ = std::io::copy(&mut reader.take(length.unwrap_or(0)), &mut std::io::sink());
    heads.lock().expect("no panic in the backend").push(head);
    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nbackend");
}
