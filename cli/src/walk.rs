//! The way of a request through nginx: its phases, and the redirects within, as far as they matter to a decision
//! (`ngx_http_core_module.c`).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use authz::Awaited;
use directives::Environment;

use crate::Failure;
use crate::conf::{Conf, Kind, Level};
use crate::decide::{Active, Record};
use crate::explain::Presented;
use crate::options::Explain;
use crate::perform::Flow;
use crate::report::{Event, Told, quoted_path};
use crate::request::Request;
use crate::select::{Place, location, named};
use crate::template::Template;
use crate::variables::Store;

/// As often nginx chooses a location anew, and not once more.
const MAX_CHANGES: u8 = 11;

/// A request on its way.
pub struct Walk<'c> {
    pub conf: &'c Conf,
    pub question: &'c Explain,
    pub presented: &'c Presented,
    pub environment: Environment<'c>,
    pub now: u64,
    server: Rc<Place<'c>>,
    place: RefCell<Rc<Place<'c>>>,
    pub request: RefCell<Request>,
    pub store: RefCell<Store>,
    /// The directives of the rewrite phase escape captures, until one has rewritten the path.
    pub escapes: Cell<bool>,
    /// How often a location may still be chosen.
    changes: Cell<u8>,
    /// `limit_req` and `limit_conn` have counted the request.
    pub counted: [Cell<bool>; 2],
    /// An `error_page` was looked for, and no other may follow.
    pub had_error_page: Cell<bool>,
    /// The status that whatever is sent has: of an answer that led to a page, unless the page's own counts.
    pub kept: Cell<Option<Sent>>,
    /// The status that nginx sends, where that is known.
    pub sent: Cell<Option<Sent>>,
    /// Which of the answers of backends comes next.
    pub answers: Cell<usize>,
    /// What the module remembers.
    pub record: Record,
    /// What the guard says of the request, and what it still wants of the access phase.
    pub guarded: RefCell<Option<Told>>,
    pub judged: Cell<bool>,
    pub awaited: Cell<Option<Awaited>>,
    pub events: RefCell<Vec<Event>>,
    pub not_followed: RefCell<Vec<&'static str>>,
    /// Each `include` on the way whose files are not here.
    pub unread: RefCell<BTreeSet<&'c str>>,
}

/// An answer, after which a request goes nowhere, or to the page for it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Who gives it: a directive and its place. `None` for the module.
    pub by: Option<String>,
    /// It refuses what the module was not asked about.
    pub refuses: bool,
    /// It is sent as it is, whatever `error_page` says.
    pub is_final: bool,
    /// A backend was asked, and gave it.
    pub of_backend: bool,
}

impl Answer {
    pub fn of_module(status: u16) -> Self {
        Self { status, by: None, refuses: false, is_final: false, of_backend: false }
    }

    pub fn by(status: u16, by: impl Into<String>) -> Self {
        Self { by: Some(by.into()), ..Self::of_module(status) }
    }

    pub fn of_backend(status: u16) -> Self {
        Self { of_backend: true, ..Self::by(status, "the backend") }
    }
}

/// A status that is sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub status: u16,
    pub of_backend: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// The server's rewrite phase.
    Server,
    /// The choice of a location.
    Location,
    /// The location's rewrite phase, and what follows.
    Rewrite,
    Access,
    Answer(Answer),
    End,
}

impl<'c> Walk<'c> {
    /// A walk that begins at a server.
    pub fn new(
        conf: &'c Conf,
        server: Place<'c>,
        request: Request,
        question: &'c Explain,
        presented: &'c Presented,
        environment: Environment<'c>,
        now: u64,
    ) -> Self {
        let unread = unread(&server).collect();
        let server = Rc::new(server);
        Self {
            conf,
            question,
            presented,
            environment,
            now,
            place: RefCell::new(server.clone()),
            server,
            request: RefCell::new(request),
            store: RefCell::default(),
            escapes: Cell::new(false),
            changes: Cell::new(MAX_CHANGES),
            counted: [Cell::new(false), Cell::new(false)],
            had_error_page: Cell::new(false),
            kept: Cell::new(None),
            sent: Cell::new(None),
            answers: Cell::new(0),
            record: Record::default(),
            guarded: RefCell::default(),
            judged: Cell::new(false),
            awaited: Cell::new(None),
            events: RefCell::default(),
            not_followed: RefCell::default(),
            unread: RefCell::new(unread),
        }
    }

    /// Goes all the way from there.
    pub fn go(&self, mut next: Next) -> Result<(), Failure> {
        loop {
            next = match next {
                Next::Server => self.server_phase()?,
                Next::Location => self.location_phase(),
                Next::Rewrite => self.rewrite_phase()?,
                Next::Access => self.access_phases()?,
                Next::Answer(answer) => self.answer(answer)?,
                Next::End => return Ok(()),
            };
        }
    }

    /// The server, outside of all locations.
    pub fn server(&self) -> &Place<'c> {
        &self.server
    }

    pub fn place(&self) -> Rc<Place<'c>> {
        self.place.borrow().clone()
    }

    pub fn move_to(&self, place: Rc<Place<'c>>) {
        self.events.borrow_mut().push(Event::Place(place.shown()));
        self.unread.borrow_mut().extend(unread(&place));
        self.place.replace(place);
    }

    pub fn say(&self, text: String) {
        self.events.borrow_mut().push(Event::Moved(text));
    }

    fn server_phase(&self) -> Result<Next, Failure> {
        self.place.replace(self.server.clone());
        if !self.server.last().is_server() {
            return Ok(Next::Location);
        }
        Ok(match self.perform(&self.server.clone(), self.server.last(), &mut false)? {
            Flow::Next | Flow::Stop => Next::Location,
            Flow::Answer(answer) => Next::Answer(answer),
        })
    }

    fn location_phase(&self) -> Next {
        let (uri, method) = {
            let request = self.request.borrow();
            (request.uri.clone(), request.method.clone())
        };
        let located = location(&self.server, &uri, &method);
        located.captures.into_iter().for_each(|captures| self.store.borrow_mut().keep_of_path(&uri, captures));
        self.move_to(Rc::new(located.place));
        if self.place().location().is_some_and(|location| location.neighbours.is_internal)
            && !self.request.borrow().is_internal
        {
            return Next::Answer(Answer::by(404, "\"internal\""));
        }
        if self.is_too_large() {
            return Next::Answer(Answer::by(413, "\"client_max_body_size\""));
        }
        if located.redirected {
            return Next::Answer(Answer::by(301, "the redirect to the same path with a slash at its end"));
        }
        Next::Rewrite
    }

    fn is_too_large(&self) -> bool {
        let most = self.place().inherited(|own| own.max_body).unwrap_or(1 << 20);
        let request = self.request.borrow();
        let length = request.header(b"content_length").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        most > 0 && length.is_some_and(|length: u64| length > most)
    }

    /// Captures are kept as they are before any directive of the location runs.
    fn rewrite_phase(&self) -> Result<Next, Failure> {
        let place = self.place();
        self.save_captures(&place);
        // The server's own have run.
        if place.last().is_server() {
            return Ok(Next::Access);
        }
        let mut changed = false;
        match self.perform(&place, place.last(), &mut changed)? {
            Flow::Answer(answer) => Ok(Next::Answer(answer)),
            _ if !changed => Ok(Next::Access),
            _ if self.may_change() => {
                self.place.replace(self.server.clone());
                Ok(Next::Location)
            }
            _ => Ok(Next::Answer(cycle())),
        }
    }

    /// Counts a change of the location. `false` for one too many.
    fn may_change(&self) -> bool {
        self.changes.set(self.changes.get().saturating_sub(1));
        self.changes.get() > 0
    }

    /// Whether an `error_page` could still lead anywhere.
    pub fn can_change(&self) -> bool {
        self.changes.get() > 0
    }

    fn save_captures(&self, place: &Place) {
        let Some(active) = Active::of(&place.settings) else { return };
        let captured = place.captured();
        let mut store = self.store.borrow_mut();
        let used = active.expected.into_iter().flat_map(Template::variables);
        let saved = used.filter(|name| captured.iter().any(|one| one == name)).map(|name| {
            let value = store.values.get(name).cloned().unwrap_or_else(|| Ok(Vec::new()));
            (name.to_vec(), value)
        });
        let saved = saved.collect();
        store.saved = saved;
    }

    /// To another path, as `error_page` and others do.
    pub fn redirect(&self, target: &[u8], why: &str) -> Next {
        if !self.may_change() {
            return Next::Answer(cycle());
        }
        self.say(format!(
            "sent on to {} by {why}",
            quoted_path(target.split(|&b| b == b'?').next().unwrap_or_default())
        ));
        self.enter();
        if target.starts_with(b"@") {
            self.request.borrow_mut().enter();
            let method = self.request.borrow().method.clone();
            return match named(&self.server, target, &method) {
                Some(place) => {
                    self.move_to(Rc::new(place));
                    Next::Rewrite
                }
                None => Next::Answer(Answer::by(500, "a named location that is not there")),
            };
        }
        let question = target.iter().position(|&b| b == b'?');
        let (uri, args) = match question {
            Some(at) => (&target[..at], Some(&target[at + 1..])),
            None => (target, None),
        };
        self.request.borrow_mut().redirect(uri, args);
        Next::Server
    }

    /// What the module forgets at a redirect.
    fn enter(&self) {
        self.record.settled.set(false);
        self.awaited.set(None);
        self.guarded.take();
    }
}

/// Each `include` of these levels that may hold what matters: outside of the one `http` there is no other.
fn unread<'c>(place: &Place<'c>) -> impl Iterator<Item = &'c str> {
    let has_http = place.levels.iter().any(|level| matches!(level.kind, Kind::Http));
    let matters = move |level: &&'c Level| !(has_http && matches!(level.kind, Kind::File));
    place.levels.clone().into_iter().filter(matters).flat_map(|level| &level.neighbours.unread).map(String::as_str)
}

fn cycle() -> Answer {
    Answer::by(500, "the end of a cycle of redirects")
}
