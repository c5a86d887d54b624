//! Signature algorithms (RFC 7518 section 3.1, RFC 8037, RFC 9864), and the list of those that a location allows.

use std::fmt;

/// An algorithm that tokens are verified with. `EdDSA` and `Ed25519` are two names of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

use Algorithm::*;

/// Those of a shared secret.
pub(crate) const HMAC: [Algorithm; 3] = [HS256, HS384, HS512];

/// Those of an RSA key.
pub(crate) const RSA: [Algorithm; 6] = [RS256, RS384, RS512, PS256, PS384, PS512];

impl Algorithm {
    /// The algorithm of this name; names are case-sensitive, and `none` is none.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => HS256,
            "HS384" => HS384,
            "HS512" => HS512,
            "RS256" => RS256,
            "RS384" => RS384,
            "RS512" => RS512,
            "PS256" => PS256,
            "PS384" => PS384,
            "PS512" => PS512,
            "ES256" => ES256,
            "ES384" => ES384,
            "ES512" => ES512,
            "EdDSA" | "Ed25519" => EdDSA,
            _ => return None,
        })
    }

    /// Its name; of the two of EdDSA, the one that tokens carry.
    pub(crate) fn name(self) -> &'static str {
        match self {
            HS256 => "HS256",
            HS384 => "HS384",
            HS512 => "HS512",
            RS256 => "RS256",
            RS384 => "RS384",
            RS512 => "RS512",
            PS256 => "PS256",
            PS384 => "PS384",
            PS512 => "PS512",
            ES256 => "ES256",
            ES384 => "ES384",
            ES512 => "ES512",
            EdDSA => "EdDSA",
        }
    }

    /// Whether what verifies is public. A shared secret must never be.
    pub(crate) fn is_public(self) -> bool {
        !HMAC.contains(&self)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The algorithms that a location allows (`jwt_user_scope_algorithms`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Algorithms(u16);

/// The word is no algorithm that could be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgorithmError {
    /// `none`, in whatever case.
    None,
    /// Anything else.
    Unknown,
}

impl fmt::Display for AlgorithmError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::None => "would let tokens without a signature in: leave it out",
            Self::Unknown => {
                "is unknown: use HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, \
                 EdDSA or Ed25519, in exactly this case"
            }
        })
    }
}

impl std::error::Error for AlgorithmError {}

impl Algorithms {
    /// Allows one more.
    ///
    /// # Errors
    /// The word names no algorithm that is verified here.
    pub fn allow(&mut self, word: &[u8]) -> Result<(), AlgorithmError> {
        let name = std::str::from_utf8(word).unwrap_or_default();
        match Algorithm::named(name) {
            Some(algorithm) => {
                self.0 |= algorithm.bit();
                Ok(())
            }
            None if name.eq_ignore_ascii_case("none") => Err(AlgorithmError::None),
            None => Err(AlgorithmError::Unknown),
        }
    }

    /// Whether there is one whose keys can be published.
    pub(crate) fn has_public(self) -> bool {
        HMAC.iter().fold(self.0, |others, hmac| others & !hmac.bit()) != 0
    }

    /// Whether it is allowed.
    pub(crate) fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 14] = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
        "EdDSA", "Ed25519",
    ];

    #[test]
    fn some_have_keys_that_can_be_published() {
        let list = |names: &[&str]| {
            let mut list = Algorithms::default();
            names.iter().for_each(|name| list.allow(name.as_bytes()).unwrap());
            list
        };
        for (names, has_public) in
            [(&[][..], false), (&["HS256", "HS384", "HS512"], false), (&["HS256", "EdDSA"], true), (&["RS256"], true)]
        {
            assert_eq!(list(names).has_public(), has_public, "{names:?}");
        }
    }

    #[test]
    fn names_are_matched_exactly() {
        for name in NAMES {
            let own = Algorithm::named(name).unwrap().name();
            assert_eq!(own, if name == "Ed25519" { "EdDSA" } else { name });
            assert_eq!(Algorithm::named(&name.to_lowercase()), None, "{name}");
            assert_eq!(Algorithm::named(&format!("{name} ")), None, "{name}");
        }
        for name in ["", "none", "HS", "HS224", "ES256K", "Ed448", "RS1", "RSA-OAEP", "A128GCM", "dir"] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
        assert_eq!(Algorithm::named("EdDSA"), Algorithm::named("Ed25519"), "two names of one");
    }

    #[test]
    fn allows_what_is_listed() {
        for listed in NAMES {
            let mut algorithms = Algorithms::default();
            algorithms.allow(listed.as_bytes()).unwrap();
            for name in NAMES {
                let same = Algorithm::named(name) == Algorithm::named(listed);
                assert_eq!(algorithms.contains(Algorithm::named(name).unwrap()), same, "{name} of {listed}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_algorithm() {
        let rows: [(&[u8], AlgorithmError); 9] = [
            (b"none", AlgorithmError::None),
            (b"None", AlgorithmError::None),
            (b"NONE", AlgorithmError::None),
            (b"", AlgorithmError::Unknown),
            (b"hs256", AlgorithmError::Unknown),
            (b"eddsa", AlgorithmError::Unknown),
            (b"ES256K", AlgorithmError::Unknown),
            (b"HS256,RS256", AlgorithmError::Unknown),
            (b"\xff", AlgorithmError::Unknown),
        ];
        for (word, error) in rows {
            let mut algorithms = Algorithms::default();
            assert_eq!(algorithms.allow(word), Err(error), "{}", word.escape_ascii());
            assert_eq!(algorithms, Algorithms::default(), "{}", word.escape_ascii());
        }
    }
}
