//! `jwt-user-scope explain`: what the module decides on a request, and why.

use std::cell::RefCell;

use authz::{Awaited, Comparison, Cover, Decision, Denied, Granted, Input, Path, Readings, Scope, bearer, decide};
use directives::{Check, Requirement};

use crate::conf::{Conf, Position};
use crate::details::Details;
use crate::keys::KeyRing;
use crate::options::Explain;
use crate::report::{Fetched, Report, State, Step, Told, quoted};
use crate::request::Request;
use crate::select::{Selected, select};
use crate::template::Template;
use crate::variables::{Variables, Watched};
use crate::{Call, Failure, Output, hint};

/// Runs the command.
pub fn run(options: &Explain, call: Call) -> Result<Output, Failure> {
    let missing = |option: &str| Failure(format!("{option} is missing: \"jwt-user-scope explain --help\" tells more"));
    let conf = Conf::read(options.place.config.as_deref().ok_or_else(|| missing("--config <file>"))?)?;
    let mut request = Request {
        method: options.place.method.clone(),
        raw: options.place.path.clone().ok_or_else(|| missing("--path <path>"))?,
        uri: Vec::new(),
        headers: options.headers.clone(),
        host: options.place.address.host.clone(),
    };
    let selected = select(&conf.top, &options.place.address, &mut request)?;
    let input = (call.input)().map_err(|error| Failure(format!("standard input cannot be read: {error}")))?;
    let presented = Presented::of(options, input, &mut request);
    let variables = Variables { conf: &conf, selected: &selected, request: &request, given: &options.given };
    let asked = Asked { options, selected: &selected, request: &request, variables: &variables, presented: &presented };
    let report = asked.report(call.environment, options.place.at.unwrap_or(call.now))?;
    let stdout = if options.json { report.to_json() } else { report.to_string() };
    Ok(Output { stdout, stderr: String::new(), status: u8::from(!report.lets_through()) })
}

/// What came on standard input.
pub struct Presented {
    /// The bare token.
    bare: Option<Vec<u8>>,
    /// The value of `Authorization`.
    authorization: Option<Vec<u8>>,
}

impl Presented {
    /// A line end behind it is none of it. A scheme before it shows that a header was copied.
    fn of(options: &Explain, input: Vec<u8>, request: &mut Request) -> Self {
        let input = input.strip_suffix(b"\n").unwrap_or(&input);
        let input = input.strip_suffix(b"\r").unwrap_or(input);
        let begins = |prefix: &[u8]| input.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let value = if options.authorization || begins(b"Bearer ") {
            Some(input)
        } else if begins(b"Authorization:") {
            Some(input[b"Authorization:".len()..].trim_ascii_start())
        } else {
            None
        };
        match value {
            Some(value) => {
                request.headers.push((b"Authorization".to_vec(), value.to_vec()));
                Self { bare: None, authorization: Some(value.to_vec()) }
            }
            None => Self {
                bare: Some(input.to_vec()).filter(|token| !token.is_empty()),
                authorization: request.header(b"authorization").map(<[u8]>::to_vec),
            },
        }
    }
}

/// The question.
struct Asked<'a> {
    options: &'a Explain,
    selected: &'a Selected,
    request: &'a Request,
    variables: &'a Variables<'a>,
    presented: &'a Presented,
}

/// A check in force.
struct Active<'a> {
    scope: Scope,
    expected: Option<&'a Template>,
    position: &'a Position,
}

/// What the guard found.
enum Guarded {
    /// None is configured.
    Off,
    /// Not a user's path.
    NotUnder,
    Cover(Cover),
}

impl Asked<'_> {
    fn report(&self, environment: directives::Environment, now: u64) -> Result<Report, Failure> {
        let mut report = self.empty_report();
        let active = self.active();
        let guarded = if self.selected.returns { Guarded::Off } else { self.guard(active.as_ref())? };
        self.tell_guard(&mut report, &guarded);
        if report.status.is_some() && !report.reports {
            return Ok(report);
        }
        match active {
            Some(active) => self.decide(&mut report, &active, &guarded, environment, now)?,
            None if report.word.is_none() => report.hint = self.why_nothing(),
            None => {}
        }
        Ok(report)
    }

    fn empty_report(&self) -> Report {
        let Request { method, uri, .. } = self.request;
        let (path, uri) = (quoted(self.request.path()), quoted(uri));
        let read = if path == uri { String::new() } else { format!(", which nginx reads as {uri}") };
        Report {
            about: format!("{} {path}{read}", String::from_utf8_lossy(method).escape_debug()),
            place: self.selected.shown.clone(),
            steps: Vec::new(),
            uri: String::from_utf8_lossy(&self.request.uri).into_owned(),
            word: None,
            status: None,
            reports: self.selected.settings.report.unwrap_or(false),
            hint: String::new(),
            notes: self.notes(),
            not_followed: self.not_followed(),
            has_check: self.check().is_some(),
            key_sets: self.key_sets(),
        }
    }

    fn key_sets(&self) -> Vec<Fetched> {
        let requests = self.selected.settings.keys.iter().flat_map(|keys| &keys.requests);
        let uri = |uri: &[u8], args: &[u8]| match args {
            [] => String::from_utf8_lossy(uri).into_owned(),
            _ => String::from_utf8_lossy(&[uri, b"?", args].concat()).into_owned(),
        };
        requests.map(|request| Fetched { uri: uri(&request.uri, &request.args), stale: request.stale }).collect()
    }

    fn check(&self) -> Option<Active<'_>> {
        match &self.selected.settings.check {
            Some(Check::On { scope, expected, position }) => {
                Some(Active { scope: *scope, expected: expected.as_ref(), position })
            }
            _ => None,
        }
    }

    /// The check, where nginx comes as far as that.
    fn active(&self) -> Option<Active<'_>> {
        self.check().filter(|_| !self.selected.redirected && !self.selected.returns)
    }

    fn path(&self) -> Path<'_> {
        Path { raw: &self.request.raw, uri: &self.request.uri, rewritten: self.request.is_rooted() }
    }

    /// The user that the path belongs to.
    fn expected(&self, active: &Active) -> Result<Vec<u8>, Failure> {
        match (&self.options.user, active.expected) {
            (_, None) => Ok(Vec::new()),
            (Some(user), Some(_)) => Ok(user.clone()),
            (None, Some(expected)) => self.variables.evaluate(expected, None),
        }
    }

    fn guard(&self, active: Option<&Active>) -> Result<Guarded, Failure> {
        let settings = &self.selected.settings;
        let Some(guard) = settings.guard.clone().flatten() else { return Ok(Guarded::Off) };
        let readings = guard.judge(&self.request.raw, self.request.is_rooted().then_some(&self.request.uri));
        if readings == Readings::NotUnder {
            return Ok(Guarded::NotUnder);
        }
        let Some(active) = active.filter(|active| active.expected.is_some()) else {
            return Ok(Guarded::Cover(Cover::Uncovered));
        };
        let reports = settings.report.unwrap_or(false);
        let comparison = Comparison {
            enforced: !reports,
            satisfies_any: self.selected.satisfies_any,
            refuses_path: !settings.any_path.unwrap_or(false) && !self.path().is_unambiguous(),
            may_bypass: settings.bypass.as_ref().is_some_and(|values| !values.is_empty()),
            guard_reports: reports,
        };
        let user = self.expected(active)?;
        Ok(Guarded::Cover(comparison.cover(&readings, || Some(&user))))
    }

    fn tell_guard(&self, report: &mut Report, guarded: &Guarded) {
        let (state, detail) = match guarded {
            Guarded::Off => return,
            Guarded::NotUnder => (State::Ok, "no backend takes the path for a user's"),
            Guarded::Cover(Cover::Covered) => (State::Ok, "the comparison with the path's user covers it"),
            Guarded::Cover(Cover::Awaited(Awaited::Grant)) => (State::Ok, "if the token is let through"),
            Guarded::Cover(Cover::Awaited(Awaited::Bypass)) => (State::Ok, "if a bypass applies"),
            Guarded::Cover(Cover::Uncovered) => (State::Refused, Denied::UncoveredPath.reason()),
        };
        report.steps.push(Told { step: Step::Guard, state, detail: detail.into() });
        if state == State::Refused {
            report.refuse(Denied::UncoveredPath);
        }
    }

    fn decide(
        &self,
        report: &mut Report,
        active: &Active,
        guarded: &Guarded,
        environment: directives::Environment,
        now: u64,
    ) -> Result<(), Failure> {
        let settings = &self.selected.settings;
        let ring = KeyRing::read(settings, active.position, environment, &self.options.jwks)?;
        let policy = settings.policy(active.scope, ring.keys.clone());
        let policy = policy.map_err(|error| Failure(format!("{error} in {}", active.position)))?;
        let user = self.expected(active)?;
        let authorization = self.presented.authorization.as_deref().and_then(bearer);
        let own_token = match settings.token.as_ref().and_then(Option::as_ref) {
            None => None,
            Some(value) => Some(self.token_of(value)?),
        };
        let bare = self.presented.bare.as_deref();
        let (token, second_token) = match &own_token {
            None => (bare.or(authorization), None),
            Some(token) => (Some(&token[..]).filter(|token| !token.is_empty()), authorization),
        };
        let input = Input {
            path: self.path(),
            preflight: self.request.is_preflight(),
            token,
            second_token,
            user: &user,
            key_sets: &ring.sets,
        };
        let (bypass, require) = (settings.bypass.clone().unwrap_or_default(), settings.require.clone());
        let none = Requirement::default();
        let mut watched = Watched {
            variables: self.variables,
            bypass: &bypass,
            require: require.as_deref().unwrap_or(&none),
            bypassed: Vec::new(),
            required: Vec::new(),
            failure: RefCell::default(),
        };
        let decision = decide(&policy, input, now, &mut watched);
        if let Some(failure) = watched.failure.take() {
            return Err(failure);
        }
        let details =
            Details { settings, scope: active.scope, policy: &policy, input, ring: &ring, now, watched: &watched };
        report.steps.extend(steps(&details, &decision));
        report.conclude(&decision, guarded);
        Ok(())
    }

    /// The token where `jwt_user_scope_token` says: the bare one of standard input, or what the request's own variables
    /// come to.
    fn token_of(&self, value: &Template) -> Result<Vec<u8>, Failure> {
        match &self.presented.bare {
            Some(bare) => Ok(bare.clone()),
            None => self.variables.evaluate(value, None),
        }
    }

    fn why_nothing(&self) -> String {
        if self.selected.redirected {
            return "nginx redirects to the same path with a slash at its end, before anything is checked".into();
        }
        if self.selected.returns && self.check().is_some() {
            return "a \"return\" stands beside the check: nginx answers with it before anything is checked".into();
        }
        "no check is in force here: if there should be one, add \"jwt_user_scope on\" to this block, or see why nginx \
         chooses it for this path"
            .into()
    }

    fn not_followed(&self) -> Vec<&'static str> {
        let any = self.selected.satisfies_any.then_some("satisfy any");
        self.selected.not_followed.iter().copied().chain(any).collect()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let before: Vec<_> = ["include", "if", "rewrite", "allow", "deny", "limit_req", "limit_conn"]
            .into_iter()
            .filter(|name| self.selected.not_followed.contains(name))
            .collect();
        if !before.is_empty() {
            notes.push(format!("not followed here, and looked at by nginx first: {}", before.join(", ")));
        }
        if self.selected.satisfies_any {
            notes.push("\"satisfy any\": another access module may let the request in all the same".into());
        }
        notes
    }
}

impl Report {
    fn refuse(&mut self, denied: Denied) {
        self.word = Some(denied.word());
        self.status = Some(denied.status());
        self.hint = hint::of(denied).into();
    }

    fn conclude(&mut self, decision: &Decision, guarded: &Guarded) {
        let unmet = |granted| matches!(guarded, Guarded::Cover(Cover::Awaited(awaited)) if !awaited.is_met_by(granted));
        match decision.outcome {
            Ok(granted) if unmet(granted) => {
                let denied = Denied::UncoveredPath;
                self.refuse(denied);
                for told in self.steps.iter_mut().filter(|told| told.step == Step::Guard) {
                    (told.state, told.detail) = (State::Refused, denied.reason().into());
                }
            }
            Ok(granted) => (self.word, self.status, self.hint) = (Some(granted.word()), None, String::new()),
            Err(denied) => self.refuse(denied),
        }
    }
}

/// The steps of the core, as far as they were asked.
fn steps(details: &Details, decision: &Decision) -> Vec<Told> {
    let last = match decision.outcome {
        Ok(Granted::Preflight) => Step::Preflight,
        Ok(Granted::Ok | Granted::Bypassed) => Step::Require,
        Err(denied) => hint::step_of(denied),
    };
    let tell = |step: Step| {
        let (state, detail) = match decision.outcome {
            _ if step > last => (State::NotAsked, String::new()),
            Err(denied) if step == last => (State::Refused, details.refused(step, denied)),
            _ => details.passed(step, decision),
        };
        Told { step, state, detail }
    };
    Step::ALL.into_iter().filter(|step| *step != Step::Guard).map(tell).collect()
}
