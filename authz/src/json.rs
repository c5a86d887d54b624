//! Strict JSON objects: unique member names at every depth, bounded nesting, and values kept as they were written.
//!
//! A tree of values, as libraries build it, would lose how a number was written, let the last of two equal names win, and
//! cost more than all else that is done with a token but its signature. So the text is read once by [`scan`], which notes
//! where members stand, and values are looked at when asked for. `serde_json` resolves escapes.

use std::borrow::Cow;
use std::cell::RefCell;

mod scan;

use scan::{Found, Member, Text, unquote};
pub(crate) use scan::{Span, is_same};

/// The text is not a strict JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnObject;

/// A JSON object that owns its text.
#[derive(Debug, Default)]
pub struct Object {
    text: String,
    /// Found again when somebody looks for one: most tokens are only asked for what is looked at while they are read.
    members: RefCell<Option<Box<[Member]>>>,
}

/// The members of an object, while somebody looks at them.
#[derive(Clone, Copy)]
pub(crate) struct Members<'t, 'm> {
    text: Text<'t>,
    members: &'m [Member],
}

impl<'t: 'm, 'm> Members<'t, 'm> {
    /// The name of each, its value as written, and where that stands.
    pub fn iter(self) -> impl Iterator<Item = (&'m [u8], &'t str, Span)> {
        self.members.iter().map(move |member| (self.text.name(member), self.text.part(member.value), member.value))
    }

    /// Where the value of the one of this name stands.
    pub fn place(self, name: &str) -> Option<Span> {
        self.text.find(self.members, name)
    }

    /// That value.
    pub fn get(self, name: &str) -> Option<Value<'t>> {
        self.place(name).map(|place| Value::of(self.text.part(place)))
    }
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
    /// Parses an object, and keeps where its members stand.
    ///
    /// # Errors
    /// The bytes are not UTF-8, not one JSON object, nested deeper than 127 levels, or two members of one object
    /// share a name.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, NotAnObject> {
        let mut found = Found::new();
        let text = strict(bytes, &mut found)?;
        Ok(Self { text, members: RefCell::new(Some(found.into_boxed_slice())) })
    }

    /// Parses a payload or a header. Its members are looked at while they are at hand, and not kept.
    ///
    /// # Errors
    /// As for [`Object::parse`].
    pub(crate) fn read<T>(bytes: Vec<u8>, look: impl FnOnce(Members) -> T) -> Result<(Self, T), NotAnObject> {
        let mut found = Found::new();
        let text = strict(bytes, &mut found)?;
        let seen = look(Members { text: Text::again(&text), members: &found });
        Ok((Self { text, members: RefCell::default() }, seen))
    }

    /// Looks at its members, which are kept from then on.
    pub(crate) fn with_members<'t, T>(&'t self, look: impl FnOnce(Members<'t, '_>) -> T) -> T {
        let text = Text::again(&self.text);
        let mut members = self.members.borrow_mut();
        let members = members.get_or_insert_with(|| text.found().into_boxed_slice());
        look(Members { text, members })
    }

    /// The object as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of the one member whose name, ASCII letters folded, is `name`; `None` when there are two.
    pub fn get_folded(&self, name: &str) -> Option<Value<'_>> {
        fault!("shown" in name.as_bytes());
        self.with_members(|members| {
            let mut same = members.iter().filter(|(own, ..)| own.eq_ignore_ascii_case(name.as_bytes()));
            let (_, value, _) = same.next()?;
            same.next().is_none().then(|| Value::of(value))
        })
    }

    /// Forgets where its members stand, which gives that memory back.
    pub(crate) fn forget_members(&self) {
        self.members.take();
    }

    /// A part of the text.
    pub(crate) fn part(&self, place: Span) -> &str {
        Text::again(&self.text).part(place)
    }

    /// A value that has been found in it.
    pub(crate) fn value(&self, place: Span) -> Value<'_> {
        Value::of(self.part(place))
    }

    /// Where the text of such a value stands as it is. `None` for a string that is empty or has escapes, and for all else.
    pub(crate) fn written(&self, place: Span) -> Option<Span> {
        match self.part(place).as_bytes() {
            b"\"\"" => None,
            quoted @ [b'"', ..] => (!quoted.contains(&b'\\')).then(|| place.within_quotes()),
            _ => None,
        }
    }

    /// The value of a member, if there is one of this name.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.with_members(|members| members.get(name))
    }
}

/// The bytes as the text of an object, whose members are found. Inlined, since each new token comes this way.
#[inline(always)]
fn strict(bytes: Vec<u8>, found: &mut Found) -> Result<String, NotAnObject> {
    let text = String::from_utf8(bytes).map_err(|_| NotAnObject)?;
    Text::new(&text).and_then(|text| text.object(found)).ok_or(NotAnObject)?;
    Ok(text)
}

impl<'a> Value<'a> {
    /// Reads a value that a strict parse has accepted.
    pub(crate) fn of(raw: &'a str) -> Self {
        match raw.as_bytes() {
            [b'"', ..] => Self::String(unquote(raw).unwrap_or_default()),
            [b'{', ..] => Self::Object(raw),
            [b'[', ..] => Self::Array(raw),
            [b'n', ..] => Self::Null,
            [b't', ..] => Self::Bool(true),
            [b'f', ..] => Self::Bool(false),
            _ => Self::Number(raw),
        }
    }

    /// A member of an object, or an element of an array by its index (RFC 6901 section 4).
    pub fn step(&self, token: &str) -> Option<Value<'a>> {
        match self {
            Self::Object(raw) => {
                let text = Text::again(raw);
                text.find(&text.found(), token).map(|place| Value::of(text.part(place)))
            }
            Self::Array(_) => self.elements()?.into_iter().nth(array_index(token)?),
            _ => None,
        }
    }

    /// The elements of an array; `None` for anything else.
    pub fn elements(&self) -> Option<Vec<Value<'a>>> {
        let Self::Array(raw) = self else { return None };
        Some(Text::again(raw).array()?.into_iter().map(Value::of).collect())
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

#[cfg(test)]
mod tests;
