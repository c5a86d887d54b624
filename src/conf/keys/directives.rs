//! The directives that say where keys are. On one level they make one list.

use std::rc::Rc;

use authz::{Encoding, KeyLabel, SecretForm};
use nginx_sys::ngx_str_t;

use super::{KeyFile, KeyRequest, KeySources, Place, Secret};
use crate::conf::directives::{Wrong, invalid};
use crate::ffi::Conf;

/// The list of this level, for one more.
fn list(keys: &mut Option<Rc<KeySources>>) -> Result<&mut KeySources, Wrong> {
    // Levels share it only when they are merged, after the last directive has been read.
    Rc::get_mut(keys.get_or_insert_default()).ok_or_else(|| "a directive about keys is read too late".into())
}

/// Reads parameters, `name=value` or a word alone.
fn parameters(
    words: &[ngx_str_t],
    mut read: impl FnMut(&str, &str, &ngx_str_t) -> Option<Result<(), Wrong>>,
) -> Result<(), Wrong> {
    for word in &words[2..] {
        let text = word.to_str().map_err(|_| format!("parameter of \"{}\" directive is not UTF-8", words[0]))?;
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        // The parameter is not shown: somebody may have written a secret.
        read(name, value, word).unwrap_or_else(|| Err(format!("invalid parameter of \"{}\" directive", words[0])))?;
    }
    Ok(())
}

/// The parameters that all keys have.
fn label(label: &mut KeyLabel, name: &str, value: &str) -> Option<Result<(), Wrong>> {
    match name {
        "kid" if !value.is_empty() && label.kid.is_none() => label.kid = Some(value.into()),
        "issuer" if !value.is_empty() && label.issuer.is_none() => label.issuer = Some(value.into()),
        _ => return None,
    }
    Some(Ok(()))
}

/// Anything that a shell would export.
fn is_variable_name(name: &[u8]) -> bool {
    name.first().is_some_and(|b| !b.is_ascii_digit()) && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `jwt_user_scope_secret env:<NAME> | file:<path> [encoding=...] [kid=...] [issuer=...] [versioned]`
pub fn add_secret(keys: &mut Option<Rc<KeySources>>, cf: Conf, words: &mut [ngx_str_t]) -> Result<(), Wrong> {
    // The value is not shown: where a place is expected, somebody may have written the secret itself.
    let place = match words[1].as_bytes() {
        [b'e', b'n', b'v', b':', name @ ..] if is_variable_name(name) => {
            Place::Env(String::from_utf8_lossy(name).into_owned())
        }
        [b'f', b'i', b'l', b'e', b':', path @ ..] if !path.is_empty() => {
            Place::File(cf.full_path(path).ok_or("\"jwt_user_scope_secret\" directive: out of memory")?)
        }
        _ => {
            return Err("\"jwt_user_scope_secret\" directive takes no literal secret, it names where the secret is: \
                        \"env:<NAME>\" or \"file:<path>\""
                .into());
        }
    };
    let mut secret = Secret { place, form: SecretForm::default(), label: KeyLabel::default(), position: cf.position() };
    let mut encoding = None;
    parameters(words, |name, value, word| match name {
        "encoding" if encoding.is_none() => {
            encoding = Encoding::named(value.as_bytes());
            let remedy = "it must be \"utf8\", \"hex\", \"base64\" or \"base64url\"";
            Some(encoding.map(|_| ()).ok_or_else(|| invalid(words, word, remedy)))
        }
        "versioned" if value.is_empty() => {
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
pub fn add_file(keys: &mut Option<Rc<KeySources>>, cf: Conf, words: &mut [ngx_str_t]) -> Result<(), Wrong> {
    if words[1].is_empty() {
        return Err("empty path in \"jwt_user_scope_key_file\" directive".into());
    }
    let path = cf.full_path(words[1].as_bytes()).ok_or("\"jwt_user_scope_key_file\" directive: out of memory")?;
    let mut file = KeyFile { path, label: KeyLabel::default(), position: cf.position() };
    parameters(words, |name, value, _| label(&mut file.label, name, value))?;
    list(keys)?.files.push(file);
    Ok(())
}

/// `jwt_user_scope_key_request <uri> [valid=<time>] [stale=<time>] [issuer=<iss>]`
pub fn add_request(keys: &mut Option<Rc<KeySources>>, cf: Conf, words: &mut [ngx_str_t]) -> Result<(), Wrong> {
    let target = words[1].as_bytes();
    if target.first() != Some(&b'/') || target.contains(&b'$') {
        return Err(invalid(words, &words[1], "it must be the path of a location, without variables"));
    }
    let mut parts = target.splitn(2, |&b| b == b'?');
    let (uri, args) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (mut valid, mut stale, mut issuer) = (None, None, KeyLabel::default());
    parameters(words, |name, value, word| {
        let time = match name {
            "valid" if valid.is_none() => &mut valid,
            "stale" if stale.is_none() => &mut stale,
            "issuer" => return label(&mut issuer, name, value),
            _ => return None,
        };
        *time = cf.parse_seconds(value).filter(|&seconds| seconds > 0);
        Some(time.map(|_| ()).ok_or_else(|| invalid(words, word, "it must be a time, such as \"10m\"")))
    })?;
    let (valid, stale) = (valid.unwrap_or(DEFAULT_VALID), stale.unwrap_or(DEFAULT_STALE));
    if stale < valid {
        return Err(format!("\"stale\" in \"{}\" directive is shorter than \"valid\"", words[0]));
    }
    list(keys)?.requests.push(Rc::new(KeyRequest {
        uri: uri.into(),
        args: args.into(),
        valid,
        stale,
        issuer: issuer.issuer.as_deref().map(Into::into),
        position: cf.position(),
    }));
    Ok(())
}

/// 10 minutes.
const DEFAULT_VALID: u64 = 600;

/// 24 hours.
const DEFAULT_STALE: u64 = 86_400;
