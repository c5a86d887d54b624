//! Paths: ordinary ones, odd ones, and those that some backends read as another user's.

use fastrand::Rng;

use crate::asked::PathAsked;
use crate::place::{PathRule, Place};

/// `P` is what stands before the user, `A` the user that nginx captures, `B` whom somebody else reads.
const ATTACKS: [&str; 14] = [
    "/P/B/../A/x",
    "/P/B/%2e%2e/A/x",
    "/P/B/.%2E/A/x",
    "/P/B/..%2fA/x",
    "/P/A/x%2fy/../../B/x",
    "/P/B//../A/x",
    "/P/A/..;/B/x",
    "/P/A/..\\B/x",
    "/P/A/..%5cB/x",
    "/P/A/x#/../../B/x",
    "/P/A/%252e%252e/B/x",
    "/P/A/..%20/B/x",
    "/P/A/.../B/x",
    "/P/A/%c0%ae%c0%ae/B/x",
];

/// Odd, and yet the same user's in every reading: the rule refuses them, and the guard does not.
const ODD: [&str; 5] = ["/P/A/x%2Fy", "/P/A/x//y", "/P/A/./x", "/P/A/x/../y", "/P/A/../A/../A/x"];

/// Under the template `/g/users/:user_id`, and out of the location's reach.
const MISSED: [&str; 12] = [
    "/g/users/B",
    "/G/users/B/x",
    "/g/Users/B/x",
    "/g;x/users/B/x",
    "/g%252fusers/B",
    "//host/g/users/B",
    "/g./users/B",
    "/g%20/users/B",
    "/x/..;/g/users/B/x",
    "/g\\users\\B",
    "/x/%252e%252e/g/users/B/x",
    "/g/users/B/../../health",
];

const TAILS: [&str; 9] =
    ["", "/", "/profile", "/a/b/c", "/caf%C3%A9", "/report.pdf", "/.well-known/x", "/a%20b", "/@+~:,=&!'()*"];

/// A path of this user.
pub fn draw(random: &mut Rng, place: &Place, user: &str, id: u64) -> PathAsked {
    let shape = random.u8(..100);
    let path = match shape {
        0..6 => attack(random, place, user),
        6..8 => odd(random, place, user),
        8..16 if place.name == "g" => missed(random, user),
        _ => ordinary(random, place, user),
    };
    with_query(random, path, id)
}

fn path(target: String, user: &str) -> PathAsked {
    PathAsked {
        target: target.into(),
        user: user.into(),
        is_ambiguous: false,
        is_uncovered: false,
        is_forwarded_raw: true,
    }
}

fn ordinary(random: &mut Rng, place: &Place, user: &str) -> PathAsked {
    let tail = TAILS[random.usize(..TAILS.len())];
    // The location of `g` begins behind a slash.
    let tail = if place.name == "g" && tail.is_empty() { "/" } else { tail };
    let user_encoded = encoded(random, user);
    if place.name == "rewritten" && random.bool() {
        let target = format!("/rewrite/{user_encoded}{tail}");
        return PathAsked { is_forwarded_raw: false, ..path(target, user) };
    }
    path(format!("/{}/{user_encoded}{tail}", place.before), user)
}

fn attack(random: &mut Rng, place: &Place, user: &str) -> PathAsked {
    let target = fill(ATTACKS[random.usize(..ATTACKS.len())], place, random, user);
    let is_uncovered = place.path == PathRule::Guarded;
    PathAsked { is_ambiguous: true, is_uncovered, is_forwarded_raw: !target.contains('#'), ..path(target, user) }
}

fn odd(random: &mut Rng, place: &Place, user: &str) -> PathAsked {
    let target = fill(ODD[random.usize(..ODD.len())], place, random, user);
    PathAsked { is_ambiguous: true, ..path(target, user) }
}

fn missed(random: &mut Rng, user: &str) -> PathAsked {
    let target = MISSED[random.usize(..MISSED.len())].replace('B', &encoded(random, user));
    PathAsked { is_uncovered: true, is_ambiguous: true, ..path(target, user) }
}

fn fill(pattern: &str, place: &Place, random: &mut Rng, user: &str) -> String {
    let other = if user == "bob" { "carol" } else { "bob" };
    let words = pattern.split('/').map(|word| match word {
        "P" => place.before.to_owned(),
        "A" => encoded(random, user),
        "..%2fA" => format!("..%2f{}", encoded(random, user)),
        word => word.replace('B', other),
    });
    words.collect::<Vec<_>>().join("/")
}

/// A user as a segment: what needs it is percent-encoded, and now and then a letter that does not.
fn encoded(random: &mut Rng, user: &str) -> String {
    let needlessly = random.u8(..20) == 0;
    let byte = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'@'
            if !(needlessly && b.is_ascii_lowercase()) =>
        {
            char::from(b).to_string()
        }
        _ => format!("%{b:02X}"),
    };
    user.bytes().map(byte).collect()
}

fn with_query(random: &mut Rng, mut path: PathAsked, id: u64) -> PathAsked {
    let query = match random.u8(..20) {
        0 => format!("?next=/hs/bob/../x;%2f&n={id}"),
        _ => format!("?n={id}"),
    };
    path.target.extend_from_slice(query.as_bytes());
    path
}
