//! The directives that say where keys are; on one level they make one list. Keys are read only where a check is in force.

use std::ffi::OsString;
use std::fmt;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use authz::{Algorithms, Encoding, KeyLabel, Keys, MAX_SET_BYTES, SecretForm, secret_of_file};
use zeroize::Zeroizing;

use crate::Reader;
use crate::words::{Wrong, invalid, is_off};

/// The secret of a location that names no key.
pub const DEFAULT_VARIABLE: &str = "BETTER_AUTH_SECRET";

/// Where a secret is.
pub enum SecretPlace {
    /// An environment variable of the process that reads the configuration.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// One `jwt_user_scope_secret`.
pub struct Secret<P> {
    /// Where it is.
    pub place: SecretPlace,
    /// How it is written.
    pub form: SecretForm,
    /// What it is for.
    pub label: KeyLabel,
    /// The directive.
    pub position: P,
}

/// One `jwt_user_scope_key_file`.
pub struct KeyFile<P> {
    /// The file.
    pub path: PathBuf,
    /// What its keys are for.
    pub label: KeyLabel,
    /// The directive.
    pub position: P,
}

/// One `jwt_user_scope_key_request`.
pub struct KeyRequest<P> {
    /// The internal location.
    pub uri: Box<[u8]>,
    /// Its query string.
    pub args: Box<[u8]>,
    /// Seconds after which the set is fetched again.
    pub valid: u64,
    /// Seconds after which a set that could not be fetched again is no longer used.
    pub stale: u64,
    /// The issuer whose tokens alone the keys verify.
    pub issuer: Option<Box<str>>,
    /// The directive.
    pub position: P,
}

/// The keys of one level of the configuration. The levels below share them.
pub struct KeySources<P> {
    /// Shared secrets.
    pub secrets: Vec<Secret<P>>,
    /// Files of public keys.
    pub files: Vec<KeyFile<P>>,
    /// Key sets that are fetched.
    pub requests: Vec<Rc<KeyRequest<P>>>,
}

impl<P> Default for KeySources<P> {
    fn default() -> Self {
        Self { secrets: Vec::new(), files: Vec::new(), requests: Vec::new() }
    }
}

impl Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable \"{name}\""),
            Self::File(path) => write!(f, "file \"{}\"", path.display()),
        }
    }
}

/// An environment variable of the process, or of what stands for one.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

/// Reads a file, or so much of it as shows that it is too large. What is no file is not read: it might never end, or keep
/// nginx waiting.
fn read_file(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let limit = MAX_SET_BYTES as u64 + 1;
    // Room for all of it from the beginning: a secret leaves no copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(metadata.len().min(limit) as usize + 1));
    file.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

impl SecretPlace {
    /// The secret.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub fn read(&self, environment: Environment) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            Self::Env(name) => match environment(name) {
                Some(value) => Ok(Zeroizing::new(value.into_vec())),
                None => Err(format!(
                    "{self} is not set: set it for the process that reads the configuration, or name another place \
                     with \"jwt_user_scope_secret\""
                )),
            },
            Self::File(path) => match read_file(path) {
                Ok(content) if content.len() > MAX_SET_BYTES => {
                    Err(format!("{self} is larger than {} KiB", MAX_SET_BYTES / 1024))
                }
                Ok(content) => Ok(Zeroizing::new(secret_of_file(&content).to_vec())),
                Err(error) => Err(format!("{self} cannot be read: {error}")),
            },
        }
    }
}

impl<P: Clone + Display> KeySources<P> {
    /// The default: one secret, for the directive at `position`.
    pub fn default_secret(position: &P) -> Self {
        let secret = Secret {
            place: SecretPlace::Env(DEFAULT_VARIABLE.into()),
            form: SecretForm::default(),
            label: KeyLabel::default(),
            position: position.clone(),
        };
        Self { secrets: vec![secret], ..Self::default() }
    }

    /// Reads the keys, for locations that allow these algorithms.
    ///
    /// # Errors
    /// What is wrong with which key, what to do, and where its directive stands.
    pub fn keys(&self, allowed: Option<Algorithms>, environment: Environment) -> Result<Keys, String> {
        let mut keys = Keys::new(allowed);
        for secret in &self.secrets {
            secret.add_to(&mut keys, environment)?;
        }
        for file in &self.files {
            file.add_to(&mut keys)?;
        }
        for request in &self.requests {
            request.add_to(&mut keys)?;
        }
        Ok(keys)
    }
}

impl<P: Display> Secret<P> {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, what to do, and where its directive stands.
    pub fn add_to(&self, keys: &mut Keys, environment: Environment) -> Result<(), String> {
        let Self { place, form, label, position } = self;
        let wrong = |problem: String| format!("\"jwt_user_scope_secret\": {problem} in {position}");
        let secret = place.read(environment).map_err(wrong)?;
        keys.add_secret(&secret, *form, label).map_err(|error| wrong(format!("the secret in {place} {error}")))
    }
}

impl<P: Display> KeyFile<P> {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, what to do, and where its directive stands.
    pub fn add_to(&self, keys: &mut Keys) -> Result<(), String> {
        let Self { path, label, position } = self;
        let file = path.display();
        let wrong = |problem: String| format!("\"jwt_user_scope_key_file\": file \"{file}\" {problem} in {position}");
        let content = read_file(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        keys.add_key_file(&content, label).map_err(|error| wrong(error.to_string()))
    }
}

impl<P: Display> KeyRequest<P> {
    /// Announces its set.
    ///
    /// # Errors
    /// No key of it could be used; what to do, and where its directive stands.
    fn add_to(&self, keys: &mut Keys) -> Result<(), String> {
        if !keys.can_use_key_sets() {
            let (uri, position) = (String::from_utf8_lossy(&self.uri), &self.position);
            return Err(format!(
                "\"jwt_user_scope_key_request\": key set \"{uri}\" has only keys that no allowed algorithm can use: add one to \
                 \"jwt_user_scope_algorithms\" in {position}"
            ));
        }
        keys.expect_key_set();
        Ok(())
    }
}

/// The list of this level, for one more.
fn list<P>(keys: &mut Option<Rc<KeySources<P>>>) -> Result<&mut KeySources<P>, Wrong> {
    // Levels share it only when they are merged, after the last directive has been read.
    Rc::get_mut(keys.get_or_insert_default()).ok_or_else(|| "a directive about keys is read too late".into())
}

/// Reads parameters, `name=value` or a word alone, which has no value. `taken` is what an error says of them.
fn parameters<W: AsRef<[u8]> + Display>(
    words: &[W],
    taken: &str,
    mut read: impl FnMut(&str, Option<&str>, &W) -> Option<Result<(), Wrong>>,
) -> Result<(), Wrong> {
    for word in &words[2..] {
        let text = std::str::from_utf8(word.as_ref());
        let text = text.map_err(|_| format!("parameter of \"{}\" directive is not UTF-8", words[0]))?;
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        // The parameter is not shown: somebody may have written a secret.
        let wrong = || Err(format!("invalid parameter of \"{}\" directive, it takes {taken}, each once", words[0]));
        read(name, value, word).unwrap_or_else(wrong)?;
    }
    Ok(())
}

/// The parameters that all keys have.
fn label(label: &mut KeyLabel, name: &str, value: Option<&str>) -> Option<Result<(), Wrong>> {
    let value = value.filter(|value| !value.is_empty())?;
    match name {
        "kid" if label.kid.is_none() => label.kid = Some(value.into()),
        "issuer" if label.issuer.is_none() => label.issuer = Some(value.into()),
        _ => return None,
    }
    Some(Ok(()))
}

/// Keys are not cancelled: without any, there would be the default.
fn not_off<W: AsRef<[u8]> + Display>(words: &[W]) -> Result<(), Wrong> {
    if !is_off(words) {
        return Ok(());
    }
    Err(format!(
        "\"{}\" directive has no \"off\": name the keys of this level, which replace all that are inherited",
        words[0]
    ))
}

/// Anything that a shell would export.
fn is_variable_name(name: &[u8]) -> bool {
    name.first().is_some_and(|b| !b.is_ascii_digit()) && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
}

type Sources<R> = Option<Rc<KeySources<<R as Reader>::Position>>>;

/// `jwt_user_scope_secret env:<NAME> | file:<path> [encoding=...] [kid=...] [issuer=...] [versioned]`
pub(crate) fn add_secret<R: Reader>(keys: &mut Sources<R>, reader: &R, words: &[R::Word]) -> Result<(), Wrong> {
    not_off(words)?;
    // The value is not shown: where a place is expected, somebody may have written the secret itself.
    let place = match words[1].as_ref() {
        [b'e', b'n', b'v', b':', name @ ..] if is_variable_name(name) => {
            SecretPlace::Env(String::from_utf8_lossy(name).into_owned())
        }
        [b'f', b'i', b'l', b'e', b':', path @ ..] if !path.is_empty() => {
            SecretPlace::File(reader.full_path(path).ok_or("\"jwt_user_scope_secret\" directive: out of memory")?)
        }
        _ => {
            return Err("\"jwt_user_scope_secret\" directive takes no literal secret, it names where the secret is: \
                        \"env:<NAME>\" or \"file:<path>\""
                .into());
        }
    };
    let mut secret =
        Secret { place, form: SecretForm::default(), label: KeyLabel::default(), position: reader.position() };
    let mut encoding = None;
    let taken = "\"encoding=\", \"kid=\", \"issuer=\" and \"versioned\"";
    parameters(words, taken, |name, value, word| match name {
        "encoding" if encoding.is_none() => {
            encoding = Encoding::named(value.unwrap_or_default().as_bytes());
            let remedy = "it must be \"utf8\", \"hex\", \"base64\" or \"base64url\"";
            Some(encoding.map(|_| ()).ok_or_else(|| invalid(words, word, remedy)))
        }
        "versioned" if value.is_none() && !secret.form.versioned => {
            secret.form.versioned = true;
            Some(Ok(()))
        }
        _ => label(&mut secret.label, name, value),
    })?;
    secret.form.encoding = encoding.unwrap_or_default();
    list(keys)?.secrets.push(secret);
    Ok(())
}

/// `jwt_user_scope_key_file <path> [kid=...] [issuer=...]`
pub(crate) fn add_file<R: Reader>(keys: &mut Sources<R>, reader: &R, words: &[R::Word]) -> Result<(), Wrong> {
    not_off(words)?;
    let path = words[1].as_ref();
    if path.is_empty() {
        return Err("empty path in \"jwt_user_scope_key_file\" directive".into());
    }
    let path = reader.full_path(path).ok_or("\"jwt_user_scope_key_file\" directive: out of memory")?;
    let mut file = KeyFile { path, label: KeyLabel::default(), position: reader.position() };
    parameters(words, "\"kid=\" and \"issuer=\"", |name, value, _| label(&mut file.label, name, value))?;
    list(keys)?.files.push(file);
    Ok(())
}

/// `jwt_user_scope_key_request <uri> [valid=<time>] [stale=<time>] [issuer=<iss>]`
pub(crate) fn add_request<R: Reader>(keys: &mut Sources<R>, reader: &R, words: &[R::Word]) -> Result<(), Wrong> {
    not_off(words)?;
    let target = words[1].as_ref();
    if target.first() != Some(&b'/') || target.contains(&b'$') {
        // Not shown: the URL of a provider, which some expect here, may hold a password.
        return Err(format!(
            "\"{}\" directive takes the path of a location, without variables, and no URL: one that passes requests on \
             to the provider, such as \"/_jwks\"",
            words[0]
        ));
    }
    let mut parts = target.splitn(2, |&b| b == b'?');
    let (uri, args) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (mut valid, mut stale, mut issuer) = (None, None, KeyLabel::default());
    parameters(words, "\"valid=\", \"stale=\" and \"issuer=\"", |name, value, word| {
        let time = match name {
            "valid" if valid.is_none() => &mut valid,
            "stale" if stale.is_none() => &mut stale,
            "issuer" => return label(&mut issuer, name, value),
            _ => return None,
        };
        *time = reader.seconds(value.unwrap_or_default()).filter(|&seconds| seconds > 0);
        Some(
            time.map(|_| ())
                .ok_or_else(|| invalid(words, word, "it must be a time, in whole seconds and not 0, such as \"10m\"")),
        )
    })?;
    let (valid, stale) = (valid.unwrap_or(DEFAULT_VALID), stale.unwrap_or(DEFAULT_STALE));
    if stale < valid {
        return Err(format!(
            "\"stale\" in \"{}\" directive is shorter than \"valid\": they are {stale} and {valid} seconds; set both",
            words[0]
        ));
    }
    list(keys)?.requests.push(Rc::new(KeyRequest {
        uri: uri.into(),
        args: args.into(),
        valid,
        stale,
        issuer: issuer.issuer.as_deref().map(Into::into),
        position: reader.position(),
    }));
    Ok(())
}

/// 10 minutes.
const DEFAULT_VALID: u64 = 600;

/// 24 hours.
const DEFAULT_STALE: u64 = 86_400;
