//! One pass over JSON text (RFC 8259), strict where the RFC leaves a choice. Nothing is kept but where things stand.
//!
//! Each function reads one thing at the beginning of what it is given, and gives the rest; `None` where the text is not
//! strict.

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

/// Levels of nesting admitted, the outermost object included.
pub const MAX_DEPTH: usize = 127;

/// A part of a text.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn indexes(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Without the first and the last byte.
    pub fn within_quotes(self) -> Self {
        Self { start: self.start + 1, end: self.end - 1 }
    }
}

/// A member of an object, by where it stands in the text.
#[derive(Debug)]
pub struct Member {
    name: Name,
    /// As written.
    pub value: Span,
}

/// The members of an object. Those of most tokens find room without memory being asked for.
pub type Found = SmallVec<[Member; 16]>;

/// What stands between two quotes, or, where there are escapes, what it means.
#[derive(Debug)]
enum Name {
    Plain(Span),
    Escaped(Box<str>),
}

/// A text that is read.
#[derive(Clone, Copy)]
pub struct Text<'t>(&'t str);

impl<'t> Text<'t> {
    /// Begins a text. `None` for one that is too long for a [`Span`].
    pub fn new(text: &'t str) -> Option<Self> {
        u32::try_from(text.len()).is_ok().then_some(Self(text))
    }

    /// A text, or a part of it, that has been read before.
    pub fn again(text: &'t str) -> Self {
        Self(text)
    }

    /// Where the value of the member of a name stands.
    pub fn find(self, members: &[Member], name: &str) -> Option<Span> {
        members.iter().find(|member| is_same(self.name(member), name.as_bytes())).map(|member| member.value)
    }

    /// The name of a member.
    pub fn name<'m>(self, member: &'m Member) -> &'m [u8]
    where
        't: 'm,
    {
        match &member.name {
            Name::Plain(span) => &self.0.as_bytes()[span.indexes()],
            Name::Escaped(name) => name.as_bytes(),
        }
    }

    /// A part of it.
    pub fn part(self, span: Span) -> &'t str {
        &self.0[span.indexes()]
    }

    /// Reads an object that is the whole text, and finds its members. None of its objects has two of one name.
    pub fn object(self, members: &mut Found) -> Option<()> {
        let rest = self.members(white(self.0.as_bytes()), MAX_DEPTH, members)?;
        white(rest).is_empty().then_some(())
    }

    /// The members of an object that is the whole text, which has been read before. None where it has not proved strict.
    pub fn found(self) -> Found {
        let mut members = Found::new();
        self.object(&mut members).map(|()| members).unwrap_or_default()
    }

    /// The elements of an array that is the whole text, as written.
    pub fn array(self) -> Option<Vec<&'t str>> {
        let mut elements = Vec::new();
        let keep = |span: Span| elements.push(self.part(span));
        let rest = self.elements(white(self.0.as_bytes()), MAX_DEPTH, keep)?;
        white(rest).is_empty().then_some(elements)
    }

    /// From one rest to another. [`Text::new`] has bounded them.
    fn between(self, from: &[u8], to: &[u8]) -> Span {
        let place = |rest: &[u8]| (self.0.len() - rest.len()) as u32;
        Span { start: place(from), end: place(to) }
    }

    /// A value of at most so many levels (section 3).
    #[inline(always)]
    fn pass_value(self, rest: &[u8], levels: usize) -> Option<&[u8]> {
        match rest.first()? {
            b'"' => self.pass_string(rest, |_| ()),
            b'{' => self.pass_object(rest, levels),
            b'[' => self.pass_array(rest, levels),
            b't' => rest.strip_prefix(b"true"),
            b'f' => rest.strip_prefix(b"false"),
            b'n' => rest.strip_prefix(b"null"),
            _ => number(rest),
        }
    }

    /// An object in another value. By itself, as arrays are, so that the values that most claims have are read in one go,
    /// and an array needs no room for members.
    #[inline(never)]
    fn pass_object(self, rest: &[u8], levels: usize) -> Option<&[u8]> {
        self.members(rest, levels, &mut Found::new())
    }

    /// An array in another value.
    #[inline(never)]
    fn pass_array(self, rest: &[u8], levels: usize) -> Option<&[u8]> {
        self.elements(rest, levels, |_| ())
    }

    /// An object (section 4), whose members have different names.
    fn members<'r>(self, rest: &'r [u8], levels: usize, members: &mut Found) -> Option<&'r [u8]> {
        let inner = levels.checked_sub(1)?;
        let rest = list(rest, b'{', b'}', |name| {
            let mut escaped = None;
            let colon = self.pass_string(name, |name| escaped = Some(name))?;
            let name = match escaped {
                None => Name::Plain(self.between(name, colon).within_quotes()),
                Some(name) => Name::Escaped(name.into()),
            };
            let value = white(byte(white(colon), b':')?);
            let rest = self.pass_value(value, inner)?;
            members.push(Member { name, value: self.between(value, rest) });
            Some(rest)
        })?;
        (!self.repeats_a_name(members)).then_some(rest)
    }

    /// An array (section 5).
    fn elements(self, rest: &[u8], levels: usize, mut each: impl FnMut(Span)) -> Option<&[u8]> {
        let inner = levels.checked_sub(1)?;
        list(rest, b'[', b']', |element| {
            let rest = self.pass_value(element, inner)?;
            each(self.between(element, rest));
            Some(rest)
        })
    }

    /// A string (section 7). Whatever is in it stands for text, which is told where it is not as written.
    #[inline(always)]
    fn pass_string(self, rest: &[u8], tell: impl FnOnce(String)) -> Option<&[u8]> {
        let end = plain(byte(rest, b'"')?);
        match end {
            [b'"', rest @ ..] => Some(rest),
            [b'\\', ..] => {
                let (text, rest) = self.unescape(rest, end)?;
                tell(text);
                Some(rest)
            }
            _ => None,
        }
    }

    /// What a string means, from its first escape on.
    #[cold]
    fn unescape<'r>(self, string: &'r [u8], mut rest: &'r [u8]) -> Option<(String, &'r [u8])> {
        // A quote behind a backslash does not end the string.
        while let [b'\\', _, behind @ ..] = rest {
            rest = plain(behind);
        }
        let rest = byte(rest, b'"')?;
        unescape(&self.0[self.between(string, rest).indexes()]).map(|text| (text, rest))
    }

    /// Few members are compared directly, many (a hostile header) are sorted. Names with different marks differ.
    fn repeats_a_name(self, members: &[Member]) -> bool {
        const FEW: usize = 16;
        if members.get(FEW).is_some() {
            let mut names: Vec<_> = members.iter().map(|member| self.name(member)).collect();
            names.sort_unstable();
            return names.windows(2).any(|pair| pair[0] == pair[1]);
        }
        let mut marks = 0u64;
        members.iter().enumerate().any(|(at, member)| {
            let name = self.name(member);
            let mark = mark(name);
            let is_new = marks & mark == 0;
            marks |= mark;
            !is_new && members[..at].iter().any(|other| is_same(self.name(other), name))
        })
    }
}

/// One of 64 bits, of what is seen of a name at once. Most claims have one of their own.
fn mark(name: &[u8]) -> u64 {
    let [first, last] = [name.first(), name.last()].map(|byte| byte.map_or(0, |byte| u32::from(*byte)));
    1u64.rotate_left(first + 13 * last + name.len() as u32)
}

/// Whether two names are the same. Claims' names are short, and many of one length: most differ in their first byte, which
/// is seen sooner than a comparison of memory is called.
pub fn is_same(name: &[u8], other: &[u8]) -> bool {
    name.len() == other.len() && name.first() == other.first() && name == other
}

/// The content of a string that has been passed.
pub fn unquote(quoted: &str) -> Option<Cow<'_, str>> {
    if quoted.as_bytes().contains(&b'\\') {
        return unescape(quoted).map(Cow::Owned);
    }
    quoted.get(1..quoted.len() - 1).map(Cow::Borrowed)
}

/// What a quoted string means; `None` where an escape stands for nothing, or for no character (a lone surrogate).
fn unescape(quoted: &str) -> Option<String> {
    serde_json::from_str(quoted).ok()
}

/// White space (section 2), if there is any.
fn white(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', behind @ ..] = rest {
        rest = behind;
    }
    rest
}

/// This byte.
fn byte(rest: &[u8], byte: u8) -> Option<&[u8]> {
    rest.split_first().filter(|(first, _)| **first == byte).map(|(_, rest)| rest)
}

/// What stands between brackets, one after another, with commas between.
fn list<'r>(
    rest: &'r [u8],
    open: u8,
    close: u8,
    mut one: impl FnMut(&'r [u8]) -> Option<&'r [u8]>,
) -> Option<&'r [u8]> {
    let mut rest = white(byte(rest, open)?);
    if let Some(rest) = byte(rest, close) {
        return Some(rest);
    }
    loop {
        rest = white(one(rest)?);
        match rest {
            [b',', behind @ ..] => rest = white(behind),
            _ => return byte(rest, close),
        }
    }
}

/// Characters of a string that stand for themselves: up to a quote, a backslash, or a control character, which does not.
#[inline(always)]
fn plain(rest: &[u8]) -> &[u8] {
    let (chunks, tail) = rest.as_chunks();
    for (passed, chunk) in chunks.iter().enumerate() {
        let ends = marked_ends(u64::from_le_bytes(*chunk));
        if ends != 0 {
            return &rest[passed * chunk.len() + ends.trailing_zeros() as usize / 8..];
        }
    }
    let is_plain = |b: &&u8| **b >= b' ' && **b != b'"' && **b != b'\\';
    &tail[tail.iter().take_while(is_plain).count()..]
}

/// Marks, by its highest bit, each of eight bytes that ends a plain part of a string. Behind the first one that is marked, a
/// byte too many may be.
fn marked_ends(bytes: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    // A byte under the limit borrows, and so gets its highest bit; others may have had it before.
    let under = |limit: u64, bytes: u64| bytes.wrapping_sub(EACH * limit) & !bytes;
    let is = |byte: u8| under(1, bytes ^ (EACH * u64::from(byte)));
    (under(0x20, bytes) | is(b'"') | is(b'\\')) & (EACH << 7)
}

/// A number (section 6).
fn number(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    let rest = byte(rest, b'0').or_else(|| digits(rest))?;
    let rest = match rest {
        [b'.', behind @ ..] => digits(behind)?,
        _ => rest,
    };
    match rest {
        [b'e' | b'E', b'+' | b'-', behind @ ..] | [b'e' | b'E', behind @ ..] => digits(behind),
        _ => Some(rest),
    }
}

/// One digit or more.
fn digits(rest: &[u8]) -> Option<&[u8]> {
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    (count > 0).then(|| &rest[count..])
}
