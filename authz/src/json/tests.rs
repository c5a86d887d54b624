use super::scan::MAX_DEPTH;
use super::*;

fn parse(text: &str) -> Result<Object, NotAnObject> {
    Object::parse(text.as_bytes().to_vec())
}

/// `levels` objects, one in another.
fn nested(levels: usize) -> String {
    format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
}

#[test]
fn keeps_values_as_written() {
    let object =
        parse(r#"{"n": -0, "f":1.50e1 ,"s":"a\u00e9","t":true,"u":false,"z":null,"a":[1, "x"],"\u006f":{"k":7}}"#)
            .unwrap();
    let rows = [
        ("n", Value::Number("-0")),
        ("f", Value::Number("1.50e1")),
        ("s", Value::String("a\u{e9}".into())),
        ("t", Value::Bool(true)),
        ("u", Value::Bool(false)),
        ("z", Value::Null),
        ("a", Value::Array("[1, \"x\"]")),
        ("o", Value::Object("{\"k\":7}")),
    ];
    for (name, value) in rows {
        assert_eq!(object.get(name), Some(value), "{name}");
    }
    assert_eq!(object.get("missing"), None);
    assert_eq!(parse(" {\"a\": 1}\n").unwrap().text(), " {\"a\": 1}\n");
}

#[test]
fn refuses_what_is_not_one_strict_object() {
    let rows = [
        "",
        "null",
        "1",
        "[]",
        "\"a\"",
        "{",
        "{}}",
        "{} x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"\\ud800\":1}",
        "{\"a\":[\"\\ud800\"]}",
        "{\"a\":{\"\\ud800\":1}}",
        "{\"a\":tru}",
        "{\"a\":truex}",
        "{\"a\":True}",
        "{\"a\":nul}",
        "{\"a\":[1 2]}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":1 \"b\":2}",
        "{,}",
        "{\"a\":[1}",
        "{\"a\":1]",
        "{\"a\" \"b\"}",
        "/**/{}",
        "\u{feff}{}",
    ];
    for text in rows {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(Object::parse(b"{\"a\":\"\xff\"}".to_vec()).is_err(), "not UTF-8");
    assert!(parse(" \r\n\t{ } ").is_ok(), "white space around it");
    assert!(parse(r#"{"a":[-1,-1.5,18446744073709551616,true,null,"\u00e9",{}]}"#).is_ok(), "each kind of value");
}

/// Strings are read eight bytes at a time: every byte in every place of two such steps and a bit.
#[test]
fn knows_where_a_string_ends() {
    for length in 0..20 {
        for place in 0..length {
            for byte in 0..=0x7f {
                let mut content = "abcdefghijklmnopqrst".as_bytes()[..length].to_vec();
                content[place] = byte;
                let content = String::from_utf8(content).unwrap();
                let object = parse(&format!("{{\"{content}\":\"{content}\",\"other\":0}}"));
                match byte {
                    0..0x20 | b'"' => assert!(object.is_err(), "{content:?}"),
                    b'\\' => {}
                    _ => {
                        let object = object.unwrap_or_else(|_| panic!("{content:?}"));
                        assert_eq!(object.get(&content), Some(Value::String((&*content).into())), "{content:?}");
                        assert_eq!(object.get("other"), Some(Value::Number("0")), "{content:?}");
                    }
                }
            }
        }
    }
    let object = parse(r#"{"a long name \\":"and a \"longer\" value\\"}"#).unwrap();
    assert_eq!(object.get("a long name \\"), Some(Value::String("and a \"longer\" value\\".into())));
    for text in [r#"{"a":"\"#, r#"{"a":"\""#, r#"{"a":"\"}"#, r#"{"a"#, r#"{"a":"0123456789"#] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn reads_numbers_by_the_grammar_whatever_their_size() {
    let good = ["0", "-0", "10", "0.0", "0.10", "-1.5", "1e0", "1E5", "1e+05", "1.5e-7", "1e999", "-1e-999"];
    let bad = [
        "", "-", "+1", "00", "01", "-01", "1.", ".5", "1.e5", "1e", "1e+", "1e+-1", "1e1.5", "0x1", "1_0", "e1", "--1",
    ];
    for number in good {
        let object = parse(&format!("{{\"n\":{number},\"a\":[{number}]}}")).unwrap_or_else(|_| panic!("{number}"));
        assert_eq!(object.get("n"), Some(Value::Number(number)));
        assert_eq!(object.get("a").unwrap().elements(), Some(vec![Value::Number(number)]));
    }
    for number in bad {
        assert!(parse(&format!("{{\"n\":{number}}}")).is_err(), "{number}");
        assert!(parse(&format!("{{\"n\":[{number},1]}}")).is_err(), "{number}");
    }
}

/// Of few names, each with each other; and some that look alike to a glance.
#[test]
fn tells_few_names_apart() {
    let names: Vec<String> =
        (0..16).map(|i| format!("{}{}{}", i % 3, "-".repeat(i / 3), i % 2)).chain(["".into()]).collect();
    let object = |names: &[&str]| {
        parse(&format!("{{{}}}", names.iter().map(|name| format!("\"{name}\":0")).collect::<Vec<_>>().join(",")))
    };
    for count in 1..=16 {
        let mut few: Vec<&str> = names.iter().rev().take(count).map(String::as_str).collect();
        assert!(object(&few).is_ok(), "{few:?}");
        for again in 0..count {
            few.push(few[again]);
            assert!(object(&few).is_err(), "{few:?}");
            few.pop();
        }
    }
}

#[test]
fn refuses_a_name_used_twice_at_every_depth() {
    let many: String = (0..40).map(|i| format!("\"m{i}\":0,")).collect();
    let rows = [
        r#"{"a":1,"a":1}"#.to_owned(),
        r#"{"a":1,"\u0061":2}"#.to_owned(),
        r#"{"x":{"a":1,"a":2}}"#.to_owned(),
        r#"{"x":[[{"b":{"a":1,"\u0061":2}}]]}"#.to_owned(),
        format!("{{{many}\"m7\":1}}"),
        format!("{{\"x\":{{{many}\"m7\":1}}}}"),
    ];
    for text in rows {
        assert!(parse(&text).is_err(), "{text}");
    }
    assert!(parse(&format!("{{{many}\"M7\":1}}")).is_ok(), "names differ in case");
    assert!(parse(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#).is_ok(), "the same name in different objects");
}

#[test]
fn bounds_the_nesting() {
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
    assert!(parse(&nested(900)).is_err());
    assert!(parse(&format!("{{\"a\":{}{}}}", "[".repeat(126), "]".repeat(126))).is_ok());
    assert!(parse(&format!("{{\"a\":{}{}}}", "[".repeat(127), "]".repeat(127))).is_err());
}

#[test]
fn folds_names_for_variables() {
    let object = parse(r#"{"Role":"a","T\u0065am":"b","x":1,"X":2}"#).unwrap();
    assert_eq!(object.get_folded("role"), Some(Value::String("a".into())));
    assert_eq!(object.get_folded("team"), Some(Value::String("b".into())), "written with an escape");
    assert_eq!(object.get_folded("x"), None, "two that fold together");
    assert_eq!(object.get_folded("y"), None);
}

#[test]
fn shows_values() {
    let rows = [
        (r#""a b""#, Some("a b")),
        (r#""a,b""#, Some("a,b")),
        (r#""""#, Some("")),
        ("1.50", Some("1.50")),
        ("true", Some("true")),
        ("false", Some("false")),
        (r#"["a",1,true]"#, Some("a,1,true")),
        (r#"[]"#, Some("")),
        (r#"["a,b","c"]"#, None),
        (r#"["a",null]"#, None),
        (r#"[["a"]]"#, None),
        ("null", None),
        ("{}", None),
    ];
    for (value, shown) in rows {
        let object = parse(&format!("{{\"v\":{value}}}")).unwrap();
        assert_eq!(object.get("v").unwrap().into_shown().as_deref(), shown, "{value}");
    }
}

#[test]
fn steps_into_objects_and_arrays() {
    let object = parse(r#"{"a":{"b":[10,{"c":"x"}],"~1/":5}}"#).unwrap();
    let a = object.get("a").unwrap();
    let b = a.step("b").unwrap();
    assert_eq!(b.step("0"), Some(Value::Number("10")));
    assert_eq!(b.step("1").unwrap().step("c"), Some(Value::String("x".into())));
    assert_eq!(a.step("~1/"), Some(Value::Number("5")));
    for token in ["00", "01", "-", "+0", "2", "", "18446744073709551616"] {
        assert_eq!(b.step(token), None, "{token}");
    }
    assert_eq!(b.step("0").unwrap().step("0"), None);
}
