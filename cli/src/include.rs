//! `include`: what other files hold, in the place of the directives that name them (`ngx_conf_include`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use glob::{MatchOptions, Pattern};

use crate::Failure;
use crate::conf::Position;
use crate::syntax::{self, Directive};

/// Files within files; nginx sets no limit of its own.
const MAX_DEPTH: usize = 32;
const MAX_FILES: usize = 10_000;

/// Blocks whose directives are followed.
const FOLLOWED: [&[u8]; 6] = [b"http", b"server", b"location", b"if", b"limit_except", b"map"];

/// As the C library matches names.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A configuration with all that it includes. An `include` of what is not here is still in it.
pub struct Whole {
    /// The main file.
    pub name: Rc<str>,
    pub directives: Vec<Directive>,
}

/// Where files are.
enum Files {
    Here,
    /// In the output of `nginx -T`, by their names.
    Dumped(BTreeMap<String, Vec<u8>>),
}

struct Reader {
    files: Files,
    /// Where relative names begin: beside the main file.
    directory: PathBuf,
    /// The files that are being read, the main one first.
    open: Vec<String>,
    count: usize,
}

impl Whole {
    /// Reads a configuration, or the output of `nginx -T`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let text = std::fs::read(path).map_err(|error| Failure(format!("file \"{name}\" cannot be read: {error}")))?;
        let (files, name, text) = match dumped(&text) {
            Some((main, files)) => (Files::Dumped(files), main.to_owned(), None),
            None => (Files::Here, name, Some(text)),
        };
        let directory = Path::new(&name).parent().map(Path::to_path_buf).unwrap_or_default();
        let mut reader = Reader { files, directory, open: Vec::new(), count: 0 };
        let text = text.or_else(|| reader.text(&name)).unwrap_or_default();
        let directives = reader.file(&name, &text)?;
        Ok(Self { name: name.into(), directives })
    }
}

impl Reader {
    fn file(&mut self, name: &str, text: &[u8]) -> Result<Vec<Directive>, Failure> {
        self.open.push(name.to_owned());
        let directives = syntax::parse(name, text)?;
        let directives = self.follow(directives);
        self.open.pop();
        directives
    }

    fn follow(&mut self, directives: Vec<Directive>) -> Result<Vec<Directive>, Failure> {
        let mut followed = Vec::new();
        for mut directive in directives {
            if FOLLOWED.contains(&directive.name()) {
                directive.block = directive.block.map(|block| self.follow(block)).transpose()?;
            }
            match self.included(&directive)? {
                Some(included) => followed.extend(included),
                None => followed.push(directive),
            }
        }
        Ok(followed)
    }

    /// What an `include` stands for. `None` for any other directive, and where that is not here.
    fn included(&mut self, directive: &Directive) -> Result<Option<Vec<Directive>>, Failure> {
        let (b"include", [name], None) = (directive.name(), directive.arguments(), &directive.block) else {
            return Ok(None);
        };
        let named = std::str::from_utf8(&name.0).ok().and_then(|name| self.named(name));
        let Some(names) = named else { return Ok(None) };
        let mut included = Vec::new();
        for name in names {
            self.admit(&name, directive)?;
            let Some(text) = self.text(&name) else { return Ok(None) };
            included.extend(self.file(&name, &text)?);
        }
        Ok(Some(included))
    }

    /// Refuses what would never end.
    fn admit(&mut self, name: &str, directive: &Directive) -> Result<(), Failure> {
        self.count += 1;
        let problem = match () {
            () if self.open.iter().any(|open| open == name) => "includes itself",
            () if self.open.len() > MAX_DEPTH => "is included too deep within others",
            () if self.count > MAX_FILES => "is one of too many that are included",
            () => return Ok(()),
        };
        Err(Failure(format!("file \"{name}\" {problem}, in {}", Position::of(directive))))
    }

    /// The files that a name stands for, in nginx's order. `None` where that cannot be told.
    fn named(&self, name: &str) -> Option<Vec<String>> {
        let full = self.directory.join(name).into_os_string().into_string().ok()?;
        if !full.contains(is_wild) {
            return Some(vec![full]);
        }
        let pattern = single_stars(&full);
        let mut names: Vec<String> = match &self.files {
            Files::Dumped(files) => {
                let pattern = Pattern::new(&pattern).ok()?;
                files.keys().filter(|name| pattern.matches_with(name, OPTIONS)).cloned().collect()
            }
            // Where the directory is elsewhere, nobody knows what it holds.
            Files::Here if !fixed_directory(&full).is_dir() => return None,
            Files::Here => {
                let found = glob::glob_with(&pattern, OPTIONS).ok()?.collect::<Result<Vec<_>, _>>().ok()?;
                let names = found.into_iter().map(|path| path.into_os_string().into_string().ok());
                names.collect::<Option<_>>()?
            }
        };
        names.sort_unstable();
        Some(names)
    }

    /// A file's text. `None` where it is not here, or is no file.
    fn text(&self, name: &str) -> Option<Vec<u8>> {
        match &self.files {
            Files::Dumped(files) => files.get(name).cloned(),
            Files::Here => {
                let is_file = std::fs::metadata(name).is_ok_and(|metadata| metadata.is_file());
                is_file.then(|| std::fs::read(name).ok()).flatten()
            }
        }
    }
}

fn is_wild(c: char) -> bool {
    matches!(c, '*' | '?' | '[')
}

/// Two stars match no more than one.
fn single_stars(pattern: &str) -> String {
    let mut single = String::new();
    for c in pattern.chars() {
        if c != '*' || !single.ends_with('*') {
            single.push(c);
        }
    }
    single
}

/// The directory before the first part with a wildcard.
fn fixed_directory(pattern: &str) -> PathBuf {
    let fixed = pattern.split(is_wild).next().unwrap_or_default();
    let directory = fixed.rfind('/').map_or("", |at| &fixed[..=at]);
    PathBuf::from(if directory.is_empty() { "." } else { directory })
}

/// The main file of the output of `nginx -T`, and all files of it. `None` for any other text.
fn dumped(text: &[u8]) -> Option<(&str, BTreeMap<String, Vec<u8>>)> {
    let mut lines = text.split_inclusive(|&b| b == b'\n');
    // nginx says on another stream that all is well, which may come first.
    let first = lines.by_ref().find(|line| !line.starts_with(b"nginx: ") && !line.trim_ascii().is_empty())?;
    let main = begun_by(first)?;
    let mut files = BTreeMap::new();
    let (mut name, mut content) = (main, Vec::new());
    for line in lines {
        match begun_by(line) {
            Some(next) => {
                files.entry(name.to_owned()).or_insert(std::mem::take(&mut content));
                name = next;
            }
            None => content.extend_from_slice(line),
        }
    }
    files.entry(name.to_owned()).or_insert(content);
    Some((main, files))
}

/// The file that begins behind a line.
fn begun_by(line: &[u8]) -> Option<&str> {
    let name = line.trim_ascii_end().strip_prefix(b"# configuration file ")?.strip_suffix(b":")?;
    std::str::from_utf8(name).ok().filter(|name| name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_dump_apart() {
        let text = b"nginx: the syntax is ok\n# configuration file /a/nginx.conf:\nhttp { }\n\n\
                     # configuration file /a/b.conf:\nx;\n";
        let (main, files) = dumped(text).unwrap();
        assert_eq!((main, files.len()), ("/a/nginx.conf", 2));
        assert_eq!(files["/a/b.conf"], b"x;\n");
        for other in ["", "http { }", "# configuration file of api:\n", "x;\n# configuration file /a:\n"] {
            assert!(dumped(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn knows_what_comes_before_a_wildcard() {
        let rows = [("/a/b/*.conf", "/a/b/"), ("/a/*/c", "/a/"), ("a*", "."), ("b/[ab]", "b/"), ("/*", "/")];
        for (pattern, expected) in rows {
            assert_eq!(fixed_directory(pattern), Path::new(expected), "{pattern}");
        }
        assert_eq!(single_stars("/a/**/*.b***"), "/a/*/*.b*");
    }
}
