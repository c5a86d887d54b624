//! The settings of one level of the configuration, and what the level below makes of them.

use std::rc::Rc;

use authz::{Algorithms, Cache, ClaimName, Denied, Guard, Keys, Policy, Rules, Scope};

use crate::Reader;
use crate::keys::{self, KeySources};
use crate::variables::Variable;
use crate::words::{
    Wrong, algorithms, bypass_variables, cache_size, claim_name, compile_all, guard_templates, has_variable, invalid,
    is_off, leeway, names, once, one_of, realm, requirement, seconds,
};

/// The value of `jwt_user_scope`.
#[derive(Clone)]
pub enum Check<E, P> {
    /// No check.
    Off,
    /// A check.
    On {
        /// What a token must be good for.
        scope: Scope,
        /// What the user is compared with, where one is.
        expected: Option<E>,
        /// The directive.
        position: P,
    },
}

/// The values of `jwt_user_scope_require`.
#[derive(Clone)]
pub struct Requirement<V> {
    /// Each must hold; see [`holds`].
    pub values: Vec<V>,
    /// Answer with 401 rather than 403.
    pub unauthorized: bool,
}

/// The values of `jwt_user_scope_bypass`.
#[derive(Clone)]
pub struct Bypass<V, P> {
    /// One of them must hold; see [`holds`].
    pub values: Vec<V>,
    /// The directive, where there is one.
    pub position: Option<P>,
    /// The variables that they are made of, in lower case.
    variables: Vec<Box<[u8]>>,
}

/// A variable of `jwt_user_scope_set`, in lower case, and its claim.
pub type ClaimVariable = (Box<[u8]>, Rc<ClaimName>);

/// The form of a refusal's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorBody {
    /// The shape of FastAPI's errors.
    Json,
    /// Problem details (RFC 9457).
    Problem,
    /// nginx's own page.
    Off,
}

/// The level of a refusal's line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// `info`
    Info,
    /// `notice`
    Notice,
    /// `warn`
    Warn,
    /// `error`
    Error,
}

/// The structure of a level, and its inheritance: what is `None` is inherited.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)+) => {
        /// Settings of a level, with values `V`, compared values `E` and positions `P`. What is `None` is inherited.
        #[derive(Clone)]
        pub struct Settings<V, E, P> {
            $($(#[$doc])* pub $name: Option<$type>,)+
        }

        impl<V, E, P> Default for Settings<V, E, P> {
            fn default() -> Self {
                Self { $($name: None,)+ }
            }
        }

        impl<V: Clone, E: Clone, P: Clone> Settings<V, E, P> {
            fn take_over(&mut self, prev: &Self) {
                $(if self.$name.is_none() {
                    self.$name.clone_from(&prev.$name);
                })+
            }
        }
    };
}

settings! {
    /// `jwt_user_scope`
    check: Check<E, P>,
    /// `jwt_user_scope_claim`; an inner `None` is `off`.
    claim: Option<ClaimName>,
    /// `jwt_user_scope_secret`, `jwt_user_scope_key_file`, `jwt_user_scope_key_request`
    keys: Rc<KeySources<P>>,
    /// `jwt_user_scope_algorithms`; an inner `None` is what keys imply.
    algorithms: Option<Algorithms>,
    /// `jwt_user_scope_issuer`
    issuers: Vec<Box<str>>,
    /// `jwt_user_scope_audience`
    audiences: Vec<Box<str>>,
    /// `jwt_user_scope_type`
    types: Vec<Box<str>>,
    /// `jwt_user_scope_leeway`
    leeway: u64,
    /// `jwt_user_scope_max_lifetime`
    max_lifetime: u64,
    /// `jwt_user_scope_preflight`
    preflight: bool,
    /// `jwt_user_scope_path`, the other way round
    any_path: bool,
    /// `jwt_user_scope_require`
    require: Rc<Requirement<V>>,
    /// `jwt_user_scope_bypass`
    bypass: Rc<Bypass<V, P>>,
    /// `jwt_user_scope_token`
    token: Option<V>,
    /// `jwt_user_scope_realm`, the inside of a quoted-string
    realm: Option<Rc<str>>,
    /// `jwt_user_scope_error_body`
    error_body: ErrorBody,
    /// `jwt_user_scope_mode`
    report: bool,
    /// `jwt_user_scope_log_level`
    log_level: LogLevel,
    /// `jwt_user_scope_guard`
    guard: Guarding,
    /// `jwt_user_scope_cache`; an inner `None` is `off`.
    cache: Option<Rc<Cache>>,
}

/// What `jwt_user_scope_guard` says of a location. The default is `off`, below which there is nothing to be exempt from.
#[derive(Clone, Default)]
pub struct Guarding {
    /// The templates, which `off` does not forget.
    guard: Option<Rc<Guard>>,
    /// `off` stands between them and this level.
    exempts: bool,
}

impl Guarding {
    fn by(guard: Guard) -> Self {
        Self { guard: Some(Rc::new(guard)), exempts: false }
    }

    /// Takes templates over from the level around this one. `off` has none of its own.
    fn inherit(&mut self, around: Option<&Self>) {
        if self.guard.is_none() {
            self.guard = around.and_then(|around| around.guard.clone());
            self.exempts = true;
        }
    }

    /// The guard in force, and whether the location is exempt from it: for paths that nobody reads otherwise than nginx.
    pub fn in_force(&self) -> Option<(&Rc<Guard>, bool)> {
        self.guard.as_ref().map(|guard| (guard, self.exempts))
    }
}

/// Whether a value holds, as nginx reads a condition: it is neither empty nor `0`.
pub fn holds(value: &[u8]) -> bool {
    !matches!(value, b"" | b"0")
}

impl<V> Requirement<V> {
    /// Asks of one value after the other whether it holds, until one does not.
    ///
    /// # Errors
    /// The refusal.
    pub fn check(&self, holds: impl FnMut(&V) -> bool) -> Result<(), Denied> {
        match self.values.iter().all(holds) {
            true => Ok(()),
            false if self.unauthorized => Err(Denied::RequirementFailedToken),
            false => Err(Denied::RequirementFailed),
        }
    }
}

impl<V> Default for Requirement<V> {
    fn default() -> Self {
        Self { values: Vec::new(), unauthorized: false }
    }
}

impl<V, P> Bypass<V, P> {
    /// Whether a variable in it is a claim: it would hold for a claim `false`, too. `set` are the variables of
    /// `jwt_user_scope_set`.
    pub fn has_claim(&self, set: &[ClaimVariable]) -> bool {
        self.variables.iter().any(|variable| claim_of(variable, set).is_some() || own_claim(variable).is_some())
    }

    /// A variable in it that has nothing to do with the token: one that clients write, or that every request has. `captured`
    /// are those that the regexes of the location capture; `is_defined` tells of one that is defined by the configuration.
    pub fn of_clients<'s>(&'s self, captured: &[&[u8]], is_defined: impl Fn(&[u8]) -> bool) -> Option<&'s [u8]> {
        const WRITTEN: [&[u8]; 3] = [b"arg_", b"cookie_", b"http_"];
        const OTHERS: [&[u8]; 37] = [
            b"args",
            b"binary_remote_addr",
            b"connection",
            b"connection_requests",
            b"content_length",
            b"content_type",
            b"document_root",
            b"document_uri",
            b"host",
            b"hostname",
            b"is_args",
            b"msec",
            b"nginx_version",
            b"pid",
            b"pipe",
            b"proxy_add_x_forwarded_for",
            b"proxy_host",
            b"query_string",
            b"realpath_root",
            b"remote_addr",
            b"remote_port",
            b"request",
            b"request_body",
            b"request_filename",
            b"request_id",
            b"request_length",
            b"request_method",
            b"request_time",
            b"request_uri",
            b"scheme",
            b"server_addr",
            b"server_name",
            b"server_port",
            b"server_protocol",
            b"time_iso8601",
            b"time_local",
            b"uri",
        ];
        self.variables.iter().map(|variable| &**variable).find(|variable| {
            WRITTEN.iter().any(|prefix| variable.starts_with(prefix) && !is_defined(variable))
                || OTHERS.contains(variable)
                || captured.iter().any(|one| one.eq_ignore_ascii_case(variable))
        })
    }

    fn has_header(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| Variable::named(variable) == Some(Variable::Header(name)))
    }

    /// Whether it has this claim: it would hold for every token that has it.
    fn names(&self, claim: &ClaimName, set: &[ClaimVariable]) -> bool {
        let is_set = |variable: &[u8]| claim_of(variable, set).is_some_and(|known| known.is_same(claim));
        let is_own = |variable: &[u8]| own_claim(variable).is_some_and(|name| claim.is_member_in_lower_case(name));
        self.variables.iter().any(|variable| is_set(variable) || is_own(variable))
    }
}

/// The claim of a variable of `jwt_user_scope_set`.
fn claim_of<'s>(variable: &[u8], set: &'s [ClaimVariable]) -> Option<&'s ClaimName> {
    set.iter().find(|(name, _)| **name == *variable).map(|(_, claim)| &**claim)
}

/// The claim of one of the module's own variables.
fn own_claim(variable: &[u8]) -> Option<&str> {
    match Variable::named(variable)? {
        Variable::Claim(name) => Some(name),
        _ => None,
    }
}

impl<V, P> Default for Bypass<V, P> {
    fn default() -> Self {
        Self { values: Vec::new(), position: None, variables: Vec::new() }
    }
}

/// Reads words, unless they are `off`, which stands for an empty value.
fn unless_off<T: Default, W: AsRef<[u8]> + std::fmt::Display>(
    words: &[W],
    read: impl FnOnce(&[W]) -> Result<T, Wrong>,
) -> Result<T, Wrong> {
    if is_off(words) { Ok(T::default()) } else { read(words) }
}

impl<V: Clone, E: Clone, P: Clone + std::fmt::Display> Settings<V, E, P> {
    /// Takes over what this level leaves open.
    pub fn inherit(&mut self, prev: &Self) {
        if let Some(guard) = &mut self.guard {
            guard.inherit(prev.guard.as_ref());
        }
        self.take_over(prev);
    }

    /// Reads a directive that may stand on any level. The reader has seen to it that the number of words is right.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn set<R>(&mut self, reader: &R, words: &[R::Word]) -> Result<(), Wrong>
    where
        R: Reader<Value = V, Expected = E, Position = P>,
    {
        match words[0].as_ref() {
            b"jwt_user_scope" => once(&mut self.check, words, |w| check(reader, w)),
            b"jwt_user_scope_claim" => {
                once(&mut self.claim, words, |w| unless_off(w, |w| claim_name(w, &w[1]).map(Some)))
            }
            b"jwt_user_scope_secret" => keys::add_secret(&mut self.keys, reader, words),
            b"jwt_user_scope_key_file" => keys::add_file(&mut self.keys, reader, words),
            b"jwt_user_scope_key_request" => keys::add_request(&mut self.keys, reader, words),
            b"jwt_user_scope_algorithms" => {
                once(&mut self.algorithms, words, |w| unless_off(w, |w| algorithms(w).map(Some)))
            }
            b"jwt_user_scope_issuer" => once(&mut self.issuers, words, names),
            b"jwt_user_scope_audience" => once(&mut self.audiences, words, names),
            b"jwt_user_scope_type" => once(&mut self.types, words, names),
            b"jwt_user_scope_leeway" => once(&mut self.leeway, words, |w| unless_off(w, |w| leeway(reader, w))),
            b"jwt_user_scope_max_lifetime" => {
                once(&mut self.max_lifetime, words, |w| unless_off(w, |w| seconds(reader, w)))
            }
            b"jwt_user_scope_preflight" => {
                once(&mut self.preflight, words, |w| one_of(w, &[("on", true), ("off", false)]))
            }
            b"jwt_user_scope_path" => {
                once(&mut self.any_path, words, |w| one_of(w, &[("strict", false), ("off", true)]))
            }
            b"jwt_user_scope_require" => once(&mut self.require, words, |w| unless_off(w, |w| require(reader, w))),
            b"jwt_user_scope_bypass" => once(&mut self.bypass, words, |w| unless_off(w, |w| bypass(reader, w))),
            b"jwt_user_scope_token" => once(&mut self.token, words, |w| unless_off(w, |w| token(reader, w))),
            b"jwt_user_scope_realm" => once(&mut self.realm, words, |w| unless_off(w, |w| Ok(Some(realm(w)?.into())))),
            b"jwt_user_scope_error_body" => once(&mut self.error_body, words, |w| {
                one_of(w, &[("json", ErrorBody::Json), ("problem", ErrorBody::Problem), ("off", ErrorBody::Off)])
            }),
            b"jwt_user_scope_mode" => {
                once(&mut self.report, words, |w| one_of(w, &[("enforce", false), ("report", true)]))
            }
            b"jwt_user_scope_log_level" => once(&mut self.log_level, words, |w| {
                use LogLevel::*;
                one_of(w, &[("info", Info), ("notice", Notice), ("warn", Warn), ("error", Error)])
            }),
            b"jwt_user_scope_guard" => {
                once(&mut self.guard, words, |w| unless_off(w, |w| Ok(Guarding::by(guard_templates(w)?))))
            }
            b"jwt_user_scope_cache" => {
                once(&mut self.cache, words, |w| unless_off(w, |w| Ok(Some(Rc::new(Cache::new(cache_size(w)?))))))
            }
            _ => Err(format!("\"{}\" directive is unknown", words[0])),
        }
    }

    /// The claim that names the user.
    pub fn user_claim(&self) -> ClaimName {
        self.claim.clone().flatten().unwrap_or_else(|| ClaimName::Member("uid".into()))
    }

    /// Whether a bypass names what every token has that comes so far, so that it would hold for everybody: the claim of the
    /// user, or what a rule asks for.
    ///
    /// # Errors
    /// It does; with the place of its directive.
    pub fn check_bypass(&self, set: &[ClaimVariable]) -> Result<(), String> {
        let Some((bypass, position)) = self.bypass.as_ref().and_then(|one| Some((one, one.position.as_ref()?))) else {
            return Ok(());
        };
        let asks = |rule: &Option<Vec<Box<str>>>| rule.as_ref().is_some_and(|values| !values.is_empty());
        let member = |name: &str| ClaimName::Member(name.into());
        let named = if bypass.names(&self.user_claim(), set) {
            "the claim of the user"
        } else if asks(&self.issuers) && bypass.names(&member("iss"), set) {
            "the claim \"iss\""
        } else if asks(&self.audiences) && bypass.names(&member("aud"), set) {
            "the claim \"aud\""
        } else if asks(&self.types) && bypass.has_header("typ") {
            "the header \"typ\""
        } else {
            return Ok(());
        };
        Err(format!(
            "\"jwt_user_scope_bypass\" names {named}, which every verified token has: name another, or a \"map\" over \
             it in {position}"
        ))
    }

    /// The policy of a location with these settings.
    ///
    /// # Errors
    /// It has no key.
    pub fn policy(&self, scope: Scope, keys: Rc<Keys>) -> Result<Policy, String> {
        let claim = self.user_claim();
        let rules = Rules {
            issuers: self.issuers.clone().unwrap_or_default(),
            audiences: self.audiences.clone().unwrap_or_default(),
            types: self.types.clone().unwrap_or_default(),
            leeway: self.leeway.unwrap_or(0),
            max_lifetime: self.max_lifetime.unwrap_or(0),
            preflight: self.preflight.unwrap_or(false),
            any_path: self.any_path.unwrap_or(false),
        };
        Policy::new(scope, claim, keys, rules).map_err(|error| format!("\"jwt_user_scope\" {error}"))
    }
}

/// `jwt_user_scope on | any | off | <value>`
fn check<R: Reader>(reader: &R, words: &[R::Word]) -> Result<Check<R::Expected, R::Position>, Wrong> {
    let on = |scope, expected| Check::On { scope, expected, position: reader.position() };
    let word = words[1].as_ref();
    Ok(if word.eq_ignore_ascii_case(b"off") {
        Check::Off
    } else if word.eq_ignore_ascii_case(b"any") {
        on(Scope::Any, None)
    } else if word.eq_ignore_ascii_case(b"on") {
        on(Scope::User, Some(reader.user_id().ok_or("\"jwt_user_scope\" directive: out of memory")?))
    } else {
        on(Scope::User, Some(R::expected(compared_value(reader, words)?)))
    })
}

/// A value other than `on`, `any` and `off`: it must depend on the request, and not on what the last regex captured.
fn compared_value<R: Reader>(reader: &R, words: &[R::Word]) -> Result<R::Value, Wrong> {
    if !has_variable(&words[1]) {
        return Err(invalid(words, &words[1], "it must be \"on\", \"any\", \"off\" or contain a variable"));
    }
    compile_all(reader, words)?.pop().ok_or_else(|| "\"jwt_user_scope\" directive: out of memory".into())
}

fn require<R: Reader>(reader: &R, words: &[R::Word]) -> Result<Rc<Requirement<R::Value>>, Wrong> {
    let (values, unauthorized) = requirement(words)?;
    Ok(Rc::new(Requirement { values: compile_all(reader, &words[..values])?, unauthorized }))
}

type BypassOf<R> = Bypass<<R as Reader>::Value, <R as Reader>::Position>;

fn bypass<R: Reader>(reader: &R, words: &[R::Word]) -> Result<Rc<BypassOf<R>>, Wrong> {
    let variables = bypass_variables(words)?;
    Ok(Rc::new(Bypass { values: compile_all(reader, words)?, position: Some(reader.position()), variables }))
}

fn token<R: Reader>(reader: &R, words: &[R::Word]) -> Result<Option<R::Value>, Wrong> {
    // The value is not shown: somebody may have written a token.
    if !has_variable(&words[1]) {
        return Err(format!("value of \"{}\" directive must contain a variable", words[0]));
    }
    compile_all(reader, words).map(|mut values| values.pop())
}
