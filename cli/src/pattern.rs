//! Regexes of a configuration, read by nginx's own library.

use pcre2::bytes::{Regex, RegexBuilder};

/// A regex.
pub struct Pattern(Box<Regex>);

/// What a regex has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Captures {
    /// `$1` and so on.
    pub numbered: Vec<Vec<u8>>,
    /// Those with a name, in lower case.
    pub named: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where these begin, in their order. 0 for one that took no part.
    pub places: Vec<usize>,
}

impl Pattern {
    /// Compiles a regex; the error names it.
    pub fn compile(pattern: &[u8], caseless: bool) -> Result<Self, String> {
        let text = std::str::from_utf8(pattern).map_err(|_| "regex is not UTF-8")?;
        let regex = RegexBuilder::new().caseless(caseless).build(text);
        let regex = regex.map_err(|error| format!("regex \"{text}\" cannot be compiled: {error}"))?;
        Ok(Self(Box::new(regex)))
    }

    /// The variables that it sets.
    pub fn names(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.capture_names().iter().flatten().map(|name| name.to_ascii_lowercase().into_bytes())
    }

    /// What it captures; a group that took no part is empty. `None` when it does not match.
    pub fn captures(&self, text: &[u8]) -> Option<Captures> {
        let found = self.0.captures(text).ok()??;
        let value = |index: usize| found.get(index).map(|group| group.as_bytes().to_vec()).unwrap_or_default();
        let place = |index: usize| found.get(index).map(|group| group.start()).unwrap_or_default();
        let names = self.0.capture_names().iter().enumerate();
        Some(Captures {
            places: names.clone().filter(|(_, name)| name.is_some()).map(|(index, _)| place(index)).collect(),
            numbered: (1..found.len()).map(value).collect(),
            named: names
                .filter_map(|(index, name)| Some((name.as_ref()?.to_ascii_lowercase().into_bytes(), value(index))))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_by_number_and_by_name() {
        let pattern = Pattern::compile(b"^/(?<User_ID>[^/]+)(/x)?/([0-9]+)", false).unwrap();
        assert_eq!(pattern.names().collect::<Vec<_>>(), [b"user_id"]);
        let found = pattern.captures(b"/A/42/y").unwrap();
        assert_eq!(found.numbered, [&b"A"[..], b"", b"42"]);
        assert_eq!(found.named, [(b"user_id".to_vec(), b"A".to_vec())]);
        assert_eq!(found.places, [1]);
        assert_eq!(pattern.captures(b"/a"), None);
        assert!(Pattern::compile(b"^/A$", true).unwrap().captures(b"/a").is_some());
        assert!(Pattern::compile(b"(", false).err().is_some_and(|error| error.contains("\"(\" cannot be compiled")));
    }
}
