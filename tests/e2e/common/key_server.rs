//! The HTTP server that publishes a key set: it remembers what it was asked, and answers as the test tells it.

use super::nginx::Nginx;
use super::timeline::{Exchange, Timeline};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

type Reply = Arc<dyn Fn(&mut Exchange) + Send + Sync>;

pub struct KeyServer {
    socket: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    heads: Mutex<Vec<String>>,
    /// Connections that are being answered.
    open: AtomicUsize,
    reply: Mutex<Reply>,
    stop: AtomicBool,
    timeline: Timeline,
}

/// Holds answers back until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<GateState>);

#[derive(Default)]
struct GateState {
    is_open: AtomicBool,
    /// Answers that have come to it.
    reached: AtomicUsize,
}

impl Gate {
    pub fn open(&self) {
        self.0.is_open.store(true, Ordering::SeqCst);
    }

    /// Waits until it holds back an answer. An earlier fetch may have come before it, where the machine was slow.
    pub fn holds_one(&self) {
        super::eventually("an answer is held back", || self.0.reached.load(Ordering::SeqCst) > 0);
    }
}

impl KeyServer {
    /// Reached from the configuration as `http://unix:keys.sock`. It answers 404 until it is told what to publish.
    pub fn of(nginx: &Nginx) -> KeyServer {
        KeyServer::at(&nginx.path("keys.sock"))
    }

    pub fn at(socket: &Path) -> KeyServer {
        let listener = UnixListener::bind(socket).expect("a socket in the prefix");
        let shared = Arc::new(Shared {
            heads: Mutex::default(),
            open: AtomicUsize::new(0),
            reply: Mutex::new(Arc::new(|exchange| exchange.write(&response("404 Not Found", "", "no keys")))),
            stop: AtomicBool::new(false),
            timeline: Timeline::of(socket),
        });
        let served = shared.clone();
        let thread = std::thread::spawn(move || accept(&listener, &served));
        KeyServer { socket: socket.into(), shared, thread: Some(thread) }
    }

    /// Answers 200 with this body from now on.
    pub fn publish(&self, body: impl AsRef<[u8]>) {
        self.answer(response("200 OK", "Content-Type: application/json\r\n", body));
    }

    /// Answers with these bytes from now on, and closes the connection.
    pub fn answer(&self, bytes: Vec<u8>) {
        self.reply(move |exchange| exchange.write(&bytes));
    }

    /// Answers with these bytes once the gate is open.
    pub fn answer_behind(&self, gate: &Gate, bytes: Vec<u8>) {
        let (gate, shared) = (gate.clone(), self.shared.clone());
        self.reply(move |exchange| {
            gate.0.reached.fetch_add(1, Ordering::SeqCst);
            let is_held = || !gate.0.is_open.load(Ordering::SeqCst) && !shared.stop.load(Ordering::SeqCst);
            while is_held() && !is_closed_soon(exchange.stream()) {}
            exchange.write(&bytes);
        });
    }

    /// Answers piece by piece, with a pause before each.
    pub fn answer_slowly(&self, pieces: Vec<Vec<u8>>, pause: Duration) {
        self.reply(move |exchange| {
            for piece in &pieces {
                std::thread::sleep(pause);
                exchange.write(piece);
            }
        });
    }

    /// Begins an answer, and goes on with it until nobody reads it any more.
    pub fn answer_endlessly(&self, head: Vec<u8>, more: Vec<u8>) {
        self.reply(move |exchange| {
            exchange.write(&head);
            while exchange.is_read() {
                exchange.write(&more);
            }
        });
    }

    /// Takes requests and never answers.
    pub fn stay_silent(&self) {
        self.reply(|exchange| _ = exchange.stream().read(&mut [0]));
    }

    fn reply(&self, reply: impl Fn(&mut Exchange) + Send + Sync + 'static) {
        *self.shared.reply.lock().expect("no panic in the server") = Arc::new(reply);
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.shared.heads.lock().expect("no panic in the server").len()
    }

    /// Requests that are being answered.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().expect("no panic in the server").clone()
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // The connection wakes the thread out of accept.
        let woken = UnixStream::connect(&self.socket).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let shared = shared.clone();
        std::thread::spawn(move || {
            shared.open.fetch_add(1, Ordering::SeqCst);
            serve(&stream, &shared);
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn serve(stream: &UnixStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    // What comes behind the head would be a body: it is remembered with it.
    head.extend_from_slice(reader.buffer());
    shared.heads.lock().expect("no panic in the server").push(String::from_utf8_lossy(&head).into_owned());
    let reply = shared.reply.lock().expect("no panic in the server").clone();
    let mut exchange = shared.timeline.begin(stream, &head);
    reply(&mut exchange);
    exchange.end();
}

/// A whole answer; `headers` is empty or ends with a line end.
pub fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Waits for a moment, unless whoever asked is gone.
fn is_closed_soon(mut stream: &UnixStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
    let closed = matches!(stream.read(&mut [0]), Ok(0));
    stream.set_read_timeout(None).expect("a timeout");
    closed
}

/// A server that takes its keys from `keys.sock`: `parameters` of the directive, and lines of the location that fetches.
pub fn fetching(parameters: &str, lines: &str) -> String {
    super::scoped_server(&format!(
        "location / {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks {parameters}; proxy_pass http://unix:echo.sock; }}
        location = /_jwks {{ internal; {lines} proxy_pass http://unix:keys.sock; }}"
    ))
}

/// The same for two workers, each of which says who it is.
pub fn fetching_by_worker(parameters: &str) -> String {
    fetching(parameters, "").replacen("location", &format!("{} location", super::PID_LOCATION), 1)
}
