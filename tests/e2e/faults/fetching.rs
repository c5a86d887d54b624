//! No memory while a key set is fetched: each attempt with a set of its own, which no earlier one has left.

use super::{Case, Must, Sweep, case};
use crate::common::*;
use std::time::Duration;

/// More than a fetch can have allocations, each of which fails with a set of its own.
const SETS: usize = 200;

/// Servers that share the work: after a fetch that failed, the next one waits for a second.
const SERVERS: usize = 16;

/// Long enough for an answer that lacks memory, from the first time on; after that there is some again.
const SHORTAGE: Duration = Duration::from_millis(50);

fn server() -> String {
    let location = |number| {
        format!(
            "location /{number}/ {{
                jwt_user_scope $arg_user; jwt_user_scope_key_request /_jwks?{number};
                proxy_set_header X-User $jwt_user_scope_user; proxy_set_header X-Role $jwt_user_scope_header_kid;
                proxy_pass http://unix:backend.sock;
            }}"
        )
    };
    format!(
        "server {{ listen unix:nginx.sock; {} location = /_jwks {{ internal; proxy_pass http://unix:keys.sock; }} }}",
        (0..SETS).map(location).collect::<String>()
    )
}

/// A set as large as may be: 60 RSA keys with certificates, and one that tokens are signed with.
fn large_set(issuer: &Issuer) -> String {
    let rsa = fixture("rsa.jwk");
    let (n, _) = rsa
        .split_once("\"n\"")
        .and_then(|(_, rest)| rest.trim_start_matches([':', ' ', '"']).split_once('"'))
        .expect("a modulus");
    let key =
        |number| format!(r#"{{"kty":"RSA","kid":"{number}","n":"{n}","e":"AQAB","x5c":["{}"]}},"#, "A".repeat(3700));
    let keys: String = (0..60).map(key).collect();
    let set = format!(r#"{{"keys":[{keys}{}]}}"#, issuer.jwk());
    assert!((240 * 1024..256 * 1024).contains(&set.len()), "{}", set.len());
    set
}

struct Fetches {
    sweep: Sweep,
    keys: KeyServer,
    issuer: Issuer,
}

impl Fetches {
    fn start() -> Fetches {
        let sweep = Sweep::over(Setup::new(), &server());
        for text in ["jwt_user_scope: key set", "refused with 503"] {
            sweep.nginx.tolerate(text);
        }
        let keys = KeyServer::of(&sweep.nginx);
        let issuer = Issuer::new("issuer");
        keys.publish(key_set(&[&issuer]));
        Fetches { sweep, keys, issuer }
    }

    fn good(&self, set: usize) -> Case {
        let token = self.issuer.token("alice");
        case("a good token", get(format!("/{set}/?user=alice")).token(&token), Must::Pass("alice", "issuer"))
    }

    fn bad(&self, set: usize) -> Case {
        case("another user", get(format!("/{set}/?user=bob")).token(&self.issuer.token("alice")), Must::Fail)
    }

    /// Lacks memory for a while; whether that was noticed.
    fn lacking(&self, case: &Case, number: u32, lack: impl FnOnce()) -> bool {
        std::thread::scope(|scope| {
            lack();
            let asked = scope.spawn(|| _ = self.sweep.ask(case, &format!("allocation {number} of a fetch")));
            while !asked.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
                if self.sweep.shortage.failed() > 0 {
                    std::thread::sleep(SHORTAGE);
                    break;
                }
            }
            let failed = self.sweep.shortage.end();
            if let Err(panic) = asked.join() {
                std::panic::resume_unwind(panic);
            }
            failed > 0
        })
    }

    /// With memory again, everything is as ever.
    fn settles(&self, set: usize) {
        let answer = |case: &Case| self.sweep.ask(case, "with memory again").map_or(0, |response| response.status);
        // For a second after a fetch that failed, there is none.
        eventually("the set is fetched", || answer(&self.good(set)) == 200);
        assert_eq!(answer(&self.bad(set)), 403, "set {set}");
    }
}

/// Fails every allocation of a fetch, those of one server being `first`, `first + SERVERS` and so on.
fn sweep(case: fn(&Fetches, usize) -> Case, lack: fn(&Shortage, u32)) {
    let noticed = std::thread::scope(|scope| {
        let part = |first: usize| {
            let fetches = Fetches::start();
            let notices = |&set: &usize| {
                let number = u32::try_from(set + 1).expect("a small number");
                let noticed = fetches.lacking(&case(&fetches, set), number, || lack(&fetches.sweep.shortage, number));
                fetches.settles(set);
                noticed
            };
            let sets = (first..SETS).step_by(SERVERS);
            let noticed = sets.clone().take_while(notices).count();
            assert!(noticed < sets.len(), "a fetch asks for memory more often than {SETS} times");
            noticed
        };
        let parts: Vec<_> = (0..SERVERS).map(|first| scope.spawn(move || part(first))).collect();
        parts.into_iter().map(|part| part.join().expect("no panic")).sum::<usize>()
    });
    println!("{noticed} allocations of a fetch failed");
    assert!(noticed > 20, "{noticed} allocations only");
}

#[test]
fn once_for_a_good_token() {
    sweep(Fetches::good, Shortage::only);
}

#[test]
fn for_a_while_for_a_good_token() {
    sweep(Fetches::good, Shortage::since);
}

#[test]
fn once_for_a_bad_token() {
    sweep(Fetches::bad, Shortage::only);
}

/// The largest set, and no memory for anything but nginx, from places all along: the reserve is large enough for the rest.
#[test]
fn the_largest_set_fits_into_the_reserve() {
    let fetches = Fetches::start();
    fetches.keys.publish(large_set(&fetches.issuer));
    let numbers = (1..).step_by(101);
    let notices = |&(set, number): &(usize, u32)| {
        fetches.lacking(&fetches.good(set), number, || fetches.sweep.shortage.of_the_module_since(number))
    };
    let noticed = (0..SETS).zip(numbers).take_while(notices).count();
    println!("the largest set, without memory from {noticed} places on");
    assert!((10..SETS).contains(&noticed), "{noticed}");
    fetches.settles(noticed);
}
