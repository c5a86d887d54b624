//! The path rule.

use authz::Path;
use percent_encoding::percent_decode;

use super::Reached;
use crate::backends::{assert_read_as, has_loose_ends};
use crate::nginx;

/// A request target, and on a second line what it was rewritten to. It is admitted where the second opinion admits it,
/// and then no model of a backend reads it as another user's.
pub fn check(input: &[u8]) -> Reached {
    let mut lines = input.splitn(2, |&b| b == b'\n');
    let (raw, rewritten) = (lines.next().unwrap_or_default(), lines.next());
    let Some(uri) = nginx::uri(raw) else { return Reached::Nothing };
    let admitted = match rewritten {
        None => Path { raw, uri: &uri, rewritten: false }.is_unambiguous(),
        Some(uri) => Path { raw, uri, rewritten: true }.is_unambiguous(),
    };
    let expected = match rewritten {
        None => is_admitted(raw, &uri),
        Some(uri) => segments_of(without_query(raw)).is_some() && is_in_order(uri),
    };
    assert_eq!(admitted, expected, "{}", input.escape_ascii());
    let uri = rewritten.unwrap_or(&uri);
    if let Some(user) = nginx::user_id(uri).filter(|user| admitted && !has_loose_ends(user)) {
        match rewritten {
            None => assert_read_as(user, raw, raw),
            Some(uri) => assert_read_as(user, &nginx::escape_uri(uri), raw),
        }
    }
    Reached::accepted(admitted)
}

/// The rule, as the contract words it.
pub fn is_admitted(raw: &[u8], uri: &[u8]) -> bool {
    let rebuilt = segments_of(without_query(raw)).map(|segments| ["", &segments.join("/")].join("/"));
    rebuilt.is_some_and(|rebuilt| rebuilt.as_bytes() == uri)
}

fn without_query(raw: &[u8]) -> &[u8] {
    raw.split(|&b| b == b'?').next().unwrap_or_default()
}

/// The segments of a path in order, each decoded on its own. A path is text before that, too: no character is encoded in
/// part.
fn segments_of(path: &[u8]) -> Option<Vec<String>> {
    std::str::from_utf8(path).ok()?;
    let written: Vec<&[u8]> = path.strip_prefix(b"/")?.split(|&b| b == b'/').collect();
    let last = written.len() - 1;
    let decode = |(at, segment): (usize, &&[u8])| match percent_decode(segment).decode_utf8().ok()? {
        text if text.is_empty() && at == last => Some(String::new()),
        text => is_name(&text).then(|| text.into_owned()),
    };
    // An escape that is none stays as it is, and `%` is no part of a name.
    written.iter().enumerate().map(decode).collect()
}

fn is_name(segment: &str) -> bool {
    let is_dots = segment.contains('.') && segment.chars().all(|c| c == '.' || c == ' ');
    !segment.is_empty() && !is_dots && !segment.chars().any(|c| c.is_ascii_control() || "/;\\#?%".contains(c))
}

/// What a rewritten path must be, which is decoded already.
fn is_in_order(uri: &[u8]) -> bool {
    let Ok(uri) = std::str::from_utf8(uri) else { return false };
    let Some(path) = uri.strip_prefix('/') else { return false };
    let path = path.strip_suffix('/').unwrap_or(path);
    uri == "/" || path.split('/').all(is_name)
}
