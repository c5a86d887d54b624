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
    /// How many different ones there are.
    different: u64,
    /// They come in no order.
    mixed: bool,
    prepared: Vec<Vec<u8>>,
}

impl Requests {
    /// Requests whose tokens are numbered from `first`: so many `different` ones, one after the other or mixed.
    pub fn new(
        keys: &Path,
        algorithm: Algorithm,
        kind: Kind,
        first: u64,
        different: u64,
        mixed: bool,
    ) -> Result<Self, Failure> {
        let mint = Mint::new(keys, algorithm, kind)?;
        let different = if mint.is_constant() { 1 } else { different };
        let prepared = (first..first + different.min(PREPARED)).map(|number| headers(&mint, number)).collect();
        Ok(Self { mint, first, different, mixed, prepared })
    }

    /// Appends the headers of the request of this index to its request line.
    pub fn append(&self, index: u64, request: &mut Vec<u8>) {
        let index = if self.mixed { mix(index) } else { index } % self.different;
        match self.prepared.get(index as usize) {
            Some(headers) => request.extend_from_slice(headers),
            None => request.extend(headers(&self.mint, self.first + index)),
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): numbers in a row become numbers that look drawn.
fn mix(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn headers(mint: &Mint, number: u64) -> Vec<u8> {
    let credentials = mint.token(number).map(|token| format!("Authorization: Bearer {token}\r\n"));
    format!("Host: localhost\r\nAccept: */*\r\n{}\r\n", credentials.unwrap_or_default()).into_bytes()
}
