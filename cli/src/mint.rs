//! `jwt-user-scope mint`: a token for tests, signed with the secret that a location trusts.

use std::iter;
use std::rc::Rc;

use authz::{ClaimName, Input, Path, Scope, current_secret, examine};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use directives::{Check, Environment};
use serde_json::{Map, Value, json};

use crate::conf::{Conf, KeySources, Settings};
use crate::keys::sources;
use crate::options::Mint;
use crate::request::Target;
use crate::select::{location, select_only};
use crate::server::{Served, server};
use crate::sign::Signer;
use crate::{Call, Failure, Output, uri};

/// 5 minutes.
const DEFAULT_LIFETIME: i64 = 300;

/// Runs the command.
pub fn run(options: &Mint, call: Call) -> Result<Output, Failure> {
    let config = options.place.config.as_deref();
    let config = config
        .ok_or_else(|| Failure("--config <file> is missing: \"jwt-user-scope mint --help\" tells more".into()))?;
    let conf = Conf::read(config)?;
    let place = match &options.place.path {
        Some(path) => {
            let no_path = || Failure("nginx answers this path with 400".into());
            let target = Target::parse(path).ok_or_else(no_path)?;
            let address = options.place.address.or_of_target(target.host);
            let Served { place: server, readers, .. } = server(&conf.top, &address)?;
            let uri = uri::of(target.path, &readers)?.ok_or_else(no_path)?;
            location(&server, &uri, &options.place.method).place
        }
        None => select_only(&conf.top)?,
    };
    let settings = &place.settings;
    let position = match &settings.check {
        Some(Check::On { position, .. }) => position,
        _ => &conf.top.position,
    };
    let sources = sources(settings, position);
    let minting = Minting { options, settings, sources: &sources, now: options.place.at.unwrap_or(call.now) };
    let token = minting.token(call.environment)?;
    let mut stderr = "jwt-user-scope: for tests: whoever has this token is let in as long as it is valid\n".to_owned();
    if let Some(word) = minting.refusal(&token, call.environment)? {
        stderr += &format!("jwt-user-scope: the location refuses it: {word}\n");
    }
    Ok(Output { stdout: token + "\n", stderr, status: 0 })
}

struct Minting<'a> {
    options: &'a Mint,
    settings: &'a Settings,
    sources: &'a KeySources,
    now: u64,
}

impl Minting<'_> {
    fn token(&self, environment: Environment) -> Result<String, Failure> {
        let signer = self.signer(environment)?;
        let algorithm = self.algorithm(&signer, environment)?;
        let encode = |part: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(part).to_string());
        let signed = format!("{}.{}", encode(self.header(algorithm)), encode(self.claims()?));
        let signature = signer.sign(algorithm, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signer(&self, environment: Environment) -> Result<Signer, Failure> {
        if let Some(key) = &self.options.key {
            return Signer::of_pem(key);
        }
        let secret =
            self.sources.secrets.first().ok_or_else(|| {
                Failure("the location has public keys only: name a private key with --key <file>".into())
            })?;
        let wrong = |problem: String| Failure(format!("\"jwt_user_scope_secret\": {problem} in {}", secret.position));
        let text = secret.place.read(environment).map_err(wrong)?;
        let bytes = current_secret(&text, secret.form);
        bytes.map(Signer::Secret).map_err(|error| wrong(format!("the secret in {} {error}", secret.place)))
    }

    /// The one that was asked for, or the first that the location allows.
    fn algorithm(&self, signer: &Signer, environment: Environment) -> Result<&'static str, Failure> {
        let all = signer.algorithms();
        if let Some(wanted) = &self.options.algorithm {
            let found = all.iter().find(|name| *name == wanted);
            return found
                .copied()
                .ok_or_else(|| Failure(format!("this key signs with {}, in exactly this case", all.join(", "))));
        }
        // The core knows which are allowed: it looks for a key before it looks at the signature.
        let allowed = |name: &&&str| {
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": name}).to_string());
            let probe = format!("{header}.e30.AA");
            !matches!(self.refusal(&probe, environment), Ok(Some("unsupported_algorithm")))
        };
        Ok(all.iter().find(allowed).or(all.first()).copied().unwrap_or("HS256"))
    }

    /// The word with which the location refuses a token, whoever it names.
    fn refusal(&self, token: &str, environment: Environment) -> Result<Option<&'static str>, Failure> {
        let keys = self.sources.keys(self.settings.algorithms.flatten(), environment).map_err(Failure)?;
        let sets = vec![None; self.sources.requests.len()];
        let policy = self.settings.policy(Scope::Any, Rc::new(keys)).map_err(Failure)?;
        let path = Path { raw: b"/", uri: b"/", rewritten: false };
        let input = Input {
            path,
            preflight: false,
            token: Some(token.as_bytes()),
            second_token: None,
            user: b"",
            key_sets: &sets,
        };
        Ok(examine(&policy, input, self.now).err().map(authz::Denied::word))
    }

    fn header(&self, algorithm: &str) -> Map<String, Value> {
        let mut header = Map::new();
        header.insert("alg".into(), algorithm.into());
        let typ = self.settings.types.as_ref().and_then(|types| types.first());
        header.insert("typ".into(), typ.map_or("JWT", |typ| typ).into());
        let secret = self.sources.secrets.first().filter(|_| self.options.key.is_none());
        if let Some(kid) = secret.and_then(|secret| secret.label.kid.as_ref()) {
            header.insert("kid".into(), (**kid).into());
        }
        header.extend(self.options.headers.iter().cloned());
        header
    }

    fn claims(&self) -> Result<Map<String, Value>, Failure> {
        let mut claims = Map::new();
        let now = i64::try_from(self.now).unwrap_or(i64::MAX);
        let exp = now.saturating_add(self.options.expires_in.unwrap_or(DEFAULT_LIFETIME));
        claims.insert("iat".into(), now.min(exp).into());
        claims.insert("exp".into(), exp.into());
        let secret = self.sources.secrets.first().filter(|_| self.options.key.is_none());
        let tied = secret.and_then(|secret| secret.label.issuer.as_deref());
        let first =
            |list: &Option<Vec<Box<str>>>| list.as_ref().and_then(|list| list.first()).map(|one| one.to_string());
        if let Some(issuer) = tied.map(str::to_owned).or_else(|| first(&self.settings.issuers)) {
            claims.insert("iss".into(), issuer.into());
        }
        if let Some(audience) = first(&self.settings.audiences) {
            claims.insert("aud".into(), audience.into());
        }
        if let Some(user) = &self.options.user {
            self.name_user(&mut claims, user)?;
        }
        claims.extend(self.options.claims.iter().cloned());
        Ok(claims)
    }

    /// Puts the user where the location looks for it.
    fn name_user(&self, claims: &mut Map<String, Value>, user: &str) -> Result<(), Failure> {
        let claim = self.settings.user_claim();
        let pointer: Vec<&str> = match &claim {
            ClaimName::Member(name) => vec![name],
            ClaimName::Pointer(first, rest) => iter::once(first).chain(rest).map(|token| &**token).collect(),
        };
        let Some((last, objects)) = pointer.split_last() else { return Ok(()) };
        let mut place = claims;
        for name in objects {
            let inner = place.entry(name.to_string()).or_insert_with(|| json!({}));
            place = inner.as_object_mut().ok_or_else(|| Failure("the user claim is inside of another claim".into()))?;
        }
        place.insert(last.to_string(), user.into());
        Ok(())
    }
}
