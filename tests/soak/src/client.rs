//! Clients: steady ones, ones that pipeline, slow ones, ones that go away, and those that speak HTTP/2.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use crate::answer::Answer;
use crate::asked::Asked;
use crate::clock::now;
use crate::http1::{Connection, Lost};
use crate::http2;
use crate::mix::{Habit, Mix};
use crate::world::World;

/// Requests on one connection before a client opens another, on average.
const STAY: u32 = 400;

/// A request whose connections were all lost this often was refused.
const ATTEMPTS: usize = 60;

/// What a client is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Steady,
    /// The like, at places where one may have to wait.
    Patient,
    Pipelining,
    Slow,
    Fickle,
    Http2,
}

/// The clients of a run: of every kind, half of them steady.
pub fn kinds(connections: usize) -> Vec<Kind> {
    let cycle = [
        Kind::Steady,
        Kind::Http2,
        Kind::Steady,
        Kind::Patient,
        Kind::Pipelining,
        Kind::Steady,
        Kind::Slow,
        Kind::Steady,
        Kind::Http2,
        Kind::Fickle,
        Kind::Patient,
        Kind::Pipelining,
        Kind::Steady,
    ];
    cycle.into_iter().cycle().take(connections).collect()
}

/// A client's life.
pub async fn live(world: Arc<World>, number: u64, kind: Kind) {
    let habit = match kind {
        Kind::Patient => Habit::Patient,
        Kind::Fickle => Habit::Fickle,
        _ => Habit::Brisk,
    };
    let mut client = Client { mix: Mix::new(&world, number, habit), connection: None, world };
    while !client.world.is_stopping() {
        match kind {
            Kind::Steady | Kind::Patient => client.ask_one().await,
            Kind::Pipelining => client.pipeline().await,
            Kind::Slow => client.ask_slowly().await,
            Kind::Fickle => client.go_away().await,
            Kind::Http2 => client.multiplex().await,
        }
    }
}

struct Client {
    world: Arc<World>,
    mix: Mix,
    connection: Option<Connection>,
}

impl Client {
    fn socket(&self) -> PathBuf {
        self.world.prefix.join("nginx.sock")
    }

    async fn connection(&mut self) -> &mut Connection {
        if self.mix.random().u32(..STAY) == 0
            && let Some(connection) = self.connection.take()
        {
            connection.retire();
        }
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.socket()).await);
        }
        self.connection.as_mut().expect("just opened")
    }

    async fn ask_one(&mut self) {
        let asked = self.mix.next();
        self.ask(&asked).await;
    }

    /// Asks until there is an answer.
    async fn ask(&mut self, asked: &Asked) {
        let bytes = asked.bytes();
        for _ in 0..ATTEMPTS {
            let connection = self.connection().await;
            let sent = now();
            connection.send(&bytes).await;
            let answer = connection.receive(asked.method).await;
            if self.take(asked, answer, sent) {
                return;
            }
        }
        self.world.tally.wrong(format!("{ATTEMPTS} connections were lost with {asked}"));
    }

    /// Judges an answer. False when there was none, and the request has to be asked again.
    fn take(&mut self, asked: &Asked, answer: Result<Answer, Lost>, sent: f64) -> bool {
        match answer {
            Ok(answer) => {
                self.world.judge(asked, &answer, sent, now());
                if answer.closes()
                    && let Some(connection) = self.connection.take()
                {
                    connection.retire();
                }
                true
            }
            Err(lost) => {
                let opened = self.connection.take().map_or(0.0, |connection| connection.opened);
                lose(&self.world, lost, opened, asked);
                lost == Lost::Never
            }
        }
    }

    /// Several requests at once on one connection. What follows an answer that closes it is asked again.
    async fn pipeline(&mut self) {
        let count = self.mix.random().usize(2..9);
        let mut batch: Vec<Asked> = (0..count).map(|_| self.mix.next()).collect();
        batch.sort_by_key(Asked::closes);
        let bytes: Vec<u8> = batch.iter().flat_map(Asked::bytes).collect();
        let connection = self.connection().await;
        let sent = now();
        connection.send(&bytes).await;
        for (at, asked) in batch.iter().enumerate() {
            let Some(connection) = &mut self.connection else { return self.ask_again(&batch[at..]).await };
            let answer = connection.receive(asked.method).await;
            if !self.take(asked, answer, sent) {
                return self.ask_again(&batch[at..]).await;
            }
        }
    }

    async fn ask_again(&mut self, batch: &[Asked]) {
        self.world.tally.asked_again.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for asked in batch {
            self.ask(asked).await;
        }
    }

    /// A request in pieces. It is decided once its last piece has come.
    async fn ask_slowly(&mut self) {
        let asked = self.mix.next();
        let bytes = asked.bytes();
        let piece = bytes.len().div_ceil(self.mix.random().usize(2..6));
        let pause = Duration::from_millis(self.mix.random().u64(50..600));
        let mut connection = Connection::open(&self.socket()).await;
        let mut sent = now();
        for piece in bytes.chunks(piece) {
            sleep(pause).await;
            sent = now();
            connection.send(piece).await;
        }
        // A body may still be on its way when the head is decided.
        let decided_from = if asked.body > 0 { connection.opened } else { sent };
        let answer = connection.receive(asked.method).await;
        self.connection = Some(connection);
        if !self.take(&asked, answer, decided_from) {
            self.ask(&asked).await;
        }
        if let Some(connection) = self.connection.take() {
            connection.retire();
        }
    }

    /// Asks, or begins to, and closes the connection at once or a moment later.
    async fn go_away(&mut self) {
        if self.mix.random().u8(..3) > 0 {
            return self.ask_one().await;
        }
        let asked = self.mix.next();
        let bytes = asked.bytes();
        let sent = if self.mix.random().bool() { bytes.len() } else { self.mix.random().usize(1..bytes.len()) };
        let connection = self.connection().await;
        connection.send(&bytes[..sent]).await;
        if self.mix.random().bool() {
            sleep(Duration::from_millis(self.mix.random().u64(1..20))).await;
        }
        self.connection = None;
        self.world.tally.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests on the streams of one connection, several at once, for as long as it lasts.
    async fn multiplex(&mut self) {
        let mut connection = http2::Connection::open(&self.world.prefix.join("h2.sock")).await;
        let batches = self.mix.random().u32(1..STAY / 4);
        for _ in 0..batches {
            if self.world.is_stopping() || !self.batch(&mut connection).await {
                break;
            }
        }
        connection.retire();
    }

    /// False when the connection is lost.
    async fn batch(&mut self, connection: &mut http2::Connection) -> bool {
        let count = self.mix.random().usize(1..9);
        let mut pending = Vec::new();
        let mut unanswered = Vec::new();
        for _ in 0..count {
            let asked = self.next_for_http2();
            let sent = now();
            match connection.send(&asked).await {
                Ok(response) => pending.push((asked, sent, tokio::spawn(http2::Connection::receive(response)))),
                Err(lost) => unanswered.push((asked, lost)),
            }
        }
        for (asked, sent, response) in pending {
            match response.await.expect("no panic in a client") {
                Ok(answer) => self.world.judge(&asked, &answer, sent, now()),
                Err(lost) => unanswered.push((asked, lost)),
            }
        }
        let is_well = unanswered.is_empty();
        for (asked, lost) in unanswered {
            lose(&self.world, lost, connection.opened, &asked);
            self.ask_again(&[asked]).await;
        }
        is_well
    }

    fn next_for_http2(&mut self) -> Asked {
        loop {
            let asked = self.mix.next();
            if http2::request(&asked).is_some() {
                return asked;
            }
        }
    }
}

/// Counts a connection that was lost, if it had a reason to be.
fn lose(world: &World, lost: Lost, opened: f64, asked: &Asked) {
    world.tally.cut.fetch_add(1, Ordering::Relaxed);
    let is_explained = match lost {
        Lost::Before => world.may_be_cut(opened),
        Lost::Amid => world.may_be_lost(opened),
        Lost::Never => false,
    };
    if !is_explained {
        world.tally.wrong(format!("no answer ({lost:?}), opened at {opened:.3}, now {:.3}: {asked}", now()));
    }
}
