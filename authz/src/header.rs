//! The JOSE header (RFC 7515 section 4), and recognising one that an issuer repeats byte for byte.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::algorithm::Algorithm;
use crate::json::{Members, Object, Span, Value};
use crate::{Denied, claims, token};

/// A header, and what it says about the key. Members that carry keys, or say where one is (`jku`, `jwk`, `x5u`, `x5c`),
/// are not looked at (RFC 8725 section 3.10).
#[derive(Debug)]
pub(crate) struct Header {
    object: Object,
    /// `None` for one that nothing is verified with.
    pub algorithm: Option<Algorithm>,
    pub kid: Option<Box<str>>,
    typ: Option<Span>,
    /// Its `typ` is accepted unless a location says otherwise.
    pub has_usual_type: bool,
}

impl Header {
    /// Reads a header segment.
    ///
    /// # Errors
    /// It is malformed, or asks for what is not understood here.
    pub fn read(segment: &[u8]) -> Result<Self, Denied> {
        Self::parse(token::decode(segment)?)
    }

    fn parse(text: Vec<u8>) -> Result<Self, Denied> {
        let (object, header_of) = Object::read(text, Self::of).map_err(|_| Denied::Header)?;
        Ok(header_of?(object))
    }

    /// What such members say: the header that their object makes.
    fn of(members: Members) -> Result<impl FnOnce(Object) -> Self + use<>, Denied> {
        if members.get("crit").is_some() {
            return Err(Denied::Critical);
        }
        if members.get("b64") == Some(Value::Bool(false)) {
            return Err(Denied::Unencoded);
        }
        let kid = match members.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.into()),
            Some(_) => return Err(Denied::HeaderMember),
        };
        let algorithm = match members.get("alg") {
            Some(Value::String(alg)) => Algorithm::named(&alg),
            _ => return Err(Denied::HeaderMember),
        };
        let (typ, has_usual_type) = (members.place("typ"), claims::is_usual_type(members.get("typ")));
        Ok(move |object| Self { object, algorithm, kid, typ, has_usual_type })
    }

    /// Its members.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The type of the token (RFC 7519 section 5.1).
    pub fn typ(&self) -> Option<Value<'_>> {
        Some(self.object.value(self.typ?))
    }
}

/// How many headers are recognised. An issuer has one for each of its keys, and few keys at a time.
const KNOWN: usize = 4;

/// A header segment, and what it says.
type Known = (Box<[u8]>, Rc<Header>);

/// Headers of tokens that were verified lately.
#[derive(Debug, Default)]
pub(crate) struct KnownHeaders {
    known: RefCell<Vec<Known>>,
    oldest: Cell<usize>,
}

impl KnownHeaders {
    /// The header of this very segment.
    pub fn find(&self, segment: &[u8]) -> Option<Rc<Header>> {
        let known = self.known.borrow();
        known.iter().find(|(one, _)| **one == *segment).map(|(_, header)| header.clone())
    }

    /// Forgets all of them, which gives their memory back.
    pub fn clear(&self) {
        self.known.take();
        self.oldest.set(0);
    }

    /// Keeps the header of a token whose signature held, in the place of the one kept longest. Any other header would let
    /// whoever sends junk push out those that matter.
    pub fn keep(&self, segment: &[u8], header: &Rc<Header>) {
        let mut known = self.known.borrow_mut();
        if known.iter().any(|(one, _)| **one == *segment) {
            return;
        }
        let entry = (segment.into(), header.clone());
        if known.len() < KNOWN {
            known.push(entry);
        } else {
            let oldest = self.oldest.get();
            known[oldest] = entry;
            self.oldest.set((oldest + 1) % KNOWN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header, Denied> {
        Header::parse(text.into())
    }

    #[test]
    fn says_what_it_is_verified_with() {
        let read = header(r#"{"alg":"HS256","kid":"a"}"#).unwrap();
        assert_eq!((read.algorithm, read.kid.as_deref()), (Some(Algorithm::HS256), Some("a")));
        assert!(header(r#"{"alg":"HS256","b64":true}"#).is_ok());
        assert!(header(r#"{"alg":"HS256","b64":"false"}"#).is_ok());
        let read = header(r#"{"alg":"none"}"#).unwrap();
        assert_eq!((read.algorithm, read.kid), (None, None));
    }

    #[test]
    fn refuses_what_cannot_be_followed() {
        let rows = [
            (r#"{}"#, Denied::HeaderMember),
            (r#"{"alg":1}"#, Denied::HeaderMember),
            (r#"{"alg":null}"#, Denied::HeaderMember),
            (r#"{"alg":"HS256","kid":1}"#, Denied::HeaderMember),
            (r#"{"alg":"HS256","kid":null}"#, Denied::HeaderMember),
            (r#"{"alg":"HS256","crit":["b64"]}"#, Denied::Critical),
            (r#"{"alg":"HS256","crit":null}"#, Denied::Critical),
            (r#"{"alg":"HS256","b64":false}"#, Denied::Unencoded),
        ];
        for (text, denied) in rows {
            assert_eq!(header(text).err(), Some(denied), "{text}");
        }
    }

    #[test]
    fn recognises_the_latest_few() {
        let known = KnownHeaders::default();
        let header = Rc::new(header(r#"{"alg":"HS256"}"#).unwrap());
        for newest in 0..=3 * KNOWN {
            known.keep(format!("segment {newest}").as_bytes(), &header);
            known.keep(format!("segment {newest}").as_bytes(), &header);
            for i in 0..=newest {
                let found = known.find(format!("segment {i}").as_bytes()).is_some();
                assert_eq!(found, i + KNOWN > newest, "{i} of {newest}");
            }
            assert_eq!(known.known.borrow().len(), KNOWN.min(newest + 1));
        }
        assert!(known.find(b"segment").is_none() && known.find(b"").is_none());
        known.clear();
        assert_eq!((known.known.borrow().capacity(), known.oldest.get()), (0, 0));
    }
}
