//! What the module says, in nginx's grammar: lower case, no full stop, values quoted.

use core::fmt::{self, Arguments, Display};

use authz::{Decision, Denied};
use nginx_sys::{NGX_LOG_CRIT, NGX_LOG_EMERG, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_WARN};

use crate::conf::Answers;
use crate::ffi::{self, Conf, Request};

/// What is shown of a user, in bytes. nginx cuts a line at 2,048 (NGX_MAX_ERROR_STR), and what it adds itself, the client
/// above all, comes last.
const USER_SHOWN: usize = 128;

/// A user's name between quotes, escaped where it must be. Most need no escape, and that is seen sooner than done.
struct User<'n>(&'n str);

impl Display for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (shown, dots) = shortened(self.0);
        let is_odd = |b: u8| !b.is_ascii_graphic() | (b == b'"') | (b == b'\'') | (b == b'\\');
        // No early exit, so that the compiler takes many bytes at a time.
        let has_odd = shown.bytes().fold(false, |has_odd, b| has_odd | is_odd(b));
        if has_odd {
            shown.escape_debug().fmt(f)?
        } else {
            f.write_str(shown)?
        }
        f.write_str(dots)
    }
}

/// What is shown of a name, and what stands for the rest.
fn shortened(name: &str) -> (&str, &str) {
    if name.len() <= USER_SHOWN {
        return (name, "");
    }
    let end = (0..=USER_SHOWN).rev().find(|&end| name.is_char_boundary(end));
    (&name[..end.unwrap_or(0)], "...")
}

/// A location's name, which may be any bytes.
struct Location<'n>(&'n [u8]);

impl Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match str::from_utf8(self.0) {
            Ok(name) => f.write_str(name),
            Err(_) => f.write_str(&String::from_utf8_lossy(self.0)),
        }
    }
}

/// The one line of a refusal. nginx adds client, server and request.
///
/// The user is shown only where a token was verified; nothing else of a token ever is.
pub fn refusal(r: Request, answers: &Answers, denied: Denied, decision: &Decision) {
    let (said, level) = (denied.summary(), level(answers, denied));
    let location = Location(r.location_name());
    match (answers.report, decision.user().map(User)) {
        (false, None) => {
            r.log(level, format_args!("jwt_user_scope: refused with {said}, location: \"{location}\""));
        }
        (false, Some(user)) => r.log(
            level,
            format_args!("jwt_user_scope: refused with {said}, user: \"{user}\", location: \"{location}\""),
        ),
        (true, None) => {
            r.log(level, format_args!("jwt_user_scope: would refuse with {said}, location: \"{location}\""));
        }
        (true, Some(user)) => r.log(
            level,
            format_args!("jwt_user_scope: would refuse with {said}, user: \"{user}\", location: \"{location}\""),
        ),
    }
}

/// A request that was refused, and that a location without a check would have passed on.
pub fn not_passed_on(r: Request, denied: Denied) {
    let (word, location) = (denied.word(), Location(r.location_name()));
    r.log(NGX_LOG_ERR, format_args!("jwt_user_scope: not passed on after {word}, location: \"{location}\""));
}

/// The use of a bypass: the only success that leaves a line, since somebody reached another user's path.
pub fn bypass(r: Request, decision: &Decision) {
    let (user, location) = (User(decision.user().unwrap_or_default()), Location(r.location_name()));
    r.log(NGX_LOG_INFO, format_args!("jwt_user_scope: bypassed, user: \"{user}\", location: \"{location}\""));
}

/// Requests without a token and with an expired one are everyday business; a location that names no user is a mistake in
/// the configuration, whatever level refusals have.
fn level(answers: &Answers, denied: Denied) -> u32 {
    match denied {
        Denied::MissingToken | Denied::Expired => NGX_LOG_INFO,
        Denied::EmptyScope => NGX_LOG_ERR,
        Denied::Internal => NGX_LOG_CRIT,
        _ => answers.log_level,
    }
}

/// An error in the directive that is being read.
pub fn directive_error(cf: Conf, message: Arguments) {
    cf.log_here(NGX_LOG_EMERG, message);
}

/// An error found later; the message ends with the place of its directive.
pub fn conf_error(cf: Conf, message: Arguments) {
    cf.log(NGX_LOG_EMERG, message);
}

/// A warning; the message ends with the place of its directive.
pub fn conf_warning(cf: Conf, message: Arguments) {
    cf.log(NGX_LOG_WARN, message);
}

/// A message outside any request.
pub fn cycle_crit(message: Arguments) {
    ffi::log_to_cycle(NGX_LOG_CRIT, message);
}

/// An error outside any directive, for which the configuration cannot be used.
pub fn cycle_emerg(message: Arguments) {
    ffi::log_to_cycle(NGX_LOG_EMERG, message);
}
