//! nginx.conf.example works as it stands, and with each of its variants.

use crate::common::*;

/// The example, with a socket for its port and the test's backend for its own.
fn example(setup: &Setup) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/nginx.conf.example");
    let text = std::fs::read_to_string(path).expect("nginx.conf.example");
    let text = text.replace("/run/secrets/better_auth_secret", "secret").replace("/etc/nginx/", "");
    let text = text.replace("listen 8080;", "listen unix:nginx.sock;").replace("http://127.0.0.1:8000", BACKEND);
    assert!(text.contains("unix:nginx.sock") && text.contains(BACKEND), "{text}");
    setup.adapted(&text)
}

const BACKEND: &str = "http://unix:backend.sock";

fn setup() -> Setup {
    Setup::new().file("secret", SECRET).file("issuer.pem", fixture("p256.pem")).env("JWT_SECRET", SECRET)
}

/// The commented paragraphs that begin with `Variant:`, and what each would put in its place: the whole
/// block, or one directive at a time. A variant may use the maps that others define.
fn variants(conf: &str) -> Vec<(String, String)> {
    let comment = |line: &&str| line.trim_start().starts_with('#');
    let paragraphs = conf.split("\n\n").filter(|paragraph| paragraph.trim_start().starts_with("# Variant:"));
    let comments = paragraphs.map(|paragraph| paragraph.lines().take_while(comment).collect::<Vec<_>>().join("\n"));
    comments.flat_map(|text| alternatives(&text).into_iter().map(move |code| (text.clone(), code))).collect()
}

fn alternatives(paragraph: &str) -> Vec<String> {
    let lines = paragraph.lines().filter_map(|line| line.trim_start().strip_prefix('#').map(str::trim));
    let code: Vec<&str> =
        lines.skip_while(|line| !line.is_empty()).filter(|line| line.ends_with([';', '{', '}'])).collect();
    match code.first() {
        Some(first) if first.ends_with('{') => vec![code.join("\n")],
        _ => code.into_iter().map(str::to_owned).collect(),
    }
}

#[test]
fn is_accepted_and_serves_a_request() {
    let setup = setup();
    let conf = example(&setup);
    let check = setup.check_whole(&conf);
    assert!(check.accepted, "{}", check.stderr);

    let nginx = setup.whole(&conf);
    let backend = Backend::of(&nginx);
    for path in ["/api/users/42", "/api/users/42/notes"] {
        let own = get(path).token(&token(claims(r#""uid":42"#))).header("X-User-ID", "43").send(&nginx);
        assert_eq!((own.status, own.text().as_str()), (200, "backend"), "{path}");
        assert_eq!(backend.take_one("X-User-ID").1.as_deref(), Some("42"), "{path}");
    }
    assert_refused("another's", "user_mismatch", &get("/api/users/42/notes").token(&uid("43")).send(&nginx));
    assert_refused("nobody", "missing_token", &get("/api/users/42/notes").send(&nginx));
    assert_eq!(backend.take(), [""; 0]);
}

#[test]
fn is_accepted_with_each_variant() {
    let setup = setup();
    let conf = example(&setup);
    let variants = variants(&conf);
    assert!(variants.len() >= 5, "too few variants: {variants:#?}");
    let maps = variants.iter().filter(|(_, code)| code.starts_with("map"));
    let with_maps = maps.fold(conf, |conf, (paragraph, code)| conf.replace(paragraph, code));
    for (paragraph, code) in &variants {
        let check = setup.check_whole(&with_maps.replace(paragraph, code));
        assert!(check.accepted, "{code}: {}", check.stderr);
    }
}
