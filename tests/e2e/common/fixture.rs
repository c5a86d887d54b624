//! Keys and tokens that other libraries made (`authz/tests/data/make.py`).

use std::path::Path;

/// The secret behind the tokens under HS256, HS384 and HS512.
pub const FIXTURE_SECRET: &str = "a secret for tests alone, 64 bytes long: 0123456789abcdef0123456";

/// A file of keys.
pub fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("authz/tests/data").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The token under an algorithm; its claims are `uid` A, `iss` https://auth.example, and an `exp` that is far away.
pub fn fixture_token(algorithm: &str) -> String {
    let tokens = fixture("tokens.json");
    let (_, rest) = tokens.split_once(&format!("\"{algorithm}\": \"")).expect("an algorithm of tokens.json");
    rest.split('"').next().expect("a token").into()
}
