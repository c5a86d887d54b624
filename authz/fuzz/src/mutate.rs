//! Mutators. A blind one never makes a signature that holds, so tokens are signed anew after most changes, and a case of
//! several parts is changed in one of them at a time.

use data_encoding::BASE64URL_NOPAD;
use libfuzzer_sys::fuzzer_mutate;

use crate::backends::BACKENDS;
use crate::properties::decision::{BREAK, split};
use crate::properties::json::{self, Json};
use crate::properties::signing::{SIGNERS, token};

/// What stands in tokens and keys, to be put where a value or a member may be.
const PIECES: &str = r#""alg":|"typ":|"kid":|"crit":|"b64":false|"uid":|"exp":|"nbf":|"iat":|"iss":|"aud":|"sub":|"jti":
"app":|"users":|"u\u0069d":|"EdDSA"|"Ed25519"|"ES256"|"HS256"|"none"|"JWT"|"at+jwt"|"application/at+JWT"|"two"|"ed"|"set"|"https://a"
"https://set"|"api"|"A"|"\u0041"|"\ud83d\ude00"|"\ud800"|""|1000000|1000001|999999|1000000.5|1e6|1.000001e6|-0|0|1e999
-1e999|123456789012345678901234567890|null|true|false|[]|{}|["A","B"]|{"users":["A"]}|,|:|{|}|[|]| |"A","uid":"A""#;

/// Parts of a case that is let in under every setup but those that wait for a key set. Half of the time all parts but one
/// are made good again, so that what is let in is not lost among what is refused.
const GOOD: [&str; 4] = [
    "",
    r#"{"alg":"$alg","typ":"at+jwt"}"#,
    r#"{"uid":"A","exp":1000050,"nbf":1,"iat":999999,"iss":"https://set","aud":["x","app"],"app":{"users":["A"]}}"#,
    "/api/users/$user/x",
];

/// Keys whose tokens are at hand.
const JWKS: [&str; 5] = [
    include_str!("../../tests/data/rsa.jwk"),
    include_str!("../../tests/data/p256.jwk"),
    include_str!("../../tests/data/p384.jwk"),
    include_str!("../../tests/data/p521.jwk"),
    include_str!("../../tests/data/ed25519.jwk"),
];

/// Members that say what a key is for.
const PURPOSES: &str = r#""use":"sig"|"use":"enc"|"use":1|"key_ops":["verify"]|"key_ops":["sign","verify"]|"key_ops":["sign"]
"key_ops":{}|"alg":"RS256"|"alg":"PS384"|"alg":"ES256"|"alg":"ES512"|"alg":"EdDSA"|"alg":"Ed25519"|"alg":"HS256"|"d":"AA"
"x5c":[null]"#;

/// SplitMix64: each mutation is one draw after another from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % bound.max(1) as u64) as usize
    }
}

/// Changes a case of the decision, part by part.
pub fn decision(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(seed.into());
    let mut parts: Vec<Vec<u8>> = split(&data[..size]).into_iter().map(<[u8]>::to_vec).collect();
    if parts.len() != 4 || random.below(50) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let at = [0, 1, 1, 2, 2, 2, 2, 3][random.below(8)];
    if random.below(2) == 0 {
        parts = GOOD.map(|part| part.as_bytes().to_vec()).to_vec();
        parts[0] = vec![b'a' + random.below(6) as u8, b'a', b'a' + random.below(10) as u8];
    }
    let changed = match at {
        0 => letters(&parts[0], &mut random),
        1 | 2 => json(&parts[at], &mut random),
        _ => bytes(&parts[3]),
    };
    parts[at] = changed;
    put(data, &parts.join(BREAK), max_size)
}

/// Changes header or payload of a token and signs it anew, or changes its text.
pub fn tokens(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(seed.into());
    let Some((mut header, mut payload)) = decoded(&data[..size]).filter(|_| random.below(8) > 0) else {
        return fuzzer_mutate(data, size, max_size);
    };
    // Half of the time somebody whose key is there.
    let signers = if random.below(2) == 0 { 6 } else { SIGNERS.len() };
    let signer = SIGNERS[random.below(signers)];
    if random.below(2) == 0 {
        header = GOOD[1].replace("$alg", signer.algorithm()).into_bytes();
    }
    if random.below(2) == 0 {
        payload = GOOD[2].into();
    }
    match random.below(4) {
        0 => header = json(&header, &mut random),
        _ => payload = json(&payload, &mut random),
    }
    put(data, token(signer, &header, &payload).as_bytes(), max_size)
}

/// Changes an object.
pub fn object(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(seed.into());
    if random.below(2) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let changed = json(&data[..size], &mut random);
    put(data, &changed, max_size)
}

/// Changes a document behind one byte that chooses, or makes one of the keys at hand.
pub fn document(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(seed.into());
    if size == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let document = match random.below(4) {
        0 | 1 => return fuzzer_mutate(data, size, max_size),
        2 => json(&data[1..size], &mut random),
        _ => key_set(&mut random),
    };
    put(data, &[&data[..1], &document].concat(), max_size)
}

/// Some of the keys at hand, with purposes that fit or not, and one of them changed.
fn key_set(random: &mut Random) -> Vec<u8> {
    let mut members: Vec<Vec<u8>> = (0..1 + random.below(3)).map(|_| key(random)).collect();
    if random.below(2) == 0 {
        let at = random.below(members.len());
        members[at] = json(&members[at], random);
    }
    if random.below(4) == 0 { members.remove(0) } else { [b"{\"keys\":[", &*members.join(&b','), b"]}"].concat() }
}

fn key(random: &mut Random) -> Vec<u8> {
    let mut key = JWKS[random.below(JWKS.len())].trim_end().to_owned();
    let purposes: Vec<&str> = PURPOSES.split(['|', '\n']).collect();
    for _ in 0..random.below(3) {
        key.insert_str(1, &format!("{},", purposes[random.below(purposes.len())]));
    }
    key.into_bytes()
}

/// Changes a path under the guard; half of the time a user whom somebody reads in it is covered.
pub fn guarded(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(seed.into());
    let size = fuzzer_mutate(data, size, max_size);
    let mut lines: Vec<Vec<u8>> = data[..size].splitn(3, |&b| b == b'\n').map(<[u8]>::to_vec).collect();
    let read = BACKENDS[random.below(BACKENDS.len())].read;
    match lines.last().and_then(|path| read(path)) {
        Some(user) if lines.len() > 1 && random.below(2) == 0 => lines[0] = user,
        _ => return size,
    }
    put(data, &lines.join(&b'\n'), max_size)
}

fn decoded(token: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut segments = token.split(|&b| b == b'.').map(|segment| BASE64URL_NOPAD.decode(segment).ok());
    Some((segments.next()??, segments.next()??))
}

fn letters(settings: &[u8], random: &mut Random) -> Vec<u8> {
    let mut settings = settings.to_vec();
    settings.resize(6, b'a');
    let at = random.below(6);
    settings[at] = b'a' + random.below(26) as u8;
    settings
}

/// Sets, adds or takes out a member, puts a piece in, in place of another token of the text, or changes bytes.
fn json(text: &[u8], random: &mut Random) -> Vec<u8> {
    match (random.below(4), json::object(text)) {
        (0, _) => return bytes(text),
        (1 | 2, Some(Json::Object(members))) => return set_member(members, random),
        _ => {}
    }
    let ends: Vec<usize> = (0..text.len()).filter(|&at| b",:{}[]\"".contains(&text[at])).collect();
    let start = if ends.is_empty() { 0 } else { ends[random.below(ends.len())] };
    let start = start + random.below(2).min(text.len() - start);
    let after = ends.iter().find(|&&end| end > start).map_or(text.len(), |&end| end);
    let end = if random.below(2) == 0 { start } else { after };
    let pieces: Vec<&str> = PIECES.split(['|', '\n']).collect();
    let piece = pieces[random.below(pieces.len())].as_bytes();
    [&text[..start], piece, &text[end..]].concat()
}

fn set_member(members: Vec<(String, Json)>, random: &mut Random) -> Vec<u8> {
    let is_value = |piece: &&str| !piece.ends_with(':') && !matches!(*piece, "," | "{" | "}" | "[" | "]" | " ");
    let (values, names): (Vec<&str>, Vec<&str>) = PIECES.split(['|', '\n']).partition(is_value);
    let names: Vec<&str> = names.into_iter().filter(|piece| piece.len() > 1).collect();
    let mut written: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{}", quoted(name), text(value))).collect();
    let member = format!("{}{}", names[random.below(names.len())], values[random.below(values.len() - 1)]);
    let same = written.iter().position(|one| one.split(':').next() == member.split(':').next());
    match (same, random.below(8)) {
        (Some(same), 0) => drop(written.remove(same)),
        (Some(same), 1..) => written[same] = member,
        (None, _) => written.insert(random.below(written.len() + 1), member),
    }
    format!("{{{}}}", written.join(",")).into_bytes()
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.clone(),
        Json::Text(text) => quoted(text),
        Json::Array(elements) => format!("[{}]", elements.iter().map(text).collect::<Vec<_>>().join(",")),
        Json::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(name, value)| format!("{}:{}", quoted(name), text(value))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c < ' ' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

fn bytes(part: &[u8]) -> Vec<u8> {
    let mut room = part.to_vec();
    room.resize(part.len() + 64, 0);
    let size = fuzzer_mutate(&mut room, part.len(), part.len() + 64);
    room.truncate(size);
    room
}

fn put(data: &mut [u8], changed: &[u8], max_size: usize) -> usize {
    let size = changed.len().min(max_size);
    data[..size].copy_from_slice(&changed[..size]);
    size
}
