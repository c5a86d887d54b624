//! Variables as nginx would evaluate them, and the conditions that use them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use authz::{Conditions, Denied, Identity};
use directives::Requirement;

use crate::Failure;
use crate::conf::Conf;
use crate::request::Request;
use crate::select::Selected;
use crate::template::{Part, Template};

/// Variables that the user gives.
pub type Given = BTreeMap<Vec<u8>, Vec<u8>>;

/// Everything that variables of one request are made of.
pub struct Variables<'a> {
    pub conf: &'a Conf,
    pub selected: &'a Selected,
    pub request: &'a Request,
    pub given: &'a Given,
}

/// A verified identity, and which member of an array claim is the user.
type Shown<'i> = Option<(&'i Identity, Option<usize>)>;

impl Variables<'_> {
    /// A value; variables of the token are empty without an identity.
    pub fn evaluate(&self, value: &Template, shown: Shown) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        for part in &value.parts {
            match part {
                Part::Text(part) => text.extend_from_slice(part),
                Part::Variable(name) => text.extend(self.variable(name, shown)?),
            }
        }
        Ok(text)
    }

    fn variable(&self, name: &[u8], shown: Shown) -> Result<Vec<u8>, Failure> {
        if let Some(value) = self.of_module(name, shown) {
            // nginx writes variables into headers as they are, so the module shows none with a control byte.
            return Ok(value.filter(|value| !value.bytes().any(|b| b.is_ascii_control())).unwrap_or_default().into());
        }
        if let Some(value) = self.selected.captures.get(name).or_else(|| self.given.get(name)) {
            return Ok(value.clone());
        }
        match self.request.variable(name) {
            Some(value) => Ok(value.unwrap_or_default()),
            // Other locations capture it, and this one did not.
            None if self.conf.captured.contains(name) => Ok(Vec::new()),
            None => {
                let name = String::from_utf8_lossy(name);
                Err(Failure(format!("the value of ${name} is not known: give it with --set '{name}=<value>'")))
            }
        }
    }

    /// `None` for a variable that is not the module's.
    fn of_module(&self, name: &[u8], shown: Shown) -> Option<Option<String>> {
        let set = self.conf.set_variables.iter().find(|(set, _)| set == name);
        if let Some((_, claim)) = set {
            return Some(shown.and_then(|(identity, _)| Some(identity.shown(claim)?.to_string())));
        }
        let own = std::str::from_utf8(name.strip_prefix(directives::OWN)?).ok()?;
        let token = shown.map(|(identity, _)| identity.token());
        Some(match own {
            "user" => shown.and_then(|(identity, matched)| identity.user(matched).map(str::to_owned)),
            "payload" => token.map(|token| token.claims().text().to_owned()),
            // None is shown while a decision is made.
            "result" => None,
            _ => {
                let member = |prefix| own.strip_prefix(prefix);
                let claim = member("claim_").and_then(|claim| token?.claims().get_folded(claim)?.into_shown());
                let header = || member("header_").and_then(|header| token?.header().get_folded(header)?.into_shown());
                claim.or_else(header).map(Into::into)
            }
        })
    }
}

/// What a condition came to.
pub struct Held {
    pub value: String,
    pub holds: bool,
}

/// The conditions of a location, and what became of them.
pub struct Watched<'a> {
    pub variables: &'a Variables<'a>,
    pub bypass: &'a [Template],
    pub require: &'a Requirement<Template>,
    pub bypassed: Vec<Held>,
    pub required: Vec<Held>,
    /// A value could not be had, so that the decision says nothing.
    pub failure: RefCell<Option<Failure>>,
}

impl Watched<'_> {
    /// As nginx reads a condition: not empty and not `0`.
    fn hold(&self, value: &Template, shown: Shown) -> Held {
        let text = self.variables.evaluate(value, shown);
        let holds = match text {
            Ok(text) => !matches!(&text[..], b"" | b"0"),
            Err(failure) => {
                self.failure.borrow_mut().get_or_insert(failure);
                false
            }
        };
        Held { value: value.to_string(), holds }
    }
}

impl Conditions for Watched<'_> {
    fn bypass(&mut self, identity: &Rc<Identity>) -> bool {
        for value in self.bypass {
            let held = self.hold(value, Some((identity, None)));
            self.bypassed.push(held);
        }
        self.bypassed.iter().any(|held| held.holds)
    }

    fn requirement(&mut self, identity: &Rc<Identity>, matched: Option<usize>) -> Result<(), Denied> {
        for value in &self.require.values {
            let held = self.hold(value, Some((identity, matched)));
            self.required.push(held);
        }
        match self.required.iter().all(|held| held.holds) {
            true => Ok(()),
            false if self.require.unauthorized => Err(Denied::RequirementFailedToken),
            false => Err(Denied::RequirementFailed),
        }
    }
}
