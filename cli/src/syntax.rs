//! The syntax of nginx's configuration files: words, quotes, escapes, comments and blocks, read as
//! `ngx_conf_read_token` reads them.

use std::fmt;
use std::rc::Rc;

use crate::Failure;

/// A word of a directive.
#[derive(Clone, PartialEq, Eq)]
pub struct Word(pub Vec<u8>);

/// A directive, with its block if it has one.
pub struct Directive {
    /// Its name and its arguments; never empty.
    pub words: Vec<Word>,
    pub block: Option<Vec<Directive>>,
    /// The file that it stands in.
    pub file: Rc<str>,
    /// Where its last word ends, as nginx counts.
    pub line: usize,
}

impl AsRef<[u8]> for Word {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        String::from_utf8_lossy(&self.0).escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'").fmt(f)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Directive {
    pub fn name(&self) -> &[u8] {
        self.words[0].as_ref()
    }

    pub fn arguments(&self) -> &[Word] {
        &self.words[1..]
    }
}

/// Reads a whole file; `name` is what errors call it.
pub fn parse(name: &str, text: &[u8]) -> Result<Vec<Directive>, Failure> {
    let mut reader = Reader { file: name.into(), rest: text.iter(), line: 1 };
    reader.directives(false).map_err(|problem| Failure(format!("{problem} in {name}:{}", reader.line)))
}

struct Reader<'t> {
    file: Rc<str>,
    rest: std::slice::Iter<'t, u8>,
    line: usize,
}

/// What ends a list of words.
enum End {
    Semicolon,
    Open,
    Close,
    File,
}

/// What may stand behind a closing quote.
enum Behind {
    Space,
    /// Of the condition of an `if`.
    Parenthesis,
    End(End),
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let b = *self.rest.next()?;
        self.line += usize::from(b == b'\n');
        Some(b)
    }

    fn directives(&mut self, in_block: bool) -> Result<Vec<Directive>, String> {
        let mut directives = Vec::new();
        loop {
            let (words, end) = self.words()?;
            let line = self.line;
            let block = match end {
                End::Semicolon => None,
                End::Open => Some(self.directives(true)?),
                End::Close if in_block => return Ok(directives),
                End::Close => return Err("unexpected \"}\"".into()),
                End::File if in_block => return Err("unexpected end of file, expecting \"}\"".into()),
                End::File => return Ok(directives),
            };
            directives.push(Directive { words, block, file: self.file.clone(), line });
        }
    }

    fn words(&mut self) -> Result<(Vec<Word>, End), String> {
        let mut words = Vec::new();
        loop {
            let Some(b) = self.next() else {
                return if words.is_empty() { Ok((words, End::File)) } else { Err(UNEXPECTED_END.into()) };
            };
            match b {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'#' => while self.next().is_some_and(|b| b != b'\n') {},
                b';' | b'{' if words.is_empty() => return Err(format!("unexpected \"{}\"", char::from(b))),
                b';' => return Ok((words, End::Semicolon)),
                b'{' => return Ok((words, End::Open)),
                b'}' if words.is_empty() => return Ok((words, End::Close)),
                b'}' => return Err("unexpected \"}\"".into()),
                b'"' | b'\'' => {
                    words.push(self.quoted(b)?);
                    let end = match self.after_quote()? {
                        Behind::Space => None,
                        Behind::End(end) => Some(end),
                        // It begins a word of its own.
                        Behind::Parenthesis => {
                            let (word, end) = self.bare(b')')?;
                            words.push(word);
                            end
                        }
                    };
                    if let Some(end) = end {
                        return Ok((words, end));
                    }
                }
                _ => {
                    let (word, end) = self.bare(b)?;
                    words.push(word);
                    if let Some(end) = end {
                        return Ok((words, end));
                    }
                }
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<Word, String> {
        let mut written = Vec::new();
        loop {
            match self.next().ok_or(UNEXPECTED_END)? {
                b if b == quote => return Ok(unescape(&written)),
                b'\\' => written.extend([b'\\', self.next().ok_or(UNEXPECTED_END)?]),
                b => written.push(b),
            }
        }
    }

    fn after_quote(&mut self) -> Result<Behind, String> {
        match self.next().ok_or(UNEXPECTED_END)? {
            b' ' | b'\t' | b'\r' | b'\n' => Ok(Behind::Space),
            b')' => Ok(Behind::Parenthesis),
            b';' => Ok(Behind::End(End::Semicolon)),
            b'{' => Ok(Behind::End(End::Open)),
            b => Err(format!("unexpected \"{}\"", b.escape_ascii())),
        }
    }

    /// A word without quotes, and what ended it with the directive.
    fn bare(&mut self, first: u8) -> Result<(Word, Option<End>), String> {
        let mut written = Vec::new();
        // `${` begins no block.
        let mut after_dollar = false;
        let mut b = first;
        loop {
            match b {
                b'{' if after_dollar => written.push(b),
                b'\\' => {
                    written.extend([b'\\', self.next().ok_or(UNEXPECTED_END)?]);
                    after_dollar = false;
                }
                b' ' | b'\t' | b'\r' | b'\n' => return Ok((unescape(&written), None)),
                b';' => return Ok((unescape(&written), Some(End::Semicolon))),
                b'{' => return Ok((unescape(&written), Some(End::Open))),
                _ => {
                    written.push(b);
                    after_dollar = b == b'$';
                }
            }
            b = self.next().ok_or(UNEXPECTED_END)?;
        }
    }
}

const UNEXPECTED_END: &str = "unexpected end of file, expecting \";\" or \"}\"";

/// Quotes and backslashes may be escaped, and three characters written; any other backslash stands for itself.
fn unescape(written: &[u8]) -> Word {
    let mut word = Vec::with_capacity(written.len());
    let mut rest = written;
    while let [first, after @ ..] = rest {
        let (b, after) = match (*first, after) {
            (b'\\', [escaped @ (b'"' | b'\'' | b'\\'), after @ ..]) => (*escaped, after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b, after) => (b, after),
        };
        word.push(b);
        rest = after;
    }
    Word(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(directives: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let block = directive.block.as_ref().map(|block| format!("{{{}}}", shown(block)));
            format!("{:?}{}", directive.words, block.unwrap_or_default())
        };
        directives.iter().map(one).collect()
    }

    #[test]
    fn reads_as_nginx_does() {
        let rows: [(&str, &str); 18] = [
            ("", ""),
            ("# a;b\n", ""),
            ("a;", r#"["a"]"#),
            (" a\tb\r\n c ; d;", r#"["a", "b", "c"]["d"]"#),
            ("a { b; c { } }", r#"["a"]{["b"]["c"]{}}"#),
            ("a{b;}", r#"["a"]{["b"]}"#),
            (r#"a "b c;{}#" 'd "e'; "#, "[\"a\", \"b c;{}#\", \"d \\\"e\"]"),
            (r#"a "b\"c" 'd\'e' f\;g h\\i;"#, r#"["a", "b\"c", "d'e", "f\\;g", "h\\i"]"#),
            (r#"a "\t\r\n" \d+\n;"#, r#"["a", "\t\r\n", "\\d+\n"]"#),
            ("a $b ${c}d $e;", r#"["a", "$b", "${c}d", "$e"]"#),
            ("a ^/(?<u>[^/]+)(?:/|$);", r#"["a", "^/(?<u>[^/]+)(?:/|$)"]"#),
            ("location ~ ^/(?<u>[^/]+)(?:/|$) { }", r#"["location", "~", "^/(?<u>[^/]+)(?:/|$)"]{}"#),
            ("location ~ \"^/\\d{2}\" { }", r#"["location", "~", "^/\\d{2}"]{}"#),
            ("a b#c;", r#"["a", "b#c"]"#),
            ("a 'b'\n'c';", r#"["a", "b", "c"]"#),
            ("a b'c';", r#"["a", "b'c'"]"#),
            ("a \"\";", r#"["a", ""]"#),
            ("if ($a = '') { b; }", r#"["if", "($a", "=", "", ")"]{["b"]}"#),
        ];
        for (text, expected) in rows {
            let directives = parse("x.conf", text.as_bytes());
            assert_eq!(directives.map(|found| shown(&found)).unwrap_or_else(|failure| failure.0), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_nginx_refuses() {
        let rows = [
            ("a", "unexpected end of file, expecting \";\" or \"}\" in x.conf:1"),
            ("a 'b", "unexpected end of file, expecting \";\" or \"}\" in x.conf:1"),
            ("a {\nb;\n", "unexpected end of file, expecting \"}\" in x.conf:3"),
            (";", "unexpected \";\" in x.conf:1"),
            ("\n{", "unexpected \"{\" in x.conf:2"),
            ("a; }", "unexpected \"}\" in x.conf:1"),
            ("a { b }", "unexpected \"}\" in x.conf:1"),
            ("a 'b'c;", "unexpected \"c\" in x.conf:1"),
        ];
        for (text, expected) in rows {
            let failure = parse("x.conf", text.as_bytes()).err().map(|failure| failure.0);
            assert_eq!(failure.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn counts_lines() {
        let directives = parse("x.conf", b"\n\na\n b;\nc {\n d; # e\n f; }\n").unwrap();
        let block = directives[1].block.as_ref().unwrap();
        assert_eq!([directives[0].line, directives[1].line, block[0].line, block[1].line], [4, 5, 6, 7]);
    }
}
