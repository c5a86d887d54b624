//! The configuration of a location: what its directives say, and the check that comes of it.

pub mod directives;
mod keys;
mod warnings;

use core::cell::{Cell, OnceCell, RefCell};
use core::ptr::NonNull;
use std::rc::Rc;

use ::directives::{Check, ClaimVariable, DEFAULT_CACHE, ErrorBody, Guarding, LogLevel};
use authz::{Cache, Guard, Policy, Scope};
use nginx_sys::{NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN, ngx_http_complex_value_t};

use self::keys::{Built, built};
use self::warnings::Seen;
pub use self::warnings::check_servers;
use crate::ffi::{Conf, Identities, Position, Request, Series};
use crate::keyset::FetchedSets;
use crate::log;
use crate::response::Challenges;
use crate::status::Status;

/// The configuration cannot be used. Why has been logged.
#[derive(Debug)]
pub struct Failed;

/// A value with variables, compiled.
pub type Value = NonNull<ngx_http_complex_value_t>;

/// What a location compares the user with.
#[derive(Clone, Copy)]
pub enum Expected {
    /// A variable by its index: `$user_id`.
    Variable(usize),
    /// A value with variables.
    Value(Value),
}

/// One `jwt_user_scope_key_request`.
pub type KeyRequest = ::directives::KeyRequest<Position>;

/// The values of `jwt_user_scope_require`.
pub type Requirement = ::directives::Requirement<Value>;
pub type Bypass = ::directives::Bypass<Value, Position>;

type KeySources = ::directives::KeySources<Position>;
type Settings = ::directives::Settings<Value, Expected, Position>;

/// Configuration of the `http` block.
#[derive(Default)]
pub struct MainConf {
    pub gathered: RefCell<Gathered>,
    /// Indexes of the module's variables, once nginx has given all.
    pub variables: OnceCell<Vec<usize>>,
    /// Index of the mark of a request that has failed.
    pub failure_mark: Cell<usize>,
}

/// What is gathered of all levels while the configuration is read. Requests do not look at it.
#[derive(Default)]
pub struct Gathered {
    /// Places that compare with `$user_id`, which something must define.
    user_id: Vec<Position>,
    /// The secret of locations that name none.
    default_keys: Option<Rc<KeySources>>,
    /// Keys that have been read.
    built_keys: Vec<Built>,
    /// The cache of locations that set none.
    default_cache: Option<Rc<Cache>>,
    /// What the configuration makes use of.
    pub uses: Uses,
    /// What is counted, where `jwt_user_scope_status` shows it.
    pub status: Option<&'static Status>,
    /// The variables of `jwt_user_scope_set`.
    pub set_variables: Vec<ClaimVariable>,
    /// What the servers are known by, once somebody has asked.
    pub identities: Option<Identities>,
    /// What is to be looked at once all locations have been read.
    seen: Seen,
}

/// What a configuration makes use of: nginx is not made to call what never has anything to do.
#[derive(Clone, Copy, Default)]
pub struct Uses {
    pub checks: bool,
    pub captures: bool,
    pub guards: bool,
    pub fetches: bool,
}

impl Uses {
    fn add(&mut self, more: Self) {
        let Self { checks, captures, guards, fetches } = more;
        self.checks |= checks;
        self.captures |= captures;
        self.guards |= guards;
        self.fetches |= fetches;
    }

    pub fn any(self) -> bool {
        self.checks || self.guards
    }
}

/// Configuration of a location.
#[derive(Default)]
pub struct LocConf {
    settings: Settings,
    /// Variables that the regexes of this location and of those around it capture.
    captures: Vec<usize>,
    active: Option<Active>,
    guarded: Option<Guarded>,
    /// What is counted, and the series of the server.
    counted: Option<(&'static Status, Rc<Series>)>,
    /// Its place among the locations; of a block without a name, that of the location around it.
    place: Option<usize>,
}

/// A check in force.
pub struct Active {
    pub policy: Policy,
    /// Key sets that are fetched.
    pub sets: Rc<FetchedSets>,
    /// What the user is compared with, where one is.
    pub expected: Option<Expected>,
    /// Those captures of the location's regexes that the compared value uses.
    pub captures: Vec<usize>,
    pub token: Option<Value>,
    pub bypass: Rc<Bypass>,
    pub require: Rc<Requirement>,
    pub answers: Rc<Answers>,
}

/// How refusals are answered and logged.
pub struct Answers {
    pub challenges: Challenges,
    pub error_body: ErrorBody,
    /// Decide and log, but refuse nothing.
    pub report: bool,
    pub log_level: u32,
}

/// A guard in force, with or without a check.
pub struct Guarded {
    pub guard: Rc<Guard>,
    /// The location is exempt, but for paths that others read otherwise than nginx.
    pub exempts: bool,
    pub answers: Rc<Answers>,
}

impl LocConf {
    /// The check in force for a request at this moment. `None` where there is none.
    pub fn active<'r>(r: Request<'r>) -> Option<&'r Active> {
        r.loc_conf().active.as_ref()
    }

    /// The guard in force for a request at this moment. `None` where there is none.
    pub fn guarded<'r>(r: Request<'r>) -> Option<&'r Guarded> {
        r.loc_conf().guarded.as_ref()
    }

    /// What is counted, and the series of the server of a request. `None` where nothing is.
    pub fn counted<'r>(r: Request<'r>) -> Option<(&'static Status, &'r Series)> {
        r.loc_conf().counted.as_ref().map(|(status, server)| (*status, &**server))
    }

    /// Takes over what this level leaves open, and builds the check.
    ///
    /// # Errors
    /// It cannot be built: a secret is missing or unfit.
    pub fn merge(&mut self, cf: Conf, prev: &Self) -> Result<(), Failed> {
        let says_itself = self.settings.check.is_some();
        self.settings.inherit(&prev.settings);
        self.captures = prev.captures.iter().copied().chain(cf.regex_captures()).collect();
        let answers = Rc::new(answers(&self.settings));
        let guard = self.settings.guard.as_ref().and_then(Guarding::in_force);
        self.guarded =
            guard.map(|(guard, exempts)| Guarded { guard: guard.clone(), exempts, answers: answers.clone() });
        self.place = self.add_to_layout(cf, prev.place, says_itself);
        self.count(cf);

        // A process that only sends a signal serves nobody, and may have been started without the secret.
        let check = self.settings.check.clone().filter(|_| !cf.is_signaller());
        let Some(Check::On { scope, expected, position }) = check else { return Ok(()) };
        let used = expected.map_or_else(Vec::new, |expected| cf.variables_of(expected));
        let captures: Vec<_> = used.iter().copied().filter(|index| self.captures.contains(index)).collect();
        // An "if" or a "limit_except" block shares its location, which has been warned about.
        if says_itself || !cf.is_unnamed_block() {
            self.warn(cf, scope, &captures, captures.len() == used.len(), &position);
        }
        self.active = Some(self.build(cf, answers, captures, (scope, expected, &position))?);
        Ok(())
    }

    /// Adds a location to those that are looked at once all have been read. An unnamed block has the place of the location
    /// around it.
    fn add_to_layout(&self, cf: Conf, around: Option<usize>, says_itself: bool) -> Option<usize> {
        let compares = matches!(self.settings.check, Some(Check::On { scope: Scope::User, .. }));
        let is_exempt = self.guarded.as_ref().is_none_or(|guarded| guarded.exempts);
        let is_open = !says_itself && !compares && is_exempt;
        let location = cf.location(around, is_open, compares || self.guarded.is_some());
        location.map(|location| cf.gathered().seen.layout.add(location)).or(around)
    }

    /// Has the server counted, where something is.
    fn count(&mut self, cf: Conf) {
        cf.gathered().uses.guards |= self.guarded.is_some();
        self.counted = cf.gathered().status.map(|status| (status, status.server(&cf.server().name())));
        self.show_server(self.guarded.is_some());
    }

    /// Looks at what quietly undoes the check. `captures` are those that are compared, and `captured` tells whether nothing
    /// else is.
    fn warn(&self, cf: Conf, scope: Scope, captures: &[usize], captured: bool, position: &Position) {
        let bypass = self.settings.bypass.clone().unwrap_or_default();
        warnings::check(cf, scope, captures, captured, &bypass, position);
        if let Some(place) = self.place.filter(|_| scope == Scope::User) {
            cf.gathered().seen.checked.push((place, position.clone()));
        }
    }

    /// Builds the check: what it asks for, the captures and the user that it compares with, and where its directive stands.
    ///
    /// # Errors
    /// As for [`Self::merge`].
    fn build(
        &self,
        cf: Conf,
        answers: Rc<Answers>,
        captures: Vec<usize>,
        (scope, expected, position): (Scope, Option<Expected>, &Position),
    ) -> Result<Active, Failed> {
        let failed = |message| {
            log::conf_error(cf, format_args!("{message}"));
            Failed
        };
        let sources = match &self.settings.keys {
            Some(sources) => sources.clone(),
            None => cf.gathered().default_keys(position),
        };
        cf.gathered().seen.fetches(cf.server(), &sources.requests);
        let Built { keys, sets, .. } = built(cf, &sources, self.settings.algorithms.flatten()).map_err(failed)?;
        if scope == Scope::User {
            self.settings.check_bypass(&cf.gathered().set_variables).map_err(failed)?;
        }
        let policy = self.settings.policy(scope, keys).map_err(|error| failed(format!("{error} in {position}")))?;
        let cache = match &self.settings.cache {
            Some(cache) => cache.clone(),
            None => Some(cf.gathered().default_cache()),
        };
        self.show_server(true);
        cf.gathered().uses.add(Uses {
            checks: true,
            captures: !captures.is_empty(),
            fetches: !sets.is_empty(),
            guards: false,
        });
        Ok(Active {
            policy: match cache {
                Some(cache) => policy.remembering(cache),
                None => policy,
            },
            sets,
            expected,
            captures,
            token: self.settings.token.flatten(),
            bypass: self.settings.bypass.clone().unwrap_or_default(),
            require: self.settings.require.clone().unwrap_or_default(),
            answers,
        })
    }

    fn show_server(&self, has_rules: bool) {
        if let Some((status, server)) = self.counted.as_ref().filter(|_| has_rules) {
            status.show(server);
        }
    }
}

fn answers(settings: &Settings) -> Answers {
    Answers {
        challenges: Challenges::new(settings.realm.as_ref().and_then(|realm| realm.as_deref())),
        error_body: settings.error_body.unwrap_or(ErrorBody::Json),
        report: settings.report.unwrap_or(false),
        log_level: match settings.log_level.unwrap_or(LogLevel::Error) {
            LogLevel::Info => NGX_LOG_INFO,
            LogLevel::Notice => NGX_LOG_NOTICE,
            LogLevel::Warn => NGX_LOG_WARN,
            LogLevel::Error => NGX_LOG_ERR,
        },
    }
}

impl Gathered {
    /// One for all locations; errors name the first of them.
    fn default_keys(&mut self, position: &Position) -> Rc<KeySources> {
        self.default_keys.get_or_insert_with(|| Rc::new(KeySources::default_secret(position))).clone()
    }

    fn default_cache(&mut self) -> Rc<Cache> {
        self.default_cache.get_or_insert_with(|| Rc::new(Cache::new(DEFAULT_CACHE))).clone()
    }
}

/// Whether something defines `$user_id`, if it is compared with. nginx's own message would name neither directive nor place.
///
/// # Errors
/// Nothing does.
pub fn check_user_id(cf: Conf) -> Result<(), Failed> {
    match cf.gathered().user_id.first() {
        Some(position) if !cf.defines_variable(b"user_id") => {
            log::conf_error(
                cf,
                format_args!(
                    "\"jwt_user_scope on\" compares with the variable \"user_id\", which nothing defines: capture it, \
                     as in \"location ~ ^/users/(?<user_id>[^/]+)(?:/|$)\", or name another value in {position}"
                ),
            );
            Err(Failed)
        }
        _ => Ok(()),
    }
}
