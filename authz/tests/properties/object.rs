//! A JSON object, as header and claims are.

use authz::{Object, Value};

use super::Reached;
use super::json::{self, Json};

/// The core takes what the second reader takes, and finds every member in it, as it was written.
pub fn check(text: &[u8]) -> Reached {
    let (found, expected) = (Object::parse(text.into()), json::object(text));
    assert_eq!(found.is_ok(), expected.is_some(), "{}", text.escape_ascii());
    let (Ok(object), Some(Json::Object(members))) = (found, expected) else { return Reached::Refused };
    assert_eq!(object.text().as_bytes(), text);
    for (name, value) in &members {
        assert_same(&object.get(name).unwrap_or_else(|| panic!("no {name:?} in {}", object.text())), value);
        let same = members.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count();
        assert_eq!(object.get_folded(name).is_some(), same == 1, "{name:?} in {}", object.text());
    }
    let longer: String = members.iter().map(|(name, _)| &name[..]).chain(["x"]).collect();
    let has_it = members.iter().any(|(name, _)| *name == longer);
    assert_eq!(object.get(&longer).is_some(), has_it, "{longer:?} in {}", object.text());
    Reached::Accepted
}

fn assert_same(value: &Value, expected: &Json) {
    match (value, expected) {
        (Value::Null, Json::Null) => {}
        (Value::Bool(found), Json::Bool(expected)) => assert_eq!(found, expected),
        (Value::Number(found), Json::Number(expected)) => {
            assert_eq!(found, expected);
            assert_eq!(value.as_f64(), Json::number(&Json::Number(expected.clone())), "{expected}");
        }
        (Value::String(found), Json::Text(expected)) => assert_eq!(found, expected),
        (Value::Array(_), Json::Array(expected)) => {
            let elements = value.elements().expect("the elements of an array");
            assert_eq!(elements.len(), expected.len());
            elements.iter().zip(expected).for_each(|(element, expected)| assert_same(element, expected));
        }
        (Value::Object(_), Json::Object(members)) => {
            for (name, expected) in members {
                assert_same(&value.step(name).expect("a member of an object"), expected);
            }
        }
        _ => panic!("{value:?} is not {expected:?}"),
    }
}
