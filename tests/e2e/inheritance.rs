//! What a level inherits, replaces whole and cancels.

use crate::common::*;

/// Two values of a directive, what a request must bring to satisfy each, and the word without it.
struct Rule {
    name: &'static str,
    values: [&'static str; 2],
    /// In order for the first value, for the second, and for neither.
    requests: [fn(&str) -> Request; 3],
    word: &'static str,
}

fn bearing(path: &str, members: &str) -> Request {
    get(path).token(&token(claims(&format!(r#""uid":"alice",{members}"#))))
}

fn typed(path: &str, typ: &str) -> Request {
    get(path).token(&sign(format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#), claims(r#""uid":"alice""#), SECRET))
}

const LISTS: [Rule; 3] = [
    Rule {
        name: "jwt_user_scope_issuer",
        values: ["a", "b"],
        requests: [|p| bearing(p, r#""iss":"a""#), |p| bearing(p, r#""iss":"b""#), |p| bearing(p, r#""iss":"c""#)],
        word: "bad_issuer",
    },
    Rule {
        name: "jwt_user_scope_audience",
        values: ["a", "b"],
        requests: [|p| bearing(p, r#""aud":"a""#), |p| bearing(p, r#""aud":"b""#), |p| bearing(p, r#""aud":"c""#)],
        word: "bad_audience",
    },
    Rule {
        name: "jwt_user_scope_require",
        values: ["$http_a", "$http_b"],
        requests: [
            |p| get(p).token(&uid("alice")).header("A", "1"),
            |p| get(p).token(&uid("alice")).header("B", "1"),
            |p| get(p).token(&uid("alice")),
        ],
        word: "requirement_failed",
    },
];

const TYPE: Rule = Rule {
    name: "jwt_user_scope_type",
    values: ["a+jwt", "b+jwt"],
    requests: [|p| typed(p, "a+jwt"), |p| typed(p, "b+jwt"), |p| typed(p, "JWT")],
    word: "bad_type",
};

/// A location for each way to treat what the `http` block has set.
fn levels(name: &str, [first, second]: [&str; 2], cancel: &str, inside: &str) -> String {
    format!(
        "{name} {first};
        server {{
            listen unix:nginx.sock;
            add_header X-Result $jwt_user_scope_result always;
            {inside}
            location /inherits {{ proxy_pass http://unix:echo.sock; }}
            location /replaces {{ {name} {second}; proxy_pass http://unix:echo.sock;
                location /replaces/nested {{ proxy_pass http://unix:echo.sock; }} }}
            location /cancels {{ {name} {cancel}; proxy_pass http://unix:echo.sock;
                location /cancels/nested {{ proxy_pass http://unix:echo.sock; }}
                location /cancels/again {{ {name} {second}; proxy_pass http://unix:echo.sock; }} }}
            location /methods {{ limit_except GET {{ {name} {second}; }} proxy_pass http://unix:echo.sock; }}
        }}
        server {{
            listen unix:second.sock;
            add_header X-Result $jwt_user_scope_result always;
            {inside}
            {name} {second};
            location / {{ proxy_pass http://unix:echo.sock; }}
        }}"
    )
}

/// Which of the three requests each location lets in; `cancelled` says so for the cancelled rule.
fn judge(rule: &Rule, inside: &str, cancelled: [bool; 3]) {
    for off in ["off", "OFF"] {
        judge_by(rule, off, inside, cancelled);
    }
}

fn judge_by(rule: &Rule, off: &str, inside: &str, cancelled: [bool; 3]) {
    let nginx = Setup::new().http(&levels(rule.name, rule.values, off, inside));
    let expected = [
        ("nginx.sock", "/inherits", [true, false, false]),
        ("nginx.sock", "/replaces", [false, true, false]),
        ("nginx.sock", "/replaces/nested", [false, true, false]),
        ("nginx.sock", "/cancels", cancelled),
        ("nginx.sock", "/cancels/nested", cancelled),
        ("nginx.sock", "/cancels/again", [false, true, false]),
        ("nginx.sock", "/methods", [true, false, false]),
        ("second.sock", "/", [false, true, false]),
    ];
    for (socket, path, passes) in expected {
        for (request, passes) in rule.requests.iter().zip(passes) {
            let response = Client::connect(&nginx.path(socket)).ask(&request(path));
            let word = response.header("X-Result").unwrap_or_default();
            let let_in = matches!(word, "ok" | "bypassed");
            assert_eq!(
                (let_in, response.status == 200),
                (passes, passes),
                "{} {socket}{path}: {response:?}",
                rule.name
            );
            assert!(let_in || word == rule.word, "{} {path}: {word}", rule.name);
        }
    }
}

#[test]
fn a_list_is_replaced_whole_and_off_cancels_it() {
    for rule in &LISTS {
        judge(rule, "jwt_user_scope any;", [true; 3]);
    }
}

#[test]
fn off_gives_the_type_its_default_back() {
    judge(&TYPE, "jwt_user_scope any;", [false, false, true]);
}

#[test]
fn a_cancelled_claim_is_the_default_again() {
    let rule = Rule {
        name: "jwt_user_scope_claim",
        values: ["a", "b"],
        requests: [
            |p| get(p).token(&token(claims(r#""a":"alice""#))),
            |p| get(p).token(&token(claims(r#""b":"alice""#))),
            |p| get(p).token(&uid("alice")),
        ],
        word: "bad_claim",
    };
    judge(&rule, "jwt_user_scope any;", [false, false, true]);
}

#[test]
fn cancelled_times_are_none() {
    let nginx = Setup::new().http(&format!(
        "jwt_user_scope_leeway 1m; jwt_user_scope_max_lifetime 1m; {}",
        scoped_server(
            "jwt_user_scope any;
            location /inherited { empty_gif; }
            location /off { jwt_user_scope_leeway off; jwt_user_scope_max_lifetime off; empty_gif; }"
        )
    ));
    let now = now();
    let long = token(format!(r#"{{"uid":"alice","iat":{now},"exp":{}}}"#, now + 3600));
    let expired = token(format!(r#"{{"uid":"alice","iat":{now},"exp":{}}}"#, now - 30));
    for (path, of_long, of_expired) in [("/inherited", "lifetime_exceeded", "ok"), ("/off", "ok", "expired")] {
        expect(path, of_long, &get(path).token(&long).send(&nginx));
        expect(path, of_expired, &get(path).token(&expired).send(&nginx));
    }
}

#[test]
fn a_cancelled_bypass_opens_nothing() {
    let rule = Rule {
        name: "jwt_user_scope_bypass",
        values: ["$http_a", "$http_b"],
        requests: LISTS[2].requests,
        word: "user_mismatch",
    };
    judge(&rule, "jwt_user_scope owner-of$uri;", [false; 3]);
}

#[test]
fn a_cancelled_token_is_read_from_authorization_again() {
    let rule = Rule {
        name: "jwt_user_scope_token",
        values: ["$http_a", "$http_b"],
        requests: [
            |p| get(p).header("A", uid("alice")),
            |p| get(p).header("B", uid("alice")),
            |p| get(p).token(&uid("alice")),
        ],
        word: "missing_token",
    };
    judge(&rule, "jwt_user_scope any;", [false, false, true]);
}

#[test]
fn a_limit_except_replaces_for_its_methods_only() {
    for rule in LISTS.iter().chain([&TYPE]) {
        let nginx = Setup::new().http(&levels(rule.name, rule.values, "off", "jwt_user_scope any;"));
        for (members, passes) in rule.requests.iter().zip([false, true, false]) {
            let bytes = String::from_utf8_lossy(&members("/methods").bytes()).replacen("GET", "POST", 1);
            let mut client = nginx.client();
            client.send(bytes.as_bytes());
            let response = client.receive("POST");
            assert_eq!(response.header("X-Result") == Some("ok"), passes, "{}: {response:?}", rule.name);
        }
    }
}

/// Requests to one location each, under the inherited value, another, and the default.
fn words(directive: &str, other: &str, default: &str, ask: impl Fn(&str) -> Request) -> [String; 3] {
    let nginx = Setup::new().http(&format!(
        "{directive};
        {}",
        scoped_server(&format!(
            "jwt_user_scope any;
            location /inherits {{ proxy_pass http://unix:echo.sock; }}
            location /replaces {{ {other}; location /replaces/it {{ proxy_pass http://unix:echo.sock; }} }}
            location /default {{ {default}; proxy_pass http://unix:echo.sock; }}"
        ))
    ));
    ["/inherits", "/replaces/it", "/default"].map(|path| {
        let response = ask(path).send(&nginx);
        let result = response.header("X-Result").unwrap_or_default().to_owned();
        format!("{} {result}", response.status)
    })
}

#[test]
fn times_are_replaced_and_0_is_the_default() {
    let late = token(format!(r#"{{"uid":"alice","exp":{}}}"#, now() - 60));
    let leeway = words("jwt_user_scope_leeway 1h", "jwt_user_scope_leeway 1s", "jwt_user_scope_leeway 0", |path| {
        get(path).token(&late)
    });
    assert_eq!(leeway, ["200 ok", "401 expired", "401 expired"]);
    let lifetime = words(
        "jwt_user_scope_max_lifetime 1h",
        "jwt_user_scope_max_lifetime 400w",
        "jwt_user_scope_max_lifetime 0",
        |path| get(path).token(&token(format!(r#"{{"uid":"alice","exp":{}}}"#, now() + 7200))),
    );
    assert_eq!(lifetime, ["401 lifetime_exceeded", "200 ok", "200 ok"]);
}

#[test]
fn switches_are_inherited_and_replaced() {
    let preflight = |path: &str| {
        request("OPTIONS", path).header("Origin", "https://a").header("Access-Control-Request-Method", "PUT")
    };
    let on = ["jwt_user_scope_preflight on", "jwt_user_scope_preflight off", "jwt_user_scope_preflight on"];
    assert_eq!(words(on[0], on[1], on[2], preflight), ["200 preflight", "401 missing_token", "200 preflight"]);
    let mode = ["jwt_user_scope_mode report", "jwt_user_scope_mode enforce", "jwt_user_scope_mode report"];
    let expected = ["200 missing_token", "401 missing_token", "200 missing_token"];
    assert_eq!(words(mode[0], mode[1], mode[2], |path| get(path)), expected);
}

#[test]
fn answers_are_inherited_and_replaced() {
    let nginx = Setup::new().http(
        "jwt_user_scope_realm first;
        jwt_user_scope_error_body problem;
        jwt_user_scope_log_level notice;
        jwt_user_scope any;
        server {
            listen unix:nginx.sock;
            location /inherits { empty_gif; }
            location /replaces {
                jwt_user_scope_realm second; jwt_user_scope_error_body json; jwt_user_scope_log_level warn;
                location /replaces/nested { empty_gif; }
            }
            location /cancels {
                jwt_user_scope_realm off; jwt_user_scope_error_body off; jwt_user_scope_log_level info;
                location /cancels/nested { empty_gif; }
            }
        }",
    );
    let cases = [
        ("/inherits", r#"realm="first", "#, "application/problem+json", "[notice]"),
        ("/replaces/nested", r#"realm="second", "#, "application/json", "[warn]"),
        ("/cancels", "", "text/html", "[info]"),
        ("/cancels/nested", "", "text/html", "[info]"),
    ];
    for (path, realm, content_type, level) in cases {
        let response = get(path).token("x").send(&nginx);
        let challenge = format!(r#"Bearer {realm}error="invalid_token", error_description="Invalid token""#);
        assert_eq!(response.all("WWW-Authenticate"), [challenge], "{path}");
        assert_eq!(response.all("Content-Type"), [content_type], "{path}");
        let lines = nginx.log_with(&format!("location: \"{path}\""));
        assert!(lines.len() == 1 && lines[0].contains(level), "{path}: {lines:?}");
    }
}

/// In the order of their names, and each where its `include` stands.
#[test]
fn an_included_file_is_part_of_the_block_around_it() {
    let nginx = Setup::new()
        .file("rules.conf", "jwt_user_scope_audience api;")
        .file("b.part", "location ~ ^/users/(?<user_id>[^/]+) { jwt_user_scope on; empty_gif; }")
        .file("a.part", "location ~ ^/users/B { return 410; }")
        .http(&format!(
            "include rules.conf; include *.none;
            {}",
            scoped_server("include [ab].part; location / { include rules.conf; jwt_user_scope any; empty_gif; }")
        ));
    let of_api = |user: &str| token(claims(&format!(r#""uid":"{user}","aud":"api""#)));
    expect("a rule of http", "bad_audience", &get("/users/A").token(&uid("A")).send(&nginx));
    expect("met", "ok", &get("/users/A").token(&of_api("A")).send(&nginx));
    expect("a rule of the location", "bad_audience", &get("/").token(&uid("A")).send(&nginx));
    assert_eq!(get("/users/B").token(&of_api("B")).send(&nginx).status, 410, "the first regex");
}
