//! `jwt_user_scope_status`: which keys verify what, when they were last used, and how key sets are.

use crate::common::*;
use crate::status::STATUS;

const OLD: &str = "the old secret of these tests, long enough";

fn metrics(nginx: &Nginx) -> Metrics {
    Metrics::of(nginx, "status.sock")
}

fn ask(nginx: &Nginx, path: &str, token: &str) -> u16 {
    get(path).token(token).send(nginx).status
}

fn by(secret: &str) -> String {
    sign(HEADER, claims(r#""uid":"alice""#), secret)
}

fn labels(algorithm: &str, kid: &str, key: &str) -> String {
    format!("{{algorithm=\"{algorithm}\",kid=\"{kid}\",key=\"{key}\"}}")
}

fn checked(metrics: &Metrics, labels: &str) -> u64 {
    metrics.has(&format!("verifications_total{labels}"))
}

fn used(metrics: &Metrics, labels: &str) -> u64 {
    metrics.has(&format!("key_last_used_timestamp_seconds{labels}"))
}

/// What an operator looks at before the old secret goes.
#[test]
fn an_old_secret_is_seen_in_use_until_nobody_uses_it() {
    let nginx = Setup::new().env("OLD_SECRET", OLD).http(&format!(
        "{STATUS}
        server {{ listen unix:nginx.sock; server_name s;
            jwt_user_scope_secret env:BETTER_AUTH_SECRET; jwt_user_scope_secret env:OLD_SECRET;
            location / {{ jwt_user_scope any; empty_gif; }}
            location /bob {{ jwt_user_scope $arg_user; empty_gif; }} }}"
    ));
    let (new, old) = (labels("HS256", "", "env:BETTER_AUTH_SECRET"), labels("HS256", "", "env:OLD_SECRET"));
    let before = metrics(&nginx);
    for key in [&new, &old] {
        assert_eq!((checked(&before, key), used(&before, key)), (0, 0), "never used, and shown");
    }
    assert_eq!(before.family("verifications_total").len(), 2);

    let begun = now();
    assert_eq!(ask(&nginx, "/", &by(SECRET)), 200);
    assert_eq!(ask(&nginx, "/", &sign(HEADER, r#"{"uid":"alice","exp":1}"#, OLD)), 401);
    let late = metrics(&nginx);
    assert!((begun..=now()).contains(&used(&late, &new)), "{late:?}");
    assert_eq!((checked(&late, &old), used(&late, &old)), (1, 0), "what has expired is no use of a key");

    assert_eq!(ask(&nginx, "/", &by(OLD)), 200);
    let first = used(&metrics(&nginx), &old);
    assert!((begun..=now()).contains(&first));
    // Remembered tokens are uses too, and so are those of somebody who may not go everywhere.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(ask(&nginx, "/", &by(OLD)), 200);
    let second = used(&metrics(&nginx), &old);
    assert!(second > first);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(ask(&nginx, "/bob?user=bob", &by(OLD)), 403);
    let after = metrics(&nginx);
    assert!(used(&after, &old) > second);
    assert_eq!((checked(&after, &new), checked(&after, &old)), (1, 2));
    assert_eq!(after.has(r#"cache_hits_total{server="s"}"#), 2);
    assert!(used(&after, &new) < used(&after, &old), "the other was not used");
}

#[test]
fn without_the_cache_every_token_is_checked() {
    let nginx = Setup::new().http(&format!(
        "{STATUS} server {{ listen unix:nginx.sock; server_name s; jwt_user_scope_cache off;
            location / {{ jwt_user_scope any; if ($jwt_user_scope_user = bob) {{ return 204; }} empty_gif; }} }}"
    ));
    (0..3).for_each(|_| assert_eq!(ask(&nginx, "/", &uid("alice")), 200));
    let metrics = metrics(&nginx);
    assert_eq!(checked(&metrics, &labels("HS256", "", "env:BETTER_AUTH_SECRET")), 3, "also when it is read early");
    assert_eq!(metrics.has(r#"cache_hits_total{server="s"}"#), 0);
}

#[test]
fn keys_are_told_apart_by_algorithm_kid_and_place() {
    let (one, two) = (Issuer::new("one"), Issuer::new("two"));
    let odd = "sec\"ret\\s";
    let setup = Setup::new()
        .env("VERSIONS", &format!("2:{},1:{}", "n".repeat(64), "o".repeat(64)))
        .file("set", key_set(&[&one, &two]))
        .file("pems", [fixture("p256.pem"), fixture("p384.pem")].concat())
        .file(odd, "x".repeat(64));
    let path = |name: &str| format!("file:{}", setup.path(name).display()).replace('\\', "\\\\").replace('"', "\\\"");
    let (set, pems, odd_place) = (path("set"), path("pems"), path(odd));
    let nginx = setup.http(&format!(
        r#"{STATUS}
        server {{ listen unix:nginx.sock;
            jwt_user_scope_secret env:VERSIONS versioned;
            jwt_user_scope_secret 'file:sec"ret\\s' 'kid=a"b\\c';
            jwt_user_scope_key_file set; jwt_user_scope_key_file pems;
            location / {{ jwt_user_scope any; empty_gif; }}
            location /more {{ jwt_user_scope any; jwt_user_scope_algorithms HS256 HS512 ES256 ES384 EdDSA; empty_gif; }} }}"#
    ));
    assert_eq!(ask(&nginx, "/", &two.token("alice")), 200);
    assert_eq!(ask(&nginx, "/", &by(&"o".repeat(64))), 200);
    assert_eq!(ask(&nginx, "/", &by(&"x".repeat(64))), 200);
    assert_eq!(
        ask(&nginx, "/more", &sign_hs512(r#"{"alg":"HS512"}"#, &claims(r#""uid":"alice""#), &"o".repeat(64))),
        200
    );
    let metrics = metrics(&nginx);
    let expected = [
        (labels("HS256", "", "env:VERSIONS#2"), 0),
        (labels("HS256", "", "env:VERSIONS#1"), 1),
        (labels("HS512", "", "env:VERSIONS#2"), 0),
        (labels("HS512", "", "env:VERSIONS#1"), 1),
        (labels("HS256", r#"a\"b\\c"#, &odd_place), 1),
        (labels("HS512", r#"a\"b\\c"#, &odd_place), 0),
        (labels("EdDSA", "one", &set), 0),
        (labels("EdDSA", "two", &set), 1),
        (labels("ES256", "", &format!("{pems}#1")), 0),
        (labels("ES384", "", &format!("{pems}#2")), 0),
    ];
    for (key, count) in &expected {
        assert_eq!(checked(&metrics, key), *count, "{key}");
        assert_eq!(used(&metrics, key) > 0, *count > 0, "{key}");
    }
    assert_eq!(metrics.family("verifications_total").len(), expected.len(), "{metrics:?}");
}

fn fetching_location(socket: &str, parameters: &str) -> String {
    format!(
        "location / {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks?v=1 {parameters}; empty_gif; }}
        location = /_jwks {{ internal; proxy_pass http://unix:{socket}; }}"
    )
}

#[test]
fn key_sets_tell_their_age_fetches_and_failures() {
    let nginx = Setup::new().workers(2).http(&format!(
        "{STATUS} server {{ listen unix:nginx.sock; server_name s; {} }}",
        fetching_location("keys.sock", "valid=1s")
    ));
    let keys = KeyServer::of(&nginx);
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let set = r#"{server="s",uri="/_jwks?v=1"}"#;
    let of = |what: &str| metrics(&nginx).get(&format!("key_set_{what}{set}"));
    assert_eq!((of("age_seconds"), of("fetches_total"), of("fetch_failures_total")), (None, Some(0), Some(0)));

    assert_eq!(ask(&nginx, "/", &old.token("alice")), 503, "the issuer answers 404");
    assert_eq!((of("age_seconds"), of("fetch_failures_total")), (None, of("fetches_total")));
    let failures = of("fetch_failures_total").expect("a number");
    assert!(failures > 0);

    keys.publish(key_set(&[&old]));
    eventually("the set is fetched", || ask(&nginx, "/", &old.token("alice")) == 200);
    assert_eq!(of("fetch_failures_total"), Some(failures));
    assert!(of("fetches_total") > Some(failures));
    let fetched = of("age_seconds").expect("an age");
    assert!(fetched <= 10, "{fetched}");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert!(of("age_seconds").expect("an age") >= 2);

    // Fetched keys are shown once they are known, to whichever worker.
    let key = |issuer: &str| labels("EdDSA", issuer, "request:/_jwks?v=1");
    assert!(checked(&metrics(&nginx), &key("old")) >= 1);
    assert!(used(&metrics(&nginx), &key("old")) > 0);
    keys.publish(key_set(&[&new, &old]));
    eventually("the new key counts", || ask(&nginx, "/", &new.token("alice")) == 200);
    for _ in 0..5 {
        assert!(checked(&metrics(&nginx), &key("new")) >= 1);
    }
    let before = checked(&metrics(&nginx), &key("old"));
    let workers = children_of(nginx.master());
    nginx.reload();
    eventually("new workers", || children_of(nginx.master()).iter().all(|worker| !workers.contains(worker)));
    assert!(checked(&metrics(&nginx), &key("old")) >= before, "after a reload");
}

/// Two servers of one name make one series, as two with a set of their own make two.
#[test]
fn key_sets_of_one_name_are_one_series() {
    let server = |socket: &str, name: &str| {
        format!("server {{ listen unix:{socket}; server_name {name}; {} }}", fetching_location("keys.sock", ""))
    };
    let nginx = Setup::new()
        .http(&[STATUS.into(), server("nginx.sock", "a"), server("two.sock", "a"), server("b.sock", "b")].concat());
    let keys = KeyServer::of(&nginx);
    let issuer = Issuer::new("issuer");
    keys.publish(key_set(&[&issuer]));
    for socket in ["nginx.sock", "two.sock"] {
        let response = Client::connect(&nginx.path(socket)).ask(&get("/").token(&issuer.token("alice")));
        assert_eq!(response.status, 200);
    }
    let metrics = metrics(&nginx);
    assert_eq!(
        metrics.family("key_set_fetches_total"),
        [(r#"{server="a",uri="/_jwks?v=1"}"#, 2), (r#"{server="b",uri="/_jwks?v=1"}"#, 0)]
    );
    assert_eq!(metrics.family("key_set_age_seconds").len(), 1, "b's was never fetched");
}

/// An issuer that names its keys anew all the time fills a bounded part of the memory.
#[test]
fn published_names_are_bounded() {
    let nginx = Setup::new().http(&format!(
        "{STATUS} server {{ listen unix:nginx.sock; server_name s; {} }}",
        fetching_location("keys.sock", "valid=1s")
    ));
    let keys = KeyServer::of(&nginx);
    for round in 0..7 {
        let issuers: Vec<_> = (0..50).map(|i| Issuer::new(&format!("{round}-{i}"))).collect();
        keys.publish(key_set(&issuers.iter().collect::<Vec<_>>()));
        let last = issuers.last().expect("one").token("alice");
        eventually("the set counts", || ask(&nginx, "/", &last) == 200);
    }
    let metrics = metrics(&nginx);
    let shown = metrics.family("verifications_total");
    assert_eq!(shown.len(), 257, "256 names, and one for all others");
    assert_eq!(checked(&metrics, &labels("EdDSA", "4-49", "request:/_jwks?v=1")), 1);
    assert!(checked(&metrics, &labels("EdDSA", "other", "request:/_jwks?v=1")) >= 2);
    assert!(shown.iter().all(|(key, _)| !key.contains("6-49")));
}

#[test]
fn no_secret_token_or_user_is_shown() {
    let nginx = Setup::new().http(&format!(
        "{STATUS} server {{ listen unix:nginx.sock; server_name s;
            location ~ ^/users/(?<user_id>[^/]+)/ {{ jwt_user_scope on; empty_gif; }} }}"
    ));
    let mallory = claims(r#""uid":"mallory""#);
    let kid = r#"{"alg":"HS256","kid":"mallory"}"#;
    for token in
        [token(&mallory), sign(kid, &mallory, SECRET), sign(kid, &mallory, OLD), "mallory.mallory.mallory".into()]
    {
        ask(&nginx, "/users/mallory/x", &token);
    }
    let text = Client::connect(&nginx.path("status.sock")).ask(&get("/status")).text();
    assert!(!text.contains("mallory") && !text.contains(SECRET), "{text}");
}
