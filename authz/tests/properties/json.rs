//! JSON (RFC 8259), read by hand: a second opinion on the parser that the core uses. Numbers stay as they are written,
//! two members of one name are an error, and so is a nesting of more than 127 levels.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

use Json::*;

/// The one object that a text is.
pub fn object(text: &[u8]) -> Option<Json> {
    let text: Vec<char> = std::str::from_utf8(text).ok()?.chars().collect();
    let mut reader = Reader { text: &text, at: 0, levels: 127 };
    let value = reader.value()?;
    reader.skip_space();
    (reader.at == text.len() && matches!(value, Object(_))).then_some(value)
}

impl Json {
    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// What a JSON Pointer without escapes names.
    pub fn pointer(&self, pointer: &str) -> Option<&Json> {
        pointer.split('/').skip(1).try_fold(self, |value, token| match value {
            Array(elements) => {
                let index: usize = token.parse().ok()?;
                (index.to_string() == token).then(|| elements.get(index))?
            }
            value => value.get(token),
        })
    }

    pub fn text(&self) -> Option<&str> {
        if let Text(text) = self { Some(text) } else { None }
    }

    /// A number in the range of a double.
    pub fn number(&self) -> Option<f64> {
        let Number(text) = self else { return None };
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

struct Reader<'t> {
    text: &'t [char],
    at: usize,
    levels: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    fn takes(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<Json> {
        self.skip_space();
        match self.peek()? {
            '{' => self.nested(Self::members),
            '[' => self.nested(Self::elements),
            '"' => self.string().map(Text),
            '-' | '0'..='9' => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Option<Json>) -> Option<Json> {
        self.levels = self.levels.checked_sub(1)?;
        self.at += 1;
        let value = read(self);
        self.levels += 1;
        value
    }

    fn members(&mut self) -> Option<Json> {
        let mut members: Vec<(String, Json)> = Vec::new();
        self.skip_space();
        if self.takes('}') {
            return Some(Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            if !self.takes(':') || members.iter().any(|(known, _)| *known == name) {
                return None;
            }
            members.push((name, self.value()?));
            self.skip_space();
            match self.next()? {
                ',' => {}
                '}' => return Some(Object(members)),
                _ => return None,
            }
        }
    }

    fn elements(&mut self) -> Option<Json> {
        let mut elements = Vec::new();
        self.skip_space();
        if self.takes(']') {
            return Some(Array(elements));
        }
        loop {
            elements.push(self.value()?);
            self.skip_space();
            match self.next()? {
                ',' => {}
                ']' => return Some(Array(elements)),
                _ => return None,
            }
        }
    }

    fn word(&mut self) -> Option<Json> {
        let words = [("null", Null), ("true", Bool(true)), ("false", Bool(false))];
        let (word, value) = words.into_iter().find(|(word, _)| word.chars().next() == self.peek())?;
        word.chars().all(|c| self.takes(c)).then_some(value)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        self.takes('-');
        if !self.takes('0') {
            self.digits()?;
        }
        if self.takes('.') {
            self.digits()?;
        }
        if self.takes('e') || self.takes('E') {
            let _sign = self.takes('+') || self.takes('-');
            self.digits()?;
        }
        Some(Number(self.text[start..self.at].iter().collect()))
    }

    fn string(&mut self) -> Option<String> {
        if !self.takes('"') {
            return None;
        }
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                c if c < ' ' => return None,
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.next()? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.unit()?;
                let units = match unit {
                    0xd800..=0xdbff if self.takes('\\') && self.takes('u') => vec![unit, self.unit()?],
                    _ => vec![unit],
                };
                let mut characters = char::decode_utf16(units);
                let c = characters.next()?.ok()?;
                characters.next().is_none().then_some(c)?
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u16> {
        (0..4).try_fold(0, |unit, _| Some(unit << 4 | u16::try_from(self.next()?.to_digit(16)?).ok()?))
    }
}
