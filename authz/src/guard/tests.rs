use super::*;

fn guard(templates: &[&str]) -> Guard {
    let mut guard = Guard::new();
    for template in templates {
        guard.add(template.as_bytes()).unwrap();
    }
    guard
}

fn read(raw: &[u8]) -> Readings<'_> {
    guard(&["/api/users/:user_id"]).judge(raw, None)
}

fn user(name: &str) -> Readings<'_> {
    user_under(name, 0)
}

fn user_under(name: &str, template: usize) -> Readings<'_> {
    Readings::User(name.as_bytes().into(), Under(template))
}

#[test]
fn leaves_other_paths_alone() {
    let rows: [&[u8]; 26] = [
        b"/",
        b"",
        b"*",
        b"?/api/users/B",
        b"/api",
        b"/api/users",
        b"/api/users/",
        b"/api/users?x=/B",
        b"/api/users//",
        b"/API/USERS/",
        b"/api/usersx/B",
        b"/apix/users/B",
        b"/x/api/users/B",
        b"/api/x/users/B",
        b"/api/users.json",
        b"/api/users;x",
        b"/health?next=/api/users/B",
        b"/static/my%20file.png",
        b"/static/..hidden/caf\xc3\xa9",
        b"/files/a%2fb;v=1/c\\d",
        b"/api/../users/B",
        b"/api//x//users/B",
        b"/caf%C3/%A9",
        b"/api/users#/B",
        b"/api/%75sersx/%42",
        b"/api%25252fusers/B",
    ];
    for raw in rows {
        assert_eq!(read(raw), Readings::NotUnder, "{}", raw.escape_ascii());
    }
}

#[test]
fn reads_the_one_user() {
    let rows: [(&[u8], &str); 50] = [
        (b"/api/users/B", "B"),
        (b"/api/users/B/", "B"),
        (b"/api/users/B/x/y?z", "B"),
        (b"/API/Users/b", "b"),
        (b"/api/users/a.b@c+d,e", "a.b@c+d,e"),
        (b"/api/users/B/.well-known", "B"),
        (b"/api/users/a%20b", "a b"),
        (b"/api/users/%20", " "),
        (b"/api/users/bob%40example.com/x", "bob@example.com"),
        (b"/api/users/caf%C3%A9", "caf\u{e9}"),
        (b"/api/users/B/caf\xc3\xa9", "B"),
        (b"/api/users/B/x%2fy;z/%2525/a\\b#c", "B"),
        (b"/api/users/B/x/../y/./z", "B"),
        (b"/%61pi/%75sers/%42", "B"),
        (b"/%2561pi/users/B", "B"),
        (b"/%25u0061pi/users/B", "B"),
        (b"/api;x/users;y=z/B", "B"),
        (b"/api%3bx/users/B", "B"),
        (b"/api%253bx/users/B", "B"),
        (b"/;x/api/users/B", "B"),
        (b"/api\\users\\B", "B"),
        (b"/api%5cusers%5CB", "B"),
        (b"/api%2fusers%2fB", "B"),
        (b"/api%252fusers/B", "B"),
        (b"//api//users//B", "B"),
        (b"/./api/./users/./B", "B"),
        (b"/x/../api/users/B", "B"),
        (b"/x/..;/api/users/B", "B"),
        (b"/x/%2e%2E/api/users/B", "B"),
        (b"/x/.%252e/api/users/B", "B"),
        (b"/x/..%20/api/users/B", "B"),
        (b"/x/.../api/users/B", "B"),
        (b"//host/api/users/B", "B"),
        (b"/\\host/api/users/B", "B"),
        (b"/api./users/B", "B"),
        (b"/api%20/%20users/B", "B"),
        (b"/%20/api/users/B", "B"),
        (b"/a%09pi/us%0aers/B", "B"),
        (b"/ap%01i/users/B", "B"),
        (b"/y/../api/users/B/%2500/../../..", "B"),
        (b"/y/../api/users/B/;/../../..", "B"),
        (b"/y/../api/users/B/%23/../../..", "B"),
        (b"/y/../api/users/B/%3f/../../..", "B"),
        (b"/./api/users/B/../../..", "B"),
        (b"/C:/../api/users/B", "B"),
        (b"api/users/B", "B"),
        (b"/y/../api/users/B/C:/../../../..", "B"),
        (b"/ap%ffi/users/B", "B"),
        (b"/x/%c0%ae%c0%ae/api%c0%afusers%e0%80%afB", "B"),
        ("/ap\u{131}/u\u{17f}ers/B".as_bytes(), "B"),
    ];
    for (raw, name) in rows {
        assert_eq!(read(raw), user(name), "{}", raw.escape_ascii());
    }
}

#[test]
fn does_not_choose_between_users() {
    let rows: [&[u8]; 34] = [
        b"/api/users/B/../A/x",
        b"/api/users/B/%2e%2e/A/x",
        b"/api/users/B/..%2fA/x",
        b"/api/users/A/x%2fy/../../../B/profile",
        b"/api/users/A/x%2fy/../../B/profile",
        b"/api/users/B//../A/x",
        b"/api/users/A/..;/B/x",
        b"/api/users/A/..\\B/x",
        b"/api/users/A/..%5cB/x",
        b"/api/users/A/%252e%252e/B/x",
        b"/api/users/A/..%20/B",
        b"/api/users/A/.../B",
        b"/api/users/A;B",
        b"/api/users/A%3bB",
        b"/api/users/A%2fB",
        b"/api/users/A%23B",
        b"/api/users/A%3fB",
        b"/api/users/A%2500B",
        b"/api/users/A#B",
        b"/api/users/A%2541",
        b"/api/users/A%20",
        b"/api/users/A.",
        b"/api/users/A%00",
        b"/api/users/A%ff",
        b"/api/users/%ff",
        b"/api/users/A\x01",
        b"/api%20/users/A%09",
        b"/api%09/users/A%09A",
        b"/api/users/\xc3%a9",
        // To some, another name in Latin-1.
        b"/api/users/caf\xc3\xa9",
        b"/api/users/%7f%01",
        b"/a%09pi/users/A%01",
        b"/y%2fz/%2e%2e/api%2fusers%2fA%2541",
        b"/api/users/A//%5c/..\\/..%2F",
    ];
    for raw in rows {
        assert_eq!(read(raw), Readings::Unclear, "{}", raw.escape_ascii());
    }
}

#[test]
fn judges_what_goes_out_after_a_rewrite_too() {
    let rows: [(&[u8], &[u8], Readings); 12] = [
        (b"/old/A", b"/api/users/A", user("A")),
        (b"/old/a%20b", b"/api/users/a b", user("a b")),
        (b"/api/users/A", b"/v2/A", user("A")),
        (b"/api/users/A", b"/api/users/A", user("A")),
        (b"/old/A", b"/v2/A", Readings::NotUnder),
        (b"/api/users/A", b"/api/users/B", Readings::Unclear),
        (b"/old/A", b"/api/users/A%41", Readings::Unclear),
        (b"/old/A", b"/x/%2e%2e/api/users/A", user("A")),
        (b"/old/A", b"/api%2fusers/A", user("A")),
        (b"/old/A", b"/api%2561/users/A", Readings::NotUnder),
        // Decoded by nginx, then by a router, then segment by segment.
        (b"/old/A", b"/%2561pi/users/A", user("A")),
        (b"/old/A", b"/%252561pi/users/A", Readings::NotUnder),
    ];
    for (raw, uri, readings) in rows {
        let judged = guard(&["/api/users/:user_id"]).judge(raw, Some(uri));
        assert_eq!(judged, readings, "{} {}", raw.escape_ascii(), uri.escape_ascii());
    }
}

#[test]
fn the_fast_ways_out_are_short_cuts_and_nothing_else() {
    let pieces: Vec<&str> = "/ A . .. %20 %2e %2f %41 %25 ; \\ %c3%a9 \u{e9} %c3 %0a ~".split(' ').collect();
    let guard = guard(&["/api/users/:user_id"]);
    let drawn = |number: usize| [number % 16, number / 16 % 16, number / 256].map(|at| pieces[at]).concat();
    for end in (0..16 * 16 * 16).map(drawn) {
        for decoded in [0, 1] {
            let path = format!("/api/users/{end}");
            let quick = guard.read(path.as_bytes(), decoded);
            assert_eq!(quick, guard.read_odd(path.as_bytes(), decoded), "{path} {decoded}");
        }
    }
}

#[test]
fn ordinary_escapes_need_no_second_look() {
    let rows: [(&[u8], Option<&str>); 8] = [
        (b"/api/users/A", Some("/api/users/A")),
        (b"/api/users/", Some("/api/users/")),
        (b"/a%20b/%41/", Some("/a b/A/")),
        (b"/caf%C3%A9", Some("/caf\u{e9}")),
        ("/caf\u{e9}".as_bytes(), Some("/caf\u{e9}")),
        (b"/.a/b.c/..d", Some("/.a/b.c/..d")),
        (b"/%4/%zz", None),
        (b"/%", None),
    ];
    for (path, text) in rows {
        assert_eq!(once_decoded(path).as_deref(), text.map(str::as_bytes), "{}", path.escape_ascii());
    }
    let odd: [&[u8]; 24] = [
        b"", b"a", b"%2fa", b"//a", b"/a//", b"/a%2fb", b"/a%2Fb", b"/a%20", b"/%20a", b"/a./b", b"/a.", b"/..",
        b"/%2e", b"/a;b", b"/a%3bb", b"/a\\b", b"/a#b", b"/a%23b", b"/a?b", b"/a%3fb", b"/a%25b", b"/a%00", b"/\xff",
        b"/%ff",
    ];
    for path in odd {
        assert_eq!(once_decoded(path), None, "{}", path.escape_ascii());
    }
}

#[test]
fn is_covered_by_that_very_user() {
    let guard = guard(&["/api/users/:user_id"]);
    let is_uncovered =
        |raw: &str, covered: Option<&str>| guard.is_uncovered(raw.as_bytes(), None, covered.map(str::as_bytes));
    for covered in [None, Some("A")] {
        assert!(!is_uncovered("/health", covered));
        assert!(!is_uncovered("/api/users/", covered));
        assert!(is_uncovered("/api/users/B/../A", covered));
    }
    assert!(!is_uncovered("/api/users/A", Some("A")));
    assert!(!is_uncovered("/api/users/%41", Some("A")));
    for covered in [None, Some("a"), Some("B"), Some("%41"), Some("")] {
        assert!(is_uncovered("/api/users/A", covered), "{covered:?}");
        assert!(is_uncovered("/api/users/%41", covered), "{covered:?}");
    }
}

#[test]
fn holds_several_templates() {
    let guard = guard(&["/:user/files", "/v1/users/:id/private", "/stra\u{df}e/:id"]);
    let rows: [(&[u8], Readings); 10] = [
        (b"/A/files", user("A")),
        (b"/A/Files/x", user("A")),
        (b"/A/filesx", Readings::NotUnder),
        (b"//files", Readings::NotUnder),
        (b"/v1/users/A/private", user_under("A", 1)),
        (b"/v1/users/A/public", Readings::NotUnder),
        (b"/v1/users/A", Readings::NotUnder),
        (b"/v1/files/A/private", user("v1")),
        (b"/STRASSE/A", user_under("A", 2)),
        ("/Stra\u{df}e/A".as_bytes(), user_under("A", 2)),
    ];
    for (raw, readings) in rows {
        assert_eq!(guard.judge(raw, None), readings, "{}", raw.escape_ascii());
    }
    assert_eq!(Guard::new().judge(b"/api/users/A", None), Readings::NotUnder);
    assert_eq!(Guard::default().judge(b"/api/users/A", None), Readings::NotUnder);
    let twice = self::guard(&["/:first/x", "/a/:second"]);
    for path in [&b"/a/x"[..], b"/%61/x", b"/a/x/caf%C3%A9", b"//a/x"] {
        assert_eq!(twice.judge(path, None), Readings::Unclear, "{}", path.escape_ascii());
    }
    assert_eq!(Guard::new().add(b"/api/users"), Err(TemplateError::NoUser));
}

/// What one template calls a user is something else to another: a tenant of the same name.
#[test]
fn tells_users_of_different_templates_apart() {
    let guard = guard(&["/users/:id", "/t/:tenant"]);
    assert_eq!(guard.judge(b"/users/7/x", None), user("7"));
    assert_eq!(guard.judge(b"/t/7/x", None), user_under("7", 1));
    for raw in [&b"/users/7/../../t/7"[..], b"/t/7/..%2f..%2fusers/7", b"/users/7/..;/..;/t/7/a"] {
        assert_eq!(guard.judge(raw, None), Readings::Unclear, "{}", raw.escape_ascii());
    }
    // What was sent is not forwarded.
    assert_eq!(guard.judge(b"/users/7", Some(b"/t/7")), user_under("7", 1));
    assert_eq!(guard.judge(b"/users/%37", Some(b"/t/7")), user_under("7", 1));
    assert_eq!(guard.judge(b"/users/8", Some(b"/t/7")), Readings::Unclear);
    assert_eq!(guard.judge(b"/users/7/..;/x", Some(b"/t/7")), Readings::Unclear);
}

/// One that stands for all that another stands for is about the same users.
#[test]
fn a_template_takes_in_those_below_it() {
    for templates in [["/users/:id", "/Users/:user/files"], ["/users/:id/files", "/USERS/:user"]] {
        let guard = guard(&templates);
        for raw in [&b"/users/7/files"[..], b"/users/7/files/%20", b"/users/7/files/a%2fb", b"/users/7"] {
            assert_eq!(guard.judge(raw, None), user("7"), "{} with {templates:?}", raw.escape_ascii());
        }
    }
    assert_eq!(guard(&["/u/:id/a", "/u/:id/b"]).judge(b"/u/7/a/../b", None), Readings::Unclear);
}

#[test]
fn tells_what_nginx_reads_as_others_do() {
    let guard = guard(&["/users/:id", "/:a/A/x"]);
    // Whether nginx agrees, and whether everybody does.
    let sent: [(&str, &str, bool, bool); 13] = [
        ("/users/A", "/users/A", true, true),
        ("/users/%41", "/users/A", true, true),
        ("/users/A/b%20c", "/users/A/b c", true, true),
        ("/users/A/b%2fc", "/users/A/b/c", true, false),
        ("/users/A/b;c?/../x", "/users/A/b;c", true, false),
        ("/users/A//b", "/users/A/b", true, false),
        ("/users/caf%C3%A9", "/users/caf\u{e9}", true, true),
        // Everybody takes it for two.
        ("/users/A/x", "/users/A/x", true, true),
        ("/users/A/../../t/A", "/t/A", false, false),
        ("/users/A/../me", "/users/me", false, false),
        ("/users/A/files/../avatar", "/users/A/avatar", true, false),
        ("/users/A/..;/x", "/users/A/..;/x", false, false),
        ("/t;/../users/A", "/users/A", true, false),
    ];
    for (raw, uri, agrees, alike) in sent {
        let path = Path { raw: raw.as_bytes(), uri: uri.as_bytes(), rewritten: false };
        let judgement = guard.judge_request(path);
        assert_eq!((judgement.nginx_agrees, judgement.is_alike), (agrees, alike), "{raw}");
        assert_eq!(judgement.readings, guard.judge(path.raw, None), "{raw}");
        assert_eq!(judgement.is_plain, raw == uri && !raw.contains(';'), "{raw}");
    }
    let rewritten: [(&str, &str, bool); 8] = [
        ("/users/A/x", "/internal/A/x", true),
        ("/users/%41", "/internal/A", true),
        ("/old/A", "/users/A", true),
        ("/users/A/%2e%2e/b", "/internal/b", false),
        ("/old/A", "/users/A/../B", false),
        ("/old/A", "/users/A%41", false),
        ("/users/A", "/users/B", true),
        ("/users/A", "/t/x%41", false),
    ];
    for (raw, uri, agrees) in rewritten {
        let path = Path { raw: raw.as_bytes(), uri: uri.as_bytes(), rewritten: true };
        let judgement = guard.judge_request(path);
        assert_eq!((judgement.nginx_agrees, judgement.is_plain), (agrees, false), "{raw} to {uri}");
        assert_eq!(judgement.readings, guard.judge(path.raw, Some(path.uri)), "{raw} to {uri}");
    }
}

#[test]
fn tells_the_user_from_another_of_the_same_name() {
    let guard = guard(&["/api/users/:id"]);
    for (path, place, elsewhere) in [
        ("/api/users/42/orgs/42", 11, false),
        ("/api/users/42/orgs/42", 19, true),
        ("/api/users/42/orgs/42", 0, true),
        ("/API/Users/42", 11, false),
        ("/api/users/u42", 12, false),
        ("/api/users/42/x", 13, true),
        ("/internal/42", 10, false),
    ] {
        assert_eq!(guard.is_elsewhere(path.as_bytes(), place), elsewhere, "{path} {place}");
    }
}

/// To who ignores the case of letters, nginx may have found the wrong location.
#[test]
fn exempts_what_is_written_as_the_template_is() {
    let guard = guard(&["/api/Users/:id", "/teams/:id/Files"]);
    let sent = [
        ("/api/Users/A", "/api/Users/A", true),
        ("/api/Users/A/x", "/api/Users/A/x", true),
        ("/api/Users/%41", "/api/Users/A", true),
        ("/%61pi/Users/A", "/api/Users/A", true),
        ("/api/users/A", "/api/users/A", false),
        ("/API/Users/A", "/API/Users/A", false),
        ("/%41pi/Users/A", "/Api/Users/A", false),
        ("/api/Users/A/../x", "/api/Users/x", false),
        ("/teams/A/Files", "/teams/A/Files", true),
        ("/teams/A/Files/x", "/teams/A/Files/x", true),
        ("/teams/A/files", "/teams/A/files", false),
        ("/teams/A/Filesystem", "/teams/A/Filesystem", true),
        ("/elsewhere", "/elsewhere", true),
    ];
    for (raw, uri, exempt) in sent {
        let path = Path { raw: raw.as_bytes(), uri: uri.as_bytes(), rewritten: false };
        assert_eq!(!guard.asks_for_cover(&guard.judge_request(path), path, true), exempt, "{raw}");
    }
    let both = self::guard(&["/API/v1/:uid", "/api/v1/:uid"]);
    for (raw, exempt) in [("/api/v1/A", true), ("/API/v1/A", true), ("/Api/v1/A", false)] {
        let path = Path { raw: raw.as_bytes(), uri: raw.as_bytes(), rewritten: false };
        assert_eq!(!both.asks_for_cover(&both.judge_request(path), path, true), exempt, "{raw}");
    }
    for (raw, uri, exempt) in [("/old/A", "/api/Users/A", true), ("/old/A", "/api/users/A", false)] {
        let path = Path { raw: raw.as_bytes(), uri: uri.as_bytes(), rewritten: true };
        assert_eq!(!guard.asks_for_cover(&guard.judge_request(path), path, true), exempt, "{raw} to {uri}");
    }
}

#[test]
fn gives_up_on_what_is_too_contorted() {
    let long = |piece: &str| format!("/{}", piece.repeat(16_000 / piece.len())).into_bytes();
    assert_eq!(read(&long("a%20b/")), Readings::NotUnder);
    assert_eq!(read(&long("caf%C3%A9/")), Readings::NotUnder);
    assert_eq!(read(&long("a;b/../ %25%2e\\#//%3f%09%252f")), Readings::Unclear);
}
