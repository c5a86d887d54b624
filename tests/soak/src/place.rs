//! The locations of the nginx under test: what the configuration says, and what follows for a token.

use std::sync::Arc;

use crate::keyring::{KeyId, eddsa, es256, hs256, rs256};

/// Reloads between two rotations of the shared secret.
pub const RELOADS_PER_SECRET: u32 = 5;

/// Where a location's fetched keys come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Set {
    /// Its keys never change, its server is hardly ever well.
    Stable = 0,
    /// Its keys are replaced, and fetched each second.
    Rotating = 1,
    /// Its keys are replaced, and fetched only when a name is unknown.
    Early = 2,
    /// Its server is away for longer than its keys may be used.
    Stale = 3,
}

/// A configured key.
#[derive(Clone, Debug)]
pub struct Slot {
    pub key: KeyId,
    pub kid: Option<&'static str>,
    pub issuer: Option<&'static str>,
}

/// How a location answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    Plain,
    /// Refuses nothing.
    Report,
    /// `error_page 401 403`.
    Page,
    /// `satisfy any`, beside passwords.
    SatisfyAny,
    /// `auth_request`, which is told who asks.
    AuthRequest,
    /// Reads the user before the check.
    Early,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathRule {
    Strict,
    /// Off, under a guard.
    Guarded,
    /// No user is compared.
    Any,
}

/// A location, and its rules in the terms of the model.
#[derive(Clone, Debug)]
pub struct Place {
    pub name: &'static str,
    /// What stands in the path before the user.
    pub before: &'static str,
    /// How often it is asked, among the others.
    pub weight: u32,
    pub directives: String,
    pub slots: Vec<Slot>,
    /// It has the two shared secrets in force, which reloads replace.
    pub shared_secrets: bool,
    pub set: Option<Set>,
    pub manner: Manner,
    pub path: PathRule,
    pub cookie: bool,
    pub preflight: bool,
    /// Administrators reach every user's path.
    pub bypass: bool,
    /// The status without a verified e-mail address.
    pub require: Option<u16>,
    pub issuer: bool,
    pub audience: bool,
    pub typ: Option<&'static str>,
    pub leeway: f64,
    pub max_lifetime: f64,
    /// Methods that need no token.
    pub free_methods: bool,
    /// The user is in a claim that names somebody else.
    pub other_claim: bool,
}

pub const ISSUER: &str = "https://issuer.example";
pub const OTHER_ISSUER: &str = "https://other.example";
pub const AUDIENCE: &str = "api";

/// The shared secrets in force under a configuration, the newest first.
pub fn shared_secrets(generation: u32) -> [KeyId; 2] {
    let newest = 100 + generation / RELOADS_PER_SECRET;
    [hs256(newest), hs256(newest - 1)]
}

/// The directives for them.
pub fn secrets(generation: u32) -> String {
    shared_secrets(generation).map(|key| format!("jwt_user_scope_secret file:secret-{};", key.number)).concat()
}

impl Place {
    fn new(name: &'static str, weight: u32) -> Place {
        Place {
            name,
            before: name,
            weight,
            directives: String::new(),
            slots: Vec::new(),
            shared_secrets: false,
            set: None,
            manner: Manner::Plain,
            path: PathRule::Strict,
            cookie: false,
            preflight: false,
            bypass: false,
            require: None,
            issuer: false,
            audience: false,
            typ: None,
            leeway: 0.0,
            max_lifetime: 0.0,
            free_methods: false,
            other_claim: false,
        }
    }

    /// A location with the shared secrets.
    fn shared(name: &'static str, weight: u32) -> Place {
        Place { shared_secrets: true, ..Place::new(name, weight) }
    }

    fn with(mut self, directives: &str) -> Place {
        self.directives += directives;
        self
    }

    fn fetching(name: &'static str, weight: u32, set: Set, source: &str) -> Place {
        let place = Place { set: Some(set), ..Place::new(name, weight) };
        place.with(&format!("jwt_user_scope_key_request {source};"))
    }

    /// Whether an answer may have to wait for the server of the keys.
    pub fn may_wait(&self) -> bool {
        matches!(self.set, Some(Set::Early | Set::Stale))
    }

    /// Its block in the configuration of this generation.
    pub fn conf(&self, generation: u32) -> String {
        let mut directives = self.directives.clone();
        // The others inherit them, and so share what is remembered of tokens.
        if self.name == "hs" {
            directives += &secrets(generation);
        }
        let check = match self.path {
            _ if self.free_methods => "",
            PathRule::Any => "jwt_user_scope any;",
            _ => "jwt_user_scope on;",
        };
        // The slash is demanded in one place, whose other paths are left to the guard.
        let end = if self.name == "g" { "/" } else { "(?:/|$)" };
        format!(
            "location ~ ^/{}/(?<user_id>[^/]+){end} {{ {check} {directives} proxy_pass http://backend; }}\n",
            self.before
        )
    }
}

fn slot(key: KeyId) -> Slot {
    Slot { key, kid: None, issuer: None }
}

fn named(key: KeyId, kid: &'static str) -> Slot {
    Slot { kid: Some(kid), ..slot(key) }
}

fn tied(key: KeyId, issuer: &'static str) -> Slot {
    Slot { issuer: Some(issuer), ..slot(key) }
}

/// Every location.
pub fn all() -> Vec<Arc<Place>> {
    let places = [keys(), sets(), rules(), manners(), paths()];
    places.into_iter().flatten().map(Arc::new).collect()
}

fn keys() -> Vec<Place> {
    vec![
        Place::shared("hs", 14),
        Place {
            slots: vec![slot(hs256(1))],
            ..Place::new("hs-other", 5).with("jwt_user_scope_secret file:secret-1;")
        },
        Place {
            slots: vec![named(hs256(1), "one"), Slot { issuer: Some(ISSUER), ..named(hs256(2), "two") }],
            ..Place::new("hs-named", 4).with(&format!(
                "jwt_user_scope_secret file:secret-1 kid=one; jwt_user_scope_secret file:secret-2 kid=two issuer={ISSUER};"
            ))
        },
        Place {
            slots: vec![slot(rs256(1)), slot(es256(1)), named(eddsa(1), "twin")],
            ..Place::new("file", 8).with(
                "jwt_user_scope_key_file rsa.pem; jwt_user_scope_key_file ec.pem; jwt_user_scope_key_file ed.jwks;\
                 jwt_user_scope_cache max=20;",
            )
        },
        // A key of the same name and algorithm.
        Place {
            slots: vec![named(eddsa(2), "twin"), named(es256(2), "ec")],
            ..Place::new("file-other", 5).with("jwt_user_scope_key_file other.jwks;")
        },
    ]
}

fn sets() -> Vec<Place> {
    let mixed = format!(
        "jwt_user_scope_secret file:secret-1 issuer={ISSUER}; jwt_user_scope_key_file ec.pem issuer={OTHER_ISSUER};"
    );
    vec![
        Place::fetching("set", 10, Set::Stable, "/_stable valid=1s stale=1h"),
        Place {
            slots: vec![tied(hs256(1), ISSUER), tied(es256(1), OTHER_ISSUER)],
            ..Place::fetching("set-mixed", 4, Set::Stable, "/_stable valid=1s stale=1h").with(&mixed)
        },
        // Room of their own for tokens, so that those are remembered until well after their key is withdrawn; and little
        // enough to be full soon.
        Place::fetching("rotating", 8, Set::Rotating, "/_rotating valid=1s stale=1h")
            .with("jwt_user_scope_cache max=500;"),
        Place {
            path: PathRule::Any,
            ..Place::fetching("rotating-any", 2, Set::Rotating, "/_rotating valid=1s stale=1h")
        },
        Place::fetching("early", 5, Set::Early, "/_early valid=1h stale=2h").with("jwt_user_scope_cache max=100;"),
        Place::fetching("stale", 5, Set::Stale, "/_stale valid=1s stale=6s"),
    ]
}

fn rules() -> Vec<Place> {
    let claims =
        format!("jwt_user_scope_issuer {ISSUER}; jwt_user_scope_audience {AUDIENCE} else; jwt_user_scope_type at+jwt;");
    vec![
        Place {
            issuer: true,
            audience: true,
            typ: Some("at+jwt"),
            max_lifetime: 3600.0,
            ..Place::shared("rules", 6).with(&claims).with("jwt_user_scope_max_lifetime 1h;")
        },
        Place {
            leeway: 3.0,
            ..Place::shared("leeway", 4).with("jwt_user_scope_leeway 3s; jwt_user_scope_cache max=50;")
        },
        Place {
            bypass: true,
            require: Some(403),
            ..Place::shared("admin", 6).with("jwt_user_scope_bypass $is_admin; jwt_user_scope_require $email_verified;")
        },
        Place {
            path: PathRule::Any,
            require: Some(401),
            ..Place::shared("required", 3).with("jwt_user_scope_require $email_verified error=401;")
        },
        Place::shared("pointer", 3).with("jwt_user_scope_claim /ids/own;"),
        Place { path: PathRule::Any, ..Place::shared("any", 5).with("jwt_user_scope_cache off;") },
        // Its tokens are remembered under another user than those of the other places.
        Place { other_claim: true, ..Place::shared("other-claim", 3).with("jwt_user_scope_claim /ids/other;") },
        Place {
            free_methods: true,
            ..Place::shared("limited", 3).with("limit_except GET HEAD { jwt_user_scope on; }")
        },
    ]
}

fn manners() -> Vec<Place> {
    let headers = "add_header X-Result $jwt_user_scope_result always; add_header X-Generation $generation always;";
    vec![
        Place { manner: Manner::Report, ..Place::shared("report", 4).with("jwt_user_scope_mode report;") },
        Place { manner: Manner::Page, ..Place::shared("page", 4).with("error_page 401 403 = @page;") },
        Place {
            manner: Manner::SatisfyAny,
            ..Place::shared("either", 4).with("satisfy any; auth_basic staff; auth_basic_user_file htpasswd;")
        },
        Place {
            manner: Manner::AuthRequest,
            ..Place::shared("asked", 4).with(headers).with(
                "auth_request /_permit; auth_request_set $seen $upstream_http_x_seen; add_header X-Seen $seen always;",
            )
        },
        Place {
            manner: Manner::Early,
            ..Place::shared("read-early", 4)
                .with(headers)
                .with("set $early $jwt_user_scope_user; add_header X-Early $early always;")
        },
        Place { cookie: true, ..Place::shared("cookie", 4).with("jwt_user_scope_token $cookie_t;") },
        Place { preflight: true, ..Place::shared("cors", 4).with("jwt_user_scope_preflight on;") },
    ]
}

fn paths() -> Vec<Place> {
    vec![
        Place { before: "g/users", ..Place::shared("g", 6) },
        Place { before: "l/users", path: PathRule::Guarded, ..Place::shared("l", 5).with("jwt_user_scope_path off;") },
        // Comes in by `/rewrite/`.
        Place { before: "rewritten", ..Place::shared("rewritten", 3) },
    ]
}
