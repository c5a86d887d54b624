//! Mistakes in the directives on claims, conditions and answers: `nginx -t` names directive, file and line.

use crate::common::*;

/// Every directive of this kind with a value that is in order.
const DIRECTIVES: [&str; 16] = [
    "jwt_user_scope_issuer https://auth.example",
    "jwt_user_scope_audience api",
    "jwt_user_scope_type JWT",
    "jwt_user_scope_leeway 5s",
    "jwt_user_scope_max_lifetime 15m",
    "jwt_user_scope_require $arg_x",
    "jwt_user_scope_bypass $arg_x",
    "jwt_user_scope_token $cookie_session",
    "jwt_user_scope_realm api",
    "jwt_user_scope_error_body problem",
    "jwt_user_scope_preflight on",
    "jwt_user_scope_mode report",
    "jwt_user_scope_log_level warn",
    "jwt_user_scope_path off",
    "jwt_user_scope_claim sub",
    "jwt_user_scope_cache max=100",
];

fn in_location(lines: &str) -> ConfigCheck {
    Setup::new().check(&format!("server {{ listen unix:nginx.sock; jwt_user_scope any; location / {{\n{lines}\n}} }}"))
}

#[test]
fn every_context_of_the_contract_takes_every_directive() {
    let all = DIRECTIVES.map(|directive| format!("{directive};")).join("\n");
    let check = Setup::new().check(&format!(
        "{all}
        jwt_user_scope any;
        server {{
            listen unix:nginx.sock;
            {all}
            location / {{
                {all}
                limit_except GET {{ {all} }}
                location /nested {{ {all} }}
            }}
        }}"
    ));
    assert!(check.accepted, "{}", check.stderr);
}

#[test]
fn no_other_context_takes_one() {
    for directive in DIRECTIVES {
        let check = in_location(&format!("if ($uri) {{\n{directive}; # here\n}}"));
        assert_refused_here(directive, &check, "not allowed here");
        let name = directive.split(' ').next().unwrap_or_default();
        assert!(check.stderr.contains(&format!("\"{name}\"")), "{}", check.stderr);
    }
    let check = in_location("jwt_user_scope_set $x sub; # here");
    assert_refused_here("set in a location", &check, "not allowed here");
    let check = Setup::new().check("server { listen unix:nginx.sock;\njwt_user_scope_set $x sub; # here\n}");
    assert_refused_here("set in a server", &check, "not allowed here");
}

#[test]
fn a_second_one_on_a_level_is_a_duplicate() {
    for directive in DIRECTIVES {
        let name = directive.split(' ').next().unwrap_or_default();
        let mut seconds = vec![directive.to_owned()];
        if !matches!(name, "jwt_user_scope_mode" | "jwt_user_scope_log_level") {
            seconds.push(format!("{name} off"));
        }
        for second in &seconds {
            let check = in_location(&format!("{directive};\n{second}; # here"));
            assert_refused_here(second, &check, "is duplicate");
            assert!(check.stderr.contains(&format!("\"{name}\" directive is duplicate")), "{}", check.stderr);
        }
    }
}

#[test]
fn a_value_that_is_none_is_refused() {
    let cases = [
        ("jwt_user_scope_issuer", "number of arguments"),
        ("jwt_user_scope_issuer ''", "empty"),
        ("jwt_user_scope_issuer a ''", "empty"),
        ("jwt_user_scope_issuer a off", "off"),
        ("jwt_user_scope_audience", "number of arguments"),
        ("jwt_user_scope_audience ''", "empty"),
        ("jwt_user_scope_audience off api", "off"),
        ("jwt_user_scope_type", "number of arguments"),
        ("jwt_user_scope_type ''", "empty"),
        ("jwt_user_scope_type JWT off", "off"),
        ("jwt_user_scope_leeway", "number of arguments"),
        ("jwt_user_scope_leeway soon", "soon"),
        ("jwt_user_scope_leeway -5s", "-5s"),
        ("jwt_user_scope_leeway 5x", "5x"),
        ("jwt_user_scope_leeway ''", "jwt_user_scope_leeway"),
        ("jwt_user_scope_leeway 5s 5s", "number of arguments"),
        ("jwt_user_scope_leeway 99999999999999999999s", "99999999999999999999s"),
        ("jwt_user_scope_leeway 3601s", "1h"),
        ("jwt_user_scope_leeway 500y", "1h"),
        ("jwt_user_scope_max_lifetime", "number of arguments"),
        ("jwt_user_scope_max_lifetime long", "long"),
        ("jwt_user_scope_max_lifetime -1", "-1"),
        ("jwt_user_scope_max_lifetime 1500ms", "1500ms"),
        ("jwt_user_scope_max_lifetime 1h 1m", "number of arguments"),
        ("jwt_user_scope_require", "number of arguments"),
        ("jwt_user_scope_require $arg_x error=500", "error=500"),
        ("jwt_user_scope_require $arg_x error=", "error="),
        ("jwt_user_scope_require error=401 $arg_x", "error=401"),
        ("jwt_user_scope_require $arg_x error=401 error=403", "error=401"),
        ("jwt_user_scope_require $arg_x error=4010", "error=4010"),
        ("jwt_user_scope_require jwt_user_scope_claim_email_verified", "variables only"),
        ("jwt_user_scope_require 1", "variables only"),
        ("jwt_user_scope_require ''", "variables only"),
        ("jwt_user_scope_require x$arg_x", "variables only"),
        ("jwt_user_scope_require $arg_x y error=401", "variables only"),
        ("jwt_user_scope_bypass", "number of arguments"),
        ("jwt_user_scope_bypass $jwt_user_scope_claim_exp", "every verified token"),
        ("jwt_user_scope_bypass $arg_x$jwt_user_scope_header_alg", "every verified token"),
        ("jwt_user_scope_bypass 1", "variable"),
        ("jwt_user_scope_bypass ''", "variable"),
        ("jwt_user_scope_bypass $arg_x admin", "variable"),
        ("jwt_user_scope_bypass off $arg_x", "stands alone"),
        ("jwt_user_scope_guard off /users/:id", "stands alone"),
        ("jwt_user_scope_algorithms off HS256", "stands alone"),
        ("jwt_user_scope_require error=401", "names no value"),
        ("jwt_user_scope_issuer https://$host", "not evaluated"),
        ("jwt_user_scope_audience ${host}", "not evaluated"),
        ("jwt_user_scope_secret off", "no \"off\""),
        ("jwt_user_scope_key_file off", "no \"off\""),
        ("jwt_user_scope_key_request off", "no \"off\""),
        ("jwt_user_scope_token", "number of arguments"),
        ("jwt_user_scope_token ''", "variable"),
        ("jwt_user_scope_token $arg_x $arg_y", "number of arguments"),
        ("jwt_user_scope_realm", "number of arguments"),
        ("jwt_user_scope_realm ''", "text"),
        ("jwt_user_scope_realm $host", "not evaluated"),
        ("jwt_user_scope_claim $uid", "not evaluated"),
        ("jwt_user_scope_realm 'a\tb'", "control"),
        ("jwt_user_scope_realm 'a\u{7f}b'", "control"),
        ("jwt_user_scope_realm a b", "number of arguments"),
        ("jwt_user_scope_error_body xml", "json"),
        ("jwt_user_scope_error_body on", "json"),
        ("jwt_user_scope_error_body", "number of arguments"),
        ("jwt_user_scope_preflight yes", "on"),
        ("jwt_user_scope_preflight", "number of arguments"),
        ("jwt_user_scope_mode off", "report"),
        ("jwt_user_scope_mode log", "report"),
        ("jwt_user_scope_log_level debug", "notice"),
        ("jwt_user_scope_log_level crit", "notice"),
        ("jwt_user_scope_log_level off", "notice"),
        ("jwt_user_scope_path lenient", "strict"),
        ("jwt_user_scope_path on", "strict"),
    ];
    for (directive, says) in cases {
        assert_refused_here(directive, &in_location(&format!("{directive}; # here")), says);
    }
}

/// Where a variable is expected somebody may have written a token, so the message does not repeat it.
#[test]
fn a_literal_token_is_refused_and_not_repeated() {
    let check = in_location("jwt_user_scope_token eyJhbGciOi.eyJ1aWQi.c2lnbmF0dXJl; # here");
    assert_refused_here("a literal token", &check, "variable");
    assert!(!check.stderr.contains("eyJ"), "{}", check.stderr);
}

fn set(lines: &str) -> ConfigCheck {
    Setup::new().check(&format!("{lines}\nserver {{ listen unix:nginx.sock; jwt_user_scope any; }}"))
}

#[test]
fn a_set_variable_must_be_new_and_its_claim_a_name() {
    let cases = [
        ("jwt_user_scope_set $x; # here", "number of arguments"),
        ("jwt_user_scope_set $x a b; # here", "number of arguments"),
        ("jwt_user_scope_set x sub; # here", "variable name"),
        ("jwt_user_scope_set '' sub; # here", "variable name"),
        ("jwt_user_scope_set $x ''; # here", "empty"),
        ("jwt_user_scope_set $x /a~2; # here", "RFC 6901"),
        ("jwt_user_scope_set $x a;\njwt_user_scope_set $x b; # here", "duplicate"),
        ("jwt_user_scope_set $x a;\njwt_user_scope_set $X b; # here", "duplicate"),
        ("jwt_user_scope_set $uri sub; # here", "duplicate"),
        ("jwt_user_scope_set $host sub; # here", "duplicate"),
        ("jwt_user_scope_set $jwt_user_scope_user sub; # here", "own"),
        ("jwt_user_scope_set $jwt_user_scope_claim_role sub; # here", "own"),
        ("jwt_user_scope_set $1 sub; # here", "variable name"),
        ("jwt_user_scope_set $a-b sub; # here", "variable name"),
        ("jwt_user_scope_set $jwt_user_scope_result sub; # here", "own"),
        ("map $uri $x { default 1; }\njwt_user_scope_set $x sub; # here", "duplicate"),
    ];
    for (lines, says) in cases {
        assert_refused_here(lines, &set(lines), says);
    }
    let check = set("jwt_user_scope_set $ sub; # here");
    assert!(!check.accepted && check.stderr.contains(&check.here), "a name of no letters: {}", check.stderr);
}

/// Whoever redefined a verified value would be believed.
#[test]
fn nothing_else_may_define_the_module_s_variables() {
    let definitions = [
        "jwt_user_scope_set $x sub;\nmap $uri $x { default 1; }",
        "jwt_user_scope_set $x sub;\ngeo $x { default 1; }",
        "map $uri $jwt_user_scope_user { default 1; }",
        "map $uri $jwt_user_scope_result { default ok; }",
        "map $uri $jwt_user_scope_payload { default 1; }",
        "jwt_user_scope_set $x sub;\nserver { listen unix:b.sock; location / { set $x 1; } }",
        "jwt_user_scope_set $x sub;\nserver { listen unix:b.sock; location ~ (?<x>.+) { } }",
        "server { listen unix:b.sock; location / { set $jwt_user_scope_user 1; } }",
        "server { listen unix:b.sock; location / { set $jwt_user_scope_result ok; } }",
        "server { listen unix:b.sock; location ~ ^/(?<jwt_user_scope_user>.+) { } }",
        "server { listen unix:b.sock; location / { auth_request /x; auth_request_set $jwt_user_scope_user 1; } }",
    ];
    for definition in definitions {
        let check = set(definition);
        assert!(!check.accepted && check.stderr.contains("duplicate"), "{definition}: {}", check.stderr);
    }
    let check = set("jwt_user_scope_set $x sub;\nmap $x $y { default 1; }\nmap $jwt_user_scope_user $z { default 1; }");
    assert!(check.accepted, "reading them is free: {}", check.stderr);
}

#[test]
fn what_a_condition_reads_must_exist() {
    for directive in ["jwt_user_scope_require", "jwt_user_scope_bypass", "jwt_user_scope_token"] {
        let check = in_location(&format!("{directive} $no_such_variable;"));
        assert!(!check.accepted && check.stderr.contains("no_such_variable"), "{directive}: {}", check.stderr);
    }
}
