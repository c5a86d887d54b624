//! The header value.

use super::Reached;

/// A token is found where RFC 6750 has one, and is nothing but what stands between the spaces.
pub fn check(value: &[u8]) -> Reached {
    let found = authz::bearer(value);
    assert_eq!(found, second_opinion(value), "{}", value.escape_ascii());
    if let Some(token) = found {
        let spaced = [b"bEaReR    ", token, b"   "].concat();
        assert_eq!(authz::bearer(&spaced), Some(token), "{}", value.escape_ascii());
    }
    Reached::accepted(found.is_some())
}

/// Scheme, at least one space, something that neither begins nor ends with a space, spaces.
fn second_opinion(value: &[u8]) -> Option<&[u8]> {
    let space = value.iter().position(|&b| b == b' ')?;
    let start = value.iter().skip(space).position(|&b| b != b' ')? + space;
    let end = value.iter().rposition(|&b| b != b' ')? + 1;
    value[..space].eq_ignore_ascii_case(b"bearer").then(|| &value[start..end])
}
