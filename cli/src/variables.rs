//! Variables as nginx would evaluate them, and the conditions that use them.

use std::collections::BTreeMap;
use std::rc::Rc;

use authz::{Conditions, Denied, Identity, Object};
use directives::Requirement;
use directives::variables::Variable;

use crate::Failure;
use crate::files;
use crate::map::Map;
use crate::pattern::{Captures, Pattern};
use crate::template::{Part, Template};
use crate::uri;
use crate::walk::Walk;

/// Variables that the user gives.
pub type Given = BTreeMap<Vec<u8>, Vec<u8>>;

/// A value, or the name of the variable that it depends on, and that is not known.
pub type Known = Result<Vec<u8>, Unknown>;

/// A variable that only nginx can compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    name: Vec<u8>,
    why: &'static str,
}

const NOT_SAID: &str = "is not known";
const OF_VERSION: &str =
    "depends on nginx, which joins a repeated header with \", \" from 1.23 on, and takes the first before";

const OF_COMMAS: &str = "depends on nginx, for which a comma ends a cookie before 1.29.5, and does not from then on";

impl From<Unknown> for Failure {
    fn from(Unknown { name, why }: Unknown) -> Self {
        let name = String::from_utf8_lossy(&name);
        let option = match &name[..] {
            "host" | "http_host" if why == NOT_SAID => "--host <name>".into(),
            "user_id" => "--user <user>".into(),
            _ => format!("--set '{name}=<value>'"),
        };
        Self(format!("the value of ${name} {why}: give it with {option}"))
    }
}

/// What a request has set so far.
#[derive(Default)]
pub struct Store {
    /// By directives, by captures, or by a `map`, which keeps its first value.
    pub values: BTreeMap<Vec<u8>, Known>,
    /// `$1` and so on.
    pub numbered: Vec<Vec<u8>>,
    /// Captures as they were when the location was selected.
    pub saved: BTreeMap<Vec<u8>, Known>,
    /// The path by which it was selected, and where in it captures begin.
    pub path: Vec<u8>,
    pub places: BTreeMap<Vec<u8>, usize>,
}

impl Store {
    /// What a regex that matched does.
    pub fn keep(&mut self, captures: Captures) {
        self.values.extend(captures.named.into_iter().map(|(name, value)| (name, Ok(value))));
        self.numbered = captures.numbered;
    }

    /// What the regex of a location does, for this path.
    pub fn keep_of_path(&mut self, path: &[u8], captures: Captures) {
        self.path = path.to_vec();
        self.places.extend(captures.named.iter().map(|(name, _)| name.clone()).zip(captures.places.iter().copied()));
        self.keep(captures);
    }

    /// Where in the path the captures begin that are compared.
    pub fn places_of_captures(&self) -> impl Iterator<Item = usize> {
        let has_text = |value: &Known| value.as_ref().is_ok_and(|value| !value.is_empty());
        let saved = self.saved.iter().filter(move |(_, value)| has_text(value));
        saved.filter_map(|(name, _)| self.places.get(name).copied())
    }

    /// Puts captures back.
    pub fn restore(&mut self) {
        self.values.extend(self.saved.clone());
    }
}

impl Walk<'_> {
    /// A value with variables. It fails where one of them is not known.
    pub fn evaluate(&self, value: &Template) -> Result<Vec<u8>, Failure> {
        Ok(self.value(value)??)
    }

    /// The same, where that may not matter. A decision that it asks for may fail.
    pub fn value(&self, value: &Template) -> Result<Known, Failure> {
        self.value_with(value, false)
    }

    /// A value of a directive of the rewrite module (`ngx_http_rewrite_handler` begins with `quote`).
    pub fn operand(&self, value: &Template) -> Result<Known, Failure> {
        self.value_with(value, self.escapes.get())
    }

    /// A value, perhaps with captures as they may stand in arguments (`ngx_http_script_copy_capture_code`).
    pub fn value_with(&self, value: &Template, escapes: bool) -> Result<Known, Failure> {
        let escapes = escapes && self.request.borrow().is_encoded();
        let mut text = Vec::new();
        for part in &value.parts {
            match part {
                Part::Text(part) => text.extend_from_slice(part),
                Part::Capture(number) => {
                    let capture = self.store.borrow().numbered.get(number - 1).cloned().unwrap_or_default();
                    text.extend(if escapes { uri::escape_argument(&capture) } else { capture });
                }
                Part::Variable(name) => match self.variable(name)? {
                    Ok(value) => text.extend(value),
                    unknown => return Ok(unknown),
                },
            }
        }
        Ok(Ok(text))
    }

    /// A value that is evaluated for the answer alone: what it is does not matter, but a decision that it asks for.
    pub fn touch(&self, value: &Template) -> Result<(), Failure> {
        let noted = self.not_followed.borrow().len();
        self.value(value)?.ok();
        self.not_followed.borrow_mut().truncate(noted);
        Ok(())
    }

    /// The value that a user is compared with: whatever is evaluated for it, captures are those of the location.
    pub fn compared(&self, value: &Template) -> Result<Vec<u8>, Failure> {
        let mut parts = Vec::new();
        for part in &value.parts {
            parts.push(self.value(&Template { parts: vec![part.clone()] })?);
        }
        self.store.borrow_mut().restore();
        let store = self.store.borrow();
        let settled = value.parts.iter().zip(parts).map(|(part, value)| match part {
            Part::Variable(name) if store.saved.contains_key(name) => store.values.get(name).cloned().unwrap_or(value),
            _ => value,
        });
        Ok(settled.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// A variable, as it is now.
    pub fn variable(&self, name: &[u8]) -> Result<Known, Failure> {
        if self.is_own(name) {
            let value = self.own(name)?.filter(|value| !value.bytes().any(|b| b.is_ascii_control()));
            // nginx writes variables into headers as they are, so the module shows none with a control byte.
            return Ok(Ok(value.unwrap_or_default().into()));
        }
        if let Some(value) = self.store.borrow().values.get(name) {
            return Ok(value.clone());
        }
        if let Some(value) = self.question.given.get(name) {
            return Ok(Ok(value.clone()));
        }
        if let Some(map) = self.conf.maps.get(name).filter(|map| !map.is_partial) {
            return self.mapped(name, map);
        }
        if name == b"remote_addr" {
            self.look_at_client();
        }
        if name == b"http_authorization" {
            let takes_another = self.place().settings.token.as_ref().is_some_and(Option::is_some);
            if let Some(header) = self.presented.bearer(takes_another) {
                return Ok(Ok(header));
            }
        }
        let request = self.request.borrow().variable(name);
        match request.or_else(|| files::variable(self, name).map(Some)) {
            Some(value) => Ok(Ok(value.unwrap_or_default())),
            // It may be set or captured elsewhere, and was not.
            None if self.conf.settable.contains(name) => Ok(Ok(Vec::new())),
            None => {
                let why = match () {
                    () if self.request.borrow().is_repeated(name) => OF_VERSION,
                    () if name.starts_with(b"cookie_") => OF_COMMAS,
                    () => NOT_SAID,
                };
                Ok(Err(Unknown { name: name.to_vec(), why }))
            }
        }
    }

    fn mapped(&self, name: &[u8], map: &Map) -> Result<Known, Failure> {
        let value = match self.value(&map.source)? {
            Ok(source) => self.value(map.find(&source, |pattern, text| self.captures(pattern, text)))?,
            unknown => unknown,
        };
        if !map.volatile {
            self.store.borrow_mut().values.insert(name.to_vec(), value.clone());
        }
        Ok(value)
    }

    /// Whether a regex matches; what it captures is kept.
    pub fn captures(&self, pattern: &Pattern, text: &[u8]) -> bool {
        let captures = pattern.captures(text);
        let matches = captures.is_some();
        captures.into_iter().for_each(|captures| self.store.borrow_mut().keep(captures));
        matches
    }

    /// Whether a variable is the module's. One that the configuration defines comes before those that only begin alike.
    fn is_own(&self, name: &[u8]) -> bool {
        let is_defined = || self.conf.maps.contains_key(name) || self.conf.settable.contains(name);
        let is_set = || self.conf.set_variables.iter().any(|(set, _)| **set == *name);
        is_set() || Variable::named(name).is_some_and(|own| own.is_whole() || !is_defined())
    }

    fn own(&self, name: &[u8]) -> Result<Option<String>, Failure> {
        self.decide_for(name)?;
        let shown = self.shown();
        let identity = shown.identity.as_deref();
        if let Some((_, claim)) = self.conf.set_variables.iter().find(|(set, _)| **set == *name) {
            return Ok(identity.and_then(|identity| Some(identity.shown(claim)?.to_string())));
        }
        let token = identity.map(Identity::token);
        let member = |part: &Object, name| Some(part.get_folded(name)?.into_shown()?.to_string());
        Ok(Variable::named(name).and_then(|own| match own {
            Variable::User => shown.user.filter(|user| authz::is_whole_in_a_header(user)),
            Variable::Payload => token.map(|token| token.claims().text().to_owned()),
            Variable::Result => shown.word.map(str::to_owned),
            Variable::Claim(name) => member(token?.claims(), name),
            Variable::Header(name) => member(token?.header(), name),
        }))
    }
}

/// What a condition came to.
pub struct Held {
    pub value: String,
    pub holds: bool,
}

/// The conditions of a location, and what became of them.
pub struct Watched<'w, 'c> {
    pub walk: &'w Walk<'c>,
    pub bypass: &'w [Template],
    pub require: &'w Requirement<Template>,
    pub bypassed: Vec<Held>,
    pub required: Vec<Held>,
    /// A value could not be had, so that the decision says nothing.
    pub failure: Option<Failure>,
}

impl<'w, 'c> Watched<'w, 'c> {
    /// Nothing has been evaluated yet.
    pub fn of(walk: &'w Walk<'c>, bypass: &'w [Template], require: &'w Requirement<Template>) -> Self {
        Self { walk, bypass, require, bypassed: Vec::new(), required: Vec::new(), failure: None }
    }

    /// Whether a value holds. One that cannot be had does not, and the decision is none.
    fn holds(&mut self, value: &Template) -> bool {
        let text = self.walk.evaluate(value);
        let holds = text.as_ref().is_ok_and(|text| directives::holds(text));
        self.failure = self.failure.take().or(text.err());
        holds
    }
}

impl Conditions for Watched<'_, '_> {
    fn bypass(&mut self, identity: &Rc<Identity>) -> bool {
        self.walk.show(identity, None);
        let bypass = self.bypass;
        bypass.iter().any(|value| {
            let holds = self.holds(value);
            self.bypassed.push(Held { value: value.to_string(), holds });
            holds
        })
    }

    fn requirement(&mut self, identity: &Rc<Identity>, matched: Option<usize>) -> Result<(), Denied> {
        self.walk.show(identity, matched);
        let require = self.require;
        require.check(|value| {
            let holds = self.holds(value);
            self.required.push(Held { value: value.to_string(), holds });
            holds
        })
    }
}
