//! Keys, each bound to the one algorithm that it is used with.

use std::fmt;

use jsonwebtoken::crypto::{JwtVerifier, aws_lc};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Better Auth signs with this text when no secret is set in development: it is public.
const BETTER_AUTH_DEVELOPMENT_SECRET: &[u8] = b"better-auth-secret-12345678901234567890";

/// Shortest secret for HS256: the length of its hash (RFC 7518 section 3.2).
const HS256_MIN_SECRET: usize = 32;

/// The keys of a location.
#[derive(Default)]
pub struct Keys {
    keys: Vec<Key>,
}

/// A key, its verifier built once.
pub(crate) struct Key {
    alg: &'static str,
    verifier: Box<dyn JwtVerifier>,
}

/// Why a key cannot be used. The texts end a configuration error and name the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The secret is empty.
    Empty,
    /// The secret is shorter than the hash (RFC 7518 section 3.2).
    TooShort,
    /// The secret is a PEM text: a key of another kind, perhaps a public one.
    Pem,
    /// The secret is the one that Better Auth falls back to in development.
    PublicDefault,
    /// The crypto backend refused the key.
    Unusable,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty: set it to a random secret of at least 32 bytes",
            Self::TooShort => {
                "is shorter than 32 bytes (RFC 7518 section 3.2): use a longer one, such as \"openssl rand -base64 32\" prints"
            }
            Self::Pem => "is a PEM text, which is no shared secret: use a random one of at least 32 bytes",
            Self::PublicDefault => {
                "is the public development secret of Better Auth: anybody can sign with it; use a random one of at least 32 bytes"
            }
            Self::Unusable => "cannot be used as a key",
        })
    }
}

impl std::error::Error for KeyError {}

impl Keys {
    /// Adds a shared secret, used with HS256 alone.
    ///
    /// # Errors
    /// The secret is one that cannot keep anybody out; see [`KeyError`].
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), KeyError> {
        check_secret(secret)?;
        let key = DecodingKey::from_secret(secret);
        let verifier =
            (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&Algorithm::HS256, &key).map_err(|_| KeyError::Unusable)?;
        self.keys.push(Key { alg: "HS256", verifier });
        Ok(())
    }

    /// Whether there is nothing to verify with.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys used with an algorithm. The token's `alg` chooses among keys; it never changes what a key is used for
    /// (RFC 8725 section 3.1).
    pub(crate) fn used_with(&self, alg: &str) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.alg == alg)
    }
}

impl Key {
    pub(crate) fn verifies(&self, signed: &[u8], signature: &Vec<u8>) -> bool {
        self.verifier.verify(signed, signature).is_ok()
    }
}

fn check_secret(secret: &[u8]) -> Result<(), KeyError> {
    if secret.is_empty() {
        Err(KeyError::Empty)
    } else if secret.trim_ascii_start().starts_with(b"-----BEGIN ") {
        Err(KeyError::Pem)
    } else if secret.trim_ascii() == BETTER_AUTH_DEVELOPMENT_SECRET {
        Err(KeyError::PublicDefault)
    } else if secret.len() < HS256_MIN_SECRET {
        Err(KeyError::TooShort)
    } else {
        Ok(())
    }
}

/// The secret in a file's content: what editors and `echo` put behind it, one line end, is not part of it.
pub fn secret_of_file(content: &[u8]) -> &[u8] {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    content.strip_suffix(b"\r").unwrap_or(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_secrets_that_keep_nobody_out() {
        let rows: [(&[u8], Result<(), KeyError>); 7] = [
            (b"", Err(KeyError::Empty)),
            (&[b'k'; 31], Err(KeyError::TooShort)),
            (&[b'k'; 32], Ok(())),
            (&[0xff; 32], Ok(())),
            (b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", Err(KeyError::Pem)),
            (b"\n -----BEGIN CERTIFICATE-----\nMIIB", Err(KeyError::Pem)),
            (BETTER_AUTH_DEVELOPMENT_SECRET, Err(KeyError::PublicDefault)),
        ];
        for (secret, result) in rows {
            assert_eq!(Keys::default().add_secret(secret), result, "{}", secret.escape_ascii());
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

    #[test]
    fn a_secret_is_used_with_hs256_alone() {
        let mut keys = Keys::default();
        keys.add_secret(&[b'k'; 64]).unwrap();
        assert_eq!(keys.used_with("HS256").count(), 1);
        for alg in ["none", "None", "hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA", "HS256 ", ""] {
            assert_eq!(keys.used_with(alg).count(), 0, "{alg}");
        }
    }
}
