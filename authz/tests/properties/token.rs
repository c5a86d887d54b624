//! A token as it is sent.

use super::Reached;
use super::oracle::Request;
use super::setups::{NOW, answer};

const PATH: &[u8] = b"/api/users/A/x";

/// Under the plain setup and another one, the token gets the answer that the second opinion gives it.
pub fn check(token: &[u8]) -> Reached {
    let request = Request {
        raw: PATH,
        uri: PATH,
        preflight: false,
        token: Some(token),
        second_token: None,
        user: b"A",
        now: NOW,
    };
    let words = [0, token.len()].map(|setup| answer(setup, &request).0);
    Reached::accepted(words.contains(&"ok"))
}
