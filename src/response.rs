//! The answer to a refusal: the challenge, and the body that replaces nginx's page.
//!
//! The access handler returns a status only, so that `satisfy`, `error_page`, `auth_delay` and the rest work as with
//! nginx's own access modules. When nginx sends its page in the end, the filters put the body in its place.

use std::rc::Rc;

use authz::{Challenge, Denied, Detail};
use directives::ErrorBody;
use nginx_sys::{ngx_chain_t, ngx_int_t, ngx_uint_t};

use crate::conf::{Answers, Failed};
use crate::ffi::{self, BodyFilter, ConfCell, Fetch, Handler, Request};
use crate::state::State;
use crate::{ERROR, INTERNAL_ERROR, body_filter, header_filter};

/// An answer that waits in the request's context of the filter module.
pub struct Answer {
    status: ngx_uint_t,
    /// What takes the place of nginx's page, if anything does.
    content: Option<Content>,
}

struct Content {
    content_type: &'static [u8],
    body: &'static [u8],
}

macro_rules! answer {
    ($form:expr, $status:literal, $title:literal, $detail:literal) => {
        match $form {
            ErrorBody::Off => const { &Answer { status: $status, content: None } },
            ErrorBody::Json => {
                const {
                    &Answer {
                        status: $status,
                        content: Some(Content {
                            content_type: b"application/json",
                            body: concat!("{\"detail\":\"", $detail, "\"}").as_bytes(),
                        }),
                    }
                }
            }
            ErrorBody::Problem => {
                const {
                    &Answer {
                        status: $status,
                        content: Some(Content {
                            content_type: b"application/problem+json",
                            body: concat!(
                                "{\"title\":\"",
                                $title,
                                "\",\"status\":",
                                $status,
                                ",\"detail\":\"",
                                $detail,
                                "\"}"
                            )
                            .as_bytes(),
                        }),
                    }
                }
            }
        }
    };
}

/// What the client reads.
fn answer_of(denied: Denied, form: ErrorBody) -> Option<&'static Answer> {
    Some(match denied.detail()? {
        Detail::NotAuthenticated => answer!(form, 401, "Unauthorized", "Not authenticated"),
        Detail::InvalidToken => answer!(form, 401, "Unauthorized", "Invalid token"),
        Detail::TokenExpired => answer!(form, 401, "Unauthorized", "Token expired"),
        Detail::Forbidden => answer!(form, 403, "Forbidden", "Forbidden"),
        Detail::BadRequestPath => answer!(form, 400, "Bad Request", "Bad request path"),
        Detail::ServiceUnavailable => answer!(form, 503, "Service Unavailable", "Service unavailable"),
    })
}

/// The challenges of a location (RFC 6750 section 3), with its realm. What they tell the client is what the body tells.
pub struct Challenges {
    bearer: Box<str>,
    invalid: Box<str>,
    expired: Box<str>,
    scope: Box<str>,
}

impl Challenges {
    /// `realm` is the inside of a quoted-string.
    pub fn new(realm: Option<&str>) -> Self {
        let challenge = |parameters: &[&str]| {
            let realm = realm.map(|realm| format!("realm=\"{realm}\""));
            let all: Vec<_> = realm.iter().map(String::as_str).chain(parameters.iter().copied()).collect();
            format!("Bearer {}", all.join(", ")).trim_end().into()
        };
        const INVALID: &str = "error=\"invalid_token\"";
        Self {
            bearer: challenge(&[]),
            invalid: challenge(&[INVALID, "error_description=\"Invalid token\""]),
            expired: challenge(&[INVALID, "error_description=\"Token expired\""]),
            scope: challenge(&["error=\"insufficient_scope\""]),
        }
    }

    fn of(&self, denied: Denied) -> Option<&str> {
        match denied.challenge() {
            Challenge::None => None,
            Challenge::Bearer => Some(&self.bearer),
            Challenge::InvalidToken if denied == Denied::Expired => Some(&self.expired),
            Challenge::InvalidToken => Some(&self.invalid),
            Challenge::InsufficientScope => Some(&self.scope),
        }
    }
}

/// Sets challenge and body, and gives the status for nginx to finalise with.
pub fn refuse<'r>(r: Request<'r>, answers: &'r Answers, state: &State, denied: Denied) -> ngx_int_t {
    if let Some(challenge) = answers.challenges.of(denied) {
        let Some(challenge) = r.push_challenge(challenge.as_bytes()) else { return INTERNAL_ERROR };
        state.challenge.set(Some(challenge));
    }
    r.set_answer(answer_of(denied, answers.error_body));
    state.refused_in.set(r.phase());
    denied.status() as ngx_int_t
}

/// Refuses once more, where an `error_page` has led the request on. nginx looks for no other page.
pub fn refuse_again(r: Request, state: &State, denied: Denied, form: ErrorBody) -> ngx_int_t {
    r.keep_page();
    r.set_answer(answer_of(denied, form));
    state.refused_in.set(r.phase());
    denied.status() as ngx_int_t
}

/// Takes back an earlier refusal: an `error_page` has led to a location that decides for itself.
pub fn clear(r: Request, state: &State) {
    take_challenge_back(r, state);
    r.set_answer(None);
}

fn take_challenge_back(r: Request, state: &State) {
    if let Some(challenge) = state.challenge.take() {
        r.remove_challenge(challenge);
    }
}

/// Whether the filters have something to look at: an answer that waits, or a subrequest, which may be a fetch. Most requests
/// are neither, which is seen outside any [`catch`](crate::boundary::catch): nothing here can fail.
pub fn is_filtered(r: Request) -> bool {
    r.is_subrequest() || r.answer().is_some()
}

/// Whether a header goes on to the client.
pub enum Passage {
    Next,
    /// It belongs to a fetch.
    Kept,
    /// The same, and the fetch is to end.
    Refused,
}

/// The header of an answer that waits, once it is this refusal that nginx sends: not the page of another status, and
/// not what a backend answered after another module had let the request in (`satisfy any`).
pub fn filter_header(r: Request) -> Passage {
    if let Some(fetch) = fetch_of(r) {
        return fetch.take_header(r).map_or(Passage::Refused, |()| Passage::Kept);
    }
    if let Some(answer) = r.answer() {
        let state = State::find(r);
        let ended_so = state.map(|state| state.refused_in.get()) == Some(r.phase()) || r.is_in_access_phase();
        match &answer.content {
            Some(content) if r.err_status() == answer.status && ended_so => {
                r.set_content(content.content_type, content.body.len());
            }
            _ => r.set_answer(None),
        }
        // nginx takes one challenge back, and another module's may have come after this one.
        if let Some(state) = state.filter(|_| r.err_status() == 0 || !ended_so) {
            take_challenge_back(r, state);
        }
    }
    Passage::Next
}

/// The body of an answer that waits; the header filter has dropped it if it must not be sent. `None` for the body of a
/// fetch, which stays here.
///
/// # Errors
/// nginx has no memory.
pub fn filter_body(r: Request, chain: *mut ngx_chain_t) -> Result<Option<*mut ngx_chain_t>, ()> {
    if let Some(fetch) = fetch_of(r) {
        fetch.take_body(chain);
        return Ok(None);
    }
    match r.answer() {
        Some(answer) if !chain.is_null() => {
            r.set_answer(None);
            let body = answer.content.as_ref().map_or(&[][..], |content| content.body);
            r.last_chain(body).map(Some).ok_or(())
        }
        _ => Ok(Some(chain)),
    }
}

/// The fetch whose subrequest this is. Found by the main request: an internal redirect clears a request's own context.
fn fetch_of(r: Request) -> Option<Rc<Fetch>> {
    if !r.is_subrequest() {
        return None;
    }
    State::find(r.main())?.fetch_of(r)
}

/// The filters that were first before ours, set anew at each configuration.
static NEXT: ConfCell<Option<(Handler, BodyFilter)>> = ConfCell::new(None);

/// Puts our filters in front.
///
/// # Errors
/// nginx has none to go before.
pub fn install_filters() -> Result<(), Failed> {
    let (Some(header), Some(body)) = ffi::replace_top_filters(header_filter, body_filter) else { return Err(Failed) };
    NEXT.set(Some((header, body)));
    Ok(())
}

/// Hands the header on.
pub fn next_header_filter(r: Request) -> ngx_int_t {
    NEXT.get().map_or(ERROR, |(filter, _)| ffi::call_header_filter(filter, r))
}

/// Hands the body on.
pub fn next_body_filter(r: Request, chain: *mut ngx_chain_t) -> ngx_int_t {
    NEXT.get().map_or(ERROR, |(_, filter)| ffi::call_body_filter(filter, r, chain))
}
