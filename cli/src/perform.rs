//! Does the directives of the rewrite module, in their turn (`ngx_http_script.c`).

use std::path::PathBuf;
use std::rc::Rc;

use crate::Failure;
use crate::conf::{Level, Position};
use crate::pattern::Pattern;
use crate::phases::is_redirect;
use crate::report::quoted_path;
use crate::rewrite::{ActionKind, Rewrite, Tester, Then};
use crate::select::Place;
use crate::template::Template;
use crate::walk::{Answer, Walk};

/// What became of the directives of a rewrite phase.
pub enum Flow {
    Next,
    /// No other directive is done.
    Stop,
    Answer(Answer),
}

impl<'c> Walk<'c> {
    /// Does the directives of a rewrite phase. `changed` tells whether a location must be chosen anew.
    pub fn perform(&self, base: &Rc<Place<'c>>, level: &'c Level, changed: &mut bool) -> Result<Flow, Failure> {
        self.escapes.set(true);
        self.perform_level(base, level, changed)
    }

    fn perform_level(&self, base: &Rc<Place<'c>>, level: &'c Level, changed: &mut bool) -> Result<Flow, Failure> {
        for action in &level.neighbours.actions {
            match &action.kind {
                ActionKind::Set { name, value } => self.assign(name, value)?,
                ActionKind::Rewrite(rewrite) => match self.rewrite(rewrite, &action.position, changed)? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
                ActionKind::If { condition, level: number } if condition.holds(self)? => {
                    let block = &level.levels[*number];
                    match self.perform_level(&self.enter_block(base, block), block, changed)? {
                        Flow::Next => {}
                        flow => return Ok(flow),
                    }
                }
                ActionKind::If { .. } => {}
                ActionKind::Return { status, text } => {
                    let by = format!("\"return\" in {}", action.position);
                    return self.respond(*status, text.as_ref(), by).map(Flow::Answer);
                }
                ActionKind::Break => {
                    *changed = false;
                    return Ok(Flow::Stop);
                }
            }
        }
        Ok(Flow::Next)
    }

    /// The block of an `if` is a place of its own, but for one of the server.
    fn enter_block(&self, base: &Rc<Place<'c>>, block: &'c Level) -> Rc<Place<'c>> {
        if base.last().is_server() {
            return base.clone();
        }
        let inner = Rc::new(base.within(block));
        self.move_to(inner.clone());
        inner
    }

    fn assign(&self, name: &[u8], value: &Template) -> Result<(), Failure> {
        let value = self.operand(value)?;
        match (name, &value) {
            (b"args" | b"query_string", Ok(args)) => self.request.borrow_mut().set_args(args),
            _ => drop(self.store.borrow_mut().values.insert(name.to_vec(), value)),
        }
        Ok(())
    }

    fn rewrite(&self, rewrite: &Rewrite, position: &Position, changed: &mut bool) -> Result<Flow, Failure> {
        let (uri, args) = {
            let request = self.request.borrow();
            (request.uri.clone(), request.args.clone())
        };
        if !self.captures(&rewrite.pattern, &uri) {
            return Ok(Flow::Next);
        }
        let (path, args) = rewrite.target(args.as_deref(), self)?;
        self.escapes.set(false);
        if let Then::Redirect(status) = rewrite.then {
            return Ok(Flow::Answer(Answer::by(status, format!("\"rewrite\" in {position}"))));
        }
        if path.is_empty() {
            return Ok(Flow::Answer(Answer::by(500, format!("\"rewrite\" to nothing in {position}"))));
        }
        self.say(format!("rewritten to {} by \"rewrite\" in {position}", quoted_path(&path)));
        let mut request = self.request.borrow_mut();
        (request.uri, request.args) = (path, args);
        (request.rewritten, request.is_internal) = (true, true);
        *changed = rewrite.then != Then::Break;
        Ok(if rewrite.then == Then::Next { Flow::Next } else { Flow::Stop })
    }

    /// What a `return` says. A text is sent as it is.
    fn respond(&self, status: u16, text: Option<&Template>, by: String) -> Result<Answer, Failure> {
        if let Some(text) = text {
            self.touch(text)?;
        }
        let is_final = !is_redirect(status) && (text.is_some() || status < 400);
        Ok(Answer { is_final, ..Answer::by(status, by) })
    }
}

impl Tester for Walk<'_> {
    fn operand(&self, value: &Template) -> Result<Vec<u8>, Failure> {
        Ok(Walk::operand(self, value)??)
    }

    fn replacement(&self, value: &Template, in_args: bool) -> Result<Vec<u8>, Failure> {
        Ok(self.value_with(value, in_args)??)
    }

    fn matches(&self, pattern: &Pattern, text: &[u8]) -> bool {
        self.captures(pattern, text)
    }

    fn path(&self, path: &[u8]) -> PathBuf {
        if !self.has_files().unwrap_or(false) {
            self.not_followed.borrow_mut().push("-f (--prefix)");
        }
        self.full_path(path)
    }
}
