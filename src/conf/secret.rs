//! Shared secrets: where the configuration says that they are, read only where a check is in force.

use std::cell::OnceCell;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::{env, fmt, fs};

use authz::{KeyLabel, Keys, SecretForm, secret_of_file};
use zeroize::Zeroizing;

use crate::ffi::Position;

/// The secret of a location that names none.
pub const DEFAULT_VARIABLE: &str = "BETTER_AUTH_SECRET";

/// Where one secret is.
pub enum Source {
    /// An environment variable of the process that reads the configuration.
    Env(String),
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable \"{name}\""),
            Self::File(path) => write!(f, "file \"{}\"", path.display()),
        }
    }
}

impl Source {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            Self::Env(name) => match env::var_os(name) {
                Some(value) => Ok(Zeroizing::new(value.as_bytes().to_vec())),
                None => Err(format!(
                    "{self} is not set: set it for the process that reads the configuration, \
                     or name another place with \"jwt_user_scope_secret\""
                )),
            },
            Self::File(path) => match fs::read(path).map(Zeroizing::new) {
                Ok(content) => Ok(Zeroizing::new(secret_of_file(&content).to_vec())),
                Err(error) => Err(format!("{self} cannot be read: {error}")),
            },
        }
    }
}

/// The secrets of one level of the configuration. The levels below it share them, and so their keys.
#[derive(Default)]
pub struct Secrets {
    sources: Vec<(Source, Position)>,
    keys: OnceCell<Rc<Keys>>,
}

impl Secrets {
    /// Adds one more.
    pub fn push(&mut self, source: Source, position: Position) {
        self.sources.push((source, position));
    }

    /// The keys, read the first time that they are asked for.
    ///
    /// # Errors
    /// What is wrong with which secret, what to do, and where its directive stands.
    pub fn keys(&self) -> Result<Rc<Keys>, String> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys.clone());
        }
        let mut keys = Keys::default();
        for (source, position) in &self.sources {
            let in_directive = |problem: String| format!("\"jwt_user_scope_secret\": {problem} in {position}");
            let secret = source.read().map_err(in_directive)?;
            keys.add_secret(&secret, SecretForm::default(), &KeyLabel::default())
                .map_err(|error| in_directive(format!("the secret in {source} {error}")))?;
        }
        Ok(self.keys.get_or_init(|| Rc::new(keys)).clone())
    }
}
