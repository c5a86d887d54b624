use super::*;

#[test]
fn finds_demanded_slashes() {
    let rows: [(&[u8], bool); 48] = [
        (b"^/users/(?<user_id>[^/]+)/", true),
        (b"^/users/(?P<user_id>[^/]+)/", true),
        (b"^/users/(?'user_id'[^/]+)/", true),
        (b"^/users/(?<USER_ID>[^/]+)/", true),
        (b"^/users/(?<user_id>(a|b)[)/]+)/", true),
        (b"^/users/(?<user_id>[^/]+)/files", false),
        (b"^/users/(?<user_id>[^/]+)/files/", true),
        (b"^/users/(?<user_id>[^/]+)/.*$", true),
        (b"^/users/(?<user_id>[^/]+)/(.+)$", true),
        (b"^/users/(?<user_id>[^/]+)/(?<rest>.*)", true),
        (b"^/users/(?<user_id>[^/]+)/(?<rest>[\\s\\S]*)$", true),
        (b"^/users/(?<user_id>[^/]+)(?:/(?<rest>.*))?$", false),
        (b"^/users/(?<user_id>[^/]+)/|^/health/", true),
        (b"^/users/(?<user_id>[^/]+)|^/health/", false),
        (b"^/users/((?<user_id>[^/]+)/)?", false),
        (b"^/users/(?<user_id>\\w+)\\/", true),
        (b"^/users/(?<user_id>\\w+)[/]", true),
        (b"^/users/(?<user_id>\\w+)(?:/)", true),
        (b"^/users/(?<user_id>\\w+)/-x", false),
        (b"^/users/(?<user_id>[^/]+)(?:/|$)", false),
        (b"^/users/(?<user_id>[^/]+)", false),
        (b"^/users/(?<user_id>[^/]+)$", false),
        (b"^/users/(?<user_id>[^/]+)/?", false),
        (b"^/users/(?<user_id>[^/]+)/*", false),
        (b"^/users/(?<user_id>[^/]+)(/.*)?$", false),
        (b"^/(?<other>[^/]+)/(?<user_id>[^/]+)(?:/|$)", false),
        (b"^/users/(?<other>[^/]+)/", false),
        (b"^/users/(?<user_id>[^/]+", false),
        (b"^/(?<user_id>", false),
        (b"^/(?<user_id", false),
        (b"^/(?user_id>\\w+)/", false),
        (b"^/(?<user_id>[^/]+){1}/", true),
        (b"^/(?<user_id>\\)+)/", true),
        (b"^/(?<user_id>\\)+)x", false),
        (b"^/(?<user_id>[(]+)/", true),
        (b"^/(?<user_id>[(]+)x/", true),
        (b"^/(?<user_id>[)]+)x/", true),
        (b"^/(?<user_id>[)/]+)x", false),
        (b"^/(?<user_id>[)](a)x)/", true),
        (b"^/(?<user_id>[a]b(c)d)/", true),
        (b"^/(?<user_id>((a)(b)))/", true),
        (b"^/(?<user_id>((a)(b)))x", false),
        (b"^/(?<user_id>[^/]+)/|", true),
        (b"^/users/((?<user_id>[^/]+))(?:/|$)", false),
        (b"^/users/(?>(?<user_id>[^/]+))(?:/|$)", false),
        (b"^/users/(?:me|(?<user_id>[^/]+))(?:/|$)", false),
        (b"^/users(?:/(?<user_id>[^/]+))?(?:/|$)", false),
        (b"^/users(?:/(?<user_id>[^/]+))/", true),
    ];
    for (regex, demanded) in rows {
        assert_eq!(demands_slash(regex, &[b"user_id"]), demanded, "{}", regex.escape_ascii());
    }
    let two: &[&[u8]] = &[b"tenant", b"name"];
    assert!(!demands_slash(b"^/(?<tenant>\\w+)/(?<name>\\w+)$", two), "a slash between two parts of the user");
    assert!(demands_slash(b"^/(?<tenant>\\w+)/(?<name>\\w+)/", two));
}

#[test]
fn finds_groups_that_take_a_part() {
    for regex in [
        &b"^/u/(?<user_id>\\w+)"[..],
        b"^/u/(?<user_id>[a-z]+)",
        b"^/u/(?<user_id>.+)",
        b"^/u/(?<user_id>[^/]+?)",
        b"^/u/(?<user_id>[^/]{36})",
        b"^/u/(?<user_id>\\w+).*",
        b"^/u/(?<user_id>\\w+).*$",
        b"^/u/(?<user_id>\\w+).",
        b"^/u/(?<user_id>\\w+)/?",
        b"^/u/(?<user_id>\\w+)/*",
        b"^/u/(?<user_id>\\w+)/??",
        b"^/u/(?<user_id>\\w+)/{0,1}",
        b"^/u/(?<user_id>\\w+)/|x",
        b"^/u/(?<user_id>\\w+)[/.]",
        b"^/u/(?<user_id>\\w+)[^a]",
        b"^/u/(?<user_id>[0-9a-f-]+)\\b",
        b"^/u/(?<user_id>\\w+)\\W",
        b"^/u/(?<user_id>\\w+)(/.*)?",
        b"^/u/(?<user_id>\\w+)(?:/|)",
        b"^/u/(?<user_id>\\w+)(?:/|.)",
        b"^/u/(?<user_id>\\w+)(?:/|$)?",
        b"^/u/(?<user_id>\\w+)(?:(?:/|))",
        b"^/u/(?<user_id>\\w+)(?!x)",
        b"^/u/((?<user_id>\\w))*(?:/|$)",
        b"^/u/((?<user_id>\\w+))",
        b"^/u/(?<user_id>\\w+)(?<=x)",
        b"^/u/(?<user_id>\\w+)(?<!x>/)",
        b"^/u/(?<user_id>\\w+)(?<=x>/)",
        b"^/u/(?<user_id>\\w+)((((((((($)))))))))",
        b"^/u/(?<user_id>\\w+)(?:/",
        b"^/u/(?<user_id>[^/]+)\\b",
        b"^/u/(?<user_id>[^/]+).",
        b"^/u/(?<user_id>[^/]+)[/.]",
        b"^/u/(?<user_id>[^/]+)[^x]?\\w",
        b"^/u/(?<user_id>[^/]+)(?:x|.)",
        b"^/u/(?<user_id>[^/]+)[/",
        b"^/u/(?<user_id>[^/]+)(?:/|\\b",
        b"^/u/(?<user_id>\\w+)|/",
        b"^/u/(?:(?<user_id>\\w+)|me)",
        b"^/u/(?:(?<user_id>\\w+)|me)?(?:/|$)",
        b"^/u/(?:(?<user_id>\\w+)|me",
        b"^/u/(?:[^/]+-)?(?<user_id>[^/]+)(?:/|$)",
        b"^/u/[a-z]*(?<user_id>\\d+)(?:/|$)",
        b"^/u/\\w*-?(?<user_id>\\w+)(?:/|$)",
        b"^/u/.(?<user_id>[^/]+)(?:/|$)",
        b"^/u/(?:a|ab)(?<user_id>[^/]+)(?:/|$)",
        b"(?U)^/u/(?<user_id>[^/]+)",
        b"(?iU)^/u/(?<user_id>[^/]+)",
        b"^/u/(?<user_id>[^/]+)^x",
        b"^/u/(?<user_id>[^/]+)((((((((((x))))))))))",
        b"^/u/\\w(?<user_id>[^/]+)(?:/|$)",
        b"^/u/[^/](?<user_id>[^/]+)(?:/|$)",
        b"^/u/(?:x|y)(?<user_id>[^/]+)(?:/|$)",
        b"^/u/x?(?<user_id>[^/]+)(?:/|$)",
        b"^/u/\\w(?:x/)?(?<user_id>[^/]+)(?:/|$)",
    ] {
        assert!(takes_part_of_segment(regex, &[b"user_id"]), "{}", regex.escape_ascii());
    }
    for regex in [
        &b"^/u/(?<user_id>[^/]+)"[..],
        b"^/u/(?<user_id>[^/]*)",
        b"^/u/(?<user_id>\\w+)(?:/|$)",
        b"^/u/(?<user_id>\\w+)$",
        b"^/u/(?<user_id>\\w+)\\z",
        b"^/u/((?<user_id>\\w+))(?:/|$)",
        b"^/u/((?<user_id>\\w+)/)?",
        b"^/u/(?<user_id>\\w+)/",
        b"^/u/(?<user_id>\\w+)\\/",
        b"^/u/(?<user_id>\\w+)[/]",
        b"^/u/(?<user_id>\\w+)/+x",
        b"^/u/(?<user_id>\\w+)(/|$)",
        b"^/u/(?<user_id>\\w+)(?=/|$)",
        b"^/u/(?<user_id>\\w+)(?:$|\\/)",
        b"^/u/(?<user_id>\\w+)(?:/(?:a|b)|$)",
        b"^/u/(?<user_id>\\w+)(/.*)?$",
        b"^/u/(?<user_id>\\w+)(?:/(?<rest>.*))?$",
        b"^/u/(?<user_id>\\w+)(?P<rest>/.*)?$",
        b"^/u/(?<user_id>\\w+)/?$",
        b"^/u/(?<user_id>\\w+)/*+$",
        b"^/u/(?<user_id>\\w+)\\.json$",
        b"^/u/(?<user_id>\\w+):(?<what>.*)",
        b"^/u/(?<user_id>[^/]+).*",
        b"^/u/(?<user_id>[^/]++)/?",
        b"^/u/(?<user_id>[^/]++)\\b",
        b"^/u/(?<user_id>[^/]+)(?:/.*)?",
        b"^/u/(?<user_id>[^/]+)[/]?",
        b"^/u/(?<user_id>[^/]+)\\/?",
        b"^/u/(?<user_id>[^/]+)(?:x|/?)?",
        b"^/u/(?<user_id>[^/]+)(/|)$",
        b"^/u/(?<user_id>[^/]+)(?:/.*|)$",
        b"^/u/(?:(?<user_id>[^/]+)|me)",
        b"^/u/(?<user_id>[^/]+)|/me",
        b"^/u/(?<user_id>[^\\/]+)/?",
        b"^/u/(?:(?<user_id>\\w+)|me)(?:/|$)",
        b"^/u/(?:me|(?<user_id>\\w+)|(?:all|some))/",
        b"^/u/(?<user_id>\\w+",
        b"^/u/",
        b"^/u/user-(?<user_id>[^/]+)(?:/|$)",
        b"^/(?:u|users)/(?<user_id>[^/]+)(?:/|$)",
        b"^/u(?:/(?<user_id>[^/]+))?(?:/|$)",
        b"^/u/(?i:(?<user_id>[^/]+))(?:/|$)",
        b"(?i)^/u/(?<user_id>[^/]+)",
        b"^/u/(?<user_id>[^/]+)/?+$",
        b"^/u/(?<user_id>[^/]+)/*?(?:x*)?$",
        b"^/u/(?!me(?:/|$))(?<user_id>[^/]+)(?:/|$)",
        b"^/u/(?!me\\b)(?<user_id>[^/]+)(?:/|$)",
        b"^/u/(?!(?:me|search)(?:/|$))(?<user_id>[^/]+)(?:/|$)",
        b"^/u/(?=[^/]{36}(?:/|$))(?<user_id>[^/]+)(?:/|$)",
        b"^/u/(?<!x)(?<user_id>[^/]+)(?:/|$)",
        b"^/u/(?i)(?<user_id>[^/]+)(?:/|$)",
        b"^/(?:u)-(?<user_id>[^/]+)(?:/|$)",
        b"^/u/(?:by-id/)?(?<user_id>[^/]+)(?:/|$)",
        b"^/(?:en/|de/)?(?<user_id>[^/]+)(?:/|$)",
        b"^/[a-z]{2}/u{1}/(?<user_id>[^/]+)(?:/|$)",
        b"^/u/x{1}(?<user_id>[^/]+)(?:/|$)",
        b"^/api/v[0-9]+/users/(?<user_id>[0-9a-f-]{36})(?:/|$)",
        b"^/(?<lang>[a-z]{2})/users/(?<user_id>[^/]+)(?:/|$)",
        b"^/users/(?<user_id>[A-Za-z0-9_-]+)(/|$)",
    ] {
        assert!(!takes_part_of_segment(regex, &[b"user_id"]), "{}", regex.escape_ascii());
    }
}

#[test]
fn finds_missing_anchors() {
    let is_unanchored = |regex| is_unanchored(regex, &[b"user_id"]);
    for regex in [
        &b"/users/(?<user_id>\\d+)/"[..],
        b"(?<user_id>[^/]+)/x",
        b"^/health|/users/(?<user_id>[^/]+)",
        b"/users/(?<user_id>[^/]+)|^/health",
        b"(?i)/users/(?<user_id>[^/]+)",
        b"(?=/u)/users/(?<user_id>[^/]+)",
        b"^/[a-z/]*users/(?<user_id>[^/]+)",
        b"^/[\\s\\S]*users/(?<user_id>[^/]+)",
        b"^(?:/[^/]+)*/users/(?<user_id>[^/]+)",
        b"^(.|/)*/users/(?<user_id>[^/]+)",
        b"(?<!x)/users/(?<user_id>[^/]+)",
        b"(?:/v1)?/u/(?<user_id>[^/]+)",
        b"(?:^/v1)?/u/(?<user_id>[^/]+)",
        b"(?:^/v1|/v2)/u/(?<user_id>[^/]+)",
        b"(^/health|/u/(?<user_id>[^/]+))",
        b"((((((((((^/u/(?<user_id>[^/]+)))))))))))",
        b"(/u/(?<user_id>[^/]+)",
        b"^/api/.*users/(?<user_id>[^/]+)",
        b"^/api/(.+)/users/(?<user_id>[^/]+)",
        b"^(?:/.+)?/users/(?<user_id>[^/]+)",
        b"^/\\S+/users/(?<user_id>[^/]+)",
        b"^/[^.]+/users/(?<user_id>[^/]+)",
        b"^/.{1,9}/users/(?<user_id>[^/]+)",
        b"^/api/[!-z]+/(?<user_id>[^/]+)",
        b"^/api/[[:graph:]]+/(?<user_id>[^/]+)",
        b"^/api/[a[:^alpha:]]+/(?<user_id>[^/]+)",
        b"^/api/[^[:alpha:]]+/(?<user_id>[^/]+)",
        b"^/api/\\H+/(?<user_id>[^/]+)$",
        b"^/api/\\V+/(?<user_id>[^/]+)$",
        b"^/api/\\X+/(?<user_id>[^/]+)$",
        b"^/api/\\PL+/(?<user_id>[^/]+)$",
        b"^/api/users\\p{Any}*/(?<user_id>[^/]+)$",
        b"^/api/[\\p{Any}]*/(?<user_id>[^/]+)$",
        b"^/api/users/(?:(?<user_id>[^/]+)/)+",
        b"^/api(?:/users/(?<user_id>[^/]+))*",
    ] {
        assert!(is_unanchored(regex), "{}", regex.escape_ascii());
    }
    for regex in [
        &b"^/users/(?<user_id>\\d+)/"[..],
        b"\\A/u/(?<user_id>\\d+)/",
        b"(?i)^/users/(?<user_id>\\d+)/",
        b"(?!/u/me)^/u/(?<user_id>\\d+)/",
        b"(^/u/(?<user_id>[^/]+))",
        b"(?:^/u/(?<user_id>[^/]+)|/health)",
        b"(?:^/v1|^/v2)/u/(?<user_id>[^/]+)",
        b"(?<version>^/v\\d)/u/(?<user_id>[^/]+)",
        b"^/u/(?<user_id>[^/]+)|/health",
        b"^/v.\\.*/u/(?<user_id>[^/]+)",
        b"^/[^/]+/u/(?<user_id>[^/]+).*",
        b"^/[.*]/u/(?<user_id>[^/]+)",
        b"^(?!.*\\.php$)/users/(?<user_id>[^/]+)",
        b"^/(?!.*\\.\\.)users/(?<user_id>[^/]+)",
        b"^/(?:v\\d+)*/users/(?<user_id>[^/]+)",
        b"^/[^/.]+/users/(?<user_id>[^/]+)",
        b"^/[[:alpha:]]+/users/(?<user_id>[^/]+)",
        b"^/api/[^\\x00-\\x1f/]+/(?<user_id>[^/]+)",
        b"^/[a-z0-9_-]+/users/(?<user_id>[^/]+)",
        b"^/[^[:punct:]]+/users/(?<user_id>[^/]+)",
        b"^/\\p{Lu}+/users/(?<user_id>[^/]+)",
        b"^/api/users/(?:(?<user_id>[^/]+)/)?",
        b"^/api/users/(?:(?<user_id>[^/]+)/){1}",
        b"^/api/users/(?<user_id>[a-z]+)+/",
        b"txt$",
    ] {
        assert!(!is_unanchored(regex), "{}", regex.escape_ascii());
    }
}

#[test]
fn finds_regexes_that_swallow_a_path() {
    for regex in [
        &b"\\.png$"[..],
        b"^/a|\\.png$",
        b"(?i)\\.png$",
        b"(a|b)",
        b"",
        b"^/api/",
        b"^/api",
        b"(?i)^/api/",
        b"^/.+\\.png$",
        b"^.*\\.png$",
        b"^/(.*)$",
        b"^/(?<path>(?:[^.]+))",
        b"^",
    ] {
        assert!(swallows(regex, b"/api/users/"), "{}", regex.escape_ascii());
    }
    for regex in [
        &b"^/a$"[..],
        b"^/b|^/c",
        b"(?:^/a|^/b)x",
        b"(?i)^/a/",
        b"^/(en|de)/.*",
        b"^/api/users/public",
        b"^/api/users/[^/]+/public",
        b"^/[^/]+/x",
        b"^/api/$",
        b"^/v.\\.png$",
    ] {
        assert!(!swallows(regex, b"/api/users/"), "{}", regex.escape_ascii());
    }
}

#[test]
fn finds_the_literal_start() {
    for (regex, start) in [
        (&b"^/api/users/(?<user_id>[^/]+)"[..], "/api/users/"),
        (b"^/api/v1\\.0/[^/]+", "/api/v1.0/"),
        (b"^/api/users?/x", "/api/user"),
        (b"^/apis*", "/api"),
        (b"^/api/v\\d/x", "/api/v"),
        (b"^/a+/b", "/"),
        (b"(?i)^/api/", "/api/"),
        (b"(?!/x)(?i)^/api/", "/api/"),
        (b"^/api|^/users", ""),
        (b"/api/users/", ""),
        (b"^", ""),
        (b"^/api/$", "/api/"),
    ] {
        assert_eq!(literal_start(regex), start.as_bytes(), "{}", regex.escape_ascii());
    }
}

#[test]
fn finds_ends_that_stop_at_a_line_end() {
    for regex in [
        &b"^/u/(?<user_id>[^/]+)(.*)$"[..],
        b"(?<rest>.*)$",
        b"(?:/(.*))?$",
        b"/.*$",
        b"/(.+)$",
        b"(?:/.*$|$)",
        b"(?:$|/.*$)",
        b"(/.*|)$",
        b"(/.+|/?)$",
        b"(?:/(?<rest>.*)$|$)",
    ] {
        assert!(stops_at_line_end(regex), "{}", regex.escape_ascii());
    }
    for regex in
        [&b"^/u/(?<user_id>[^/]+)$"[..], b"(?:/|$)", b"(.*)", b".*", b"", b"$", b"/.$", b"/x*$", b"\\.*$", b".*x$"]
    {
        assert!(!stops_at_line_end(regex), "{}", regex.escape_ascii());
    }
}

/// They read what somebody has written, which may be no regex at all.
#[test]
fn looks_at_anything() {
    const MADE_OF: &[u8] = b"()[]^$|?*+\\.a/{}<>:='!PuSi";
    let mut random = 1_u64;
    let mut draw = |below: usize| {
        // Of Numerical Recipes; the higher bits are the better ones.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for _ in 0..100_000 {
        let mut regex: Vec<u8> = (0..draw(24)).map(|_| MADE_OF[draw(MADE_OF.len())]).collect();
        if draw(2) == 0 {
            regex.splice(0..0, *b"^/(?<u>");
        }
        let names: &[&[u8]] = &[b"u"];
        _ = (demands_slash(&regex, names), takes_part_of_segment(&regex, names), is_unanchored(&regex, names));
        _ = (stops_at_line_end(&regex), swallows(&regex, b"/a/"), literal_start(&regex));
    }
    let deep = b"(".repeat(4096);
    assert!(is_unanchored(&[&deep[..], b"(?<u>a)"].concat(), &[b"u"]));
}
