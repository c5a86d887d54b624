//! Rules on claims and header: `jwt_user_scope_issuer`, `_audience`, `_type`, `_leeway`, `_max_lifetime`.

use crate::common::*;

fn nginx(directives: &str) -> Nginx {
    Setup::new().server(&format!("jwt_user_scope any;\n{directives}\nlocation / {{ empty_gif; }}"))
}

/// Asks with tokens of these payload members, beside `uid` and a distant `exp`.
fn judge(nginx: &Nginx, cases: &[(&str, &str)]) {
    let mut client = nginx.client();
    for (members, word) in cases {
        let payload = claims(&format!(r#""uid":"alice"{members}"#));
        expect(members, word, &client.ask(&get("/").token(&token(&payload))));
    }
}

/// The same, without a distant `exp`.
fn judge_times(nginx: &Nginx, cases: &[(String, &str)]) {
    let mut client = nginx.client();
    for (members, word) in cases {
        let payload = format!(r#"{{"uid":"alice",{members}}}"#);
        expect(members, word, &client.ask(&get("/").token(&token(&payload))));
    }
}

#[test]
fn the_issuer_is_one_of_the_list_to_the_byte() {
    let cases = [
        (r#","iss":"https://a.example""#, "ok"),
        (r#","iss":"https://b.example""#, "ok"),
        (r#","iss":"https:\/\/a.example""#, "ok"),
        (r#","iss":"https://a.example/""#, "bad_issuer"),
        (r#","iss":"https://A.example""#, "bad_issuer"),
        (r#","iss":" https://a.example""#, "bad_issuer"),
        (r#","iss":"https://c.example""#, "bad_issuer"),
        (r#","iss":"https://a.example https://b.example""#, "bad_issuer"),
        (r#","iss":"""#, "bad_issuer"),
        (r#","iss":["https://a.example"]"#, "bad_issuer"),
        (r#","iss":null"#, "bad_issuer"),
        (r#","iss":1"#, "bad_issuer"),
        (r#","ISS":"https://a.example""#, "bad_issuer"),
        ("", "bad_issuer"),
    ];
    judge(&nginx("jwt_user_scope_issuer https://a.example https://b.example;"), &cases);
    let unasked: Vec<_> = cases.iter().map(|(members, _)| (*members, "ok")).collect();
    judge(&nginx(""), &unasked);
    judge(&nginx("jwt_user_scope_issuer off;"), &unasked);
}

#[test]
fn the_audience_names_one_of_the_list() {
    let cases = [
        (r#","aud":"api""#, "ok"),
        (r#","aud":"app""#, "ok"),
        (r#","aud":["api"]"#, "ok"),
        (r#","aud":["other","app"]"#, "ok"),
        (r#","aud":"API""#, "bad_audience"),
        (r#","aud":"api ""#, "bad_audience"),
        (r#","aud":"api,app""#, "bad_audience"),
        (r#","aud":"api app""#, "bad_audience"),
        (r#","aud":"other""#, "bad_audience"),
        (r#","aud":["other"]"#, "bad_audience"),
        (r#","aud":[]"#, "bad_audience"),
        (r#","aud":"""#, "bad_audience"),
        (r#","aud":["api",1]"#, "bad_audience"),
        (r#","aud":["api",null]"#, "bad_audience"),
        (r#","aud":[["api"]]"#, "bad_audience"),
        (r#","aud":{"api":1}"#, "bad_audience"),
        (r#","aud":null"#, "bad_audience"),
        ("", "bad_audience"),
    ];
    judge(&nginx("jwt_user_scope_audience api app;"), &cases);
    let unasked: Vec<_> = cases.iter().map(|(members, _)| (*members, "ok")).collect();
    judge(&nginx(""), &unasked);
    judge(&nginx("jwt_user_scope_audience off;"), &unasked);
}

fn judge_types(directives: &str, cases: &[(&str, &str)]) {
    let nginx = nginx(directives);
    let mut client = nginx.client();
    for (member, word) in cases {
        let signed = sign(format!(r#"{{"alg":"HS256"{member}}}"#), claims(r#""uid":"alice""#), SECRET);
        expect(&format!("{directives} {member}"), word, &client.ask(&get("/").token(&signed)));
    }
}

#[test]
fn the_type_is_an_access_token_s_unless_another_is_named() {
    let default = [
        ("", "ok"),
        (r#","typ":"JWT""#, "ok"),
        (r#","typ":"jwt""#, "ok"),
        (r#","typ":"at+jwt""#, "ok"),
        (r#","typ":"AT+JWT""#, "ok"),
        (r#","typ":"application/jwt""#, "ok"),
        (r#","typ":"Application/at+JWT""#, "ok"),
        (r#","typ":"better-auth.session-cache+jwt""#, "bad_type"),
        (r#","typ":"text/jwt""#, "bad_type"),
        (r#","typ":"JWT ""#, "bad_type"),
        (r#","typ":"""#, "bad_type"),
        (r#","typ":null"#, "bad_type"),
        (r#","typ":1"#, "bad_type"),
        (r#","typ":["JWT"]"#, "bad_type"),
    ];
    judge_types("", &default);
    judge_types("jwt_user_scope_type off;", &default);
    judge_types(
        "jwt_user_scope_type session+jwt application/other;",
        &[
            (r#","typ":"session+jwt""#, "ok"),
            (r#","typ":"Session+JWT""#, "ok"),
            (r#","typ":"application/session+jwt""#, "ok"),
            (r#","typ":"other""#, "ok"),
            (r#","typ":"application/other""#, "ok"),
            (r#","typ":"application/application/other""#, "bad_type"),
            (r#","typ":"JWT""#, "bad_type"),
            (r#","typ":"at+jwt""#, "bad_type"),
            (r#","typ":["other"]"#, "bad_type"),
            (r#","typ":null"#, "bad_type"),
            ("", "bad_type"),
        ],
    );
    judge_types(
        "jwt_user_scope_type JWT;",
        &[(r#","typ":"jwt""#, "ok"), (r#","typ":"at+jwt""#, "bad_type"), ("", "bad_type")],
    );
}

#[test]
fn the_leeway_moves_exp_and_nbf() {
    let now = now();
    let times = |late, early| {
        [
            (format!(r#""exp":{}"#, now + 60), "ok"),
            (format!(r#""exp":{}"#, now - 20), late),
            (format!(r#""exp":{}.5"#, now - 20), late),
            (format!(r#""exp":{}"#, now - 100), "expired"),
            (format!(r#""exp":{EXP},"nbf":{}"#, now + 20), early),
            (format!(r#""exp":{EXP},"nbf":{}"#, now + 100), "not_yet_valid"),
        ]
    };
    judge_times(&nginx("jwt_user_scope_leeway 1m;"), &times("ok", "ok"));
    judge_times(&nginx("jwt_user_scope_leeway 60;"), &times("ok", "ok"));
    for none in ["", "jwt_user_scope_leeway 0;", "jwt_user_scope_leeway 0s;"] {
        judge_times(&nginx(none), &times("expired", "not_yet_valid"));
    }
}

#[test]
fn the_lifetime_is_bounded_from_when_it_was_issued() {
    let now = now();
    let issued = |iat: u64, exp: u64| format!(r#""iat":{iat},"exp":{exp}"#);
    let cases = [
        (issued(now, now + 3500), "ok"),
        (issued(now - 3000, now + 500), "ok"),
        (issued(now - 3000, now + 700), "lifetime_exceeded"),
        (issued(0, now + 60), "lifetime_exceeded"),
        (issued(now, now + 3700), "lifetime_exceeded"),
        // A time in the future buys no longer life.
        (issued(now + 3000, now + 5000), "lifetime_exceeded"),
        (issued(now + 3000, now + 3500), "ok"),
        (format!(r#""exp":{}"#, now + 3500), "ok"),
        (format!(r#""exp":{}"#, now + 3700), "lifetime_exceeded"),
        (format!(r#""exp":{EXP}"#), "lifetime_exceeded"),
        (r#""exp":1e300"#.into(), "lifetime_exceeded"),
        (format!(r#""iat":-1e300,"exp":{}"#, now + 60), "lifetime_exceeded"),
        (format!(r#""iat":"{now}","exp":{}"#, now + 60), "bad_claim"),
        (issued(now - 7200, now - 60), "expired"),
    ];
    judge_times(&nginx("jwt_user_scope_max_lifetime 1h;"), &cases);
    judge_times(&nginx("jwt_user_scope_max_lifetime 3600;"), &cases);
    let unbounded = cases.map(|(members, word)| (members, if word == "lifetime_exceeded" { "ok" } else { word }));
    judge_times(&nginx(""), &unbounded);
    judge_times(&nginx("jwt_user_scope_max_lifetime 0;"), &unbounded);
}

#[test]
fn the_leeway_counts_for_the_lifetime_too() {
    let now = now();
    let cases =
        |long| [(format!(r#""exp":{}"#, now + 3700), long), (format!(r#""exp":{}"#, now + 3900), "lifetime_exceeded")];
    judge_times(&nginx("jwt_user_scope_max_lifetime 1h; jwt_user_scope_leeway 200s;"), &cases("ok"));
    judge_times(&nginx("jwt_user_scope_max_lifetime 1h;"), &cases("lifetime_exceeded"));
}
