//! A secret is gone from memory once its key is built. Searches the memory of this process, so it is alone in its file.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};

use authz::{Encoding, KeyLabel, Keys, SecretForm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What secrets are kept under here, so that the search does not find itself.
const MASK: u8 = 0x5a;

/// A secret of 64 bytes in letters, masked.
fn masked(seed: u8) -> Vec<u8> {
    (0..64_u8).map(|i| (b'a' + (i.wrapping_mul(7) ^ seed) % 26) ^ MASK).collect()
}

fn unmask(masked: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut secret = Zeroizing::new(Vec::with_capacity(masked.len()));
    secret.extend(masked.iter().map(|b| b ^ MASK));
    secret
}

/// Whether writable memory has the text. The allocator writes over the first bytes of what was freed, so only the
/// second half is looked for.
fn is_in_memory(masked: &[u8]) -> bool {
    let needle = &masked[masked.len() / 2..];
    let mut memory = File::open("/proc/self/mem").unwrap();
    let mut buffer = vec![0; 1 << 20];
    writable_ranges().into_iter().any(|(start, end)| {
        (start..end).step_by(buffer.len() - needle.len()).any(|at| {
            let length = buffer.len().min((end - at) as usize);
            let part = &mut buffer[..length];
            memory.seek(SeekFrom::Start(at)).unwrap();
            let is_needle = |window: &[u8]| window.iter().zip(needle).all(|(b, masked)| b ^ MASK == *masked);
            memory.read_exact(part).is_ok()
                && part.windows(needle.len()).any(|window| window[0] ^ MASK == needle[0] && is_needle(window))
        })
    })
}

fn writable_ranges() -> Vec<(u64, u64)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let range = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        rest.starts_with("rw").then(|| (number(start), number(end)))
    };
    maps.lines().filter_map(range).collect()
}

fn add(keys: &mut Keys, secret: &[u8], encoding: Encoding, versioned: bool) {
    keys.add_secret(secret, SecretForm { encoding, versioned }, &KeyLabel::default()).unwrap();
}

#[test]
fn nothing_of_a_secret_stays() {
    let control = masked(1);
    let plain = vec![unmask(&control).to_vec(); 32];
    assert!(is_in_memory(&control), "the search finds what is there");
    drop(plain);
    assert!(is_in_memory(&control), "and what was dropped as it was");

    let [utf8, base64, first, second] = [2, 3, 4, 5].map(masked);
    let mut keys = Keys::default();
    add(&mut keys, &unmask(&utf8), Encoding::Utf8, false);
    let text = Zeroizing::new(STANDARD.encode(unmask(&base64)));
    let masked_text: Vec<u8> = text.bytes().map(|b| b ^ MASK).collect();
    add(&mut keys, text.as_bytes(), Encoding::Base64, false);
    drop(text);
    let mut versions = Zeroizing::new(Vec::with_capacity(256));
    versions.extend(b"2:");
    versions.extend(&*unmask(&first));
    versions.extend(b",1:");
    versions.extend(&*unmask(&second));
    add(&mut keys, &versions, Encoding::Utf8, true);
    drop(versions);

    for (number, secret) in [&utf8, &base64, &masked_text, &first, &second].into_iter().enumerate() {
        assert!(!is_in_memory(secret), "secret {number}, its key in use");
    }
}
