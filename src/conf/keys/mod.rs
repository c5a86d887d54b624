//! Where the configuration says that keys are. They are read only where a check is in force.

pub mod directives;

use std::cell::RefCell;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::{env, fmt, fs};

use authz::{Algorithms, KeyLabel, Keys, SecretForm, secret_of_file};
use zeroize::Zeroizing;

use crate::ffi::{Conf, Position, Zone};
use crate::keyset::{FetchedSet, FetchedSets};

/// The secret of a location that names no key.
pub const DEFAULT_VARIABLE: &str = "BETTER_AUTH_SECRET";

/// Where a secret is.
pub enum Place {
    /// An environment variable of the process that reads the configuration.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// One `jwt_user_scope_secret`.
pub struct Secret {
    pub place: Place,
    pub form: SecretForm,
    pub label: KeyLabel,
    pub position: Position,
}

/// One `jwt_user_scope_key_file`.
pub struct KeyFile {
    pub path: PathBuf,
    pub label: KeyLabel,
    pub position: Position,
}

/// One `jwt_user_scope_key_request`.
pub struct KeyRequest {
    /// The internal location.
    pub uri: Box<[u8]>,
    /// Its query string.
    pub args: Box<[u8]>,
    /// Seconds after which the set is fetched again.
    pub valid: u64,
    /// Seconds after which a set that could not be fetched again is no longer used.
    pub stale: u64,
    pub issuer: Option<Box<str>>,
    pub position: Position,
}

/// The keys of one level of the configuration. The levels below share them, and those that allow the same algorithms
/// share what was built of them.
#[derive(Default)]
pub struct KeySources {
    pub secrets: Vec<Secret>,
    pub files: Vec<KeyFile>,
    pub requests: Vec<Rc<KeyRequest>>,
    built: RefCell<Vec<Built>>,
}

/// What was built of the keys of one level.
#[derive(Clone)]
pub struct Built {
    allowed: Option<Algorithms>,
    /// Where key sets are fetched, they are those of one server.
    server: Option<String>,
    pub keys: Rc<Keys>,
    pub sets: Rc<FetchedSets>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable \"{name}\""),
            Self::File(path) => write!(f, "file \"{}\"", path.display()),
        }
    }
}

impl Place {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            Self::Env(name) => match env::var_os(name) {
                Some(value) => Ok(Zeroizing::new(value.as_bytes().to_vec())),
                None => Err(format!(
                    "{self} is not set: set it for the process that reads the configuration, or name another place \
                     with \"jwt_user_scope_secret\""
                )),
            },
            Self::File(path) => match fs::read(path).map(Zeroizing::new) {
                Ok(content) => Ok(Zeroizing::new(secret_of_file(&content).to_vec())),
                Err(error) => Err(format!("{self} cannot be read: {error}")),
            },
        }
    }
}

impl KeySources {
    /// The default: one secret, for the directive at `position`.
    pub fn default_secret(position: &Position) -> Self {
        let secret = Secret {
            place: Place::Env(DEFAULT_VARIABLE.into()),
            form: SecretForm::default(),
            label: KeyLabel::default(),
            position: position.clone(),
        };
        Self { secrets: vec![secret], ..Self::default() }
    }

    /// The keys for locations of the server that is being read which allow these algorithms, built the first time that
    /// they are asked for.
    ///
    /// # Errors
    /// What is wrong with which key, what to do, and where its directive stands.
    pub fn built(&self, cf: Conf, allowed: Option<Algorithms>) -> Result<Built, String> {
        let server = (!self.requests.is_empty()).then(|| cf.server_identity());
        if let Some(built) = self.built.borrow().iter().find(|one| one.allowed == allowed && one.server == server) {
            return Ok(built.clone());
        }
        let keys = Rc::new(self.build(allowed)?);
        let sets = Rc::new(FetchedSets::new(self.fetched_sets(cf, allowed)?));
        let built = Built { allowed, server, keys, sets };
        self.built.borrow_mut().push(built.clone());
        Ok(built)
    }

    /// The key sets, each in a zone of its server.
    fn fetched_sets(&self, cf: Conf, allowed: Option<Algorithms>) -> Result<Vec<FetchedSet>, String> {
        let set = |request: &Rc<KeyRequest>| {
            let (uri, args) = (String::from_utf8_lossy(&request.uri), String::from_utf8_lossy(&request.args));
            let name = format!("jwt_user_scope {uri}?{args} {}", cf.server_identity());
            let zone = Zone::register(cf, &name);
            let zone =
                zone.ok_or_else(|| format!("\"jwt_user_scope_key_request\" has no memory in {}", request.position))?;
            Ok(FetchedSet::new(request.clone(), zone, allowed))
        };
        self.requests.iter().map(set).collect()
    }

    fn build(&self, allowed: Option<Algorithms>) -> Result<Keys, String> {
        let mut keys = Keys::new(allowed);
        for Secret { place, form, label, position } in &self.secrets {
            let wrong = |problem: String| format!("\"jwt_user_scope_secret\": {problem} in {position}");
            let secret = place.read().map_err(wrong)?;
            keys.add_secret(&secret, *form, label).map_err(|error| wrong(format!("the secret in {place} {error}")))?;
        }
        for KeyFile { path, label, position } in &self.files {
            let file = path.display();
            let wrong =
                |problem: String| format!("\"jwt_user_scope_key_file\": file \"{file}\" {problem} in {position}");
            let content = fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
            keys.add_key_file(&content, label).map_err(|error| wrong(error.to_string()))?;
        }
        self.requests.iter().for_each(|_| keys.expect_key_set());
        Ok(keys)
    }
}
