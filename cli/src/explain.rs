//! `jwt-user-scope explain`: what the module decides on a request, and why.

use crate::conf::Conf;
use crate::options::Explain;
use crate::report::{By, Report, quoted_path, without_tokens};
use crate::request::{Request, Target};
use crate::server::{Address, Served, server};
use crate::walk::{Answer, Next, Walk};
use crate::{Call, Failure, Output, form, hint, uri};

/// Who answers what nginx itself takes for no request.
const NO_PATH: &str = "itself: this is no path, or leads above the root";
const LONG: &str = "a line of the request is longer than 8 KiB: unless large_client_header_buffers allows it, nginx answers 400 or 414";
const TWO_TOKENS: &str = "itself: there are two \"Authorization\" headers";

/// Runs the command.
pub fn run(options: &Explain, call: Call) -> Result<Output, Failure> {
    let missing = |option: &str| Failure(format!("{option} is missing: \"jwt-user-scope explain --help\" tells more"));
    let conf = Conf::read(options.place.config.as_deref().ok_or_else(|| missing("--config <file>"))?)?;
    let path = options.place.path.as_deref().ok_or_else(|| missing("--path <path>"))?;
    let target = Target::parse(path);
    let address = address(options, target.as_ref().and_then(|target| target.host));
    let Served { place: server, captures, mut readers } = server(&conf.top, &address)?;
    let uri = target.as_ref().map(|target| uri::of(target.path, &readers)).transpose()?.flatten();
    let mut request = Request::to(&options.place.method, target.map_or(path, |target| target.path));
    request.headers = headers(options);
    request.host = address.host();
    request.client.clone_from(&options.client);
    let input = (call.input)().map_err(|error| Failure(format!("standard input cannot be read: {error}")))?;
    let presented = Presented::of(options, input, &mut request);
    let (malformed, is_long) = (form::refusal(&request), form::is_long(&request, presented.length()));
    let dropped = request.receive(&server);
    let is_second = presented.bare.is_some() && presented.authorization.is_some() && !conf.top.takes_other_tokens();
    let (first, server) = match uri {
        None => (Next::Answer(Answer::by(400, NO_PATH)), readers.pop().unwrap_or(server)),
        Some(uri) => {
            request.uri = uri;
            let is_refused = is_second || request.has_two_authorizations();
            let two = is_refused.then_some((400, TWO_TOKENS));
            let refusal = malformed.or(two).map(|(status, by)| Next::Answer(Answer::by(status, by)));
            (refusal.unwrap_or(Next::Server), server)
        }
    };
    let about = about(&request);
    let now = options.place.at.unwrap_or(call.now);
    let walk = Walk::new(&conf, server, request, options, &presented, call.environment, now);
    captures.into_iter().for_each(|captures| walk.store.borrow_mut().keep(captures));
    walk.go(first)?;
    let mut report = report(about, walk)?;
    report.notes.extend(is_long.then(|| LONG.into()));
    report.notes.extend(dropped.iter().map(|name| {
        format!("nginx drops the header {}: see underscores_in_headers and ignore_invalid_headers", quoted_path(name))
    }));
    report.notes.extend(conf.missing().map(|blocks| format!("what {blocks} around this part would set is not known")));
    let stdout = if options.json { report.to_json() } else { report.to_string() };
    Ok(Output { stdout, stderr: String::new(), status: report.exit_status() })
}

/// Where the request is sent to; the host may stand in the target, or be given as a header.
fn address(options: &Explain, of_target: Option<&[u8]>) -> Address {
    let header = options.headers.iter().find(|(name, _)| is_host(name)).map(|(_, value)| value.clone());
    let Address { host, listen } = options.place.address.or_of_target(of_target);
    Address { host: host.or(header), listen }
}

/// The headers of the request: those that are given, and the host. An empty host is that of a request without one.
fn headers(options: &Explain) -> Vec<(Vec<u8>, Vec<u8>)> {
    let host = options.place.address.host.clone().filter(|host| !host.is_empty());
    let host = host.filter(|_| !options.headers.iter().any(|(name, _)| is_host(name)));
    host.map(|host| (b"Host".to_vec(), host)).into_iter().chain(options.headers.iter().cloned()).collect()
}

fn is_host(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Host")
}

fn about(request: &Request) -> String {
    let (path, uri) = (quoted_path(request.path()), quoted_path(&request.uri));
    let read =
        if path == uri || request.uri.is_empty() { String::new() } else { format!(", which nginx reads as {uri}") };
    format!("{} {path}{read}", String::from_utf8_lossy(&request.method).escape_debug())
}

fn report(about: String, walk: Walk) -> Result<Report, Failure> {
    if walk.record.last.borrow().is_some() && walk.question.jwks.len() > walk.record.key_sets.borrow().len() {
        return Err(Failure("there are more --jwks than \"jwt_user_scope_key_request\" directives".into()));
    }
    let mut not_followed = walk.not_followed.take();
    // Of a part of a configuration, not all locations are here.
    if !walk.conf.has_servers() && walk.place().location().is_none() {
        not_followed.push("locations that are not in this part");
    }
    not_followed.sort_unstable();
    not_followed.dedup();
    let unread: Vec<_> = walk.unread.take().into_iter().map(str::to_owned).collect();
    let mut report = Report {
        about,
        uri: without_tokens(&String::from_utf8_lossy(&walk.request.borrow().uri)),
        events: walk.events.take(),
        hint: String::new(),
        sent: walk.sent.get(),
        notes: notes(&not_followed, &unread),
        not_followed,
        unread,
        key_sets: walk.record.key_sets.take(),
    };
    report.hint = match report.last() {
        Some((_, By::Variable(_))) if report.refused_by_module().is_some() => report
            .refused_by_module()
            .and_then(|decided| decided.decision.outcome.err())
            .map(hint::of)
            .unwrap_or_default()
            .into(),
        Some((decided, By::Check | By::Guard)) => {
            decided.decision.outcome.err().map(hint::of).unwrap_or_default().into()
        }
        Some((_, By::Variable(_))) => "the check itself is not asked: nginx answers before, or it is off here".into(),
        None if report.answered().is_some() || report.lets_through().is_none() => String::new(),
        None => {
            "no check is in force here: if there should be one, add \"jwt_user_scope on\" to this block, or see why \
                 nginx chooses it for this path"
                .into()
        }
    };
    Ok(report)
}

const ANY: &str = "satisfy any";

fn notes(not_followed: &[&str], unread: &[String]) -> Vec<String> {
    let unread = unread.iter().map(|include| format!("{include} names what cannot be read here"));
    let any = not_followed.contains(&ANY).then(|| format!("\"{ANY}\": another access module may let the request in"));
    let others: Vec<_> = not_followed.iter().copied().filter(|name| *name != ANY).collect();
    let others = (!others.is_empty()).then(|| format!("not followed here: {}", others.join(", ")));
    unread.chain(others).chain(any).collect()
}

/// What came on standard input.
pub struct Presented {
    /// The bare token. It stands wherever the location takes its token from.
    pub bare: Option<Vec<u8>>,
    /// The value of `Authorization`.
    pub authorization: Option<Vec<u8>>,
}

impl Presented {
    /// The line end behind it is not a part of it, nor are spaces behind a bare token, which nginx takes away from the end of
    /// a header. A scheme before it shows that a header was copied.
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
        let spaces = input.iter().rev().take_while(|b| **b == b' ').count();
        match value {
            Some(value) => {
                request.headers.push((b"Authorization".to_vec(), value.to_vec()));
                Self { bare: None, authorization: Some(value.to_vec()) }
            }
            None => Self {
                bare: Some(input[..input.len() - spaces].to_vec()).filter(|token| !token.is_empty()),
                authorization: request.header(b"authorization").map(<[u8]>::to_vec),
            },
        }
    }

    /// Bytes of the bare token.
    fn length(&self) -> usize {
        self.bare.as_ref().map_or(0, Vec::len)
    }

    /// `$http_authorization` where a bare token is, unless the location takes its token from somewhere else.
    pub fn bearer(&self, takes_another: bool) -> Option<Vec<u8>> {
        let bare = self.bare.as_deref().filter(|_| !takes_another && self.authorization.is_none())?;
        Some([b"Bearer ", bare].concat())
    }

    /// The user and the password of a request that has these in the place of a token.
    pub fn basic(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        use base64::Engine as _;
        let value = self.authorization.as_deref()?;
        let encoded = value.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case(b"Basic ")).map(|_| &value[6..])?;
        let text = base64::engine::general_purpose::STANDARD.decode(encoded.trim_ascii()).ok()?;
        let colon = text.iter().position(|&b| b == b':')?;
        Some((text[..colon].to_vec(), text[colon + 1..].to_vec()))
    }
}
