//! Tokens of the size and shape that Better Auth issues.

use std::path::Path;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::keys::{Algorithm, KID, Signer};
use crate::{Failure, Options};

/// The user of every path and of every token but `other-user`'s.
pub const USER: &str = "JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u";
const OTHER: &str = "Zz91kQmWvT5nB7xLhR3cYd8sPf2GjE6a";
const HOUR: u64 = 3600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No token at all.
    None,
    /// One good token, the same in every request.
    Repeated,
    /// Good tokens, no two alike.
    New,
    /// The signature of another token under ever new claims: checked to its end, and wrong.
    BadSignature,
    /// Good but for `exp`, no two alike.
    Expired,
    /// Good tokens of somebody else, no two alike.
    OtherUser,
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "none" => Self::None,
            "repeated" => Self::Repeated,
            "new" => Self::New,
            "bad-signature" => Self::BadSignature,
            "expired" => Self::Expired,
            "other-user" => Self::OtherUser,
            _ => return Err(()),
        })
    }
}

pub struct Mint {
    signer: Signer,
    header: String,
    kind: Kind,
    now: u64,
    /// The signature that `bad-signature` puts under other claims.
    borrowed: String,
}

impl Mint {
    pub fn new(keys: &Path, algorithm: Algorithm, kind: Kind) -> Result<Self, Failure> {
        let signer = Signer::read(keys, algorithm)?;
        let header = match algorithm {
            Algorithm::Hs256 => r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
            _ => format!(r#"{{"alg":"{algorithm}","kid":"{KID}"}}"#),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let borrowed = URL_SAFE_NO_PAD.encode(signer.sign(b"another message"));
        Ok(Self { signer, header: URL_SAFE_NO_PAD.encode(header), kind, now, borrowed })
    }

    /// Whether every request is the same.
    pub fn is_constant(&self) -> bool {
        matches!(self.kind, Kind::None | Kind::Repeated)
    }

    /// The token of this number; nothing where the requests carry none.
    pub fn token(&self, number: u64) -> Option<String> {
        let number = match self.kind {
            Kind::None => return None,
            Kind::Repeated => 0,
            _ => number,
        };
        let mut token = self.header.clone();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(self.claims(number), &mut token);
        let signature = match self.kind {
            Kind::BadSignature => self.borrowed.clone(),
            _ => URL_SAFE_NO_PAD.encode(self.signer.sign(token.as_bytes())),
        };
        token.push('.');
        token.push_str(&signature);
        Some(token)
    }

    fn claims(&self, number: u64) -> String {
        let user = if self.kind == Kind::OtherUser { OTHER } else { USER };
        let (issued, expires) = match self.kind {
            Kind::Expired => (self.now - 2 * HOUR, self.now - HOUR),
            _ => (self.now, self.now + 24 * HOUR),
        };
        format!(
            r#"{{"iat":{issued},"uid":"{user}","sub":"{user}","jti":"{number:012}","exp":{expires},"iss":"http://localhost:3000","aud":"http://localhost:3000"}}"#
        )
    }
}

/// `token`: prints one.
pub fn print(options: &Options) -> Result<(), Failure> {
    let mint = Mint::new(options.text("keys")?.as_ref(), options.value("algorithm")?, options.value("kind")?)?;
    println!("{}", mint.token(0).ok_or("requests of this kind carry no token")?);
    Ok(())
}
