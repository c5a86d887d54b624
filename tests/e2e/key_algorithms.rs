//! Every algorithm, with tokens of independent libraries: each is accepted with its own key, and with nothing else.

use crate::common::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Algorithms, each with the directive that gives its key.
const ALGORITHMS: [(&str, &str); 14] = [
    ("HS256", "jwt_user_scope_secret file:secret"),
    ("HS384", "jwt_user_scope_secret file:secret"),
    ("HS512", "jwt_user_scope_secret file:secret"),
    ("RS256", "jwt_user_scope_key_file rsa.pem"),
    ("RS384", "jwt_user_scope_key_file rsa.crt"),
    ("RS512", "jwt_user_scope_key_file rsa.jwk"),
    ("PS256", "jwt_user_scope_key_file rsa.pem"),
    ("PS384", "jwt_user_scope_key_file rsa.pkcs1.pem"),
    ("PS512", "jwt_user_scope_key_file rsa.jwk"),
    ("ES256", "jwt_user_scope_key_file p256.pem"),
    ("ES384", "jwt_user_scope_key_file p384.crt"),
    ("ES512", "jwt_user_scope_key_file p521.jwk"),
    ("EdDSA", "jwt_user_scope_key_file ed25519.pem"),
    ("Ed25519", "jwt_user_scope_key_file ed25519.crt"),
];

const PUBLIC_KEYS: [&str; 5] = ["rsa", "p256", "p384", "p521", "ed25519"];

fn setup() -> Setup {
    let files = PUBLIC_KEYS.iter().flat_map(|key| ["pem", "crt", "jwk"].map(|end| format!("{key}.{end}")));
    let setup = Setup::new().without_env().file("secret", FIXTURE_SECRET);
    files.chain(["rsa.pkcs1.pem".into()]).fold(setup, |setup, file| setup.file(&file, fixture(&file)))
}

/// A location for each of these names, with its lines.
fn locations(rows: impl IntoIterator<Item = (String, String)>) -> Nginx {
    let location = |(name, lines)| format!("location /{name}/ {{ jwt_user_scope any; {lines} empty_gif; }}");
    setup().server(&rows.into_iter().map(location).collect::<Vec<_>>().join("\n"))
}

/// A location for each algorithm, which is the only one that it allows.
fn one_each() -> Nginx {
    locations(
        ALGORITHMS.map(|(algorithm, key)| (algorithm.into(), format!("{key}; jwt_user_scope_algorithms {algorithm};"))),
    )
}

fn ask(nginx: &Nginx, location: &str, token: &str) -> Response {
    get(format!("/{location}/")).token(token).send(nginx)
}

#[test]
fn each_is_accepted_and_its_tampered_twin_refused() {
    let nginx = one_each();
    for (algorithm, _) in ALGORITHMS {
        let good = fixture_token(algorithm);
        expect(algorithm, "ok", &ask(&nginx, algorithm, &good));
        let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
        let mallory = b64(r#"{"uid": "B", "iss": "https://auth.example", "exp": 253402300799}"#);
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        bytes[7] ^= 1;
        let twins = [
            ("other claims", format!("{header}.{mallory}.{signature}")),
            ("a changed signature", format!("{header}.{payload}.{}", b64(&bytes))),
            ("a signature of zeros", format!("{header}.{payload}.{}", b64(vec![0; bytes.len()]))),
            ("half a signature", format!("{header}.{payload}.{}", b64(&bytes[..bytes.len() / 2]))),
        ];
        for (name, twin) in twins {
            expect(&format!("{algorithm} with {name}"), "bad_signature", &ask(&nginx, algorithm, &twin));
        }
    }
}

#[test]
fn each_refuses_the_tokens_of_all_others() {
    let nginx = one_each();
    let same = |one: &str, other: &str| one == other || [one, other].iter().all(|name| name.starts_with("Ed"));
    for (algorithm, _) in ALGORITHMS {
        for (other, _) in ALGORITHMS.into_iter().filter(|(other, _)| !same(algorithm, other)) {
            let response = ask(&nginx, algorithm, &fixture_token(other));
            expect(&format!("{other} where {algorithm} is allowed"), "unsupported_algorithm", &response);
        }
    }
}

#[test]
fn the_alg_of_a_token_changes_nothing_about_a_key() {
    let nginx = one_each();
    for (algorithm, _) in ALGORITHMS {
        let good = fixture_token(algorithm);
        let (_, rest) = good.split_once('.').expect("three segments");
        for other in
            ["none", "HS256", "RS256", "ES256", "EdDSA", "hs256", ""].into_iter().filter(|one| *one != algorithm)
        {
            let token = format!("{}.{rest}", b64(format!(r#"{{"alg":"{other}"}}"#)));
            let response = ask(&nginx, algorithm, &token);
            assert_eq!(response.status, 401, "{algorithm} under the name of {other:?}: {response:?}");
        }
    }
}

#[test]
fn keys_imply_their_algorithms() {
    let rows = [
        ("jwt_user_scope_secret file:secret", &["HS256"][..]),
        ("jwt_user_scope_key_file rsa.pem", &["RS256"]),
        ("jwt_user_scope_key_file p256.pem", &["ES256"]),
        ("jwt_user_scope_key_file p384.pem", &["ES384"]),
        ("jwt_user_scope_key_file p521.pem", &["ES512"]),
        ("jwt_user_scope_key_file ed25519.pem", &["EdDSA", "Ed25519"]),
        ("jwt_user_scope_key_file rsa.pem; jwt_user_scope_algorithms off", &["RS256"]),
        ("jwt_user_scope_key_file rsa.pem; jwt_user_scope_algorithms PS512 RS384", &["PS512", "RS384"]),
        (
            "jwt_user_scope_key_file p256.pem; jwt_user_scope_secret file:secret; jwt_user_scope_key_file rsa.jwk",
            &["ES256", "HS256", "RS256"],
        ),
    ];
    let nginx = locations(rows.iter().enumerate().map(|(i, (lines, _))| (i.to_string(), format!("{lines};"))));
    for (i, (lines, implied)) in rows.iter().enumerate() {
        for (algorithm, _) in ALGORITHMS {
            let word = if implied.contains(&algorithm) { "ok" } else { "unsupported_algorithm" };
            expect(&format!("{algorithm} with {lines}"), word, &ask(&nginx, &i.to_string(), &fixture_token(algorithm)));
        }
    }
}

/// Whatever somebody may take a public key for: its files, with and without the last line end, the DER in them, and the
/// members of its JWK.
fn texts_of(key: &str) -> Vec<(String, Vec<u8>)> {
    let mut texts = Vec::new();
    for file in ["pem", "crt", "jwk"].map(|end| format!("{key}.{end}")) {
        let text = fixture(&file);
        let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        match STANDARD.decode(base64) {
            Ok(der) if !file.ends_with("jwk") => texts.push((format!("DER of {file}"), der)),
            _ => texts.push((format!("{file} in a set"), format!("{{\"keys\":[{}]}}", text.trim_end()).into())),
        }
        texts.push((format!("{file} without its line end"), text.trim_end().into()));
        texts.push((file, text.into()));
    }
    let jwk = fixture(&format!("{key}.jwk"));
    for member in jwk.split('"').filter(|member| member.len() >= 32) {
        texts.push((format!("a member of {key}.jwk as it is written"), member.into()));
        texts.push((format!("a member of {key}.jwk"), URL_SAFE_NO_PAD.decode(member).expect("base64url")));
    }
    texts
}

#[test]
fn no_public_key_is_a_secret() {
    let algorithms = "jwt_user_scope_algorithms HS256 RS256 ES256 ES384 ES512 EdDSA";
    let set = PUBLIC_KEYS.map(|key| fixture(&format!("{key}.jwk"))).join(",");
    let set = format!("{{\"keys\":[{set}]}}");
    let files: String = PUBLIC_KEYS.map(|key| format!("jwt_user_scope_key_file {key}.pem; ")).concat();
    let locations = [
        ("files", files.clone(), "unsupported_algorithm"),
        ("allowed", format!("{files} {algorithms};"), "unsupported_algorithm"),
        ("set", "jwt_user_scope_key_file set;".into(), "unsupported_algorithm"),
        ("fetched", format!("jwt_user_scope_key_request /_jwks; {algorithms};"), "unsupported_algorithm"),
        (
            "mixed",
            format!("{files} jwt_user_scope_secret file:secret; jwt_user_scope_key_request /_jwks;"),
            "bad_signature",
        ),
    ];
    let location = |(name, lines, _): &(&str, String, &str)| {
        format!("location /{name}/ {{ jwt_user_scope any; {lines} empty_gif; }}")
    };
    let nginx = setup().file("set", &set).server(&format!(
        "{} location = /_jwks {{ internal; root .; try_files /set =404; }}",
        locations.iter().map(location).collect::<String>()
    ));
    nginx.gives("/_jwks", &set);
    for (name, ..) in &locations {
        expect(name, "ok", &ask(&nginx, name, &fixture_token("ES256")));
    }
    let mut client = nginx.client();
    for (what, text) in PUBLIC_KEYS.iter().flat_map(|key| texts_of(key)).chain([("the set".into(), set.into_bytes())]) {
        for header in [HEADER, r#"{"alg":"HS256","kid":"rsa"}"#, r#"{"alg":"HS256","kid":"p256"}"#] {
            let token = sign(header, claims(r#""uid":"A""#), &text);
            for (name, _, word) in &locations {
                let response = client.ask(&get(format!("/{name}/")).token(&token));
                expect(&format!("HS256 keyed with {what}, at {name}"), word, &response);
            }
        }
    }
}

#[test]
fn a_published_secret_is_none() {
    let oct = format!(r#"{{"kty":"oct","kid":"oct","alg":"HS256","k":"{}"}}"#, b64(FIXTURE_SECRET));
    let set = format!("{{\"keys\":[{oct},{}]}}", fixture("p256.jwk"));
    let nginx = setup().file("set", &set).server(
        "location /file/ { jwt_user_scope any; jwt_user_scope_key_file set; empty_gif; }
        location /fetched/ {
            jwt_user_scope any; jwt_user_scope_key_request /_jwks; jwt_user_scope_algorithms HS256 ES256; empty_gif;
        }
        location = /_jwks { internal; root .; try_files /set =404; }",
    );
    nginx.gives("/_jwks", set);
    for location in ["file", "fetched"] {
        expect(location, "ok", &ask(&nginx, location, &fixture_token("ES256")));
        expect(location, "unsupported_algorithm", &ask(&nginx, location, &fixture_token("HS256")));
        let named = sign(r#"{"alg":"HS256","kid":"oct"}"#, claims(r#""uid":"A""#), FIXTURE_SECRET);
        expect(location, "unsupported_algorithm", &ask(&nginx, location, &named));
    }
}
