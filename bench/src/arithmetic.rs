//! `arithmetic`: the bare signature check, with a key that was parsed before, over tokens no two of which are alike.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

use crate::keys::{Algorithm, Signer, Verifier};
use crate::tokens::{Kind, Mint};
use crate::{Failure, Options};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Different tokens that are checked in turn.
const TOKENS: u64 = 512;

fn thread_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

pub fn run(options: &Options) -> Result<(), Failure> {
    let (keys, algorithm) = (options.text("keys")?.as_ref(), options.value::<Algorithm>("algorithm")?);
    let verifier = Verifier::of(&Signer::read(keys, algorithm)?, algorithm)?;
    let mint = Mint::new(keys, algorithm, Kind::New)?;
    let tokens: Vec<(Vec<u8>, Vec<u8>)> = (0..TOKENS).filter_map(|number| parts(&mint.token(number)?)).collect();
    let count: usize = options.value("count")?;
    let check = |number: usize| {
        let (message, signature) = &tokens[number % tokens.len()];
        verifier.verifies(black_box(message), black_box(signature))
    };
    if !(0..tokens.len()).all(check) {
        return Err("a good signature was refused".into());
    }
    let before = thread_time();
    let good = (0..count).filter(|number| check(*number)).count();
    let nanoseconds = thread_time() - before;
    if good != count {
        return Err("a good signature was refused".into());
    }
    let (nanoseconds, bytes) = (nanoseconds as f64 / count as f64, tokens[0].0.len());
    println!(r#"{{"count":{count},"ns":{nanoseconds:.1},"bytes":{bytes}}}"#);
    Ok(())
}

/// What is signed, and the signature.
fn parts(token: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (message, signature) = token.rsplit_once('.')?;
    Some((message.into(), URL_SAFE_NO_PAD.decode(signature).ok()?))
}
