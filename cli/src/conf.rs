//! A configuration file: its levels, from `http` down to `limit_except`, and the settings of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use directives::{Arguments, ClaimVariable, DIRECTIVES, Reader, SET, STATUS, claim_variable};

use crate::Failure;
use crate::include::Whole;
use crate::map::Map;
use crate::neighbours::Neighbours;
use crate::pattern::Pattern;
use crate::rewrite::{self, Action, ActionKind, Condition};
use crate::server::{Listen, ServerName};
use crate::syntax::{Directive, Word};
use crate::template::Template;
use crate::time;

pub type Settings = directives::Settings<Template, Template, Position>;
pub type KeySources = directives::KeySources<Position>;

/// Where a directive stands.
#[derive(Clone)]
pub struct Position {
    file: Rc<str>,
    line: usize,
}

/// A configuration file.
pub struct Conf {
    pub top: Level,
    /// Variables of `jwt_user_scope_set`.
    pub set_variables: Vec<ClaimVariable>,
    /// Variables that a regex captures or a directive sets. They are empty until then.
    pub settable: BTreeSet<Vec<u8>>,
    /// `map`, by the name of its variable.
    pub maps: BTreeMap<Vec<u8>, Map>,
    /// The keys of `limit_req_zone` and `limit_conn_zone`, by the name of the zone.
    pub zones: BTreeMap<Vec<u8>, Template>,
    /// Where relative paths begin.
    pub directory: PathBuf,
}

/// A block, or the file itself.
pub struct Level {
    pub kind: Kind,
    pub position: Position,
    pub settings: Settings,
    pub levels: Vec<Level>,
    /// What nginx's own modules do here.
    pub neighbours: Neighbours,
}

/// What a block is for.
pub enum Kind {
    File,
    Http,
    Server {
        names: Vec<ServerName>,
        listens: Vec<Listen>,
    },
    Location {
        shown: String,
        matcher: Matcher,
    },
    /// The methods that it is not about.
    LimitExcept(Vec<Vec<u8>>),
    /// As it is written.
    If(String),
}

/// Which paths a location is for.
pub enum Matcher {
    Exact(Vec<u8>),
    Prefix { name: Vec<u8>, noregex: bool },
    Regex(Pattern),
    Named(Vec<u8>),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Position {
    pub fn of(directive: &Directive) -> Self {
        Self { file: directive.file.clone(), line: directive.line }
    }
}

impl Conf {
    /// Reads a file, and those that it includes.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let Whole { name, directives } = Whole::read(path)?;
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut builder = Builder {
            directory,
            set_variables: Vec::new(),
            settable: BTreeSet::new(),
            maps: BTreeMap::new(),
            zones: BTreeMap::new(),
        };
        let top = builder.level(Kind::File, Position { file: name, line: 1 }, &directives)?;
        let Builder { directory, set_variables, settable, maps, zones, .. } = builder;
        Ok(Self { top, set_variables, settable, maps, zones, directory })
    }

    /// The blocks that a part of a configuration would stand in.
    pub fn missing(&self) -> Option<&'static str> {
        match () {
            () if self.has(|kind| matches!(kind, Kind::Http)) => None,
            () if self.has_servers() => Some("\"http\""),
            () => Some("\"http\" and \"server\""),
        }
    }

    /// Whether servers are whole, as far as they are here.
    pub fn has_servers(&self) -> bool {
        self.has(|kind| matches!(kind, Kind::Http | Kind::Server { .. }))
    }

    fn has(&self, is_it: fn(&Kind) -> bool) -> bool {
        self.top.levels.iter().any(|level| is_it(&level.kind))
    }
}

struct Builder {
    directory: PathBuf,
    set_variables: Vec<ClaimVariable>,
    settable: BTreeSet<Vec<u8>>,
    maps: BTreeMap<Vec<u8>, Map>,
    zones: BTreeMap<Vec<u8>, Template>,
}

impl Builder {
    fn level(&mut self, kind: Kind, position: Position, directives: &[Directive]) -> Result<Level, Failure> {
        let mut level = Level {
            kind,
            position,
            settings: Settings::default(),
            levels: Vec::new(),
            neighbours: Neighbours::default(),
        };
        for directive in directives {
            self.add(&mut level, directive)?;
        }
        Ok(level)
    }

    fn add(&mut self, level: &mut Level, directive: &Directive) -> Result<(), Failure> {
        let position = Position::of(directive);
        let here = |problem: String| Failure(format!("{problem} in {}", Position::of(directive)));
        if let Some(block) = &directive.block {
            if let Some(kind) = self.kind_of_block(level, directive, block).map_err(here)? {
                level.levels.push(self.level(kind, position.clone(), block)?);
            }
            return Ok(());
        }
        if let Some(action) = rewrite::parse(directive) {
            let kind = action.map_err(here)?;
            self.note_settable(&kind);
            level.neighbours.actions.push(Action { position, kind });
            return Ok(());
        }
        match directive.name() {
            b"listen" | b"server_name" => self.settable.extend(level.kind.add_address(directive).map_err(here)?),
            b"limit_req_zone" | b"limit_conn_zone" => self.add_zone(directive),
            b"auth_request_set" => self.settable.extend(directive.arguments().first().and_then(variable_name)),
            name if name.starts_with(b"jwt_user_scope") => self.set(level, directive).map_err(here)?,
            _ => {}
        }
        level.neighbours.add(directive, &position).map_err(here)
    }

    fn note_settable(&mut self, action: &ActionKind) {
        match action {
            ActionKind::Set { name, .. } => {
                self.settable.insert(name.clone());
            }
            ActionKind::Rewrite(rewrite) => self.settable.extend(rewrite.pattern.names()),
            ActionKind::If { condition, .. } => {
                self.settable.extend(condition.pattern().into_iter().flat_map(Pattern::names));
            }
            ActionKind::Return { .. } | ActionKind::Break => {}
        }
    }

    fn add_zone(&mut self, directive: &Directive) {
        let words = directive.arguments();
        let name = words.iter().find_map(|word| word.0.strip_prefix(b"zone="));
        let name = name.and_then(|zone| zone.split(|&b| b == b':').next()).map(<[u8]>::to_vec);
        self.zones.extend(name.zip(words.first().and_then(|key| Template::parse(&key.0))));
    }

    fn set(&mut self, level: &mut Level, directive: &Directive) -> Result<(), String> {
        let words = &directive.words;
        let all = DIRECTIVES.iter().chain([&SET, &STATUS]);
        let known = all.copied().find(|(name, _)| name.to_bytes() == directive.name());
        let (name, arguments) = known.ok_or_else(|| format!("unknown directive \"{}\"", words[0]))?;
        let is_right = match arguments {
            Arguments::One => words.len() == 2,
            Arguments::Two => words.len() == 3,
            Arguments::Some => words.len() >= 2,
            Arguments::Nothing => words.len() == 1,
        };
        if !is_right {
            return Err(format!("invalid number of arguments in \"{}\" directive", words[0]));
        }
        if name == STATUS.0 {
            return Ok(());
        }
        if name != SET.0 {
            return level.settings.set(&Here { builder: self, directive }, words);
        }
        let (variable, claim) = claim_variable(words)?;
        if self.set_variables.iter().any(|(known, _)| *known == variable) {
            return Err(format!("duplicate variable \"{}\" in \"{}\" directive", words[1], words[0]));
        }
        self.set_variables.push((variable, claim));
        Ok(())
    }

    /// `None` for another module's block, such as `map`, whose lines are no directives.
    fn kind_of_block(
        &mut self,
        level: &mut Level,
        directive: &Directive,
        block: &[Directive],
    ) -> Result<Option<Kind>, String> {
        Ok(Some(match directive.name() {
            b"http" => Kind::Http,
            b"server" => Kind::Server { names: Vec::new(), listens: Vec::new() },
            b"location" => self.location(directive)?,
            b"limit_except" => {
                Kind::LimitExcept(directive.arguments().iter().map(|word| word.0.to_ascii_uppercase()).collect())
            }
            b"if" => {
                no_check_in(directive, block)?;
                self.condition(level, directive)?
            }
            b"map" => {
                let (name, map) = Map::parse(directive, block)?;
                self.settable.extend(map.captured());
                self.maps.insert(name, map);
                return Ok(None);
            }
            _ => return no_check_in(directive, block).map(|()| None),
        }))
    }

    /// An `if`: it is done in its turn, and its block is a level of its own.
    fn condition(&mut self, level: &mut Level, directive: &Directive) -> Result<Kind, String> {
        let condition = Condition::parse(directive.arguments())?;
        let kind = ActionKind::If { condition, level: level.levels.len() };
        self.note_settable(&kind);
        level.neighbours.actions.push(Action { position: Position::of(directive), kind });
        let words: Vec<_> = directive.words.iter().map(Word::to_string).collect();
        Ok(Kind::If(words.join(" ")))
    }

    fn location(&mut self, directive: &Directive) -> Result<Kind, String> {
        let (modifier, name) = match directive.arguments() {
            [name] => split_modifier(&name.0),
            [modifier, name] => (&modifier.0[..], &name.0[..]),
            _ => return Err("invalid number of arguments in \"location\" directive".into()),
        };
        let matcher = match modifier {
            b"" if name.starts_with(b"@") => Matcher::Named(name.into()),
            b"" | b"^~" => Matcher::Prefix { name: name.into(), noregex: !modifier.is_empty() },
            b"=" => Matcher::Exact(name.into()),
            b"~" | b"~*" => Matcher::Regex(self.regex(name, modifier == b"~*")?),
            _ => return Err(format!("invalid location modifier \"{}\"", directive.words[1])),
        };
        let words: Vec<_> = directive.words.iter().map(Word::to_string).collect();
        Ok(Kind::Location { shown: words.join(" "), matcher })
    }

    fn regex(&mut self, pattern: &[u8], caseless: bool) -> Result<Pattern, String> {
        let pattern = Pattern::compile(pattern, caseless)?;
        self.settable.extend(pattern.names());
        Ok(pattern)
    }
}

/// A modifier that is written without a space behind it.
fn split_modifier(name: &[u8]) -> (&[u8], &[u8]) {
    let modifiers: [&[u8]; 4] = [b"=", b"^~", b"~*", b"~"];
    let found = modifiers.iter().find(|modifier| name.starts_with(modifier));
    name.split_at(found.map_or(0, |modifier| modifier.len()))
}

fn variable_name(word: &Word) -> Option<Vec<u8>> {
    word.0.strip_prefix(b"$").map(<[u8]>::to_ascii_lowercase)
}

/// Directives of the module stand nowhere else; `if` takes over the check of its location.
fn no_check_in(directive: &Directive, block: &[Directive]) -> Result<(), String> {
    match block.iter().find(|inner| inner.name().starts_with(b"jwt_user_scope") && directive.name() != b"map") {
        Some(inner) => Err(format!("\"{}\" directive is not allowed here", inner.words[0])),
        None => Ok(()),
    }
}

impl Kind {
    /// Takes an address or names of a server, and tells the variables that these set.
    fn add_address(&mut self, directive: &Directive) -> Result<Vec<Vec<u8>>, String> {
        let Self::Server { names, listens } = self else { return Ok(Vec::new()) };
        let words = directive.arguments().iter().map(|word| &word.0[..]);
        if directive.name() == b"listen" {
            listens.extend(Listen::of(words));
            return Ok(Vec::new());
        }
        let new = words.map(ServerName::parse).collect::<Result<Vec<_>, _>>()?;
        let captured = new.iter().flat_map(ServerName::captured).collect();
        names.extend(new);
        Ok(captured)
    }
}

/// A directive that is being read.
struct Here<'b> {
    builder: &'b Builder,
    directive: &'b Directive,
}

impl Reader for Here<'_> {
    type Word = Word;
    type Value = Template;
    type Expected = Template;
    type Position = Position;

    fn compile(&self, word: &Word) -> Option<Template> {
        Template::parse(&word.0)
    }

    fn user_id(&self) -> Option<Template> {
        Some(Template::variable(b"user_id"))
    }

    fn expected(value: Template) -> Template {
        value
    }

    fn seconds(&self, time: &str) -> Option<u64> {
        time::seconds(time)
    }

    fn full_path(&self, path: &[u8]) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt;
        Some(self.builder.directory.join(std::ffi::OsStr::from_bytes(path)))
    }

    fn position(&self) -> Position {
        Position::of(self.directive)
    }
}
