//! What must hold for any input at all. The fuzz targets of `authz/fuzz` and the test of the saved corpora share it.
//!
//! Each property has a second opinion: the same question answered from the contract by other means (a JSON reader of its
//! own, RustCrypto, data-encoding, percent-encoding, models of backends), and nothing of the code under test.

#![allow(dead_code, reason = "the test uses other parts of it than the fuzz targets")]

pub mod bearer;
pub mod decision;
pub mod guard;
pub mod json;
pub mod key_file;
pub mod key_set;
pub mod keys;
pub mod object;
pub mod oracle;
pub mod path;
pub mod published;
pub mod setups;
pub mod signing;
pub mod token;

/// What an input has put to the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Not even the code under test: the input describes nothing.
    Nothing,
    /// A refusal.
    Refused,
    /// Something was let in.
    Accepted,
}

impl Reached {
    fn accepted(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// A property: panics where it does not hold.
pub type Property = fn(&[u8]) -> Reached;

/// All of them, by the names of their fuzz targets and corpora.
pub const PROPERTIES: [(&str, Property); 8] = [
    ("bearer", bearer::check),
    ("object", object::check),
    ("token", token::check),
    ("decision", decision::check),
    ("path", path::check),
    ("guard", guard::check),
    ("key_file", key_file::check),
    ("key_set", key_set::check),
];
