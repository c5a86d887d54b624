//! Key sets that were fetched.

use authz::{KeySet, Keys, MAX_SET_KEYS, MAX_TRIED};

use super::json::{self, Json};
use super::keys::{LISTS, accepted, allowed, each_known};
use super::{Reached, published};

/// A digit, which chooses the allowed algorithms, and a text. It is a set where it is read as one twice; tokens are let
/// in for the keys and algorithms that the second opinion finds in it, and for no others.
pub fn check(input: &[u8]) -> Reached {
    let Some((digit, text)) = input.split_first() else { return Reached::Nothing };
    let list = LISTS[usize::from(*digit) % LISTS.len()];
    let set = KeySet::from_jwks(text, allowed(list), None);
    let document = json::object(text);
    let members = document.as_ref().and_then(|document| document.get("keys"));
    let count = if let Some(Json::Array(members)) = members { Some(members.len()) } else { None };
    let is_set = count.is_some_and(|count| count <= MAX_SET_KEYS);
    assert_eq!(set.is_ok(), is_set, "{}", input.escape_ascii());
    let (Some(document), Ok(set)) = (document, set) else { return Reached::Refused };
    let is_empty = set.is_empty();
    let found = accepted(Keys::new(allowed(list)), Some(set));
    let expected = expected(&document, list);
    // More keys of one algorithm than are tried hide those behind them.
    let is_exact = count.is_some_and(|count| count <= MAX_TRIED);
    let is_right = if is_exact { found == expected } else { found.iter().all(|name| expected.contains(name)) };
    assert!(is_right, "{found:?} rather than {expected:?} by {}", input.escape_ascii());
    assert!(!is_empty || found.is_empty());
    Reached::accepted(!found.is_empty())
}

/// The algorithms whose tokens a document lets in.
pub fn expected(document: &Json, list: Option<&[&str]>) -> Vec<&'static str> {
    let mut expected = Vec::new();
    each_known(|known| expected.extend(published::algorithms(document, known, list)));
    super::keys::ALGORITHMS.into_iter().filter(|name| expected.contains(name)).collect()
}
