//! The path rule and the guard against models of backends, on random paths.
//!
//! What the rule admits for a user, no backend may read as another's; what any backend reads as a user's, the guard
//! must not let pass uncovered; and ordinary paths must pass both. The environment sets the number of paths of each
//! test, `PATHS_CASES` (2000), and where they begin, `PATHS_SEED` (1).

mod backends;
mod generate;
mod habits;
mod nginx;

use authz::{Guard, Path};
use backends::{BACKENDS, assert_read_as, has_loose_ends, readers};
use generate::Random;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

/// A generator of its own for each test, and how many paths to take from it.
fn setup(test: u64) -> (Random, u64) {
    (Random::new(setting("PATHS_SEED", 1).wrapping_mul(1000).wrapping_add(test)), setting("PATHS_CASES", 2000))
}

fn guard() -> Guard {
    let mut guard = Guard::new();
    guard.add(b"/api/users/:user_id").unwrap();
    guard
}

/// To those who take for Latin-1 what is not encoded.
fn is_misspelt(user: &[u8], raw: &[u8]) -> bool {
    !user.is_ascii() && !raw.is_ascii()
}

#[test]
fn what_is_admitted_for_a_user_is_no_other_users() {
    let (mut random, cases) = setup(1);
    let (mut accepted, mut scoped, mut admitted) = (0, 0, 0);
    let guard = guard();
    for _ in 0..cases {
        let raw = random.attack();
        let Some(uri) = nginx::uri(&raw) else { continue };
        accepted += 1;
        let Some(user) = nginx::user_id(&uri) else { continue };
        scoped += 1;
        if !(Path { raw: &raw, uri: &uri, rewritten: false }).is_unambiguous() || has_loose_ends(user) {
            continue;
        }
        admitted += 1;
        assert_read_as(user, &raw, &raw);
        let is_covered = !guard.is_uncovered(&raw, None, Some(user));
        assert!(is_covered || is_misspelt(user, &raw), "{} is covered", raw.escape_ascii());
    }
    println!("{cases} paths, {accepted} no 400 of nginx's, {scoped} in the location, {admitted} admitted");
    assert!(admitted * 50 > cases, "only {admitted} paths put the rule to the test");
}

#[test]
fn what_is_admitted_after_a_rewrite_is_no_other_users() {
    let (mut random, cases) = setup(2);
    let (mut scoped, mut admitted) = (0, 0);
    let guard = guard();
    for _ in 0..cases {
        let tail = random.attack();
        let raw = [b"/old", &*tail].concat();
        // rewrite ^/old/(.*)$ /$1 break; or /api/users/$1
        let Some(old) = nginx::uri(&raw) else { continue };
        let Some(rest) = old.strip_prefix(b"/old/") else { continue };
        let before: &[u8] = if random.below(2) == 0 { b"/" } else { b"/api/users/" };
        let uri = [before, rest].concat();
        let Some(user) = nginx::user_id(&uri) else { continue };
        scoped += 1;
        if !(Path { raw: &raw, uri: &uri, rewritten: true }).is_unambiguous() || has_loose_ends(user) {
            continue;
        }
        admitted += 1;
        // FastCGI and its like are handed $uri as it is.
        assert_read_as(user, &uri, &raw);
        assert_read_as(user, &nginx::escape_uri(&uri), &raw);
        assert!(!guard.is_uncovered(&raw, Some(&uri), Some(user)), "{} is covered", raw.escape_ascii());
    }
    println!("{cases} paths, {scoped} in the location after the rewrite, {admitted} admitted");
    assert!(admitted * 50 > cases, "only {admitted} paths put the rule to the test");
}

#[test]
fn the_guard_lets_no_user_pass_uncovered() {
    let (mut random, cases) = setup(3);
    let (mut accepted, mut under, mut missed) = (0, 0, 0);
    let guard = guard();
    for _ in 0..cases {
        let raw = random.attack();
        let Some(uri) = nginx::uri(&raw) else { continue };
        accepted += 1;
        let users: Vec<_> = readers(true).filter_map(|backend| Some((backend.name, (backend.read)(&raw)?))).collect();
        let Some((name, _)) = users.first() else { continue };
        under += 1;
        assert!(guard.is_uncovered(&raw, None, None), "{} is a user's to {name}", raw.escape_ascii());
        let captured = nginx::user_id(&uri);
        missed += u64::from(captured.is_none());
        let covered = captured.filter(|_| random.below(2) == 0).unwrap_or([b"A", b"B"][random.below(2)]);
        let Some((name, user)) = users.iter().find(|(_, user)| user != covered) else { continue };
        assert!(
            guard.is_uncovered(&raw, None, Some(covered)),
            "{} was compared with {} and is read as {} by {name}",
            raw.escape_ascii(),
            covered.escape_ascii(),
            user.escape_ascii()
        );
    }
    println!(
        "{cases} paths, {accepted} no 400 of nginx's, {under} some user's, {missed} of these missed by the location"
    );
    assert!(under * 4 > cases && missed * 20 > cases, "only {under} and {missed} paths put the guard to the test");
}

#[test]
fn the_guard_lets_no_user_pass_uncovered_after_a_rewrite() {
    let (mut random, cases) = setup(4);
    let mut under = 0;
    let guard = guard();
    for _ in 0..cases {
        let raw = [b"/old", &*random.attack()].concat();
        let Some(old) = nginx::uri(&raw) else { continue };
        let Some(uri) = old.strip_prefix(b"/old") else { continue };
        let escaped = nginx::escape_uri(uri);
        let forwarded = [uri, &*escaped];
        let mut users = forwarded.iter().flat_map(|path| BACKENDS.iter().filter_map(|backend| (backend.read)(path)));
        let Some(user) = users.next() else { continue };
        under += 1;
        assert!(guard.is_uncovered(&raw, Some(uri), None), "{} is a user's", uri.escape_ascii());
        let covered = nginx::user_id(uri).unwrap_or(b"A");
        let is_others = user != covered || users.any(|user| user != covered);
        assert!(!is_others || guard.is_uncovered(&raw, Some(uri), Some(covered)), "{}", uri.escape_ascii());
    }
    println!("{cases} paths, {under} some user's after the rewrite");
    assert!(under * 5 > cases, "only {under} paths put the guard to the test");
}

#[test]
fn ordinary_paths_pass() {
    let (mut random, cases) = setup(5);
    let mut scoped = 0;
    let guard = guard();
    for _ in 0..cases {
        let (raw, segments) = random.ordinary();
        let uri = nginx::uri(&raw).unwrap();
        let path = Path { raw: &raw, uri: &uri, rewritten: false };
        assert!(path.is_unambiguous(), "{}", raw.escape_ascii());
        let user = match &*segments {
            [api, users, user, ..] if api.eq_ignore_ascii_case("api") && users.eq_ignore_ascii_case("users") => {
                Some(user.as_bytes())
            }
            _ => None,
        };
        scoped += u64::from(user.is_some());
        let is_covered = !guard.is_uncovered(&raw, None, user);
        assert!(is_covered || user.is_some_and(|user| is_misspelt(user, &raw)), "{}", raw.escape_ascii());
        assert_eq!(guard.is_uncovered(&raw, None, None), user.is_some(), "{}", raw.escape_ascii());
        assert_eq!(guard.is_uncovered(&raw, None, Some(b"somebody else")), user.is_some(), "{}", raw.escape_ascii());
    }
    println!("{cases} ordinary paths, {scoped} of them a user's");
    assert!(scoped * 20 > cases, "only {scoped} paths put the guard to the test");
}

#[test]
fn the_documented_attacks_are_what_they_are_said_to_be() {
    let page = include_str!("../../../docs/paths.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `/")?.strip_suffix(" |"));
    let mut number = 0;
    for row in rows {
        let [path, captured, _, strict, guarded] = *row.split(" | ").collect::<Vec<_>>() else { panic!("{row}") };
        let raw = format!("/{}", path.split('`').next().unwrap()).into_bytes();
        let uri = nginx::uri(&raw).unwrap();
        let path = Path { raw: &raw, uri: &uri, rewritten: false };
        assert_eq!(nginx::user_id(&uri), (captured == "A").then_some(&b"A"[..]), "{row}");
        assert!(BACKENDS.iter().any(|backend| (backend.read)(&raw).as_deref() == Some(b"B")), "{row}");
        // The rule is for locations that compare.
        assert_eq!(strict == "400", captured == "A" && !path.is_unambiguous(), "{row}");
        assert_eq!(guarded == "403", guard().is_uncovered(&raw, None, Some(b"A")), "{row}");
        number += 1;
    }
    assert!(number > 10, "the table is gone");
}
