//! Directives: their table, their setters, and the merge that builds one policy per location.

use core::ffi::{c_char, c_void};
use core::ptr::NonNull;
use std::rc::Rc;

use authz::{ClaimName, Policy, Scope};
use nginx_sys::{
    NGX_CONF_TAKE1, NGX_HTTP_LMT_CONF, NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF,
    NGX_HTTP_SRV_CONF, ngx_command_t, ngx_conf_t, ngx_http_complex_value_t, ngx_str_t, ngx_uint_t,
};

use ngx::ngx_string;

use crate::boundary::guard;
use crate::ffi::{Conf, Position, Request};
use crate::secret::{self, Secrets, Source};
use crate::{CONF_ERROR, CONF_OK, log};

/// The configuration cannot be used. Why has been logged.
#[derive(Debug)]
pub struct Failed;

/// What a location compares the user with.
#[derive(Clone, Copy)]
pub enum Expected {
    /// A variable by its index: `$user_id`.
    Variable(usize),
    /// A value with variables.
    Value(NonNull<ngx_http_complex_value_t>),
}

/// The value of `jwt_user_scope`.
#[derive(Clone)]
enum Check {
    Off,
    On(Scope, Option<Expected>, Position),
}

/// Configuration of the `http` block.
#[derive(Default)]
pub struct MainConf {
    /// Places that compare with `$user_id`, which something must define.
    user_id: Vec<Position>,
    /// The secret of locations that name none.
    default_secrets: Option<Rc<Secrets>>,
    /// Indexes of the module's variables.
    pub variables: Vec<usize>,
}

/// Configuration of a location.
#[derive(Default)]
pub struct LocConf {
    check: Option<Check>,
    claim: Option<ClaimName>,
    secrets: Option<Rc<Secrets>>,
    active: Option<Active>,
}

/// A check in force.
pub struct Active {
    pub policy: Policy,
    /// What the user is compared with, where one is.
    pub expected: Option<Expected>,
}

impl LocConf {
    /// The check in force for a request at this moment. `None` where there is none.
    pub fn active<'r>(r: Request<'r>) -> Option<&'r Active> {
        r.loc_conf().active.as_ref()
    }

    /// Takes over what this level leaves open, and builds the policy.
    ///
    /// # Errors
    /// The policy cannot be built: a secret is missing or unfit.
    pub fn merge(&mut self, cf: Conf, prev: &Self) -> Result<(), Failed> {
        self.check = self.check.take().or_else(|| prev.check.clone());
        self.claim = self.claim.take().or_else(|| prev.claim.clone());
        self.secrets = self.secrets.take().or_else(|| prev.secrets.clone());

        let Some(Check::On(scope, expected, position)) = &self.check else { return Ok(()) };
        // A process that only sends a signal serves nobody, and may have been started without the secret.
        if cf.is_signaller() {
            return Ok(());
        }
        let secrets = match &self.secrets {
            Some(secrets) => secrets.clone(),
            None => cf.main_conf().default_secrets(position),
        };
        let claim = self.claim.clone().unwrap_or_else(|| ClaimName::Member("uid".into()));
        let policy = secrets
            .keys()
            .and_then(|keys| {
                Policy::new(*scope, claim, keys).map_err(|e| format!("\"jwt_user_scope\" {e} in {position}"))
            })
            .map_err(|message| {
                log::conf_error(cf, format_args!("{message}"));
                Failed
            })?;
        self.active = Some(Active { policy, expected: *expected });
        Ok(())
    }
}

impl MainConf {
    /// One for all locations; errors name the first of them.
    fn default_secrets(&mut self, position: &Position) -> Rc<Secrets> {
        let build = || {
            let mut secrets = Secrets::default();
            secrets.push(Source::Env(secret::DEFAULT_VARIABLE.into()), position.clone());
            Rc::new(secrets)
        };
        self.default_secrets.get_or_insert_with(build).clone()
    }
}

/// Whether something defines `$user_id`, if it is compared with. nginx's own message would name neither directive nor place.
///
/// # Errors
/// Nothing does.
pub fn check_user_id(cf: Conf) -> Result<(), Failed> {
    match cf.main_conf().user_id.first() {
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

const ANYWHERE: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_HTTP_LMT_CONF;

/// A table that nginx reads while it parses.
#[repr(transparent)]
pub struct Commands([ngx_command_t; 4]);

// SAFETY: the table is constant, and what it points to is static.
unsafe impl Sync for Commands {}

/// The directives, and nginx's end mark.
pub static COMMANDS: Commands = Commands([
    command(ngx_string!("jwt_user_scope"), set_check),
    command(ngx_string!("jwt_user_scope_claim"), set_claim),
    command(ngx_string!("jwt_user_scope_secret"), add_secret),
    ngx_command_t::empty(),
]);

type Setter = unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_command_t, *mut c_void) -> *mut c_char;

const fn command(name: ngx_str_t, set: Setter) -> ngx_command_t {
    ngx_command_t {
        name,
        type_: (ANYWHERE | NGX_CONF_TAKE1) as ngx_uint_t,
        set: Some(set),
        conf: NGX_HTTP_LOC_CONF_OFFSET,
        offset: 0,
        post: core::ptr::null_mut(),
    }
}

unsafe extern "C" fn set_check(cf: *mut ngx_conf_t, _: *mut ngx_command_t, conf: *mut c_void) -> *mut c_char {
    // SAFETY: nginx calls a setter with the configuration being read and the location's structure.
    unsafe { directive(cf, conf, LocConf::set_check) }
}

unsafe extern "C" fn set_claim(cf: *mut ngx_conf_t, _: *mut ngx_command_t, conf: *mut c_void) -> *mut c_char {
    // SAFETY: as for `set_check`.
    unsafe { directive(cf, conf, LocConf::set_claim) }
}

unsafe extern "C" fn add_secret(cf: *mut ngx_conf_t, _: *mut ngx_command_t, conf: *mut c_void) -> *mut c_char {
    // SAFETY: as for `set_check`.
    unsafe { directive(cf, conf, LocConf::add_secret) }
}

/// Runs a setter with the directive's arguments, and logs what it finds wrong.
///
/// # Safety
/// `cf` is the configuration being read, `conf` a structure of `create_loc_conf`.
unsafe fn directive(
    cf: *mut ngx_conf_t,
    conf: *mut c_void,
    set: fn(&mut LocConf, Conf, &mut ngx_str_t) -> Result<(), String>,
) -> *mut c_char {
    guard(CONF_ERROR, || {
        // SAFETY: the caller's duty; nothing else refers to the structure while its directive is read.
        let (cf, conf) = unsafe { (Conf::from_ptr(cf), &mut *conf.cast::<LocConf>()) };
        let [_, value] = cf.args() else { return CONF_ERROR };
        match set(conf, cf, value) {
            Ok(()) => CONF_OK,
            Err(message) => {
                log::directive_error(cf, format_args!("{message}"));
                CONF_ERROR
            }
        }
    })
}

impl LocConf {
    /// `jwt_user_scope on | any | off | <value>`
    fn set_check(&mut self, cf: Conf, value: &mut ngx_str_t) -> Result<(), String> {
        if self.check.is_some() {
            return Err("\"jwt_user_scope\" directive is duplicate".into());
        }
        let word = value.as_bytes();
        let on = |scope, expected| Check::On(scope, expected, cf.position());
        self.check = Some(if word.eq_ignore_ascii_case(b"off") {
            Check::Off
        } else if word.eq_ignore_ascii_case(b"any") {
            on(Scope::Any, None)
        } else if word.eq_ignore_ascii_case(b"on") {
            let index = cf.variable_index(b"user_id").ok_or("\"jwt_user_scope\" directive: out of memory")?;
            cf.main_conf().user_id.push(cf.position());
            on(Scope::User, Some(Expected::Variable(index)))
        } else {
            on(Scope::User, Some(Expected::Value(compile(cf, value)?)))
        });
        Ok(())
    }

    /// `jwt_user_scope_claim <name>`
    fn set_claim(&mut self, _: Conf, value: &mut ngx_str_t) -> Result<(), String> {
        if self.claim.is_some() {
            return Err("\"jwt_user_scope_claim\" directive is duplicate".into());
        }
        let claim = ClaimName::parse(value.as_bytes())
            .map_err(|error| format!("claim name \"{value}\" in \"jwt_user_scope_claim\" directive {error}"))?;
        self.claim = Some(claim);
        Ok(())
    }

    /// `jwt_user_scope_secret env:<NAME> | file:<path>`
    fn add_secret(&mut self, cf: Conf, value: &mut ngx_str_t) -> Result<(), String> {
        // The value is not shown: where a place is expected, somebody may have written the secret itself.
        let source = match value.as_bytes() {
            [b'e', b'n', b'v', b':', name @ ..] if is_variable_name(name) => {
                Source::Env(String::from_utf8_lossy(name).into_owned())
            }
            [b'f', b'i', b'l', b'e', b':', path @ ..] if !path.is_empty() => {
                Source::File(cf.full_path(path).ok_or("\"jwt_user_scope_secret\" directive: out of memory")?)
            }
            _ => {
                return Err("\"jwt_user_scope_secret\" directive names where the secret is, \"env:<NAME>\" or \
                            \"file:<path>\", and not the secret itself"
                    .into());
            }
        };
        let secrets = self.secrets.get_or_insert_default();
        // Shared only when levels are merged, after the last directive has been read.
        let secrets = Rc::get_mut(secrets).ok_or("\"jwt_user_scope_secret\" directive is read too late")?;
        secrets.push(source, cf.position());
        Ok(())
    }
}

/// Anything that a shell would export.
fn is_variable_name(name: &[u8]) -> bool {
    !name.is_empty() && !name[0].is_ascii_digit() && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A value other than `on`, `any` and `off`: it must depend on the request, and not on what the last regex captured.
fn compile(cf: Conf, value: &mut ngx_str_t) -> Result<NonNull<ngx_http_complex_value_t>, String> {
    let text = value.as_bytes();
    if text.windows(2).any(|pair| pair[0] == b'$' && pair[1].is_ascii_digit()) {
        return Err(format!(
            "invalid value \"{value}\" in \"jwt_user_scope\" directive, any later regex overwrites \"$1\" to \"$9\": \
             use a named capture, as in \"(?<user_id>[^/]+)\""
        ));
    }
    if !text.contains(&b'$') {
        return Err(format!(
            "invalid value \"{value}\" in \"jwt_user_scope\" directive, it must be \"on\", \"any\", \"off\" or contain a variable"
        ));
    }
    cf.compile(value).ok_or_else(|| format!("invalid value \"{value}\" in \"jwt_user_scope\" directive"))
}
