//! Tokens, sound and unsound, each with what is true of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastrand::Rng;

use crate::clock::now;
use crate::keyring::{KeyId, Keyring};

/// What is true of a token by the way it was made.
#[derive(Clone, Debug)]
pub struct Token {
    pub text: String,
    pub fault: Fault,
    pub key: KeyId,
    pub kid: Option<Arc<str>>,
    pub exp: Time,
    pub nbf: Time,
    pub iat: Time,
    pub issuer: Option<&'static str>,
    pub audience: Option<&'static str>,
    pub typ: Option<&'static str>,
    pub user: Option<Vec<String>>,
    pub is_array: bool,
    /// The user in another claim.
    pub other: String,
    pub admin: bool,
    pub email_verified: bool,
    /// Bytes of a claim that nobody looks at.
    pub ballast: usize,
    /// It was let in once.
    pub was_good: Arc<AtomicBool>,
}

/// What is wrong with a token whatever the rules are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    None,
    /// No token by its form.
    Form,
    /// Its claims are no sound JSON, which shows once the signature holds.
    Claims,
    /// `alg` is none that anything is verified with.
    Algorithm,
    /// No key has signed it.
    Signature,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Time {
    Missing,
    At(f64),
    /// Not a number.
    Text,
}

/// Ways in which a token can be no token.
pub const KINDS_OF_FORM: u8 = 18;
pub const KINDS_OF_CLAIMS: u8 = 5;

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Token {
    /// A good one, not yet signed.
    pub fn new(key: KeyId, kid: Option<Arc<str>>, user: String) -> Token {
        let now = now().floor();
        Token {
            text: String::new(),
            fault: Fault::None,
            key,
            kid,
            exp: Time::At(now + 900.0),
            nbf: Time::Missing,
            iat: Time::At(now),
            issuer: None,
            audience: None,
            typ: Some("JWT"),
            user: Some(vec![user]),
            is_array: false,
            other: "nobody".into(),
            admin: false,
            email_verified: true,
            ballast: 0,
            was_good: Arc::default(),
        }
    }

    /// Whom a claim names, and whether it is an array.
    pub fn names(&self, in_other_claim: bool) -> (&[String], bool) {
        match &self.user {
            None => (&[], false),
            Some(_) if in_other_claim => (std::slice::from_ref(&self.other), false),
            Some(names) => (names, self.is_array),
        }
    }

    /// Everybody whom it names.
    pub fn everybody(&self) -> Vec<&str> {
        let [own, other] = [false, true].map(|other| self.names(other).0);
        own.iter().chain(other).map(String::as_str).collect()
    }

    pub fn signed(mut self, keyring: &Keyring, random: &mut Rng) -> Token {
        let (header, claims) = (self.header(), self.claims(random));
        self.text = sign(keyring, self.key, &header, &claims);
        self
    }

    /// Signed, and then spoilt.
    pub fn tampered(mut self, keyring: &Keyring, random: &mut Rng) -> Token {
        let (header, claims) = (self.header(), self.claims(random));
        let text = sign(keyring, self.key, &header, &claims);
        let parts: Vec<&str> = text.split('.').collect();
        self.fault = Fault::Signature;
        self.text = match random.u8(0..4) {
            0 => format!("{}.{}.{}", parts[0], parts[1], b64(flipped(parts[2], random))),
            1 => format!("{}.{}.{}", parts[0], b64(format!("{claims} ")), parts[2]),
            2 => format!("{}.{}.{}", b64(format!("{header} ")), parts[1], parts[2]),
            _ => format!("{}.{}.{}", parts[0], parts[1], b64(&decoded(parts[2])[..31])),
        };
        self
    }

    /// Something that is no token.
    pub fn malformed(mut self, keyring: &Keyring, random: &mut Rng, kind: u8) -> Token {
        let (header, claims) = (self.header(), self.claims(random));
        let text = sign(keyring, self.key, &header, &claims);
        let parts: Vec<&str> = text.split('.').collect();
        let with_header = |header: &str| sign(keyring, self.key, header, &claims);
        let more = |member: &str| header.replacen('{', &format!("{{{member},"), 1);
        self.text = match kind {
            0 => format!("{}.{}", parts[0], parts[1]),
            1 => format!("{text}.AAAA"),
            2 => format!("{}..{}", parts[0], parts[2]),
            3 => format!("{}.{}.", parts[0], parts[1]),
            4 => format!(".{}.{}", parts[1], parts[2]),
            5 => format!("{text}="),
            6 => format!("{}.{} .{}", parts[0], parts[1], parts[2]),
            7 => format!("{}.{}.{}+/", parts[0], parts[1], parts[2]),
            8 => with_header("[]"),
            9 => with_header("mallory"),
            10 => with_header(&more(r#""alg":"HS256""#)),
            11 => with_header(&more(r#""crit":["exp"]"#)),
            12 => with_header(&more(r#""x":{"a":1,"a":2}"#)),
            13 => with_header(r#"{"typ":"JWT"}"#),
            14 => with_header(r#"{"alg":1}"#),
            15 => with_header(&format!(r#"{{"alg":"{}","kid":7}}"#, self.key.algorithm.name())),
            16 => format!("\"{text}\""),
            _ => format!("{text} {text}"),
        };
        self.fault = Fault::Form;
        self
    }

    /// Claims that are none, under a good signature.
    pub fn with_bad_claims(mut self, keyring: &Keyring, random: &mut Rng, kind: u8) -> Token {
        let claims = self.claims(random);
        let claims = match kind {
            0 => "[]".into(),
            1 => claims.replacen('{', r#"{"exp":4102444800,"#, 1),
            2 => claims.replacen('{', r#"{"x":{"uid":1,"uid":2},"#, 1),
            3 => claims[..claims.len() - 1].into(),
            _ => format!("{claims}x"),
        };
        self.text = sign(keyring, self.key, &self.header(), &claims);
        self.fault = Fault::Claims;
        self
    }

    /// Under an `alg` that is no algorithm here.
    pub fn unsupported(mut self, random: &mut Rng) -> Token {
        let alg = *random.choice(&["none", "None", "NONE", "hs256", "HS1", "", "eddsa"]).expect("not empty");
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        self.text = format!("{}.{}.{}", b64(header), b64(self.claims(random)), b64([0; 32]));
        self.fault = Fault::Algorithm;
        self
    }

    /// A public key taken for a secret.
    pub fn confused(mut self, public: &str, random: &mut Rng) -> Token {
        use hmac::Mac;
        let input = format!("{}.{}", b64(r#"{"alg":"HS256","typ":"JWT"}"#), b64(self.claims(random)));
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(public.as_bytes()).expect("HMAC takes any key");
        mac.update(input.as_bytes());
        self.text = format!("{input}.{}", b64(mac.finalize().into_bytes()));
        self.key.algorithm = crate::keyring::Algorithm::Hs256;
        self.kid = None;
        self.fault = Fault::Signature;
        self
    }

    fn header(&self) -> String {
        let mut header = format!(r#"{{"alg":"{}""#, self.key.algorithm.name());
        if let Some(kid) = &self.kid {
            header += &format!(r#","kid":"{kid}""#);
        }
        if let Some(typ) = self.typ {
            header += &format!(r#","typ":"{typ}""#);
        }
        header + "}"
    }

    fn claims(&self, random: &mut Rng) -> String {
        let mut claims = format!(r#"{{"jti":"{:x}""#, random.u64(..));
        for (name, time) in [("exp", self.exp), ("nbf", self.nbf), ("iat", self.iat)] {
            match time {
                Time::Missing => {}
                Time::At(at) => claims += &format!(r#","{name}":{at}"#),
                Time::Text => claims += &format!(r#","{name}":"4102444800""#),
            }
        }
        for (name, value) in [("iss", self.issuer), ("aud", self.audience)] {
            if let Some(value) = value {
                claims += &format!(r#","{name}":"{value}""#);
            }
        }
        let quoted = |users: &[String]| users.iter().map(|user| format!("\"{user}\"")).collect::<Vec<_>>().join(",");
        match &self.user {
            // Of the right name, and no name.
            None => claims += random.choice(["", r#","uid":"""#, r#","uid":{}"#, r#","uid":true"#]).expect("not empty"),
            Some(users) => {
                let value = if self.is_array { format!("[{}]", quoted(users)) } else { quoted(&users[..1]) };
                claims += &format!(r#","uid":{value},"ids":{{"own":{value},"other":"{}"}}"#, self.other);
            }
        }
        if self.admin {
            claims += r#","role":"admin""#;
        }
        claims += &format!(r#","email_verified":{}"#, self.email_verified);
        if self.ballast > 0 {
            claims += &format!(r#","ballast":"{}""#, "x".repeat(self.ballast));
        }
        claims + "}"
    }
}

fn sign(keyring: &Keyring, key: KeyId, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", b64(header), b64(claims));
    let signature = keyring.sign(key, input.as_bytes());
    format!("{input}.{}", b64(signature))
}

fn decoded(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(segment).expect("what was encoded")
}

fn flipped(segment: &str, random: &mut Rng) -> Vec<u8> {
    let mut bytes = decoded(segment);
    let at = random.usize(..bytes.len());
    bytes[at] ^= 1 << random.u8(..8);
    bytes
}
