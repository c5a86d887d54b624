//! What a request meets in its location: limits, the guard, the access modules, files, and whoever answers; and where an
//! answer leads (`ngx_http_special_response_handler`).

use authz::Path;

use crate::Failure;
use crate::decide::Active;
use crate::files::Served;
use crate::neighbours::{Content, ErrorPage};
use crate::options::Backend;
use crate::report::Event;
use crate::request::Request;
use crate::uri;
use crate::walk::{Answer, Next, Sent, Walk};

const ACCEL: &str = "the backend (X-Accel-Redirect)";

impl Walk<'_> {
    /// The phases before access, access, and those behind it.
    pub fn access_phases(&self) -> Result<Next, Failure> {
        if let Some(answer) = self.limits()? {
            return Ok(Next::Answer(answer));
        }
        if let Some(answer) = self.refuse_again() {
            return Ok(Next::Answer(answer));
        }
        if let Some(answer) = self.guard_before()? {
            return Ok(Next::Answer(answer));
        }
        if let Some(answer) = self.access()? {
            return Ok(Next::Answer(answer));
        }
        if let Some(answer) = self.guard_after()? {
            return Ok(Next::Answer(answer));
        }
        if let Some(next) = self.files()? {
            return Ok(next);
        }
        self.content()
    }

    /// What was refused since nobody could decide, an `error_page` leads to pages of their own, and to who checks.
    fn refuse_again(&self) -> Option<Answer> {
        let place = self.place();
        let reports = place.settings.report.unwrap_or(false);
        let request = self.request.borrow();
        if !request.is_internal || (Active::of(&place.settings).is_some() && !reports) {
            return None;
        }
        let path = Path { raw: &request.raw, uri: &request.uri, rewritten: request.rewritten };
        let undecided = self.record.undecided.borrow();
        let (denied, ..) = undecided.as_ref().filter(|(_, uri, user)| path.still_holds(uri, user))?;
        Some(Answer { is_final: true, ..Answer::of_module(denied.status()) })
    }

    /// What a zone counts by is read, and may be a variable of the module. Whether a limit is reached nginx alone knows.
    fn limits(&self) -> Result<Option<Answer>, Failure> {
        let mut counts = [false; 2];
        let rejected = self.count(&mut counts)?;
        for (counted, now) in self.counted.iter().zip(counts) {
            counted.set(counted.get() || now);
        }
        Ok(rejected)
    }

    fn count(&self, counts: &mut [bool; 2]) -> Result<Option<Answer>, Failure> {
        let place = self.place();
        let limits = place.inherited(|own| Some(&own.limits).filter(|limits| !limits.is_empty()));
        for limit in limits.into_iter().flatten() {
            let counted = &self.counted[usize::from(limit.of_connections)];
            // A request that is led elsewhere is not counted again.
            if counted.get() {
                continue;
            }
            let key = self.conf.zones.get(&limit.zone).map(|key| self.value(key)).transpose()?;
            let is_empty = key.is_some_and(|key| key.is_ok_and(|key| key.is_empty()));
            // Nor is one without a key.
            if is_empty {
                continue;
            }
            counts[usize::from(limit.of_connections)] = true;
            let (name, variable) = match limit.of_connections {
                true => ("limit_conn", &b"limit_conn_status"[..]),
                false => ("limit_req", &b"limit_req_status"[..]),
            };
            match self.question.given.get(variable) {
                Some(status) if status == b"REJECTED" => {
                    let status = place.inherited(|own| own.limit_status[usize::from(limit.of_connections)]);
                    let refusal = Answer::by(status.unwrap_or(503), format!("\"{name}\""));
                    return Ok(Some(Answer { refuses: true, ..refusal }));
                }
                Some(_) => {}
                None => self.not_followed.borrow_mut().push(name),
            }
        }
        Ok(None)
    }

    /// `try_files`
    fn files(&self) -> Result<Option<Next>, Failure> {
        let place = self.place();
        let Some((files, position)) = &place.last().neighbours.try_files else { return Ok(None) };
        let why = format!("\"try_files\" in {position}");
        Ok(match self.try_files(files)? {
            None => {
                self.not_followed.borrow_mut().push("try_files (--prefix)");
                Some(Next::End)
            }
            Some((uri, false)) => {
                self.request.borrow_mut().uri = uri;
                None
            }
            Some((fallback, true)) => Some(match fallback.strip_prefix(b"=") {
                Some(status) => {
                    let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok());
                    Next::Answer(Answer::by(status.unwrap_or(500), why))
                }
                None => self.redirect(&fallback, &why),
            }),
        })
    }

    /// Whoever answers where all have agreed.
    fn content(&self) -> Result<Next, Failure> {
        let place = self.place();
        self.read_others()?;
        let method = self.request.borrow().method.clone();
        Ok(match place.content() {
            Some(Content::Backend) => self.backend()?,
            Some(Content::Page) => self.end()?,
            Some(Content::Picture) if matches!(&method[..], b"GET" | b"HEAD") => self.end()?,
            Some(Content::Picture) => Next::Answer(Answer::by(405, "\"empty_gif\"")),
            None => match self.serve()? {
                Served::Status(200) => self.end()?,
                Served::Status(status) => Next::Answer(Answer::by(status, "nginx, which looks for a file there")),
                Served::Index(uri) => self.redirect(&uri, "\"index\""),
                Served::Unknown => {
                    if self.leads_on() {
                        self.not_followed.borrow_mut().push("the files that nginx serves (--prefix)");
                    }
                    self.end()?
                }
            },
        })
    }

    /// Values that are evaluated for the answer. Those of the module ask for a decision where there is none yet.
    fn read_others(&self) -> Result<(), Failure> {
        let place = self.place();
        let mut known = Vec::new();
        for level in place.levels.iter().rev() {
            for (name, values) in &level.neighbours.others {
                if !known.contains(&name) {
                    known.push(name);
                    values.iter().try_for_each(|value| self.touch(value))?;
                }
            }
        }
        Ok(())
    }

    /// What a backend answers is not to be known, unless it is said.
    fn backend(&self) -> Result<Next, Failure> {
        let number = self.answers.get();
        self.answers.set(number + 1);
        let intercepts = self.place().inherited(|own| own.intercepts_errors).unwrap_or(false);
        Ok(match self.question.answers.get(number) {
            Some(Backend::Redirect(name)) if name.starts_with(b"@") => self.redirect(name, ACCEL),
            Some(Backend::Redirect(target)) => match uri::decoded(target) {
                Some(target) => {
                    make_get(&mut self.request.borrow_mut());
                    self.redirect(&target, ACCEL)
                }
                None => Next::Answer(Answer::by(404, "an X-Accel-Redirect that nginx takes for unsafe")),
            },
            // nginx itself says so of a backend that cannot be reached.
            Some(Backend::Status(status @ (502 | 504))) => Next::Answer(Answer::of_backend(*status)),
            Some(Backend::Status(status)) if intercepts && *status >= 300 => Next::Answer(Answer::of_backend(*status)),
            Some(Backend::Status(status)) => self.answer(Answer { is_final: true, ..Answer::of_backend(*status) })?,
            None => {
                if self.backend_may_lead_on(intercepts) {
                    self.not_followed.borrow_mut().push("the answer of the backend (--answer)");
                }
                self.end()?
            }
        })
    }

    /// Whether an `error_page` is in force.
    fn leads_on(&self) -> bool {
        self.place().inherited(|own| Some(!own.error_pages.is_empty()).filter(|is| *is)).is_some()
    }

    /// Whether an `error_page` is for what a backend answers, or for one that does not.
    fn backend_may_lead_on(&self, intercepts: bool) -> bool {
        let pages = self.place();
        let pages = pages.inherited(|own| Some(&own.error_pages).filter(|pages| !pages.is_empty()));
        pages
            .into_iter()
            .flatten()
            .any(|page| intercepts || page.statuses.iter().any(|status| matches!(status, 502 | 504)))
    }

    /// An answer leads to its page, or to the client.
    pub fn answer(&self, answer: Answer) -> Result<Next, Failure> {
        let place = self.place();
        let own = Sent { status: answer.status, of_backend: answer.of_backend };
        let sent = if answer.is_final { self.kept.get().unwrap_or(own) } else { own };
        self.kept.set(Some(sent).filter(|_| !answer.is_final).or(self.kept.get()));
        let pages = place.inherited(|own| Some(&own.error_pages).filter(|pages| !pages.is_empty()));
        let pages = pages.filter(|_| !answer.is_final && !self.had_error_page.get() && self.can_change());
        if pages.is_some() {
            self.had_error_page.set(!place.inherited(|own| own.recursive_error_pages).unwrap_or(false));
        }
        if let Some(page) = pages.into_iter().flatten().find(|page| page.statuses.contains(&answer.status)) {
            return self.lead_to(page, &answer);
        }
        // To close a connection is to send nothing.
        if answer.status != 444 {
            self.send(answer.status)?;
        }
        self.sent.set(Some(sent));
        self.events.borrow_mut().push(Event::Answered(answer));
        Ok(Next::End)
    }

    fn lead_to(&self, page: &ErrorPage, answer: &Answer) -> Result<Next, Failure> {
        let target = self.evaluate(&page.uri)?;
        let by = answer.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let why = format!("\"error_page\" in {}, for {}{by}", page.position, answer.status);
        if let Some(by) = answer.by.as_ref().filter(|_| answer.refuses) {
            self.events.borrow_mut().push(Event::Refused { status: answer.status, by: by.clone() });
        }
        if let Some(status) = page.sends {
            self.kept.set((status > 0).then_some(Sent { status, of_backend: answer.of_backend }));
        }
        match target.first() {
            Some(b'/') => {
                make_get(&mut self.request.borrow_mut());
                Ok(self.redirect(&target, &why))
            }
            Some(b'@') => Ok(self.redirect(&target, &why)),
            _ => {
                let status = page.sends.filter(|status| is_redirect(*status)).unwrap_or(302);
                self.send(status)?;
                self.sent.set(Some(Sent { status, of_backend: false }));
                self.say(format!("the client is sent elsewhere by {why}"));
                Ok(Next::End)
            }
        }
    }

    /// All is well, as far as it is known.
    fn end(&self) -> Result<Next, Failure> {
        self.sent.set(self.kept.get());
        self.send(self.kept.get().map_or(200, |kept| kept.status)).map(|()| Next::End)
    }

    /// Headers are evaluated where an answer is sent. Those that hold a variable of the module ask for a decision.
    fn send(&self, status: u16) -> Result<(), Failure> {
        let place = self.place();
        let headers = place.inherited(|own| Some(&own.headers).filter(|headers| !headers.is_empty()));
        let is_usual = matches!(status, 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308);
        for (value, always) in headers.into_iter().flatten() {
            if *always || is_usual {
                self.touch(value)?;
            }
        }
        Ok(())
    }
}

pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Pages are fetched, whatever the request was.
fn make_get(request: &mut Request) {
    if request.method != b"HEAD" {
        request.method = b"GET".to_vec();
    }
}
