//! `map`: a variable that is computed from others (`ngx_http_map_module.c`).

use crate::pattern::Pattern;
use crate::syntax::Directive;
use crate::template::Template;

/// A `map`.
pub struct Map {
    /// What is looked up.
    pub source: Template,
    /// Texts, in lower case.
    texts: Vec<(Vec<u8>, Template)>,
    patterns: Vec<(Pattern, Template)>,
    default: Template,
    /// The value is computed anew whenever it is read.
    pub volatile: bool,
    /// A part of it cannot be told from the file: an `include`, or names with wildcards.
    pub is_partial: bool,
}

impl Map {
    /// Reads `map <source> $variable { ... }`: the name of the variable, and how to compute it.
    pub fn parse(directive: &Directive, block: &[Directive]) -> Result<(Vec<u8>, Self), String> {
        let [source, variable] = directive.arguments() else {
            return Err("invalid number of arguments in \"map\" directive".into());
        };
        let name = variable.0.strip_prefix(b"$").ok_or_else(|| format!("invalid variable name \"{variable}\""))?;
        let mut map = Self {
            source: value(&source.0)?,
            texts: Vec::new(),
            patterns: Vec::new(),
            default: Template { parts: Vec::new() },
            volatile: false,
            is_partial: false,
        };
        for line in block {
            map.add(line)?;
        }
        Ok((name.to_ascii_lowercase(), map))
    }

    fn add(&mut self, line: &Directive) -> Result<(), String> {
        let key = line.name();
        match (key, line.arguments()) {
            (b"volatile", []) => self.volatile = true,
            (b"hostnames", []) | (b"include", [_]) => self.is_partial = true,
            (b"default", [word]) => self.default = value(&word.0)?,
            ([b'~', b'*', pattern @ ..], [word]) => {
                self.patterns.push((Pattern::compile(pattern, true)?, value(&word.0)?));
            }
            ([b'~', pattern @ ..], [word]) => {
                self.patterns.push((Pattern::compile(pattern, false)?, value(&word.0)?));
            }
            (text, [word]) => {
                let text = text.strip_prefix(b"\\").unwrap_or(text);
                self.texts.push((text.to_ascii_lowercase(), value(&word.0)?));
            }
            _ => return Err("invalid number of the map parameters".into()),
        }
        Ok(())
    }

    /// The value for a text. A regex that matches is handed to `keep`, since it captures.
    pub fn find(&self, text: &[u8], keep: impl Fn(&Pattern, &[u8]) -> bool) -> &Template {
        let folded = text.to_ascii_lowercase();
        if let Some((_, value)) = self.texts.iter().find(|(known, _)| *known == folded) {
            return value;
        }
        self.patterns.iter().find(|(pattern, _)| keep(pattern, text)).map_or(&self.default, |(_, value)| value)
    }

    /// The variables that its regexes set.
    pub fn captured(&self) -> impl Iterator<Item = Vec<u8>> {
        self.patterns.iter().flat_map(|(pattern, _)| pattern.names())
    }
}

fn value(text: &[u8]) -> Result<Template, String> {
    Template::parse(text).ok_or_else(|| "invalid value of a \"map\"".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax;

    fn map(lines: &str) -> Result<(Vec<u8>, Map), String> {
        let directives = syntax::parse("x.conf", format!("map $a $B {{ {lines} }}").as_bytes()).unwrap_or_default();
        Map::parse(&directives[0], directives[0].block.as_deref().unwrap_or_default())
    }

    #[test]
    fn finds_a_value_as_nginx_does() {
        let (name, map) = map("Admin 1; ~^b$ 2; ~*^c 3; ~b $1; \\~t 4; '' 5; default 6;").unwrap();
        assert_eq!((&name[..], map.volatile, map.is_partial), (&b"b"[..], false, false));
        let rows = [("admin", "1"), ("ADMIN", "1"), ("b", "2"), ("B", "6"), ("Cx", "3"), ("abc", "$1"), ("~t", "4")];
        for (text, expected) in rows.into_iter().chain([("", "5"), ("x", "6")]) {
            let found = map.find(text.as_bytes(), |pattern, text| pattern.captures(text).is_some());
            assert_eq!(found.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn tells_what_else_there_is() {
        let (_, volatile) = map("volatile; ~(?<u>x) $u;").unwrap();
        assert!(volatile.volatile && volatile.find(b"y", |_, _| false).parts.is_empty());
        assert_eq!(volatile.captured().collect::<Vec<_>>(), [b"u"]);
        for lines in ["include x;", "hostnames; *.b.example 1;"] {
            assert!(map(lines).is_ok_and(|(_, map)| map.is_partial), "{lines}");
        }
        for lines in ["a;", "a b c;", "~( 1;", "a $;"] {
            assert!(map(lines).is_err(), "{lines}");
        }
    }
}
