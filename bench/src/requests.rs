//! The requests of a run: the same bytes for every side, but for the path.

use std::path::Path;

use crate::Failure;
use crate::keys::Algorithm;
use crate::tokens::{Kind, Mint};

/// Headers made before the clock starts, since signing may cost more than sending.
const PREPARED: u64 = 150_000;

pub struct Requests {
    mint: Mint,
    first: u64,
    prepared: Vec<Vec<u8>>,
}

impl Requests {
    /// `count` requests, whose tokens are numbered from `first`.
    pub fn new(keys: &Path, algorithm: Algorithm, kind: Kind, first: u64, count: u64) -> Result<Self, Failure> {
        let mint = Mint::new(keys, algorithm, kind)?;
        let count = if mint.is_constant() { 1 } else { count.min(PREPARED) };
        let prepared = (first..first + count).map(|number| headers(&mint, number)).collect();
        Ok(Self { mint, first, prepared })
    }

    /// Appends the headers of the request of this index to its request line.
    pub fn append(&self, index: u64, request: &mut Vec<u8>) {
        let index_of_prepared = if self.mint.is_constant() { 0 } else { index };
        match self.prepared.get(index_of_prepared as usize) {
            Some(headers) => request.extend_from_slice(headers),
            None => request.extend(headers(&self.mint, self.first + index)),
        }
    }
}

fn headers(mint: &Mint, number: u64) -> Vec<u8> {
    let credentials = mint.token(number).map(|token| format!("Authorization: Bearer {token}\r\n"));
    format!("Host: localhost\r\nAccept: */*\r\n{}\r\n", credentials.unwrap_or_default()).into_bytes()
}
