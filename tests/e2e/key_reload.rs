//! A reload reads key files again, and refuses nobody wrongly while it does.

use crate::common::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Asks with this token from several connections at a time for as long as `meanwhile` takes: each answer must be `ok`.
fn never_refused_while(nginx: &Nginx, token: &str, meanwhile: impl FnOnce()) {
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let wrong = std::thread::scope(|scope| {
        let ask = || {
            let mut wrong = Vec::new();
            while !done.load(Ordering::SeqCst) {
                let response = get("/").token(token).send(nginx);
                asked.fetch_add(1, Ordering::SeqCst);
                if response.header("X-Result") != Some("ok") {
                    wrong.push(response);
                }
            }
            wrong
        };
        let askers = [scope.spawn(ask), scope.spawn(ask), scope.spawn(ask)];
        eventually("the load is on", || asked.load(Ordering::SeqCst) > 100);
        let before = asked.load(Ordering::SeqCst);
        meanwhile();
        eventually("some more have asked", || asked.load(Ordering::SeqCst) > before + 100);
        done.store(true, Ordering::SeqCst);
        askers.into_iter().flat_map(|asker| asker.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{} of {} were refused: {:?}", wrong.len(), asked.into_inner(), wrong.first());
}

/// Puts a file in place of another at once, as careful deployments do.
fn replace(nginx: &Nginx, name: &str, content: &str) {
    std::fs::write(nginx.path("new"), content).expect("a file in the prefix");
    std::fs::rename(nginx.path("new"), nginx.path(name)).expect("the new file in its place");
}

/// Waits until all workers are those of the last configuration.
fn reload(nginx: &Nginx) {
    let before = children_of(nginx.master());
    nginx.reload();
    eventually("no earlier worker is left", || {
        let workers = children_of(nginx.master());
        !workers.is_empty() && workers.iter().all(|worker| !before.contains(worker))
    });
}

fn result(nginx: &Nginx, token: &str) -> String {
    get("/").token(token).send(nginx).header("X-Result").unwrap_or_default().into()
}

/// From the old key to both, to the new one: nobody with a token that both sides of a reload accept is refused.
fn assert_rotates(lines: &str, [old, both, new]: [String; 3], by_old: &str, by_new: &str, refused: &str) {
    let server = format!("location / {{ jwt_user_scope any; {lines} empty_gif; }}");
    let nginx = Setup::new().without_env().workers(2).file("keys", old).server(&server);
    assert_eq!([result(&nginx, by_old), result(&nginx, by_new)], ["ok", refused], "{lines}");

    replace(&nginx, "keys", &both);
    assert_eq!([result(&nginx, by_old), result(&nginx, by_new)], ["ok", refused], "{lines}, before the reload");
    never_refused_while(&nginx, by_old, || reload(&nginx));
    assert_eq!([result(&nginx, by_old), result(&nginx, by_new)], ["ok", "ok"], "{lines}, with both");

    replace(&nginx, "keys", &new);
    never_refused_while(&nginx, by_new, || reload(&nginx));
    assert_eq!([result(&nginx, by_old), result(&nginx, by_new)], [refused, "ok"], "{lines}, with the new one");
}

#[test]
fn swaps_key_files_under_load() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let sets = [key_set(&[&old]), key_set(&[&new, &old]), key_set(&[&new])];
    let tokens = (old.token("alice"), new.token("alice"));
    assert_rotates("jwt_user_scope_key_file keys;", sets, &tokens.0, &tokens.1, "unknown_key");
}

#[test]
fn swaps_secret_files_under_load() {
    let (old, new) = ("the secret of yesterday - 32 bytes or more", "the secret of tomorrow - 32 bytes or more");
    let versions = [format!("1:{old}"), format!("2:{new},1:{old}"), format!("2:{new}")];
    let token = |secret| sign(HEADER, claims(r#""uid":"alice""#), secret);
    let lines = "jwt_user_scope_secret file:keys versioned;";
    assert_rotates(lines, versions, &token(old), &token(new), "bad_signature");
}

#[test]
fn that_fails_leaves_the_old_keys_in_force() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let server = "location / { jwt_user_scope any; jwt_user_scope_key_file keys; empty_gif; }";
    let nginx = Setup::new().without_env().file("keys", key_set(&[&old])).server(server);
    nginx.tolerate("[emerg]");
    for broken in ["", &key_set(&[&new])[..60], r#"{"keys":[]}"#] {
        replace(&nginx, "keys", broken);
        let failed = nginx.log_with("[emerg]").len();
        never_refused_while(&nginx, &old.token("alice"), || {
            nginx.reload();
            eventually("the reload has failed", || nginx.log_with("[emerg]").len() > failed);
        });
    }
    replace(&nginx, "keys", &key_set(&[&new]));
    reload(&nginx);
    assert_eq!([result(&nginx, &old.token("alice")), result(&nginx, &new.token("alice"))], ["unknown_key", "ok"]);
}

/// With `master_process off`, a reload frees the memory of a set that is no longer configured in the very process that waits
/// for it. (nginx accepts no connections after such a reload.)
#[test]
fn in_one_process_leaves_nobody_without_ground() {
    let before = fetching("", "");
    let nginx = Setup::new().single_process().without_env().http(&before);
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    let gate = Gate::default();
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let mut client = nginx.client();
    client.send(&get("/").token(&alice.token("alice")).bytes());
    eventually("a fetch is under way", || keys.open() == 1);
    std::fs::write(nginx.path("set"), key_set(&[&alice])).expect("a file in the prefix");
    nginx.rewrite(&before.replace("jwt_user_scope_key_request /_jwks", "jwt_user_scope_key_file set"));
    nginx.reload();
    eventually("nginx has read it", || nginx.log_with("using the \"").len() == 2);
    gate.open();
    assert_eq!(client.receive("GET").status, 503, "its set is gone");
}

/// The same for a set that has been fetched before: without its age, it may not be used.
#[test]
fn in_one_process_takes_the_set_along() {
    let before = fetching("", "");
    let nginx = Setup::new().single_process().unexplained().without_env().http(&before);
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    let (mut client, asked) = (nginx.client(), get("/").token(&alice.token("alice")));
    expect("with the set", "ok", &client.ask(&asked));
    std::fs::write(nginx.path("set"), key_set(&[&alice])).expect("a file in the prefix");
    nginx.rewrite(&before.replace("jwt_user_scope_key_request /_jwks", "jwt_user_scope_key_file set"));
    nginx.reload();
    eventually("nginx has read it", || nginx.log_with("using the \"").len() == 2);
    expect("without it", "keys_unavailable", &client.ask(&asked));
}

/// A server that fetches its set from a provider of its own.
fn nameless(socket: &str, provider: &str) -> String {
    format!(
        "server {{
            listen unix:{socket}; add_header X-Result $jwt_user_scope_result always;
            location / {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks; empty_gif; }}
            location = /_jwks {{ internal; proxy_pass http://unix:{provider}; }}
        }}\n"
    )
}

/// What each of two issuers' tokens gets at a socket.
fn results_at(nginx: &Nginx, socket: &str, issuers: &[Issuer; 2]) -> [String; 2] {
    issuers.each_ref().map(|issuer| {
        let mut client = Client::connect(&nginx.path(socket));
        client.ask(&get("/").token(&issuer.token("alice"))).header("X-Result").unwrap_or_default().into()
    })
}

/// Servers are known by name and addresses, not by the order in which they stand, nor by who stands beside them.
#[test]
fn that_moves_servers_gives_none_the_keys_of_another() {
    for name in ["", "server_name twin;"] {
        let named =
            |socket: &str, provider: &str| nameless(socket, provider).replacen("listen", &format!("{name} listen"), 1);
        let (one, two) = (named("nginx.sock", "one.sock"), named("other.sock", "two.sock"));
        let (new, bare) =
            (named("new.sock", "one.sock"), format!("server {{ {name} listen unix:bare.sock; return 204; }}"));
        let nginx = Setup::new().without_env().http(&one);
        let issuers = ["one", "two"].map(Issuer::new);
        let providers = ["one.sock", "two.sock"].map(|socket| KeyServer::at(&nginx.path(socket)));
        providers.iter().zip(&issuers).for_each(|(provider, issuer)| provider.publish(key_set(&[issuer])));
        let own = [("nginx.sock", ["ok", "unknown_key"]), ("other.sock", ["unknown_key", "ok"])];
        let expect_own = |when: &str, of: &[(&str, [&str; 2])]| {
            for (socket, words) in of {
                assert_eq!(results_at(&nginx, socket, &issuers), *words, "{name} {socket}, {when}");
            }
        };
        expect_own("alone", &own[..1]);
        for conf in [
            format!("{one}{two}"),
            format!("{two}{one}"),
            format!("{bare}{two}{new}{one}"),
            format!("{one}{new}{two}{bare}"),
            format!("{bare}{one}{two}"),
        ] {
            nginx.rewrite(&conf);
            reload(&nginx);
            expect_own(&conf, &own);
        }
        assert_eq!(providers.each_ref().map(KeyServer::count), [1, 1], "the sets were kept");
        for (only, own) in [(&one, own[0]), (&named("third.sock", "two.sock"), ("third.sock", own[1].1))] {
            nginx.rewrite(only);
            reload(&nginx);
            expect_own("the only one", &[own]);
        }
    }
}

/// Of two servers of the same address and name, nginx serves the first.
#[test]
fn that_serves_the_second_of_two_twins_gives_it_its_own_keys() {
    let (one, two) = (nameless("nginx.sock", "one.sock"), nameless("nginx.sock", "two.sock"));
    let nginx = Setup::new().without_env().http(&format!("{one}{two}"));
    nginx.tolerate("conflicting server name");
    let issuers = ["one", "two"].map(Issuer::new);
    let providers = ["one.sock", "two.sock"].map(|socket| KeyServer::at(&nginx.path(socket)));
    providers.iter().zip(&issuers).for_each(|(provider, issuer)| provider.publish(key_set(&[issuer])));
    assert_eq!(results_at(&nginx, "nginx.sock", &issuers), ["ok", "unknown_key"]);
    nginx.rewrite(&format!("{two}{one}"));
    reload(&nginx);
    assert_eq!(results_at(&nginx, "nginx.sock", &issuers), ["unknown_key", "ok"]);
}
