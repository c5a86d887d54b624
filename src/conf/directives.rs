//! The directives: their table, and what nginx does for the crate that reads them.

use core::ffi::{CStr, c_char, c_void};
use std::path::PathBuf;

use ::directives::{Arguments, DIRECTIVES, Reader, SET, STATUS, Wrong, claim_variable};
use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE2, NGX_HTTP_LMT_CONF, NGX_HTTP_LOC_CONF,
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF, NGX_HTTP_VAR_NOCACHEABLE, ngx_command_t,
    ngx_conf_t, ngx_str_t, ngx_uint_t,
};

use super::{Expected, LocConf, Value};
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

/// The directives, and nginx's end mark.
pub static COMMANDS: Commands<{ DIRECTIVES.len() + 3 }> = {
    const END: ngx_command_t = ngx_command_t::empty();
    let mut commands = [END; DIRECTIVES.len() + 3];
    let mut at = 0;
    while at < DIRECTIVES.len() {
        commands[at] = command(DIRECTIVES[at], ANYWHERE);
        at += 1;
    }
    commands[at] = command(SET, NGX_HTTP_MAIN_CONF);
    commands[at + 1] = command(STATUS, NGX_HTTP_LOC_CONF);
    Commands(commands)
};

const fn command((name, arguments): (&'static CStr, Arguments), context: u32) -> ngx_command_t {
    let arguments = match arguments {
        Arguments::One => NGX_CONF_TAKE1,
        Arguments::Two => NGX_CONF_TAKE2,
        Arguments::Some => NGX_CONF_1MORE,
        Arguments::Nothing => NGX_CONF_NOARGS,
    };
    ngx_command_t {
        name: ngx_str_t { len: name.count_bytes(), data: name.as_ptr().cast_mut().cast() },
        type_: (context | arguments) as ngx_uint_t,
        set: Some(read),
        conf: NGX_HTTP_LOC_CONF_OFFSET,
        offset: 0,
        post: core::ptr::null_mut(),
    }
}

/// Reads a directive, and logs what is wrong with it.
unsafe extern "C" fn read(cf: *mut ngx_conf_t, _: *mut ngx_command_t, conf: *mut c_void) -> *mut c_char {
    catch_conf(CONF_ERROR, || {
        // SAFETY: nginx calls with the configuration being read and the location's structure, to which nothing else refers
        // while its directive is read.
        let (cf, conf) = unsafe { (Conf::from_ptr(cf), &mut *conf.cast::<LocConf>()) };
        let words = cf.args();
        let done = match words[0].as_ref() {
            name if name == SET.0.to_bytes() => set_variable(cf, words),
            name if name == STATUS.0.to_bytes() => set_status(cf, words),
            _ => conf.settings.set(&cf, words),
        };
        match done {
            Ok(()) => CONF_OK,
            Err(wrong) => {
                log::directive_error(cf, format_args!("{wrong}"));
                CONF_ERROR
            }
        }
    })
}

/// `jwt_user_scope_set $variable <claim>`
fn set_variable(cf: Conf, words: &[ngx_str_t]) -> Result<(), Wrong> {
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
fn set_status(cf: Conf, words: &[ngx_str_t]) -> Result<(), Wrong> {
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
