//! Each habit on its own: what it makes of a path, and that it says so when it leaves one alone.

use super::*;

fn assert_makes(step: impl Fn(&[u8]) -> Option<Vec<u8>>, rows: &[(&str, &str)]) {
    for (path, made) in rows {
        let expected = (path != made).then_some(made.as_bytes());
        assert_eq!(step(path.as_bytes()).as_deref(), expected, "{path:?}");
    }
}

#[test]
fn cuts() {
    assert_makes(
        |path| cut(path, b'#'),
        &[("/a#b", "/a"), ("/a#b#c/d", "/a"), ("/#", "/"), ("/a%23b", "/a%23b"), ("/a?b;c", "/a?b;c")],
    );
}

#[test]
fn shortens_segments() {
    assert_makes(
        |path| each_segment(path, |segment| before(segment, b';')),
        &[("/a;x/b;y=z;/c", "/a/b/c"), ("/;/a", "//a"), ("/a;", "/a"), ("/a/b/", "/a/b/")],
    );
    assert_makes(
        |path| each_segment(path, trim_spaces),
        &[("/a  / b /c", "/a/ b/c"), ("/  /a", "//a"), ("/ a", "/ a"), ("/a\t/b", "/a\t/b"), ("//", "//")],
    );
    assert_makes(
        |path| each_segment(path, trim_dots),
        &[
            ("/a./b../c...", "/a/b/c"),
            ("/.../x", "/../x"),
            ("/...../", "/../"),
            ("/./../x", "/./../x"),
            ("/.a/b.c", "/.a/b.c"),
            ("/.a.", "/.a"),
        ],
    );
}

#[test]
fn replaces_and_merges() {
    assert_makes(|path| replace(path, b'\\', b'/'), &[("/a\\b\\", "/a/b/"), ("/a/b", "/a/b")]);
    assert_makes(merge_slashes, &[("//a///b//", "/a/b/"), ("///", "/"), ("/aab/b/", "/aab/b/")]);
}

#[test]
fn resolves_dots() {
    assert_makes(
        |path| resolve_dots(path, Back::Always),
        &[
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/../a", "/a"),
            ("/../../..", "/"),
            ("/C:/../a", "/a"),
            ("/a//../b", "/a/b"),
            ("/.a/..b/...", "/.a/..b/..."),
            ("/a/b/", "/a/b/"),
        ],
    );
    assert_makes(
        |path| resolve_dots(path, Back::Never),
        &[("/a/./../b", "/a/../b"), ("/a/../.", "/a/../"), ("/a/./..", "/a/.."), ("/a/../b", "/a/../b")],
    );
    assert_makes(
        |path| resolve_dots(path, Back::NotOverDrives),
        &[
            ("/C:/../a", "/C:/a"),
            ("/c|/../../a", "/c|/a"),
            ("/a/../b", "/b"),
            ("/1:/../b", "/b"),
            ("/CC:/../b", "/b"),
            ("/C:x/../b", "/b"),
            ("/C;/../b", "/b"),
        ],
    );
}

#[test]
fn decodes() {
    assert_makes(
        |path| decode(path, |_| true),
        &[
            ("/%41%7a%2F%2f", "/Az//"),
            ("/%2541", "/%41"),
            ("/%c3%a9", "/\u{e9}"),
            ("/%4", "/%4"),
            ("/%", "/%"),
            ("/%%41", "/%A"),
            ("/%4g%g4%zz", "/%4g%g4%zz"),
            ("/%+1", "/%+1"),
            ("/41", "/41"),
        ],
    );
    assert_makes(|path| decode(path, |b| b != b'/'), &[("/%41%2f", "/A%2f"), ("/%2F", "/%2F")]);
    assert_makes(|path| decode(path, |b| b == b'.'), &[("/%2e%2E%41", "/..%41"), ("/%41", "/%41")]);
    assert_makes(
        decode_wide,
        &[
            ("/%u0041%u002e", "/A."),
            ("/%u00e9", "/\u{e9}"),
            ("/%u20ac", "/\u{20ac}"),
            ("/%ud800", "/%ud800"),
            ("/%u004", "/%u004"),
            ("/%U0041", "/%U0041"),
            ("/%41", "/%41"),
        ],
    );
}

#[test]
fn decodes_overlong_text() {
    let rows: [(&[u8], &[u8]); 13] = [
        (b"/\xc0\xae", b"/."),
        (b"/\xc1\x81\xc1\xbf", b"/A\x7f"),
        (b"/\xe0\x80\xaf", b"//"),
        (b"/\xe0\x81\x81", b"/A"),
        (b"/\xf0\x80\x80\xaf", b"//"),
        (b"/\xf0\x80\x81\x81", b"/A"),
        (b"/\xc0\xaf\xc0", b"//\xc0"),
        (b"/\xc0A", b"/\xc0A"),
        (b"/\xc2\xa9", b"/\xc2\xa9"),
        (b"/\xe0\x82\xa9", b"/\xe0\x82\xa9"),
        (b"/\xe1\x81\x81", b"/\xe1\x81\x81"),
        (b"/\xf0\x81\x81\x81", b"/\xf0\x81\x81\x81"),
        (b"/\xf0\x80\x82\x81", b"/\xf0\x80\x82\x81"),
    ];
    for (path, decoded) in rows {
        let made = decode_overlong(path);
        assert_eq!(made.as_deref(), (path != decoded).then_some(decoded), "{}", path.escape_ascii());
    }
}

#[test]
fn drops() {
    assert_makes(
        |path| trim_end(path, |&b| b <= b' '),
        &[("/a \t\0", "/a"), ("/ a", "/ a"), ("/a\x7f", "/a\x7f"), ("/ ", "/")],
    );
    assert_eq!(trim_end(b"  ", |&b| b == b' ').as_deref(), Some(&b""[..]));
    assert_makes(
        |path| drop_bytes(path, |b| matches!(b, b'\t' | b'\n' | b'\r')),
        &[("/\ta\nb\r", "/ab"), ("/a\x0b", "/a\x0b")],
    );
    let rows: [(&[u8], &[u8]); 4] =
        [(b"/\xffa\xc3", b"/a"), (b"/\xc3\xa9\xff", b"/\xc3\xa9"), (b"/\xc3\xa9", b"/\xc3\xa9"), (b"/a", b"/a")];
    for (path, text) in rows {
        assert_eq!(drop_non_text(path).as_deref(), (path != text).then_some(text), "{}", path.escape_ascii());
    }
}

#[test]
fn skips_authorities() {
    assert_makes(
        skip_authority,
        &[
            ("//host/a/b", "/a/b"),
            ("///host/a", "/a"),
            ("//host//a", "//a"),
            ("//host/", "/"),
            ("//host", "//host"),
            ("/a/b", "/a/b"),
            ("//", "//"),
        ],
    );
}

/// The variants of a path, each behind the number of times that it was decoded.
fn variants(path: &[u8], decoded: usize) -> Vec<String> {
    let mut shown = Vec::new();
    let all = Variants::of(path, decoded, |variant| {
        shown.push(format!("{} {}", variant.decoded, variant.path.escape_ascii()));
        Ok(())
    });
    assert!(all.is_ok(), "{}", path.escape_ascii());
    shown
}

#[test]
fn shows_each_variant_once() {
    let rows: [(&[u8], usize, &[&str]); 6] = [
        (b"/a", 0, &["0 /a"]),
        (b"/a", 2, &["2 /a"]),
        (b"/%41", 0, &["0 /%41", "1 /A"]),
        (b"/%2541", 0, &["0 /%2541", "1 /%41", "2 /A"]),
        (b"/%252541", 1, &["1 /%252541", "2 /%2541", "3 /%41"]),
        (b"//a", 0, &["0 //a", "0 /a"]),
    ];
    for (path, decoded, expected) in rows {
        assert_eq!(variants(path, decoded), expected, "{}", path.escape_ascii());
    }
}

#[test]
fn stops_when_it_is_told_to() {
    let mut shown = 0;
    let all = Variants::of(b"/a//b;c", 0, |_| {
        shown += 1;
        if shown == 2 { Err(Unreadable) } else { Ok(()) }
    });
    assert!(all.is_err() && shown == 2);
}

#[test]
fn spends_no_more_than_its_budget() {
    let shown = std::cell::Cell::new(0);
    let contorted = b"/a;b/../ %25%2e\\#//%3f%09%252f/a;b/../ %25%2e\\#//%3f%09%252f";
    let all = Variants::of(contorted, 0, |variant| {
        shown.set(shown.get() + variant.path.len());
        Ok(())
    });
    let room = 4096 + 8 * contorted.len();
    assert!(all.is_err(), "too many to show all");
    assert!(shown.get() <= room && shown.get() + contorted.len() > room, "{} of {room}", shown.get());
}
