//! Strict JSON objects: unique member names at every depth, bounded nesting, and values kept as they were written.
//!
//! `serde_json` does the parsing. Its `Value` would lose how a number was written and let the last of two equal names
//! win, so members are kept as raw text and looked at when asked for.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memchr;
use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Levels of nesting admitted, the outermost object included (the limit of `serde_json` itself).
pub const MAX_DEPTH: usize = 127;

/// The text is not a strict JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnObject;

/// A JSON object that owns its text.
#[derive(Debug, Default)]
pub struct Object {
    text: String,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: Name,
    value: Range<usize>,
}

/// A member's name: where it stands in the text, or, written with escapes, what it means.
#[derive(Debug)]
enum Name {
    At(Range<usize>),
    Escaped(Box<str>),
}

/// One value, borrowed from its object.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// A string, its escapes resolved.
    String(Cow<'a, str>),
    /// An array, as written.
    Array(&'a str),
    /// An object, as written.
    Object(&'a str),
}

impl Object {
    /// Parses a payload or a header.
    ///
    /// # Errors
    /// The bytes are not UTF-8, not one JSON object, nested deeper than 127 levels, or two members of one object
    /// share a name.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, NotAnObject> {
        let text = String::from_utf8(bytes).map_err(|_| NotAnObject)?;
        let members = {
            let mut json = serde_json::Deserializer::from_str(&text);
            let has_escapes = memchr(b'\\', text.as_bytes()).is_some();
            let members = json.deserialize_map(Members { text: &text, has_escapes }).map_err(|_| NotAnObject)?;
            json.end().map_err(|_| NotAnObject)?;
            members
        };
        Ok(Self { text, members })
    }

    /// The object as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of the one member whose name, ASCII letters folded, is `name`; `None` when there are two.
    pub fn get_folded(&self, name: &str) -> Option<Value<'_>> {
        fault!("shown" in name.as_bytes());
        let mut members = self.members.iter().filter(|m| m.name.get(&self.text).eq_ignore_ascii_case(name));
        let member = members.next()?;
        members.next().is_none().then(|| Value::of(&self.text[member.value.clone()]))
    }

    /// The value of a member, if there is one of this name.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        let member = self.members.iter().find(|m| is_same(m.name.bytes(&self.text), name.as_bytes()))?;
        Some(Value::of(&self.text[member.value.clone()]))
    }
}

impl Name {
    fn get<'a>(&'a self, text: &'a str) -> &'a str {
        match self {
            Self::At(range) => &text[range.clone()],
            Self::Escaped(name) => name,
        }
    }

    /// To compare with: it costs no look for the ends of characters.
    fn bytes<'a>(&'a self, text: &'a str) -> &'a [u8] {
        match self {
            Self::At(range) => &text.as_bytes()[range.clone()],
            Self::Escaped(name) => name.as_bytes(),
        }
    }
}

impl<'a> Value<'a> {
    /// Reads a value that a strict parse has accepted.
    fn of(raw: &'a str) -> Self {
        match raw.as_bytes() {
            [b'"', ..] => Self::String(unquote(raw).unwrap_or_default()),
            [b'{', ..] => Self::Object(raw),
            [b'[', ..] => Self::Array(raw),
            b"null" => Self::Null,
            b"true" => Self::Bool(true),
            b"false" => Self::Bool(false),
            _ => Self::Number(raw),
        }
    }

    /// A member of an object, or an element of an array by its index (RFC 6901 section 4).
    pub fn step(&self, token: &str) -> Option<Value<'a>> {
        match self {
            Self::Object(raw) => {
                let mut json = serde_json::Deserializer::from_str(raw);
                json.deserialize_map(Find { name: token }).ok().flatten().map(Value::of)
            }
            Self::Array(_) => self.elements()?.into_iter().nth(array_index(token)?),
            _ => None,
        }
    }

    /// The elements of an array; `None` for anything else.
    pub fn elements(&self) -> Option<Vec<Value<'a>>> {
        let Self::Array(raw) = self else { return None };
        let elements: Vec<&'a RawValue> = serde_json::from_str(raw).ok()?;
        Some(elements.into_iter().map(|raw| Value::of(raw.get())).collect())
    }

    /// How a variable shows the value: a string as it is, numbers and booleans as written, an array of these joined with
    /// commas. `None` for anything else, and where a comma within a member would pass for one between two.
    pub fn into_shown(self) -> Option<Cow<'a, str>> {
        let Some(elements) = self.elements() else { return self.into_scalar() };
        let elements: Vec<_> = elements.into_iter().map(Self::into_scalar).collect::<Option<_>>()?;
        let clear = elements.iter().all(|element| !element.contains(','));
        clear.then(|| Cow::Owned(elements.join(",")))
    }

    fn into_scalar(self) -> Option<Cow<'a, str>> {
        match self {
            Self::String(text) => Some(text),
            Self::Number(raw) => Some(Cow::Borrowed(raw)),
            Self::Bool(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
            Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// A number as the nearest `f64`; `None` for anything else, and for one too large.
    pub fn as_f64(&self) -> Option<f64> {
        let Self::Number(raw) = self else { return None };
        // Most are integers, which are read sooner, and rounded alike.
        let integer = raw.parse::<u64>().map(|n| n as f64);
        integer.or_else(|_| raw.parse()).ok().filter(|n: &f64| n.is_finite())
    }

    /// A string as it is, or an integer (no fraction, no exponent) as written; `None` for anything else.
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::String(text) => Some(text),
            Self::Number(raw) if !raw.contains(['.', 'e', 'E']) => Some(Cow::Borrowed(raw)),
            _ => None,
        }
    }
}

/// An array index of a JSON Pointer: digits without leading zeros.
fn array_index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0');
    (canonical && token.bytes().all(|b| b.is_ascii_digit())).then(|| token.parse().ok())?
}

/// The content of a quoted string; `None` where an escape stands for no character (a lone surrogate).
fn unquote(raw: &str) -> Option<Cow<'_, str>> {
    if memchr(b'\\', raw.as_bytes()).is_some() {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    raw.get(1..raw.len() - 1).map(Cow::Borrowed)
}

/// Collects the members of the outermost object.
struct Members<'t> {
    text: &'t str,
    /// Without any, every string stands for the text that is written.
    has_escapes: bool,
}

impl Members<'_> {
    fn range(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        start..start + part.len()
    }
}

impl<'de> Visitor<'de> for Members<'de> {
    type Value = Vec<Member>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some(name) = map.next_key_seed(Text)? {
            let raw = map.next_value::<&'de RawValue>()?.get();
            check(raw, self.has_escapes).map_err(de::Error::custom)?;
            let name = match name {
                Cow::Borrowed(name) => Name::At(self.range(name)),
                Cow::Owned(name) => Name::Escaped(name.into()),
            };
            members.push(Member { name, value: self.range(raw) });
        }
        unique(members.iter().map(|m| m.name.bytes(self.text)))?;
        Ok(members)
    }
}

/// What skipping a value leaves unchecked: strings that stand for no text, and everything about nested members.
fn check(raw: &str, has_escapes: bool) -> Result<(), &'static str> {
    match raw.as_bytes().first() {
        Some(b'"') if has_escapes && unquote(raw).is_none() => Err("not a string"),
        Some(b'{' | b'[') => {
            let mut json = serde_json::Deserializer::from_str(raw);
            Nested { levels: MAX_DEPTH - 1 }.deserialize(&mut json).map_err(|_| "not strict")
        }
        _ => Ok(()),
    }
}

/// No name twice. Few members are compared directly, many (a hostile header) are sorted.
fn unique<'a, E: de::Error>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Result<(), E> {
    const FEW: usize = 16;
    let repeated = if names.clone().nth(FEW).is_none() {
        names.clone().enumerate().any(|(i, name)| names.clone().take(i).any(|other| is_same(other, name)))
    } else {
        let mut sorted: Vec<&[u8]> = names.collect();
        sorted.sort_unstable();
        sorted.windows(2).any(|pair| pair[0] == pair[1])
    };
    if repeated { Err(E::custom("duplicate member name")) } else { Ok(()) }
}

/// Whether two names are the same. Claims' names are short, and many of one length: most differ in their first byte, which
/// is seen sooner than a comparison of memory is called.
fn is_same(name: &[u8], other: &[u8]) -> bool {
    name.len() == other.len() && name.iter().eq(other)
}

/// A string, borrowed where it has no escapes.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Walks a nested value and keeps nothing.
#[derive(Clone, Copy)]
struct Nested {
    levels: usize,
}

impl Nested {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut names = Vec::new();
        while let Some(name) = map.next_key_seed(Text)? {
            map.next_value_seed(inner)?;
            names.push(name);
        }
        unique(names.iter().map(|name| name.as_bytes()))
    }
}

/// Finds one member of an object.
struct Find<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key_seed(Text)? {
            let value = map.next_value::<&'de RawValue>()?;
            if name == self.name {
                found = Some(value.get());
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
