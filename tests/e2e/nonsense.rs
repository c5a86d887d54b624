//! Nonsense in nginx.conf: whatever stands there, `nginx -t` ends in time, and says why it refuses.
//!
//! `FAULTS=full` tries every directive with every word and many random configurations, whose seed is printed
//! (`NONSENSE_SEED` sets it); otherwise some of both, and always the same.

use crate::common::*;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Words as a configuration has them: what is meant for some directive, and what is meant for none.
const WORDS: [&[u8]; 118] = [
    b"",
    b"\"\"",
    b"''",
    b"on",
    b"ON",
    b"off",
    b"any",
    b"on on",
    b"off off",
    b"off on",
    b"report",
    b"strict",
    b"problem",
    b"$",
    b"${",
    b"${}",
    b"$$",
    b"$1",
    b"$9",
    b"$10",
    b"$uri",
    b"${uri}x",
    b"$user_id",
    b"$nobody_defines_this",
    b"a$",
    b"$jwt_user_scope_user",
    b"$jwt_user_scope_claim_",
    b"$jwt_user_scope_claim_a$jwt_user_scope_header_b",
    b"$JWT_user",
    b"-1",
    b"0",
    b"1",
    b"00",
    b"+1",
    b"1.5",
    b"0x10",
    b"1e3",
    b"99999999999999999999",
    b"9223372036854775807",
    b"-0",
    b"9223372036854775808",
    b"18446744073709551616",
    b"9223372036854775807d",
    b"1y1y",
    b"5s1m",
    b"-5s",
    b"1.5s",
    b" 5s",
    b"106751991167300d",
    b"max=0",
    b"max=1",
    b"max=-1",
    b"max=+1",
    b"max=10000000",
    b"max=10000001",
    b"max=",
    b"max",
    b"max=99999999999999999999",
    b"file:",
    b"file:/",
    b"file:/dev/null",
    b"file:/dev/zero",
    b"file:/dev/full",
    b"file:fifo",
    b"file:.",
    b"file:huge",
    b"file:empty",
    b"file:binary",
    b"file:missing",
    b"file:\xff\xfe",
    b"file:socket",
    b"file:loop",
    b"/dev/zero",
    b"fifo",
    b"huge",
    b"empty",
    b"binary",
    b"socket",
    b"loop",
    b"env:",
    b"env:BETTER_AUTH_SECRET",
    b"env:$x",
    b"env:A=B",
    b"env:\xff",
    b"/",
    b"//",
    b"/a/:b",
    b"/:a/:b",
    b":",
    b"/:",
    b"/%00/:x",
    b"/%/:x",
    b"/../:x",
    b"/a?b=c",
    b"{",
    b"}",
    b";",
    b"\"unterminated",
    b"'",
    b"\\",
    b"\\;",
    b"a;b",
    b"# a comment",
    b"kid=",
    b"kid=x",
    b"issuer=",
    b"encoding=hex",
    b"encoding=rot13",
    b"valid=0",
    b"valid=99999999999999999999s",
    b"stale=1s",
    b"error=401",
    b"error=999",
    b"none",
    b"HS256",
    b"\xff\xfe\xfd",
    b"\xc3\xa9\xe2\x80\xae",
    b"/~2/~",
];

/// Where directives may stand, and may not. `%` is their place.
const PLACES: [&str; 12] = [
    "server { location ~ ^/(?<user_id>[^/]+) { % } }",
    "server { location ~ ^/(?<user_id>[^/]+) { jwt_user_scope on; % } }",
    "server { location / { % jwt_user_scope any; } }",
    "server { location / { jwt_user_scope $arg_user; location /a/ { % } % } }",
    "server { % location / { jwt_user_scope any; } }",
    "% server { location / { jwt_user_scope any; } }",
    "% server { % location / { jwt_user_scope any; % } }",
    "server { location / { limit_except GET { % jwt_user_scope any; } proxy_pass http://127.0.0.1:9; } }",
    "server { location / { if ($arg_x) { % } jwt_user_scope any; } }",
    "upstream u { % server 127.0.0.1:9; } server { location / { jwt_user_scope any; } }",
    "map $uri $y { % } server { location / { jwt_user_scope any; } }",
    "server { location @name { % jwt_user_scope any; } }",
];

/// The directives that the reference describes, which another test compares with the code.
fn directives() -> Vec<String> {
    let reference =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md")).expect("the reference");
    let names: Vec<_> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .filter(|n| n.starts_with("jwt_user_scope"))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    names.into_iter().map(str::to_owned).collect()
}

fn is_full() -> bool {
    std::env::var_os("FAULTS").is_some_and(|how| how == "full")
}

/// Numbers that a seed gives.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// A directive with up to four words, some of them spoilt.
    fn directive(&mut self, names: &[String]) -> Vec<u8> {
        let mut line = names[self.below(names.len())].clone().into_bytes();
        for _ in 0..self.below(5) {
            let mut word = self.of(&WORDS).to_vec();
            match self.below(12) {
                0 => word.insert(self.below(word.len() + 1), u8::try_from(self.below(256)).expect("a byte")),
                1 => word = word.repeat(self.below(2000)),
                2 => word = [b"\"", &word[..], b"\""].concat(),
                _ => {}
            }
            line.push(b' ');
            line.extend(word);
        }
        line.extend(self.of::<[u8]>(&[b";", b";", b";", b";", b";;", b"", b" { }", b" {"]));
        line
    }
}

fn setup() -> Setup {
    let setup = Setup::new()
        .file("empty", "")
        .file("binary", (0..=255).cycle().take(5000).collect::<Vec<u8>>())
        .file("huge", vec![b'x'; 3 << 20]);
    let made = std::process::Command::new("mkfifo").arg(setup.path("fifo")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    drop(std::os::unix::net::UnixListener::bind(setup.path("socket")).expect("a socket"));
    std::os::unix::fs::symlink("loop", setup.path("loop")).expect("a link");
    setup
}

/// What nginx makes of these lines at a place.
fn try_at(setup: &Setup, place: &str, lines: &[u8]) -> bool {
    let around = setup.with_http(place);
    let conf = around.split('%').map(str::as_bytes).collect::<Vec<_>>().join(lines);
    let begun = Instant::now();
    let check = setup.check_bytes(&conf);
    let what = || format!("{:?} at {place}: {}", String::from_utf8_lossy(lines), check.stderr);
    assert_eq!(check.signal, None, "{}", what());
    assert!(check.accepted || check.stderr.contains("[emerg]"), "{}", what());
    assert!(!check.stderr.contains("panic") && !check.stderr.contains("allocation of"), "{}", what());
    assert!(begun.elapsed() < patient(Duration::from_secs(20)), "{:?}: {}", begun.elapsed(), what());
    check.accepted
}

/// Runs all on as many threads as help, each with a prefix of its own; how many were accepted.
fn try_all(cases: &[(&str, Vec<u8>)]) -> usize {
    const THREADS: usize = 4;
    std::thread::scope(|scope| {
        let part = |first: usize| {
            let setup = setup();
            cases.iter().skip(first).step_by(THREADS).filter(|(place, lines)| try_at(&setup, place, lines)).count()
        };
        let parts: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || part(first))).collect();
        let join =
            |part: std::thread::ScopedJoinHandle<usize>| part.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
        parts.into_iter().map(join).sum()
    })
}

#[test]
fn in_every_directive() {
    let names = directives();
    let long: [Vec<u8>; 3] = [vec![b'a'; 4000], vec![b'a'; 5000], [b"$".as_slice(), &[b'a'; 4000]].concat()];
    let all: Vec<&[u8]> = WORDS.into_iter().chain(long.iter().map(Vec::as_slice)).collect();
    let with = |name: &String, words: &[&[u8]]| [&[name.as_bytes()], words, &[b";"]].concat().join(&b' ');
    let mut cases = Vec::new();
    for (i, name) in names.iter().enumerate() {
        for (j, word) in all.iter().enumerate().filter(|(j, _)| is_full() || (i + j) % 13 == 0) {
            cases.push((PLACES[(i + j) % 2], with(name, &[word])));
            cases.push((PLACES[2 + (i + j) % 5], with(name, &[word, all[(i * 7 + j * 3) % all.len()]])));
        }
        cases.push((PLACES[1], with(name, &[])));
        cases.push((PLACES[1], with(name, &vec![&b"x"[..]; 500])));
        cases.push((PLACES[1], [with(name, &[b"off"]), with(name, &[b"off"])].concat()));
    }
    let accepted = try_all(&cases);
    println!("{} configurations of one directive, {accepted} accepted", cases.len());
    assert!(accepted > 0 && accepted < cases.len() / 2, "{accepted} of {} accepted", cases.len());
}

#[test]
fn at_random() {
    let from_clock = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos());
    let seed = std::env::var("NONSENSE_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed = seed.unwrap_or_else(|| if is_full() { from_clock() } else { 1 });
    println!("seed {seed}");
    let mut random = Random(seed);
    let names = directives();
    let lines = |random: &mut Random| (0..=random.below(3)).flat_map(|_| random.directive(&names)).collect();
    let cases: Vec<_> =
        (0..if is_full() { 5000 } else { 200 }).map(|_| (random.of(&PLACES), lines(&mut random))).collect();
    let accepted = try_all(&cases);
    println!("{} random configurations, {accepted} accepted", cases.len());
    assert!(accepted > 0 && accepted < cases.len() / 2, "seed {seed}: {accepted} of {} accepted", cases.len());
}

/// What would never end, or not for long.
#[test]
fn in_the_place_of_a_file() {
    let setup = setup();
    for name in ["/dev/zero", "/dev/full", "fifo", ".", "huge", "empty", "binary", "socket", "loop", "missing"] {
        for directive in ["jwt_user_scope_secret file:", "jwt_user_scope_key_file "] {
            // Any bytes may be a secret.
            if (name, directive) == ("binary", "jwt_user_scope_secret file:") {
                continue;
            }
            let check = setup.check(&format!("server {{ location / {{ jwt_user_scope any; {directive}{name}; }} }}"));
            assert!(!check.accepted && check.stderr.contains("[emerg]"), "{directive}{name}: {}", check.stderr);
        }
    }
}
