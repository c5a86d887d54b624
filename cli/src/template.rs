//! Values with variables.

use std::fmt;

/// A value with variables, taken apart as `ngx_http_script_compile` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(Vec<u8>),
    /// A variable, its name in lower case.
    Variable(Vec<u8>),
    /// `$1` to `$9`, of the regex that matched last.
    Capture(usize),
}

impl Template {
    /// The value of one variable.
    pub fn variable(name: &[u8]) -> Self {
        Self { parts: vec![Part::Variable(name.to_vec())] }
    }

    /// The names of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(&name[..]),
            Part::Text(_) | Part::Capture(_) => None,
        })
    }

    /// `None` for a `$` without a name behind it, and for a `${` that is not closed.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let [b'$', digit @ b'1'..=b'9', after @ ..] = rest {
                parts.push(Part::Capture(usize::from(digit - b'0')));
                rest = after;
            } else if let Some(after) = rest.strip_prefix(b"$") {
                let (name, after) = name(after)?;
                parts.push(Part::Variable(name.to_ascii_lowercase()));
                rest = after;
            } else {
                let end = rest.iter().position(|&b| b == b'$').unwrap_or(rest.len());
                parts.push(Part::Text(rest[..end].to_vec()));
                rest = &rest[end..];
            }
        }
        Some(Self { parts })
    }
}

/// As it may be written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => write!(f, "{}", String::from_utf8_lossy(text)),
            Part::Variable(name) => write!(f, "${}", String::from_utf8_lossy(name)),
            Part::Capture(number) => write!(f, "${number}"),
        })
    }
}

fn name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let braced = text.strip_prefix(b"{");
    let text = braced.unwrap_or(text);
    let end = text.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = if braced.is_some() { rest.strip_prefix(b"}")? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_values_apart() {
        let (text, variable) = (|t: &str| Part::Text(t.into()), |v: &str| Part::Variable(v.into()));
        let rows = [
            ("", Some(vec![])),
            ("a", Some(vec![text("a")])),
            ("$a", Some(vec![variable("a")])),
            ("$User_ID", Some(vec![variable("user_id")])),
            ("${a}b$c.d", Some(vec![variable("a"), text("b"), variable("c"), text(".d")])),
            ("a$b$c", Some(vec![text("a"), variable("b"), variable("c")])),
            ("/$1/$12", Some(vec![text("/"), Part::Capture(1), text("/"), Part::Capture(1), text("2")])),
            ("$", None),
            ("a$.", None),
            ("${a", None),
            ("${a.b}", None),
            ("${}", None),
        ];
        for (written, parts) in rows {
            assert_eq!(Template::parse(written.as_bytes()), parts.map(|parts| Template { parts }), "{written}");
        }
    }
}
