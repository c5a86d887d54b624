//! The directives of nginx's rewrite module: `set`, `rewrite`, `if`, `return` and `break` (`ngx_http_rewrite_module.c`).

use std::path::Path;

use crate::Failure;
use crate::conf::Position;
use crate::pattern::Pattern;
use crate::syntax::{Directive, Word};
use crate::template::Template;

/// A directive, in the order of the configuration.
pub struct Action {
    pub position: Position,
    pub kind: ActionKind,
}

pub enum ActionKind {
    Set {
        name: Vec<u8>,
        value: Template,
    },
    Rewrite(Rewrite),
    /// The block is one of the levels within, by its number.
    If {
        condition: Condition,
        level: usize,
    },
    Return {
        status: u16,
        /// What is sent, so that no `error_page` applies.
        text: Option<Template>,
    },
    Break,
}

/// `rewrite <regex> <replacement> [flag]`
pub struct Rewrite {
    pub pattern: Pattern,
    path: Template,
    /// Behind the first `?` of the replacement.
    args: Option<Template>,
    keeps_args: bool,
    pub then: Then,
}

/// What follows a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next directive.
    Next,
    /// A location is chosen anew.
    Last,
    /// The location stays.
    Break,
    /// The client is sent elsewhere, with this status.
    Redirect(u16),
}

/// The condition of an `if`.
pub struct Condition {
    subject: Template,
    test: Test,
}

enum Test {
    /// Neither empty nor `0`.
    Truth,
    Equals {
        other: Template,
        negated: bool,
    },
    Matches {
        pattern: Pattern,
        negated: bool,
    },
    /// `-f` and the like, by its letter.
    File {
        letter: u8,
        negated: bool,
    },
}

/// What conditions are tested with.
pub trait Tester {
    /// A value that is compared.
    fn operand(&self, value: &Template) -> Result<Vec<u8>, Failure>;
    /// A part of what a path is rewritten to, where captures may be escaped in arguments.
    fn replacement(&self, value: &Template, in_args: bool) -> Result<Vec<u8>, Failure>;
    /// Whether the regex matches; what it captures is kept.
    fn matches(&self, pattern: &Pattern, text: &[u8]) -> bool;
    fn path(&self, path: &[u8]) -> std::path::PathBuf;
}

impl Condition {
    /// The words between the parentheses.
    pub fn parse(words: &[Word]) -> Result<Self, String> {
        let words = without_parentheses(words).ok_or("invalid condition in \"if\" directive")?;
        let wrong = || "invalid condition in \"if\" directive".to_owned();
        let compile = |text: &[u8]| Template::parse(text).ok_or_else(wrong);
        let is_variable = |text: &[u8]| text.starts_with(b"$");
        match &words[..] {
            [subject] if is_variable(subject) => Ok(Self { subject: compile(subject)?, test: Test::Truth }),
            [test, path] if is_file_test(test) => {
                let negated = test.starts_with(b"!");
                let letter = test.last().copied().unwrap_or_default();
                Ok(Self { subject: compile(path)?, test: Test::File { letter, negated } })
            }
            [subject, operator, other] if is_variable(subject) => {
                let test = match &operator[..] {
                    b"=" => Test::Equals { other: compile(other)?, negated: false },
                    b"!=" => Test::Equals { other: compile(other)?, negated: true },
                    b"~" | b"~*" | b"!~" | b"!~*" => Test::Matches {
                        pattern: Pattern::compile(other, operator.ends_with(b"*"))?,
                        negated: operator.starts_with(b"!"),
                    },
                    _ => return Err(wrong()),
                };
                Ok(Self { subject: compile(subject)?, test })
            }
            _ => Err(wrong()),
        }
    }

    pub fn pattern(&self) -> Option<&Pattern> {
        match &self.test {
            Test::Matches { pattern, .. } => Some(pattern),
            _ => None,
        }
    }

    pub fn holds(&self, tester: &impl Tester) -> Result<bool, Failure> {
        let subject = tester.operand(&self.subject)?;
        Ok(match &self.test {
            Test::Truth => !matches!(&subject[..], b"" | b"0"),
            Test::Equals { other, negated } => (subject == tester.operand(other)?) != *negated,
            Test::Matches { pattern, negated } => tester.matches(pattern, &subject) != *negated,
            Test::File { letter, negated } => is_file(*letter, &tester.path(&subject)) != *negated,
        })
    }
}

/// The words of a condition. A parenthesis may stand by itself.
fn without_parentheses(words: &[Word]) -> Option<Vec<Vec<u8>>> {
    let mut words: Vec<Vec<u8>> = words.iter().map(|word| word.0.clone()).collect();
    let first = words.first_mut()?;
    *first = first.strip_prefix(b"(")?.to_vec();
    let last = words.last_mut()?;
    *last = last.strip_suffix(b")")?.to_vec();
    if words.first().is_some_and(Vec::is_empty) {
        words.remove(0);
    }
    // A quoted empty word is one; nginx puts its parenthesis into a word behind it.
    if words.last().is_some_and(Vec::is_empty) {
        words.pop();
    }
    Some(words)
}

fn is_file_test(word: &[u8]) -> bool {
    matches!(word.strip_prefix(b"!").unwrap_or(word), [b'-', b'f' | b'd' | b'e' | b'x'])
}

fn is_file(letter: u8, path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(path) else { return false };
    match letter {
        b'f' => metadata.is_file(),
        b'd' => metadata.is_dir(),
        b'x' => metadata.permissions().mode() & 0o111 != 0,
        _ => true,
    }
}

impl Rewrite {
    /// The regex, the replacement and the flag.
    pub fn parse(words: &[Word]) -> Result<Self, String> {
        let (pattern, replacement, flag) = match words {
            [pattern, replacement] => (pattern, replacement, None),
            [pattern, replacement, flag] => (pattern, replacement, Some(flag)),
            _ => return Err("invalid number of arguments in \"rewrite\" directive".into()),
        };
        let then = match flag.map(|flag| &flag.0[..]) {
            None if leads_elsewhere(&replacement.0) => Then::Redirect(302),
            None => Then::Next,
            Some(b"last" | b"break") if leads_elsewhere(&replacement.0) => Then::Redirect(302),
            Some(b"last") => Then::Last,
            Some(b"break") => Then::Break,
            Some(b"redirect") => Then::Redirect(302),
            Some(b"permanent") => Then::Redirect(301),
            Some(_) => return Err(format!("invalid parameter \"{}\" in \"rewrite\" directive", words[2])),
        };
        // A last "?" drops the arguments of the request.
        let (text, keeps_args) = match replacement.0.strip_suffix(b"?") {
            Some(text) => (text, false),
            None => (&replacement.0[..], true),
        };
        let compile =
            |text: &[u8]| Template::parse(text).ok_or_else(|| format!("invalid replacement \"{replacement}\""));
        let question = text.iter().position(|&b| b == b'?');
        Ok(Self {
            pattern: Pattern::compile(&pattern.0, false)?,
            path: compile(&text[..question.unwrap_or(text.len())])?,
            args: question.map(|at| compile(&text[at + 1..])).transpose()?,
            keeps_args,
            then,
        })
    }

    /// The new path and arguments of a request whose path the regex matches.
    pub fn target(&self, args: Option<&[u8]>, tester: &impl Tester) -> Result<(Vec<u8>, Option<Vec<u8>>), Failure> {
        let evaluate = |value| tester.replacement(value, true);
        let path = tester.replacement(&self.path, false)?;
        let kept = args.filter(|args| self.keeps_args && !args.is_empty());
        let args = match (&self.args, kept) {
            (Some(own), Some(kept)) => Some([&evaluate(own)?[..], b"&", kept].concat()),
            (Some(own), None) => Some(evaluate(own)?),
            (None, kept) => kept.map(<[u8]>::to_vec),
        };
        Ok((path, args))
    }
}

fn leads_elsewhere(replacement: &[u8]) -> bool {
    [&b"http://"[..], b"https://", b"$scheme"].iter().any(|start| replacement.starts_with(start))
}

/// `return <status> [text]` or `return <url>`
pub fn parse_return(words: &[Word]) -> Result<ActionKind, String> {
    let wrong = |word: &Word| format!("invalid return code \"{word}\"");
    let compile = |word: &Word| Template::parse(&word.0).ok_or_else(|| format!("invalid value \"{word}\""));
    match words {
        [url] if leads_elsewhere(&url.0) => Ok(ActionKind::Return { status: 302, text: Some(compile(url)?) }),
        [status, text @ ..] if text.len() < 2 => {
            let status = std::str::from_utf8(&status.0).ok().and_then(|text| text.parse().ok()).filter(|&s| s <= 999);
            let text = text.first().map(compile).transpose()?;
            Ok(ActionKind::Return { status: status.ok_or_else(|| wrong(&words[0]))?, text })
        }
        _ => Err("invalid number of arguments in \"return\" directive".into()),
    }
}

/// `set $variable <value>`
pub fn parse_set(words: &[Word]) -> Result<ActionKind, String> {
    let [name, value] = words else { return Err("invalid number of arguments in \"set\" directive".into()) };
    let variable = name.0.strip_prefix(b"$").ok_or_else(|| format!("invalid variable name \"{name}\""))?;
    let value = Template::parse(&value.0).ok_or_else(|| format!("invalid value \"{value}\""))?;
    Ok(ActionKind::Set { name: variable.to_ascii_lowercase(), value })
}

/// A directive of the module, but for `if`. `None` for another's.
pub fn parse(directive: &Directive) -> Option<Result<ActionKind, String>> {
    let words = directive.arguments();
    Some(match directive.name() {
        b"set" => parse_set(words),
        b"rewrite" => Rewrite::parse(words).map(ActionKind::Rewrite),
        b"return" => parse_return(words),
        b"break" => Ok(ActionKind::Break),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax;
    use crate::template::Part;
    use std::path::PathBuf;

    fn words(text: &str) -> Vec<Word> {
        syntax::parse("x.conf", text.as_bytes()).unwrap_or_default().remove(0).arguments().to_vec()
    }

    /// Variables are what they are called, but for `$none` and `$zero`.
    struct Named;

    impl Tester for Named {
        fn operand(&self, value: &Template) -> Result<Vec<u8>, Failure> {
            Ok(value
                .parts
                .iter()
                .flat_map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Variable(name) if name == b"none" => Vec::new(),
                    Part::Variable(name) if name == b"zero" => b"0".to_vec(),
                    Part::Variable(name) => name.clone(),
                    Part::Capture(number) => format!("<{number}>").into_bytes(),
                })
                .collect())
        }

        fn replacement(&self, value: &Template, in_args: bool) -> Result<Vec<u8>, Failure> {
            let value = self.operand(value)?;
            // As if it were escaped.
            Ok(if in_args { value.to_ascii_uppercase() } else { value })
        }

        fn matches(&self, pattern: &Pattern, text: &[u8]) -> bool {
            pattern.captures(text).is_some()
        }

        fn path(&self, path: &[u8]) -> PathBuf {
            Path::new(env!("CARGO_MANIFEST_DIR")).join(String::from_utf8_lossy(path).as_ref())
        }
    }

    #[test]
    fn tells_whether_a_condition_holds() {
        let rows = [
            ("($some)", Some(true)),
            ("( $some )", Some(true)),
            ("($none)", Some(false)),
            ("($zero)", Some(false)),
            ("($some = some)", Some(true)),
            ("($some = 'some')", Some(true)),
            ("($some = \"$some\")", Some(true)),
            ("($some = other)", Some(false)),
            ("($none = '')", Some(true)),
            ("($some != '')", Some(true)),
            ("($some != some)", Some(false)),
            ("($some ~ ^s)", Some(true)),
            ("($some ~ ^S)", Some(false)),
            ("($some ~* ^S)", Some(true)),
            ("($some !~ ^S)", Some(true)),
            ("($some !~* '^S')", Some(false)),
            ("(-f Cargo.toml)", Some(true)),
            ("(-f src)", Some(false)),
            ("(!-f src)", Some(true)),
            ("(-d src)", Some(true)),
            ("(-e src)", Some(true)),
            ("(-x Cargo.toml)", Some(false)),
            ("(!-e none)", Some(true)),
            ("(some)", None),
            ("($some is some)", None),
            ("($some ~ '(')", None),
            ("$some", None),
            ("()", None),
        ];
        for (text, expected) in rows {
            let condition = Condition::parse(&words(&format!("if {text} {{ }}")));
            assert_eq!(condition.ok().and_then(|condition| condition.holds(&Named).ok()), expected, "{text}");
        }
    }

    #[test]
    fn makes_a_path_and_arguments() {
        let rows = [
            ("/b", None, "/b", None, Then::Next),
            ("/b", Some("x"), "/b", Some("x"), Then::Next),
            ("/b?", Some("x"), "/b", None, Then::Next),
            ("/b/$1 last", Some("x"), "/b/<1>", Some("x"), Then::Last),
            ("/b?y=$1 break", Some("x"), "/b", Some("Y=<1>&x"), Then::Break),
            ("/b?y=$1? break", Some("x"), "/b", Some("Y=<1>"), Then::Break),
            ("/b?y", Some(""), "/b", Some("Y"), Then::Next),
            ("$some permanent", None, "some", None, Then::Redirect(301)),
            ("/b redirect", None, "/b", None, Then::Redirect(302)),
            ("https://b/ last", None, "https://b/", None, Then::Redirect(302)),
        ];
        for (text, args, path, new, then) in rows {
            let rewrite = Rewrite::parse(&words(&format!("rewrite ^ {text};"))).unwrap();
            let target = rewrite.target(args.map(str::as_bytes), &Named).ok();
            let expected = (path.as_bytes().to_vec(), new.map(|args| args.as_bytes().to_vec()));
            assert_eq!((target, rewrite.then), (Some(expected), then), "{text}");
        }
        for text in ["rewrite ^;", "rewrite ^ /b first;", "rewrite ( /b;", "rewrite ^ $ last;"] {
            assert!(Rewrite::parse(&words(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_what_is_returned() {
        let shown = |text: &str| match parse_return(&words(text)) {
            Ok(ActionKind::Return { status, text }) => {
                format!("{status} {}", text.map_or("-".into(), |t| t.to_string()))
            }
            Ok(_) => "other".into(),
            Err(error) => error,
        };
        let rows = [
            ("return 404;", "404 -"),
            ("return 200 \"$a b\";", "200 $a b"),
            ("return https://b;", "302 https://b"),
            ("return x;", "invalid return code \"x\""),
            ("return 1000;", "invalid return code \"1000\""),
            ("return 200 a b;", "invalid number of arguments in \"return\" directive"),
        ];
        for (text, expected) in rows {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
