//! The directives: their table, and what nginx does for the crate that reads them.

use core::ffi::{c_char, c_void};
use std::path::PathBuf;

use ::directives::{Reader, Wrong, claim_variable};
use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE2, NGX_HTTP_LMT_CONF, NGX_HTTP_LOC_CONF,
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF, NGX_HTTP_VAR_NOCACHEABLE, ngx_command_t,
    ngx_conf_t, ngx_str_t, ngx_uint_t,
};
use ngx::ngx_string;

use super::{Expected, LocConf, Settings, Value};
use crate::boundary::catch_conf;
use crate::ffi::{Conf, Position};
use crate::status::Status;
use crate::{CONF_ERROR, CONF_OK, log, status_handler, variables};

const ANYWHERE: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_HTTP_LMT_CONF;

/// A table that nginx reads while it parses.
#[repr(transparent)]
pub struct Commands<const N: usize>([ngx_command_t; N]);

// SAFETY: the table is constant, and what it points to is static.
unsafe impl<const N: usize> Sync for Commands<N> {}

/// A setter, with the words of its directive.
type Setter = fn(&mut Settings, Conf, &[ngx_str_t]) -> Result<(), Wrong>;

/// The table of commands, and for each an `extern "C"` function around its setter.
macro_rules! commands {
    ($count:literal: $($name:literal $context:ident $args:ident $set:expr;)+) => {
        /// The directives, and nginx's end mark.
        pub static COMMANDS: Commands<$count> = Commands([
            $({
                unsafe extern "C" fn set(cf: *mut ngx_conf_t, _: *mut ngx_command_t, conf: *mut c_void) -> *mut c_char {
                    // SAFETY: nginx calls with the configuration being read and the location's structure.
                    unsafe { directive(cf, conf, $set) }
                }
                ngx_command_t {
                    name: ngx_string!($name),
                    type_: ($context | $args) as ngx_uint_t,
                    set: Some(set),
                    conf: NGX_HTTP_LOC_CONF_OFFSET,
                    offset: 0,
                    post: core::ptr::null_mut(),
                }
            },)+
            ngx_command_t::empty(),
        ]);
    };
}

commands! { 25:
    "jwt_user_scope" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_claim" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_secret" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_key_file" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_key_request" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_algorithms" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_issuer" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_audience" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_type" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_leeway" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_max_lifetime" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_require" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_bypass" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_token" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_realm" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_error_body" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_preflight" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_path" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_guard" ANYWHERE NGX_CONF_1MORE set_on_level;
    "jwt_user_scope_mode" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_log_level" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_cache" ANYWHERE NGX_CONF_TAKE1 set_on_level;
    "jwt_user_scope_set" NGX_HTTP_MAIN_CONF NGX_CONF_TAKE2 set_variable;
    "jwt_user_scope_status" NGX_HTTP_LOC_CONF NGX_CONF_NOARGS set_status;
}

/// Runs a setter with the words of the directive, and logs what it finds wrong.
///
/// # Safety
/// `cf` is the configuration being read, `conf` a structure of `create_loc_conf`.
unsafe fn directive(cf: *mut ngx_conf_t, conf: *mut c_void, set: Setter) -> *mut c_char {
    catch_conf(CONF_ERROR, || {
        // SAFETY: the caller's duty; nothing else refers to the structure while its directive is read.
        let (cf, conf) = unsafe { (Conf::from_ptr(cf), &mut *conf.cast::<LocConf>()) };
        match set(&mut conf.settings, cf, cf.args()) {
            Ok(()) => CONF_OK,
            Err(wrong) => {
                log::directive_error(cf, format_args!("{wrong}"));
                CONF_ERROR
            }
        }
    })
}

/// A directive of a level.
fn set_on_level(settings: &mut Settings, cf: Conf, words: &[ngx_str_t]) -> Result<(), Wrong> {
    settings.set(&cf, words)
}

/// `jwt_user_scope_set $variable <claim>`
fn set_variable(_: &mut Settings, cf: Conf, words: &[ngx_str_t]) -> Result<(), Wrong> {
    let (name, claim) = claim_variable(words)?;
    // nginx would let the last definition win where the first one allows it.
    if cf.defines_variable(&name) {
        return Err(format!("duplicate variable \"{}\" in \"{}\" directive", words[1], words[0]));
    }
    let kept = cf.allocate(claim.clone());
    if kept.is_null() {
        return Err(format!("\"{}\" directive: out of memory", words[0]));
    }
    let added = cf.add_variable(&name, variables::get_set, NGX_HTTP_VAR_NOCACHEABLE, kept as usize);
    added.ok_or_else(|| format!("variable \"{}\" in \"{}\" directive cannot be defined", words[1], words[0]))?;
    cf.gathered().set_variables.push((name, claim));
    Ok(())
}

/// `jwt_user_scope_status`
fn set_status(_: &mut Settings, cf: Conf, words: &[ngx_str_t]) -> Result<(), Wrong> {
    if !cf.set_content_handler(status_handler) {
        return Err(format!("\"{}\" directive is duplicate", words[0]));
    }
    if cf.gathered().status.is_none() {
        let status = Status::new(cf).ok_or_else(|| format!("\"{}\" directive: out of memory", words[0]))?;
        cf.gathered().status = cf.keep(status);
    }
    Ok(())
}

impl Reader for Conf<'_> {
    type Word = ngx_str_t;
    type Value = Value;
    type Expected = Expected;
    type Position = Position;

    fn compile(&self, word: &ngx_str_t) -> Option<Value> {
        Conf::compile(*self, &mut { *word })
    }

    fn user_id(&self) -> Option<Expected> {
        let index = self.variable_index(b"user_id")?;
        self.gathered().user_id.push(self.position());
        Some(Expected::Variable(index))
    }

    fn expected(value: Value) -> Expected {
        Expected::Value(value)
    }

    fn seconds(&self, time: &str) -> Option<u64> {
        self.parse_seconds(time)
    }

    fn full_path(&self, path: &[u8]) -> Option<PathBuf> {
        Conf::full_path(*self, path)
    }

    fn position(&self) -> Position {
        Conf::position(*self)
    }
}
