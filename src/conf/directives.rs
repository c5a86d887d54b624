//! The directives: their table and their setters.

use core::ffi::{c_char, c_void};
use core::num::NonZeroUsize;
use std::rc::Rc;

use authz::{Algorithms, Cache, ClaimName, Guard, Scope};
use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_TAKE1, NGX_CONF_TAKE2, NGX_HTTP_LMT_CONF, NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET,
    NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF, NGX_HTTP_VAR_NOCACHEABLE, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_NOTICE,
    NGX_LOG_WARN, ngx_command_t, ngx_conf_t, ngx_str_t, ngx_uint_t,
};
use ngx::ngx_string;

use super::keys::directives as keys;
use super::{Check, Expected, LocConf, Requirement, Settings, Value};
use crate::boundary::catch_conf;
use crate::ffi::Conf;
use crate::response::ErrorBody;
use crate::{CONF_ERROR, CONF_OK, log, variables};

const ANYWHERE: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_HTTP_LMT_CONF;

/// A table that nginx reads while it parses.
#[repr(transparent)]
pub struct Commands<const N: usize>([ngx_command_t; N]);

// SAFETY: the table is constant, and what it points to is static.
unsafe impl<const N: usize> Sync for Commands<N> {}

/// More tokens than memory has room for are a mistake in writing.
const MAX_CACHE: usize = 10_000_000;

/// What is wrong with a directive, in nginx's words; the place is added.
pub(super) type Wrong = String;

/// A setter, with the words of its directive.
type Setter = fn(&mut Settings, Conf, &mut [ngx_str_t]) -> Result<(), Wrong>;

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

commands! { 24:
    "jwt_user_scope" ANYWHERE NGX_CONF_TAKE1 Settings::set_check;
    "jwt_user_scope_claim" ANYWHERE NGX_CONF_TAKE1 Settings::set_claim;
    "jwt_user_scope_secret" ANYWHERE NGX_CONF_1MORE |s, cf, words| keys::add_secret(&mut s.keys, cf, words);
    "jwt_user_scope_key_file" ANYWHERE NGX_CONF_1MORE |s, cf, words| keys::add_file(&mut s.keys, cf, words);
    "jwt_user_scope_key_request" ANYWHERE NGX_CONF_1MORE |s, cf, words| keys::add_request(&mut s.keys, cf, words);
    "jwt_user_scope_algorithms" ANYWHERE NGX_CONF_1MORE |s, _, words| once(&mut s.algorithms, words, algorithms);
    "jwt_user_scope_issuer" ANYWHERE NGX_CONF_1MORE |s, _, words| once(&mut s.issuers, words, names);
    "jwt_user_scope_audience" ANYWHERE NGX_CONF_1MORE |s, _, words| once(&mut s.audiences, words, names);
    "jwt_user_scope_type" ANYWHERE NGX_CONF_1MORE |s, _, words| once(&mut s.types, words, names);
    "jwt_user_scope_leeway" ANYWHERE NGX_CONF_TAKE1 |s, cf, words| once(&mut s.leeway, words, |w| seconds(cf, w));
    "jwt_user_scope_max_lifetime" ANYWHERE NGX_CONF_TAKE1
        |s, cf, words| once(&mut s.max_lifetime, words, |w| seconds(cf, w));
    "jwt_user_scope_require" ANYWHERE NGX_CONF_1MORE |s, cf, words| once(&mut s.require, words, |w| requirement(cf, w));
    "jwt_user_scope_bypass" ANYWHERE NGX_CONF_1MORE |s, cf, words| once(&mut s.bypass, words, |w| bypass(cf, w));
    "jwt_user_scope_token" ANYWHERE NGX_CONF_TAKE1 |s, cf, words| once(&mut s.token, words, |w| token(cf, w));
    "jwt_user_scope_realm" ANYWHERE NGX_CONF_TAKE1 |s, _, words| once(&mut s.realm, words, realm);
    "jwt_user_scope_error_body" ANYWHERE NGX_CONF_TAKE1 |s, _, words| once(&mut s.error_body, words, |w| {
        one_of(w, &[("json", ErrorBody::Json), ("problem", ErrorBody::Problem), ("off", ErrorBody::Off)])
    });
    "jwt_user_scope_preflight" ANYWHERE NGX_CONF_TAKE1
        |s, _, words| once(&mut s.preflight, words, |w| one_of(w, &[("on", true), ("off", false)]));
    "jwt_user_scope_path" ANYWHERE NGX_CONF_TAKE1
        |s, _, words| once(&mut s.any_path, words, |w| one_of(w, &[("strict", false), ("off", true)]));
    "jwt_user_scope_guard" ANYWHERE NGX_CONF_1MORE |s, _, words| once(&mut s.guard, words, guard_templates);
    "jwt_user_scope_mode" ANYWHERE NGX_CONF_TAKE1
        |s, _, words| once(&mut s.report, words, |w| one_of(w, &[("enforce", false), ("report", true)]));
    "jwt_user_scope_log_level" ANYWHERE NGX_CONF_TAKE1 |s, _, words| once(&mut s.log_level, words, |w| {
        one_of(w, &[("info", NGX_LOG_INFO), ("notice", NGX_LOG_NOTICE), ("warn", NGX_LOG_WARN), ("error", NGX_LOG_ERR)])
    });
    "jwt_user_scope_cache" ANYWHERE NGX_CONF_TAKE1 |s, _, words| once(&mut s.cache, words, cache);
    "jwt_user_scope_set" NGX_HTTP_MAIN_CONF NGX_CONF_TAKE2 |_, cf, words| set_variable(cf, words);
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

/// Sets what may be set once on a level.
fn once<T>(
    slot: &mut Option<T>,
    words: &mut [ngx_str_t],
    read: impl FnOnce(&mut [ngx_str_t]) -> Result<T, Wrong>,
) -> Result<(), Wrong> {
    if slot.is_some() {
        return Err(format!("\"{}\" directive is duplicate", words[0]));
    }
    *slot = Some(read(words)?);
    Ok(())
}

pub(super) fn invalid(words: &[ngx_str_t], value: &ngx_str_t, remedy: &str) -> Wrong {
    format!("invalid value \"{value}\" in \"{}\" directive, {remedy}", words[0])
}

/// One word of a few, as nginx's enumerations are: in any case.
fn one_of<T: Copy>(words: &[ngx_str_t], choices: &[(&str, T)]) -> Result<T, Wrong> {
    let found = choices.iter().find(|(word, _)| words[1].as_bytes().eq_ignore_ascii_case(word.as_bytes()));
    found.map(|&(_, value)| value).ok_or_else(|| {
        let all: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        invalid(words, &words[1], &format!("it must be {}", all.join(" or ")))
    })
}

/// Whether the only argument is `off`, which cancels what is inherited.
fn is_off(words: &[ngx_str_t]) -> bool {
    matches!(words, [_, word] if word.as_bytes() == b"off")
}

/// A list of texts to compare with.
fn names(words: &mut [ngx_str_t]) -> Result<Vec<Box<str>>, Wrong> {
    if is_off(words) {
        return Ok(Vec::new());
    }
    words[1..].iter().map(|word| name(words, word)).collect()
}

fn name(words: &[ngx_str_t], word: &ngx_str_t) -> Result<Box<str>, Wrong> {
    match word.to_str() {
        Ok("") => Err(format!("empty value in \"{}\" directive", words[0])),
        Ok("off") => Err(invalid(words, word, "\"off\" stands alone")),
        Ok(name) => Ok(name.into()),
        Err(_) => Err(invalid(words, word, "it is not UTF-8")),
    }
}

fn seconds(cf: Conf, words: &mut [ngx_str_t]) -> Result<u64, Wrong> {
    let time = words[1].to_str().ok().and_then(|time| cf.parse_seconds(time));
    time.ok_or_else(|| invalid(words, &words[1], "it must be a time, such as \"30s\" or \"15m\""))
}

fn compile(cf: Conf, name: &ngx_str_t, value: &mut ngx_str_t) -> Result<Value, Wrong> {
    cf.compile(value).ok_or_else(|| format!("invalid value \"{value}\" in \"{name}\" directive"))
}

fn compile_all(cf: Conf, words: &mut [ngx_str_t]) -> Result<Vec<Value>, Wrong> {
    if words.iter().any(|word| word.as_bytes().windows(2).any(|pair| pair[0] == b'$' && pair[1].is_ascii_digit())) {
        return Err(format!(
            "\"{}\" directive uses one of \"$1\" to \"$9\", which any later regex overwrites: use a named capture, such as \
             \"(?<user_id>[^/]+)\"",
            words[0]
        ));
    }
    let Some((name, values)) = words.split_first_mut() else { return Ok(Vec::new()) };
    values.iter_mut().map(|value| compile(cf, name, value)).collect()
}

fn requirement(cf: Conf, words: &mut [ngx_str_t]) -> Result<Rc<Requirement>, Wrong> {
    if is_off(words) {
        return Ok(Rc::default());
    }
    let (values, unauthorized) = match words.last().map(|word| word.as_bytes()) {
        Some(b"error=401") => (words.len() - 1, true),
        Some(b"error=403") => (words.len() - 1, false),
        _ => (words.len(), false),
    };
    if let Some(word) = words[1..values].iter().find(|word| word.as_bytes().starts_with(b"error=")) {
        return Err(invalid(words, word, "it must be \"error=401\" or \"error=403\", and the last one"));
    }
    if values == 1 {
        return Err(format!("\"{}\" directive requires no value", words[0]));
    }
    stands_alone(words)?;
    Ok(Rc::new(Requirement { values: compile_all(cf, &mut words[..values])?, unauthorized }))
}

fn bypass(cf: Conf, words: &mut [ngx_str_t]) -> Result<Rc<[Value]>, Wrong> {
    if is_off(words) {
        return Ok(Rc::default());
    }
    // What always holds would open every user's path to every token.
    if let Some(word) = words[1..].iter().find(|word| !is_variables_only(word)) {
        return Err(invalid(words, word, "it must be made of variables only"));
    }
    if let Some(word) = words[1..].iter().find(|word| names_the_token(word)) {
        return Err(invalid(words, word, "every verified token has one: name a claim, or a \"map\" over one"));
    }
    compile_all(cf, words).map(Into::into)
}

fn token(cf: Conf, words: &mut [ngx_str_t]) -> Result<Option<Value>, Wrong> {
    if is_off(words) {
        return Ok(None);
    }
    // The value is not shown: somebody may have written a token.
    if !has_variable(&words[1]) {
        return Err(format!("value of \"{}\" directive must contain a variable", words[0]));
    }
    compile_all(cf, words).map(|values| values.first().copied())
}

/// A quoted-string (RFC 9110 section 5.6.4).
fn realm(words: &mut [ngx_str_t]) -> Result<Option<Rc<str>>, Wrong> {
    if is_off(words) {
        return Ok(None);
    }
    match words[1].to_str() {
        Ok(text) if !text.is_empty() && !text.chars().any(|c| c.is_ascii_control()) => {
            Ok(Some(text.replace('\\', "\\\\").replace('"', "\\\"").into()))
        }
        _ => Err(invalid(words, &words[1], "it must be a text without control characters")),
    }
}

/// `jwt_user_scope_set $variable <claim>`
fn set_variable(cf: Conf, words: &mut [ngx_str_t]) -> Result<(), Wrong> {
    let claim = claim_name(words, &words[2])?;
    let name = match words[1].as_bytes() {
        [b'$', name @ ..] if is_name(name) && !name[0].is_ascii_digit() => name,
        _ => return Err(format!("invalid variable name \"{}\" in \"{}\" directive", words[1], words[0])),
    };
    if name.len() >= variables::OWN.len() && name[..variables::OWN.len()].eq_ignore_ascii_case(variables::OWN) {
        return Err(format!("variable \"{}\" in \"{}\" directive is one of the module's own", words[1], words[0]));
    }
    // nginx would let the last definition win where the first one allows it.
    let name = name.to_ascii_lowercase();
    if cf.defines_variable(&name) {
        return Err(format!("duplicate variable \"{}\" in \"{}\" directive", words[1], words[0]));
    }
    let claim = cf.allocate(claim);
    if claim.is_null() {
        return Err(format!("\"{}\" directive: out of memory", words[0]));
    }
    let added = cf.add_variable(&name, variables::get_set, NGX_HTTP_VAR_NOCACHEABLE, claim as usize);
    added.ok_or_else(|| format!("variable \"{}\" in \"{}\" directive cannot be defined", words[1], words[0]))?;
    cf.main_conf().set_variables.push(name.into());
    Ok(())
}

fn claim_name(words: &[ngx_str_t], word: &ngx_str_t) -> Result<ClaimName, Wrong> {
    ClaimName::parse(word.as_bytes())
        .map_err(|error| format!("claim name \"{word}\" in \"{}\" directive {error}", words[0]))
}

fn has_variable(word: &ngx_str_t) -> bool {
    word.as_bytes().contains(&b'$')
}

/// `jwt_user_scope_guard <path-template> ... | off`
fn guard_templates(words: &mut [ngx_str_t]) -> Result<Option<Rc<Guard>>, Wrong> {
    if is_off(words) {
        return Ok(None);
    }
    let mut guard = Guard::new();
    for word in &words[1..] {
        let add = guard.add(word.as_bytes());
        add.map_err(|error| format!("template \"{word}\" in \"{}\" directive {error}", words[0]))?;
    }
    Ok(Some(Rc::new(guard)))
}

/// `jwt_user_scope_cache max=<n> | off`
fn cache(words: &mut [ngx_str_t]) -> Result<Option<Rc<Cache>>, Wrong> {
    if is_off(words) {
        return Ok(None);
    }
    // Only digits: the parser would take a sign.
    let max = words[1].to_str().ok().and_then(|word| word.strip_prefix("max="));
    let max = max.filter(|max| max.bytes().all(|b| b.is_ascii_digit())).and_then(|max| max.parse().ok());
    match max.filter(|max: &NonZeroUsize| max.get() <= MAX_CACHE) {
        Some(max) => Ok(Some(Rc::new(Cache::new(max)))),
        None => Err(invalid(words, &words[1], "it must be \"max=\" and a number from 1 to 10000000, or \"off\"")),
    }
}

fn stands_alone(words: &[ngx_str_t]) -> Result<(), Wrong> {
    match words[1..].iter().find(|word| word.as_bytes().eq_ignore_ascii_case(b"off")) {
        Some(word) => Err(invalid(words, word, "\"off\" stands alone")),
        None => Ok(()),
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a value is empty when all its variables are.
fn is_variables_only(word: &ngx_str_t) -> bool {
    let mut parts = word.as_bytes().split(|&b| b == b'$');
    let is_variable = |part: &[u8]| match part {
        [b'{', name @ .., b'}'] => is_name(name),
        name => is_name(name),
    };
    parts.next() == Some(b"") && word.len > 0 && parts.all(is_variable)
}

/// Whether a value uses a variable that every verified token fills.
fn names_the_token(word: &ngx_str_t) -> bool {
    let own: [&[u8]; 2] = [b"jwt_user_scope_user", b"jwt_user_scope_payload"];
    word.as_bytes()
        .split(|&b| matches!(b, b'$' | b'{' | b'}'))
        .any(|part| own.iter().any(|name| part.eq_ignore_ascii_case(name)))
}

/// `jwt_user_scope_algorithms <alg> ...`
fn algorithms(words: &mut [ngx_str_t]) -> Result<Option<Algorithms>, Wrong> {
    if is_off(words) {
        return Ok(None);
    }
    let mut allowed = Algorithms::default();
    for word in &words[1..] {
        let allow = allowed.allow(word.as_bytes());
        allow.map_err(|error| format!("algorithm \"{word}\" in \"{}\" directive {error}", words[0]))?;
    }
    Ok(Some(allowed))
}

impl Settings {
    /// `jwt_user_scope on | any | off | <value>`
    fn set_check(&mut self, cf: Conf, words: &mut [ngx_str_t]) -> Result<(), Wrong> {
        once(&mut self.check, words, |words| {
            let on = |scope, expected| Check::On { scope, expected, position: cf.position() };
            let word = words[1].as_bytes();
            Ok(if word.eq_ignore_ascii_case(b"off") {
                Check::Off
            } else if word.eq_ignore_ascii_case(b"any") {
                on(Scope::Any, None)
            } else if word.eq_ignore_ascii_case(b"on") {
                let index = cf.variable_index(b"user_id").ok_or("\"jwt_user_scope\" directive: out of memory")?;
                cf.main_conf().user_id.push(cf.position());
                on(Scope::User, Some(Expected::Variable(index)))
            } else {
                on(Scope::User, Some(Expected::Value(compared_value(cf, words)?)))
            })
        })
    }

    /// `jwt_user_scope_claim <name>`
    fn set_claim(&mut self, _: Conf, words: &mut [ngx_str_t]) -> Result<(), Wrong> {
        once(&mut self.claim, words, |words| claim_name(words, &words[1]))
    }
}

/// A value other than `on`, `any` and `off`: it must depend on the request, and not on what the last regex captured.
fn compared_value(cf: Conf, words: &mut [ngx_str_t]) -> Result<Value, Wrong> {
    if !has_variable(&words[1]) {
        return Err(invalid(words, &words[1], "it must be \"on\", \"any\", \"off\" or contain a variable"));
    }
    compile_all(cf, words)?.first().copied().ok_or_else(|| "\"jwt_user_scope\" directive: out of memory".into())
}
