//! Shared secrets: how one is written, and which ones cannot keep anybody out.

use std::fmt;
use std::rc::Rc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ParsedPublicKey, VerificationAlgorithm,
};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc;
use memchr::memmem;
use zeroize::Zeroizing;

use crate::algorithm::{self, Algorithm, Algorithms};
use crate::encoding::Encoding;
use crate::key::{Key, KeyLabel, MAX_TRIED, Origin, Verifier};
use crate::pem;

/// Better Auth signs with this text when no secret is set in development: it is public.
const BETTER_AUTH_DEVELOPMENT_SECRET: &[u8] = b"better-auth-secret-12345678901234567890";

/// How a secret is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretForm {
    /// The encoding of the secret, or of each version of it.
    pub encoding: Encoding,
    /// The form of Better Auth's `BETTER_AUTH_SECRETS`: `2:new,1:old`.
    pub versioned: bool,
}

/// Why a secret cannot be used. The texts end a configuration error and name the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// The secret, or a version of it, is empty.
    Empty,
    /// Nothing but white space or zero bytes, as a file may be after a crash.
    Blank,
    /// Shorter than the hash of an algorithm, in bytes (RFC 7518 section 3.2).
    TooShort(usize),
    /// A PEM text: a key of another kind, perhaps a public one.
    Pem,
    /// A JWK or a JWK Set: the same.
    Jwk,
    /// A public key or a certificate in DER, or one of SSH: the same.
    PublicKey,
    /// The one that Better Auth falls back to in development.
    PublicDefault,
    /// Not in its encoding.
    NotEncoded(Encoding),
    /// Not a list of versions, each `number:secret` with a number of its own.
    NotVersioned,
    /// No allowed algorithm uses a shared secret.
    NotAllowed,
    /// More secrets of one `kid`, or without one, for one algorithm than are tried for a token.
    TooManyKeys,
    /// The crypto backend refused the key.
    Unusable,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty: set it to a random secret of at least 32 bytes"),
            Self::Blank => f.write_str(
                "is nothing but white space or zero bytes: set it to a random secret of at least 32 bytes",
            ),
            Self::TooShort(minimum) => write!(
                f,
                "is shorter than {minimum} bytes (RFC 7518 section 3.2): use a longer one, such as \"openssl rand \
                 -hex {minimum}\" prints"
            ),
            Self::Pem => f.write_str("is a PEM text, which is no shared secret: use a random one of at least 32 bytes"),
            Self::Jwk => f.write_str(
                "is a JWK or a JWK Set, which is no shared secret: name a file of public keys with \
                 \"jwt_user_scope_key_file\", or use a random secret of at least 32 bytes",
            ),
            Self::PublicKey => f.write_str(
                "is a public key, which is no shared secret: put it into a PEM file for \"jwt_user_scope_key_file\", or use a \
                 random secret of at least 32 bytes",
            ),
            Self::PublicDefault => f.write_str(
                "is the public development secret of Better Auth: anybody can sign with it; use a random one of at \
                 least 32 bytes",
            ),
            Self::NotEncoded(encoding) => {
                write!(f, "is not {}: correct it, or its \"encoding=\"", encoding.name())
            }
            Self::NotVersioned => f.write_str(
                "is no list of versions, such as \"2:new,1:old\" with each number once: correct it, or leave \
                 \"versioned\" out",
            ),
            Self::NotAllowed => f.write_str(
                "can be used by no allowed algorithm: add HS256, HS384 or HS512 to \"jwt_user_scope_algorithms\"",
            ),
            Self::TooManyKeys => write!(
                f,
                "makes more than {MAX_TRIED} secrets of one \"kid\", or without one, for one algorithm, and no more \
                 are tried for a token: leave old ones out, or give each a \"kid\" of its own"
            ),
            Self::Unusable => f.write_str("cannot be used as a key"),
        }
    }
}

impl std::error::Error for SecretError {}

/// The keys that a secret is: of each of its versions, one for each algorithm that uses it.
pub(crate) fn keys(
    secret: &[u8],
    form: SecretForm,
    allowed: Option<Algorithms>,
    label: &KeyLabel,
) -> Result<Vec<Rc<Key>>, SecretError> {
    let algorithms: Vec<_> = algorithm::HMAC
        .into_iter()
        .filter(|&one| allowed.map_or(one == Algorithm::HS256, |list| list.contains(one)))
        .collect();
    if algorithms.is_empty() {
        return Err(SecretError::NotAllowed);
    }
    let mut keys = Vec::new();
    for (number, written) in versions(secret, form.versioned)? {
        check_text(written)?;
        let secret = form.encoding.decode(written).ok_or(SecretError::NotEncoded(form.encoding))?;
        check_text(&secret)?;
        for &algorithm in &algorithms {
            let key = key(&secret, algorithm, label)?;
            key.origin.part.set(number);
            keys.push(Rc::new(key));
        }
    }
    Ok(keys)
}

/// The bytes that an issuer signs with: of a list of versions, those of the first.
///
/// # Errors
/// The secret is empty, or not written in its form.
pub fn current_secret(secret: &[u8], form: SecretForm) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let versions = versions(secret, form.versioned)?;
    let written = versions.first().map(|(_, secret)| *secret).unwrap_or_default();
    check_text(written)?;
    form.encoding.decode(written).ok_or(SecretError::NotEncoded(form.encoding))
}

/// A version of a secret: its number, if it is one of a list, and the secret as it is written.
type Version<'s> = (Option<u64>, &'s [u8]);

/// The secrets of a list of versions, each with its number, or the one that it is. All of them verify: the number only
/// orders them.
fn versions(secret: &[u8], versioned: bool) -> Result<Vec<Version<'_>>, SecretError> {
    if !versioned || secret.is_empty() {
        return Ok(vec![(None, secret)]);
    }
    let mut versions: Vec<Version> = Vec::new();
    for entry in secret.split(|&b| b == b',') {
        let entry = entry.trim_ascii();
        let colon = entry.iter().position(|&b| b == b':').ok_or(SecretError::NotVersioned)?;
        let number = Some(number(&entry[..colon]).ok_or(SecretError::NotVersioned)?);
        if versions.iter().any(|(known, _)| *known == number) {
            return Err(SecretError::NotVersioned);
        }
        versions.push((number, entry[colon + 1..].trim_ascii()));
    }
    Ok(versions)
}

fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Refuses what anybody could know, as it is written and decoded.
fn check_text(secret: &[u8]) -> Result<(), SecretError> {
    if secret.is_empty() {
        return Err(SecretError::Empty);
    }
    if secret.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
        return Err(SecretError::Blank);
    }
    let bare = without_quotes(secret.trim_ascii());
    if bare == BETTER_AUTH_DEVELOPMENT_SECRET {
        return Err(SecretError::PublicDefault);
    }
    check_unpublished(secret)?;
    // Key servers show keys without the lines of PEM, and some tools wrap anything, or print bytes with colons between.
    let mut digits = Zeroizing::new(Vec::with_capacity(bare.len()));
    digits.extend(bare.iter().filter(|b| **b != b':'));
    let texts = [(Encoding::Base64, bare), (Encoding::Base64Url, bare), (Encoding::Hex, &**digits)];
    texts.iter().filter_map(|(one, text)| one.decode(text)).try_for_each(|decoded| check_unpublished(&decoded))
}

/// What some tools that read a file of variables leave around a value.
fn without_quotes(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        _ => text,
    }
}

/// Refuses the forms in which public keys are handed on. Told by their looks: to parse a secret would leave copies of it.
fn check_unpublished(text: &[u8]) -> Result<(), SecretError> {
    match () {
        () if pem::is_pem(text) => Err(SecretError::Pem),
        () if is_jwk(text) => Err(SecretError::Jwk),
        () if is_der(text) || is_point(text) || is_ssh(text) => Err(SecretError::PublicKey),
        () => Ok(()),
    }
}

/// A JWK or a key set, perhaps in a list or as a string.
fn is_jwk(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    let is_json = matches!(text.first(), Some(b'{' | b'[' | b'"'));
    is_json && [&b"\"kty"[..], b"\"keys"].iter().any(|name| memmem::find(text, name).is_some())
}

/// A key or a certificate in DER: a SEQUENCE that is all, and begins with another one or with a number (RFC 5280 section 4.1,
/// RFC 8017 appendix A.1.1). Of bytes drawn at random, not one in a million looks so.
fn is_der(text: &[u8]) -> bool {
    let (length, content) = match *text {
        [0x30, length @ ..=0x7f, ref content @ ..] => (usize::from(length), content),
        [0x30, 0x81, length, ref content @ ..] => (usize::from(length), content),
        [0x30, 0x82, high, low, ref content @ ..] => (usize::from(u16::from_be_bytes([high, low])), content),
        _ => return false,
    };
    content.len() == length && matches!(content.first(), Some(0x30 | 0x02))
}

/// An uncompressed point on one of the curves of ECDSA (SEC 1 section 2.3.3). Text never begins so, and of the random secrets
/// of one of these lengths one in 256 does, which is on no curve.
fn is_point(text: &[u8]) -> bool {
    let curve: &dyn VerificationAlgorithm = match (text.first(), text.len()) {
        (Some(4), 65) => &ECDSA_P256_SHA256_FIXED,
        (Some(4), 97) => &ECDSA_P384_SHA384_FIXED,
        (Some(4), 133) => &ECDSA_P521_SHA512_FIXED,
        _ => return false,
    };
    ParsedPublicKey::new(curve, text).is_ok()
}

/// A public key of SSH (RFC 4253 section 6.6, RFC 4716), perhaps on a security key.
fn is_ssh(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let begins: [&[u8]; 8] = [
        b"ssh-rsa ",
        b"ssh-dss ",
        b"ssh-ed25519 ",
        b"ssh-ed448 ",
        b"ecdsa-sha2-nistp",
        b"sk-ssh-ed25519@",
        b"sk-ecdsa-sha2-nistp",
        b"---- BEGIN SSH2",
    ];
    begins.iter().any(|begins| text.starts_with(begins))
}

fn key(secret: &[u8], algorithm: Algorithm, label: &KeyLabel) -> Result<Key, SecretError> {
    let (name, minimum) = match algorithm {
        Algorithm::HS384 => (jsonwebtoken::Algorithm::HS384, 48),
        Algorithm::HS512 => (jsonwebtoken::Algorithm::HS512, 64),
        _ => (jsonwebtoken::Algorithm::HS256, 32),
    };
    if secret.len() < minimum {
        return Err(SecretError::TooShort(minimum));
    }
    let hmac = (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&name, &DecodingKey::from_secret(secret))
        .map_err(|_| SecretError::Unusable)?;
    let (kid, issuer) = (label.kid.clone(), label.issuer.clone());
    Ok(Key { algorithm, kid, issuer, verifier: Verifier::Hmac(hmac), origin: Origin::default() })
}

/// The secret in a file's content: what editors and `echo` put behind it, one line end, is not part of it.
pub fn secret_of_file(content: &[u8]) -> &[u8] {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    content.strip_suffix(b"\r").unwrap_or(content)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    const GOOD: &[u8] = b"a secret for these tests: 32 bytes or more";

    fn form(encoding: Encoding, versioned: bool) -> SecretForm {
        SecretForm { encoding, versioned }
    }

    type Count = Result<usize, SecretError>;

    /// How many keys a secret makes.
    fn count(secret: &[u8], form: SecretForm, list: Option<&[&str]>) -> Count {
        let allowed = list.map(|names| {
            let mut allowed = Algorithms::default();
            names.iter().for_each(|name| allowed.allow(name.as_bytes()).unwrap());
            allowed
        });
        keys(secret, form, allowed, &KeyLabel::default()).map(|keys| keys.len())
    }

    #[test]
    fn refuses_secrets_that_keep_nobody_out() {
        let rows: [(&[u8], Count); 40] = [
            (b"", Err(SecretError::Empty)),
            (&[0; 32], Err(SecretError::Blank)),
            (&[b' '; 32], Err(SecretError::Blank)),
            (b" \n\t\0\r                                  ", Err(SecretError::Blank)),
            (&[b'k'; 31], Err(SecretError::TooShort(32))),
            (&[b'k'; 32], Ok(1)),
            (&[0xff; 32], Ok(1)),
            (b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", Err(SecretError::Pem)),
            (b"\n -----BEGIN CERTIFICATE-----\nMIIB", Err(SecretError::Pem)),
            (b"\xef\xbb\xbf-----BEGIN PUBLIC KEY-----\nMFkw", Err(SecretError::Pem)),
            (b"Bag Attributes: <No Attributes>\n-----BEGIN CERTIFICATE-----\nMIIB", Err(SecretError::Pem)),
            (b"\"-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYI\"", Err(SecretError::Pem)),
            (
                br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
                Err(SecretError::Jwk),
            ),
            (br#" {"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, Err(SecretError::Jwk)),
            (b"\xef\xbb\xbf{\"keys\":[], \"a\": \"long enough to be a secret\"}", Err(SecretError::Jwk)),
            (
                br#"[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]"#,
                Err(SecretError::Jwk),
            ),
            (br#""{\"kty\":\"OKP\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}""#, Err(SecretError::Jwk)),
            // Ed25519, as RFC 8410 section 10.1 has it, and in PEM once more.
            (b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", Err(SecretError::PublicKey)),
            (b" MCowBQYDK2VwAyEAGb9ECWmEzf6F\nQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE", Err(SecretError::PublicKey)),
            (b"LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUNvd0JR", Err(SecretError::Pem)),
            (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lsh", Err(SecretError::PublicKey)),
            (b"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI", Err(SecretError::PublicKey)),
            (b"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2gu", Err(SecretError::PublicKey)),
            // With what base64url has of its own, and in hexadecimal.
            (b"MCowBQYDK2VwAyEA--__CWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE", Err(SecretError::PublicKey)),
            (
                b"302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
                Err(SecretError::PublicKey),
            ),
            (
                b"30:2A:30:05:06:03:2b:65:70:03:21:00:19:bf:44:09:69:84:cd:fe:\n    85:41:ba:c1:67:dc:3b:96:c8:50:86:aa:30:b6:\n    b6:cb:0c:5c:38:ad:70:31:66:e1",
                Err(SecretError::PublicKey),
            ),
            (b"\"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\"", Err(SecretError::PublicKey)),
            (b"0 the length is a space: 32 bytes.", Ok(1)),
            (
                // The base point of P-256.
                b"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
                Err(SecretError::PublicKey),
            ),
            (&[4; 65], Ok(1)),
            (&[4; 97], Ok(1)),
            (&[4; 133], Ok(1)),
            (b"ssh-secret-of-an-application-that-is-long-enough", Ok(1)),
            (b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZu", Ok(1)),
            (b"sk-a secret that some service has handed out", Ok(1)),
            (br#"{"a":"JSON that is no key may be a secret"}"#, Ok(1)),
            (br#"a secret that names "kty" in some way"#, Ok(1)),
            (b"-----BEGIN, says the secret of somebody", Ok(1)),
            (BETTER_AUTH_DEVELOPMENT_SECRET, Err(SecretError::PublicDefault)),
            (b"\"better-auth-secret-12345678901234567890\"\n", Err(SecretError::PublicDefault)),
        ];
        for (secret, result) in rows {
            assert_eq!(count(secret, SecretForm::default(), None), result, "{}", secret.escape_ascii());
        }
    }

    #[test]
    fn refuses_them_encoded_and_versioned_too() {
        let public = BETTER_AUTH_DEVELOPMENT_SECRET;
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let versions = |last: &[u8]| [b"2:", GOOD, b", 1: ", last].concat();
        let rows = [
            (STANDARD.encode(public).into(), form(Encoding::Base64, false), SecretError::PublicDefault),
            (URL_SAFE_NO_PAD.encode(public).into(), form(Encoding::Base64Url, false), SecretError::PublicDefault),
            (hex(public).into(), form(Encoding::Hex, false), SecretError::PublicDefault),
            (hex(b"-----BEGIN PUBLIC KEY-----\nMFkw").into(), form(Encoding::Hex, false), SecretError::Pem),
            (public.to_vec(), form(Encoding::Base64Url, false), SecretError::PublicDefault),
            (STANDARD.encode([7; 31]).into(), form(Encoding::Base64, false), SecretError::TooShort(32)),
            (versions(public), form(Encoding::Utf8, true), SecretError::PublicDefault),
            (versions(b"-----BEGIN PUBLIC KEY-----"), form(Encoding::Utf8, true), SecretError::Pem),
            (versions(b"short"), form(Encoding::Utf8, true), SecretError::TooShort(32)),
            (versions(b""), form(Encoding::Utf8, true), SecretError::Empty),
            (b" ".to_vec(), form(Encoding::Hex, false), SecretError::Blank),
            (b"00".repeat(32), form(Encoding::Hex, false), SecretError::Blank),
            (b"0g".repeat(32), form(Encoding::Hex, false), SecretError::NotEncoded(Encoding::Hex)),
            (GOOD.to_vec(), form(Encoding::Base64, false), SecretError::NotEncoded(Encoding::Base64)),
            (GOOD.to_vec(), form(Encoding::Utf8, true), SecretError::NotVersioned),
            (b"1:_".repeat(32), form(Encoding::Base64, true), SecretError::NotEncoded(Encoding::Base64)),
        ];
        for (secret, form, error) in rows {
            let secret: Vec<u8> = secret;
            assert_eq!(count(&secret, form, None), Err(error), "{} {form:?}", secret.escape_ascii());
        }
    }

    #[test]
    fn reads_versions_as_better_auth_does() {
        type Versions = Result<&'static [(u64, &'static str)], SecretError>;
        let rows: [(&str, Versions); 16] = [
            ("1:a", Ok(&[(1, "a")])),
            ("2:new,1:old", Ok(&[(2, "new"), (1, "old")])),
            (" 2: new , 1:old ", Ok(&[(2, "new"), (1, "old")])),
            ("0:a:b=,10:c", Ok(&[(0, "a:b="), (10, "c")])),
            ("1:a b", Ok(&[(1, "a b")])),
            ("1:", Ok(&[(1, "")])),
            ("secret", Err(SecretError::NotVersioned)),
            ("2:new,old", Err(SecretError::NotVersioned)),
            ("2:new,", Err(SecretError::NotVersioned)),
            (":a", Err(SecretError::NotVersioned)),
            ("v2:a", Err(SecretError::NotVersioned)),
            ("-1:a", Err(SecretError::NotVersioned)),
            ("+1:a", Err(SecretError::NotVersioned)),
            ("1:a,01:b", Err(SecretError::NotVersioned)),
            ("18446744073709551615:a", Ok(&[(u64::MAX, "a")])),
            ("18446744073709551616:a", Err(SecretError::NotVersioned)),
        ];
        for (text, expected) in rows {
            let expected = expected
                .map(|versions| versions.iter().map(|(number, secret)| (Some(*number), secret.as_bytes())).collect());
            assert_eq!(versions(text.as_bytes(), true), expected, "{text:?}");
        }
        assert_eq!(versions(b"\xff:a", true), Err(SecretError::NotVersioned), "not UTF-8");
        assert_eq!(versions(b"2:new,1:old", false), Ok(vec![(None, &b"2:new,1:old"[..])]), "not unless it is said");
    }

    #[test]
    fn an_issuer_signs_with_the_first_version() {
        type Row = (&'static [u8], SecretForm, Result<&'static [u8], SecretError>);
        let rows: [Row; 6] = [
            (GOOD, SecretForm::default(), Ok(GOOD)),
            (b"2:new,1:old", form(Encoding::Utf8, true), Ok(b"new")),
            (b"2:6e6577,1:6f6c64", form(Encoding::Hex, true), Ok(b"new")),
            (b"2:new", form(Encoding::Hex, true), Err(SecretError::NotEncoded(Encoding::Hex))),
            (b"new", form(Encoding::Utf8, true), Err(SecretError::NotVersioned)),
            (b"", SecretForm::default(), Err(SecretError::Empty)),
        ];
        for (secret, form, expected) in rows {
            let current = current_secret(secret, form);
            assert_eq!(current.as_ref().map(|secret| &***secret), expected.as_ref().map(|s| *s), "{form:?}");
        }
    }

    #[test]
    fn a_secret_is_used_with_what_is_listed() {
        let rows: [(usize, Option<&[&str]>, Count); 11] = [
            (32, None, Ok(1)),
            (64, None, Ok(1)),
            (32, Some(&["HS256"]), Ok(1)),
            (47, Some(&["HS384"]), Err(SecretError::TooShort(48))),
            (48, Some(&["HS384"]), Ok(1)),
            (63, Some(&["HS512"]), Err(SecretError::TooShort(64))),
            (64, Some(&["HS512"]), Ok(1)),
            (48, Some(&["HS256", "HS512"]), Err(SecretError::TooShort(64))),
            (64, Some(&["HS256", "HS384", "HS512", "RS256"]), Ok(3)),
            (64, Some(&["RS256", "ES512", "EdDSA"]), Err(SecretError::NotAllowed)),
            (0, Some(&["RS256"]), Err(SecretError::NotAllowed)),
        ];
        for (length, list, expected) in rows {
            assert_eq!(count(&vec![b'k'; length], SecretForm::default(), list), expected, "{length} {list:?}");
        }
    }

    #[test]
    fn a_line_end_is_not_part_of_the_secret() {
        let rows: [(&[u8], &[u8]); 6] =
            [(b"s", b"s"), (b"s\n", b"s"), (b"s\r\n", b"s"), (b"s\n\n", b"s\n"), (b" s ", b" s "), (b"", b"")];
        for (content, secret) in rows {
            assert_eq!(secret_of_file(content), secret, "{}", content.escape_ascii());
        }
    }
}
