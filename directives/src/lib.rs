//! The directives of `ngx_http_jwt_user_scope_module`: the words of one come in, and the settings of a level come out.
//!
//! The module and the command-line program read configurations with the same code. What only one of them can do, such as
//! compiling a value with variables, is asked of a [`Reader`]. Nothing of nginx is seen here.

mod keys;
mod layout;
mod settings;
pub mod variables;
mod words;

use std::ffi::CStr;
use std::fmt::Display;
use std::path::PathBuf;

pub use keys::{DEFAULT_VARIABLE, Environment, KeyFile, KeyRequest, KeySources, Secret, SecretPlace};
pub use layout::{Choice, Layout, Location, Shadow};
pub use settings::{Bypass, Check, ClaimVariable, ErrorBody, Guarding, LogLevel, Requirement, Settings, holds};
pub use words::{DEFAULT_CACHE, Wrong, claim_variable};

/// What reads a configuration, at the directive that it has come to.
pub trait Reader {
    /// A word of a directive.
    type Word: AsRef<[u8]> + Display;
    /// A value with variables, ready to be evaluated.
    type Value: Clone;
    /// What a user is compared with.
    type Expected: Clone;
    /// Where a directive stands.
    type Position: Clone + Display;

    /// Compiles a value with variables. `None` when it is none; the reader may have said why.
    fn compile(&self, word: &Self::Word) -> Option<Self::Value>;
    /// `$user_id`, with which `on` compares. `None` when there is no memory.
    fn user_id(&self) -> Option<Self::Expected>;
    /// A value as what to compare with.
    fn expected(value: Self::Value) -> Self::Expected;
    /// A time in whole seconds, as nginx writes times.
    fn seconds(&self, time: &str) -> Option<u64>;
    /// A path, from the configuration's directory when it is relative. `None` when there is no memory.
    fn full_path(&self, path: &[u8]) -> Option<PathBuf>;
    /// Where the directive stands.
    fn position(&self) -> Self::Position;
}

/// How many arguments a directive takes, in nginx's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// One.
    One,
    /// Two.
    Two,
    /// One or more.
    Some,
    /// None.
    Nothing,
}

/// The directives, as the module registers them with nginx, but for the two below, which belong to no level.
pub const DIRECTIVES: [(&CStr, Arguments); 22] = {
    use Arguments::{One, Some};
    [
        (c"jwt_user_scope", One),
        (c"jwt_user_scope_claim", One),
        (c"jwt_user_scope_secret", Some),
        (c"jwt_user_scope_key_file", Some),
        (c"jwt_user_scope_key_request", Some),
        (c"jwt_user_scope_algorithms", Some),
        (c"jwt_user_scope_issuer", Some),
        (c"jwt_user_scope_audience", Some),
        (c"jwt_user_scope_type", Some),
        (c"jwt_user_scope_leeway", One),
        (c"jwt_user_scope_max_lifetime", One),
        (c"jwt_user_scope_require", Some),
        (c"jwt_user_scope_bypass", Some),
        (c"jwt_user_scope_token", One),
        (c"jwt_user_scope_realm", One),
        (c"jwt_user_scope_error_body", One),
        (c"jwt_user_scope_preflight", One),
        (c"jwt_user_scope_path", One),
        (c"jwt_user_scope_guard", Some),
        (c"jwt_user_scope_mode", One),
        (c"jwt_user_scope_log_level", One),
        (c"jwt_user_scope_cache", One),
    ]
};

/// The directive for a variable of a claim, in the `http` block.
pub const SET: (&CStr, Arguments) = (c"jwt_user_scope_set", Arguments::Two);

/// The directive that shows counters, in a `location` block. It decides nothing.
pub const STATUS: (&CStr, Arguments) = (c"jwt_user_scope_status", Arguments::Nothing);
