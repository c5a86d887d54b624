//! The guard.

use authz::{Guard, Judgement, Path, Readings};

use super::Reached;
use crate::backends::readers;
use crate::nginx;

/// What other template may be there.
const SECOND: [&str; 4] = ["/:user/files", "/v1/stra\u{df}e/:id", "/api/:id", "/api/users/x/:id"];

/// The user whom a comparison has covered, a request target, and perhaps what it was rewritten to, line by line. Whoever
/// reads the target as a user's finds it covered by that very user, or refused; with one template more, no less is.
pub fn check(input: &[u8]) -> Reached {
    let mut lines = input.splitn(3, |&b| b == b'\n');
    let (Some(covered), Some(raw)) = (lines.next(), lines.next()) else { return Reached::Nothing };
    let covered = (!covered.is_empty()).then_some(covered);
    let rewritten = lines.next();
    // A path of nginx's begins with a slash, before and after a rewrite.
    let Some(own) = nginx::uri(raw) else { return Reached::Nothing };
    if rewritten.is_some_and(|uri| !uri.starts_with(b"/")) {
        return Reached::Nothing;
    }
    let guard = guard(&["/api/users/:user_id"]);
    let readings = guard.judge(raw, rewritten);
    let refused = guard.is_uncovered(raw, rewritten, covered);
    assert_eq!(refused, is_refused(&readings, covered), "{}", input.escape_ascii());
    check_readers(&readings, raw, true, input);
    let path = Path { raw, uri: rewritten.unwrap_or(&own), rewritten: rewritten.is_some() };
    check_judgement(&guard.judge_request(path), &readings, path.uri, input);
    if let Some(uri) = rewritten {
        check_readers(&readings, &nginx::escape_uri(uri), false, input);
        check_readers(&readings, uri, false, input);
    }
    let second = SECOND[input.len() % SECOND.len()];
    let wider = self::guard(&["/api/users/:user_id", second]);
    assert!(!refused || wider.is_uncovered(raw, rewritten, covered), "{} and {second}", input.escape_ascii());
    match readings {
        Readings::NotUnder => Reached::Refused,
        _ => Reached::accepted(!refused),
    }
}

fn guard(templates: &[&str]) -> Guard {
    let mut guard = Guard::new();
    templates.iter().for_each(|template| guard.add(template.as_bytes()).unwrap());
    guard
}

fn is_refused(readings: &Readings, covered: Option<&[u8]>) -> bool {
    match readings {
        Readings::NotUnder => false,
        Readings::User(user, _) => covered.is_none_or(|covered| covered != &**user),
        Readings::Unclear => true,
    }
}

/// Where not everybody reads a path alike, nginx agrees if it reads that very user itself.
fn check_judgement(judgement: &Judgement, readings: &Readings, uri: &[u8], input: &[u8]) {
    assert_eq!(judgement.readings, *readings, "{}", input.escape_ascii());
    if judgement.nginx_agrees && !judgement.is_alike {
        let own = uri.split(|&b| b == b'/').nth(3);
        let is_own = match readings {
            Readings::NotUnder => true,
            Readings::User(user, _) => own == Some(&**user),
            Readings::Unclear => false,
        };
        assert!(is_own, "{judgement:?} of {}", input.escape_ascii());
    }
}

fn check_readers(readings: &Readings, forwarded: &[u8], as_sent: bool, input: &[u8]) {
    for backend in readers(as_sent) {
        let Some(read) = (backend.read)(forwarded) else { continue };
        let is_told = match readings {
            Readings::NotUnder => false,
            Readings::User(user, _) => **user == *read,
            Readings::Unclear => true,
        };
        let told = format!("{readings:?} of {}", input.escape_ascii());
        assert!(is_told, "{told}: {} to {}", read.escape_ascii(), backend.name);
    }
}
