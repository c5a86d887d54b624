//! What the words of a directive say. The first is its name.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::rc::Rc;

use authz::{Algorithms, ClaimName, Guard};

use crate::variables::{OWN, Variable};
use crate::{ClaimVariable, Reader};

/// What is wrong with a directive, in nginx's words; the place is added.
pub type Wrong = String;

/// A word.
pub(crate) trait Word: AsRef<[u8]> + Display {}

impl<W: AsRef<[u8]> + Display> Word for W {}

/// Sets what may be set once on a level.
pub(crate) fn once<T, W: Word>(
    slot: &mut Option<T>,
    words: &[W],
    read: impl FnOnce(&[W]) -> Result<T, Wrong>,
) -> Result<(), Wrong> {
    if slot.is_some() {
        return Err(format!("\"{}\" directive is duplicate", words[0]));
    }
    *slot = Some(read(words)?);
    Ok(())
}

pub(crate) fn invalid<W: Word>(words: &[W], value: &W, remedy: &str) -> Wrong {
    format!("invalid value \"{value}\" in \"{}\" directive, {remedy}", words[0])
}

/// One word of a few, as nginx's enumerations are: in any case.
pub(crate) fn one_of<T: Copy, W: Word>(words: &[W], choices: &[(&str, T)]) -> Result<T, Wrong> {
    let found = choices.iter().find(|(word, _)| words[1].as_ref().eq_ignore_ascii_case(word.as_bytes()));
    found.map(|&(_, value)| value).ok_or_else(|| {
        let all: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        invalid(words, &words[1], &format!("it must be {}", all.join(" or ")))
    })
}

/// Whether the only argument is `off`, which cancels what is inherited.
pub(crate) fn is_off<W: Word>(words: &[W]) -> bool {
    matches!(words, [_, word] if says_off(word))
}

/// Whether a word is `off`, in any case, as nginx's own switches are.
fn says_off<W: Word>(word: &W) -> bool {
    word.as_ref().eq_ignore_ascii_case(b"off")
}

/// A list of texts to compare with.
pub(crate) fn names<W: Word>(words: &[W]) -> Result<Vec<Box<str>>, Wrong> {
    if is_off(words) {
        return Ok(Vec::new());
    }
    words[1..].iter().map(|word| name(words, word)).collect()
}

fn name<W: Word>(words: &[W], word: &W) -> Result<Box<str>, Wrong> {
    match std::str::from_utf8(word.as_ref()) {
        Ok("") => Err(format!("empty value in \"{}\" directive", words[0])),
        Ok(_) if says_off(word) => Err(invalid(words, word, "\"off\" stands alone")),
        Ok(name) if names_a_variable(name) => {
            Err(invalid(words, word, "it is compared as it is written, and variables are not evaluated"))
        }
        Ok(name) => Ok(name.into()),
        Err(_) => Err(invalid(words, word, "it is not UTF-8")),
    }
}

pub(crate) fn seconds<R: Reader>(reader: &R, words: &[R::Word]) -> Result<u64, Wrong> {
    let time = std::str::from_utf8(words[1].as_ref()).ok().and_then(|time| reader.seconds(time));
    time.ok_or_else(|| invalid(words, &words[1], "it must be a time, in whole seconds, such as \"30s\" or \"15m\""))
}

/// Clocks do not differ by more, and without a bound `exp` could be switched off. In seconds.
const MAX_LEEWAY: u64 = 60 * 60;

/// `jwt_user_scope_leeway <time>`
pub(crate) fn leeway<R: Reader>(reader: &R, words: &[R::Word]) -> Result<u64, Wrong> {
    match seconds(reader, words)? {
        leeway @ ..=MAX_LEEWAY => Ok(leeway),
        _ => Err(invalid(words, &words[1], "more than \"1h\" would keep expired tokens in use: correct the clocks")),
    }
}

/// Compiles all words but the first, the name.
pub(crate) fn compile_all<R: Reader>(reader: &R, words: &[R::Word]) -> Result<Vec<R::Value>, Wrong> {
    if words.iter().any(|word| word.as_ref().windows(2).any(|pair| pair[0] == b'$' && pair[1].is_ascii_digit())) {
        return Err(format!(
            "\"{}\" directive uses one of \"$1\" to \"$9\", which any later regex overwrites: use a named capture, such as \
             \"(?<user_id>[^/]+)\"",
            words[0]
        ));
    }
    let Some((name, values)) = words.split_first() else { return Ok(Vec::new()) };
    let compile =
        |value| reader.compile(value).ok_or_else(|| format!("invalid value \"{value}\" in \"{name}\" directive"));
    values.iter().map(compile).collect()
}

/// `jwt_user_scope_require <value> ...`: the number of words before `error=`, and whether that says 401.
pub(crate) fn requirement<W: Word>(words: &[W]) -> Result<(usize, bool), Wrong> {
    let (values, unauthorized) = match words.last().map(|word| word.as_ref()) {
        Some(b"error=401") => (words.len() - 1, true),
        Some(b"error=403") => (words.len() - 1, false),
        _ => (words.len(), false),
    };
    if let Some(word) = words[1..values].iter().find(|word| word.as_ref().starts_with(b"error=")) {
        return Err(invalid(words, word, "it must be \"error=401\" or \"error=403\", and the last one"));
    }
    if values == 1 {
        return Err(format!("\"{}\" directive names no value that is required", words[0]));
    }
    stands_alone(words)?;
    // Any other text is there whatever the variables hold, so that the condition would hold always.
    only_variables(words, &words[1..values])?;
    Ok((values, unauthorized))
}

/// `jwt_user_scope_bypass <value> ...`: the variables that it is made of, in lower case.
pub(crate) fn bypass_variables<W: Word>(words: &[W]) -> Result<Vec<Box<[u8]>>, Wrong> {
    stands_alone(words)?;
    // What always holds would open every user's path to every token.
    only_variables(words, &words[1..])?;
    if let Some(word) = words[1..].iter().find(|word| names_the_token(word.as_ref())) {
        return Err(invalid(words, word, "every verified token has one: name a claim, or a \"map\" over one"));
    }
    Ok(words[1..]
        .iter()
        .flat_map(|word| variables_of(word.as_ref()))
        .map(|name| name.to_ascii_lowercase().into())
        .collect())
}

fn only_variables<W: Word>(words: &[W], values: &[W]) -> Result<(), Wrong> {
    match values.iter().find(|word| !is_variables_only(word.as_ref())) {
        Some(word) => Err(invalid(words, word, "it must be made of variables only")),
        None => Ok(()),
    }
}

/// A quoted-string (RFC 9110 section 5.6.4).
pub(crate) fn realm<W: Word>(words: &[W]) -> Result<String, Wrong> {
    match std::str::from_utf8(words[1].as_ref()) {
        Ok(text) if names_a_variable(text) => {
            Err(invalid(words, &words[1], "it is sent as it is written, and variables are not evaluated"))
        }
        Ok(text) if !text.is_empty() && !text.chars().any(|c| c.is_ascii_control()) => {
            Ok(text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => Err(invalid(words, &words[1], "it must be a text, without control characters")),
    }
}

/// `jwt_user_scope_set $variable <claim>`: the variable's name in lower case, and the claim.
///
/// # Errors
/// Either is no name, or the variable is one of the module's own.
pub fn claim_variable<W: AsRef<[u8]> + Display>(words: &[W]) -> Result<ClaimVariable, Wrong> {
    let claim = claim_name(words, &words[2])?;
    let name = match words[1].as_ref() {
        [b'$', name @ ..] if is_name(name) && !name[0].is_ascii_digit() => name,
        _ => return Err(format!("invalid variable name \"{}\" in \"{}\" directive", words[1], words[0])),
    };
    if name.len() >= OWN.len() && name[..OWN.len()].eq_ignore_ascii_case(OWN) {
        return Err(format!("variable \"{}\" in \"{}\" directive is one of the module's own", words[1], words[0]));
    }
    Ok((name.to_ascii_lowercase().into(), Rc::new(claim)))
}

pub(crate) fn claim_name<W: Word>(words: &[W], word: &W) -> Result<ClaimName, Wrong> {
    if word.as_ref().first() == Some(&b'$') && word.as_ref().get(1..).is_some_and(is_name) {
        return Err(invalid(words, word, "it must name a claim, and variables are not evaluated"));
    }
    ClaimName::parse(word.as_ref())
        .map_err(|error| format!("claim name \"{word}\" in \"{}\" directive {error}", words[0]))
}

pub(crate) fn has_variable<W: Word>(word: &W) -> bool {
    word.as_ref().contains(&b'$')
}

/// `jwt_user_scope_guard <path-template> ...`
pub(crate) fn guard_templates<W: Word>(words: &[W]) -> Result<Guard, Wrong> {
    stands_alone(words)?;
    let mut guard = Guard::new();
    for word in &words[1..] {
        let add = guard.add(word.as_ref());
        add.map_err(|error| format!("template \"{word}\" in \"{}\" directive {error}", words[0]))?;
    }
    Ok(guard)
}

/// `jwt_user_scope_algorithms <alg> ...`
pub(crate) fn algorithms<W: Word>(words: &[W]) -> Result<Algorithms, Wrong> {
    stands_alone(words)?;
    let mut allowed = Algorithms::default();
    for word in &words[1..] {
        let allow = allowed.allow(word.as_ref());
        allow.map_err(|error| format!("algorithm \"{word}\" in \"{}\" directive {error}", words[0]))?;
    }
    Ok(allowed)
}

/// Verified tokens remembered per worker, where the configuration says nothing. See docs/performance.md.
pub const DEFAULT_CACHE: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

/// More tokens than memory has room for are a mistake in writing.
const MAX_CACHE: usize = 10_000_000;

/// `jwt_user_scope_cache max=<n>`
pub(crate) fn cache_size<W: Word>(words: &[W]) -> Result<NonZeroUsize, Wrong> {
    // Only digits: the parser would take a sign.
    let max = std::str::from_utf8(words[1].as_ref()).ok().and_then(|word| word.strip_prefix("max="));
    let max = max.filter(|max| max.bytes().all(|b| b.is_ascii_digit())).and_then(|max| max.parse().ok());
    max.filter(|max: &NonZeroUsize| max.get() <= MAX_CACHE)
        .ok_or_else(|| invalid(words, &words[1], "it must be \"max=\" and a number from 1 to 10000000, or \"off\""))
}

fn stands_alone<W: Word>(words: &[W]) -> Result<(), Wrong> {
    match words[1..].iter().find(|word| says_off(*word)) {
        Some(word) if words.len() > 2 => Err(invalid(words, word, "\"off\" stands alone")),
        _ => Ok(()),
    }
}

fn names_a_variable(text: &str) -> bool {
    text.split('$').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '{'))
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a value is empty when all its variables are.
fn is_variables_only(word: &[u8]) -> bool {
    let mut parts = word.split(|&b| b == b'$');
    let is_variable = |part: &[u8]| match part {
        [b'{', name @ .., b'}'] => is_name(name),
        name => is_name(name),
    };
    parts.next() == Some(b"") && !word.is_empty() && parts.all(is_variable)
}

/// Whether a value uses a variable that every verified token fills.
fn names_the_token(word: &[u8]) -> bool {
    use Variable::{Claim, Header, Payload, User};
    let is_of_all = |name: &[u8]| matches!(Variable::named(name), Some(User | Payload | Claim("exp") | Header("alg")));
    variables_of(word).any(|name| is_of_all(&name.to_ascii_lowercase()))
}

/// The names of a value's variables, where it is made of nothing else.
fn variables_of(word: &[u8]) -> impl Iterator<Item = &[u8]> {
    word.split(|&b| matches!(b, b'$' | b'{' | b'}')).filter(|name| !name.is_empty())
}
