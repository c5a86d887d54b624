//! The access modules, in their order, and what `satisfy` makes of what they say (`ngx_http_core_access_phase`).

use authz::Granted;

use crate::Failure;
use crate::access::{Said, judge};
use crate::decide::Active;
use crate::report::{By, Event, REAL_IP};
use crate::rewrite::ActionKind;
use crate::select::location;
use crate::walk::{Answer, Walk};

/// What an access module says.
enum Verdict {
    /// It has nothing to say.
    Declines,
    Agrees,
    Refuses(Answer),
    /// This program cannot tell; the name of the directive.
    Unknown(&'static str),
}

/// The modules of the access phase.
#[derive(Clone, Copy)]
enum Module {
    Address,
    Token,
    Password,
    Subrequest,
}

impl Module {
    const IN_ORDER: [Self; 4] = [Self::Address, Self::Token, Self::Password, Self::Subrequest];

    fn name(self) -> &'static str {
        match self {
            Self::Address => "allow",
            Self::Token => "jwt_user_scope",
            Self::Password => "auth_basic",
            Self::Subrequest => "auth_request",
        }
    }
}

impl Walk<'_> {
    /// Asks one after the other.
    pub fn access(&self) -> Result<Option<Answer>, Failure> {
        let satisfies_any = self.place().satisfies_any();
        let mut refusal: Option<Answer> = None;
        let (mut has_refused, mut unknown) = (false, false);
        for module in Module::IN_ORDER {
            match self.ask_module(module)? {
                Verdict::Declines => {}
                Verdict::Agrees if satisfies_any => {
                    // Another one, if the module has refused.
                    if has_refused {
                        self.events.borrow_mut().push(Event::Overruled(module.name()));
                    }
                    return Ok(None);
                }
                Verdict::Agrees => {}
                Verdict::Refuses(answer) if satisfies_any && matches!(answer.status, 401 | 403) => {
                    has_refused |= answer.by.is_none();
                    // 401 is the better answer, as it can be mended.
                    if refusal.as_ref().is_none_or(|refusal| refusal.status != 401) {
                        refusal = Some(answer);
                    }
                }
                Verdict::Refuses(answer) => return Ok(Some(answer)),
                Verdict::Unknown(name) => {
                    self.not_followed.borrow_mut().push(name);
                    unknown = true;
                }
            }
        }
        // Nothing goes on as if it had been refused by all.
        if unknown && satisfies_any && refusal.is_some() {
            self.not_followed.borrow_mut().push("satisfy any");
        }
        Ok(refusal)
    }

    fn ask_module(&self, module: Module) -> Result<Verdict, Failure> {
        match module {
            Module::Address => Ok(self.by_address()),
            Module::Token => self.by_token(),
            Module::Password => self.by_password(),
            Module::Subrequest => Ok(self.by_subrequest()),
        }
    }

    fn by_address(&self) -> Verdict {
        let place = self.place();
        let Some(rules) = place.inherited(|own| Some(&own.access).filter(|rules| !rules.is_empty())) else {
            return Verdict::Declines;
        };
        let client = self.request.borrow().client.clone();
        // The first that fits, one after the other, so that it can be named.
        for (rule, position) in rules {
            if judge(std::slice::from_ref(rule), None) == Said::Unknown {
                self.look_at_client();
            }
            match judge(std::slice::from_ref(rule), client.as_deref()) {
                Said::Nothing => {}
                Said::Allowed => return Verdict::Agrees,
                Said::Denied => {
                    let answer = Answer::by(403, format!("\"deny\" in {position}"));
                    return Verdict::Refuses(Answer { refuses: true, ..answer });
                }
                Said::Unknown => return Verdict::Unknown("allow and deny (--client)"),
            }
        }
        Verdict::Declines
    }

    /// Notes that the client's address matters, where nginx may take it from a header.
    pub fn look_at_client(&self) {
        if self.place().levels.iter().any(|level| level.neighbours.trusts_proxies) {
            self.not_followed.borrow_mut().push(REAL_IP);
        }
    }

    fn by_token(&self) -> Result<Verdict, Failure> {
        let place = self.place();
        let Some(active) = Active::of(&place.settings) else { return Ok(Verdict::Declines) };
        let mut decided = self.deciding(|| self.ask(&place.settings, &active))?;
        self.store.borrow_mut().restore();
        decided.steps.splice(0..0, self.guarded.take());
        let (outcome, reports) = (decided.decision.outcome, decided.reports);
        self.keep(decided, By::Check);
        self.record.settled.set(true);
        let undecided = outcome.err().filter(|denied| denied.status() >= 500 && !reports);
        let user = match active.expected {
            Some(_) if undecided.is_some() => self.expected(&active)?,
            _ => Vec::new(),
        };
        self.record.undecided.replace(undecided.map(|denied| (denied, self.request.borrow().uri.clone(), user)));
        Ok(match outcome {
            _ if reports => Verdict::Declines,
            Ok(Granted::Preflight) => Verdict::Declines,
            Ok(Granted::Ok | Granted::Bypassed) => Verdict::Agrees,
            Err(denied) => Verdict::Refuses(Answer::of_module(denied.status())),
        })
    }

    /// `auth_basic`, with the passwords that are written as they are.
    fn by_password(&self) -> Result<Verdict, Failure> {
        let place = self.place();
        if !place.inherited(|own| own.asks_password).unwrap_or(false) {
            return Ok(Verdict::Declines);
        }
        let refusal = || Verdict::Refuses(Answer { refuses: true, ..Answer::by(401, "\"auth_basic\"") });
        let Some((user, password)) = self.presented.basic() else { return Ok(refusal()) };
        let Some(file) = place.inherited(|own| own.password_file.as_ref()) else {
            return Ok(Verdict::Unknown("auth_basic"));
        };
        let Ok(text) = std::fs::read(self.beside_configuration(&self.evaluate(file)?)) else {
            return Ok(Verdict::Unknown("auth_basic"));
        };
        let mut lines = text.split(|&b| b == b'\n').filter_map(|line| line.strip_prefix(&user[..])?.strip_prefix(b":"));
        Ok(match lines.next().map(|kept| kept.split(|&b| b == b':').next().unwrap_or_default()) {
            None => refusal(),
            Some(kept) => match kept.strip_prefix(b"{PLAIN}") {
                Some(kept) if kept == password => Verdict::Agrees,
                Some(_) => refusal(),
                None => Verdict::Unknown("auth_basic"),
            },
        })
    }

    /// `auth_request`, where nothing but a `return` answers it.
    fn by_subrequest(&self) -> Verdict {
        let Some(uri) = self.place().inherited(|own| own.auth_request.clone()).flatten() else {
            return Verdict::Declines;
        };
        let place = location(self.server(), &uri, b"GET").place;
        if !place.last().neighbours.unread.is_empty() {
            return Verdict::Unknown("auth_request");
        }
        let returned = place.last().neighbours.actions.first().map(|action| &action.kind);
        match returned {
            Some(ActionKind::Return { status: 200..300, .. }) => Verdict::Agrees,
            Some(ActionKind::Return { status, .. }) => {
                let status = if matches!(status, 401 | 403) { *status } else { 500 };
                Verdict::Refuses(Answer { refuses: true, ..Answer::by(status, "\"auth_request\"") })
            }
            _ => Verdict::Unknown("auth_request"),
        }
    }
}
