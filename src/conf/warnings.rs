//! Warnings about configurations that quietly undo the check.

use authz::Scope;

use crate::ffi::{Conf, Position};
use crate::log;

/// Looks at a location with a check in force. `captured`: the compared value is made of the location's own captures.
pub fn check(cf: Conf, scope: Scope, captured: bool, position: &Position) {
    // An "if" block or a "limit_except" shares the location that has been looked at.
    if cf.is_unnamed_block() {
        return;
    }
    let location = String::from_utf8_lossy(cf.location_name());
    let warn = |problem: &str, remedy: &str| {
        log::conf_warning(
            cf,
            format_args!("\"jwt_user_scope\" in location \"{location}\": {problem}: {remedy} in {position}"),
        );
    };
    if cf.satisfies_any() {
        warn("\"satisfy any\" lets requests in without a token", "use \"satisfy all\", or give the others a location");
    }
    if scope == Scope::Any || location.is_empty() {
        return;
    }
    if !captured {
        warn(
            "the compared value is no named capture of this location, so that another regex may set it",
            "capture it in the regex of the location",
        );
    }
    if !cf.merges_slashes() {
        warn("with \"merge_slashes off\" an empty segment can stand before the user", "leave it on");
    }
    if let Some(regex) = cf.location_regex() {
        if demands_slash(regex) {
            warn(
                "the regex demands a slash after the user, so that the path without one is not checked here",
                "end it with \"(?:/|$)\"",
            );
        }
        if regex.ends_with(b"(.*)$") {
            warn("\"(.*)$\" stops at a line end, which a path may hold encoded", "leave it out");
        }
    }
}

/// Whether a regex wants a slash behind a named group, as `(?<user_id>[^/]+)/` does, and nothing optional about it.
fn demands_slash(regex: &[u8]) -> bool {
    let groups = regex.windows(3).enumerate().filter(|(_, open)| matches!(*open, b"(?<" | b"(?P" | b"(?'"));
    groups.filter_map(|(start, _)| after_group(&regex[start + 1..])).any(|rest| {
        let rest = rest.strip_prefix(b"\\").unwrap_or(rest);
        matches!(rest, [b'/'] | [b'/', b'+' | b'(' | b')' | b'$' | b'.' | b'[' | b'\\', ..])
            || matches!(rest, [b'/', b, ..] if b.is_ascii_alphanumeric())
    })
}

/// What stands behind the group that has just been opened.
fn after_group(regex: &[u8]) -> Option<&[u8]> {
    let (mut depth, mut class) = (1, false);
    let mut bytes = regex.iter().enumerate();
    while let Some((i, b)) = bytes.next() {
        match b {
            b'\\' => _ = bytes.next(),
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return regex.get(i + 1..);
        }
    }
    None
}
