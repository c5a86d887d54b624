//! `nginx -t` accepts, and warns about, configurations that quietly undo the check.

use crate::common::*;

fn check(server: &str) -> ConfigCheck {
    let check = Setup::new()
        .check(&format!("map $uri $owner {{ default $uri; }}\nserver {{ listen unix:nginx.sock;\n{server}\n}}"));
    assert!(check.accepted, "{server}: {}", check.stderr);
    check
}

/// The lines of `server`, the one with the check marked `# here`, are warned about in these words, once.
fn assert_warned(server: &str, says: &str) {
    let check = check(server);
    let warnings: Vec<_> = check.stderr.lines().filter(|line| line.contains("[warn]")).collect();
    let [warning] = &warnings[..] else { panic!("not one warning for {server}: {}", check.stderr) };
    for part in ["\"jwt_user_scope\"", says, &check.here] {
        assert!(warning.contains(part), "no {part} for {server} in {warning}");
    }
}

fn assert_quiet(server: &str) {
    let check = check(server);
    assert!(!check.stderr.contains("[warn]"), "{server}: {}", check.stderr);
}

#[test]
fn satisfy_any_is_warned_about() {
    let location =
        |satisfy: &str| format!("location / {{ {satisfy} allow 10.0.0.1; deny all;\njwt_user_scope any; # here\n}}");
    assert_warned(&location("satisfy any;"), "satisfy any");
    assert_quiet(&location("satisfy all;"));
    assert_quiet(&location(""));
    assert_quiet("location / { satisfy any; jwt_user_scope off; }");
}

#[test]
fn a_value_that_the_location_did_not_capture_is_warned_about() {
    let regex = r"^/users/(?<user_id>[^/]+)(?:/|$)";
    assert_warned("location / {\njwt_user_scope $owner; # here\n}", "capture");
    assert_warned("location / {\njwt_user_scope $arg_user; # here\n}", "capture");
    assert_warned(&format!("location ~ {regex} {{\njwt_user_scope $user_id:$owner; # here\n}}"), "capture");
    assert_warned(
        &format!(
            "location ~ {regex} {{ proxy_pass http://unix:echo.sock; }} location @named {{\njwt_user_scope on; # here\n}}"
        ),
        "capture",
    );
    assert_quiet(&format!("location ~ {regex} {{ jwt_user_scope on; }}"));
    assert_quiet(&format!("location ~ {regex} {{ jwt_user_scope on; location ~ txt$ {{ }} }}"));
    assert_quiet("location / { jwt_user_scope any; }");
    // A check on a server is a default for its locations: each of them is looked at.
    assert_quiet(&format!("jwt_user_scope on; location ~ {regex} {{ }}"));
}

#[test]
fn unmerged_slashes_are_warned_about() {
    let server = |merge: &str| {
        format!("merge_slashes {merge};\nlocation ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{\njwt_user_scope on; # here\n}}")
    };
    assert_warned(&server("off"), "merge_slashes");
    assert_quiet(&server("on"));
    assert_quiet("merge_slashes off;\nlocation / { jwt_user_scope any; }");
}

/// It reads the paths of its neighbours, too, before `Host` chooses one of them.
#[test]
fn a_server_of_the_same_address_that_does_not_merge_slashes_is_warned_about() {
    let servers = |listen: &str| {
        let other = format!("server {{ listen {listen}; merge_slashes off; }}");
        let checked = r"listen unix:nginx.sock; server_name api; location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {";
        Setup::new().check(&format!("{other}\nserver {{ {checked}\njwt_user_scope on; # here\n}} }}"))
    };
    let (shared, apart) = (servers("unix:nginx.sock"), servers("unix:other.sock"));
    assert!(shared.accepted && shared.stderr.contains("merge_slashes"), "{}", shared.stderr);
    assert!(shared.stderr.contains(&shared.here), "{}", shared.stderr);
    assert!(apart.accepted && !apart.stderr.contains("[warn]"), "{}", apart.stderr);
}

#[test]
fn a_slash_that_the_regex_demands_is_warned_about() {
    let location = |regex: &str| format!("location ~ {regex} {{\njwt_user_scope on; # here\n}}");
    for regex in [
        "^/users/(?<user_id>[^/]+)/",
        r"^/users/(?<user_id>[^/]+)\/",
        "^/users/(?<user_id>[^/]+)/.*",
        "^/users/(?<user_id>[^/]+)/profile/",
        "^/users/(?<user_id>[^/]+)/(?<rest>.+)",
        "^/users/(?<user_id>[^/]+)/$",
        "^/users/(?P<user_id>[^/]+)/",
    ] {
        assert_warned(&location(regex), "slash");
    }
    for regex in [
        "^/users/(?<user_id>[^/]+)(?:/|$)",
        "^/users/(?<user_id>[^/]+)(/|$)",
        "^/users/(?<user_id>[^/]+)/?$",
        "^/users/(?<user_id>[^/]+)/?",
        "^/users/(?<user_id>[^/]+)$",
        "^/users/(?<user_id>[^/]+)",
        "^/users/(?<user_id>[^/]+)/profile",
    ] {
        assert_quiet(&location(regex));
    }
}

#[test]
fn a_regex_that_may_take_a_part_of_a_segment_is_warned_about() {
    let location = |regex: &str| format!("location ~ {regex} {{\njwt_user_scope on; # here\n}}");
    for regex in [
        r"^/users/(?<user_id>\w+)",
        r"^/users/(?<user_id>\w+)/?",
        r"^/users/(?<user_id>\w+)(/.*)?",
        r"^/users/(?<user_id>[^/]+)\b",
    ] {
        assert_warned(&location(regex), "part of a segment");
    }
    for regex in [r"^/users/(?<user_id>\w+)(?:/|$)", r"^/users/(?<user_id>\w+)/?$", "^/users/(?<user_id>[^/]+)/?"] {
        assert_quiet(&location(regex));
    }
}

/// The path without it names no user at all.
#[test]
fn a_slash_between_two_parts_of_the_user_is_none() {
    assert_quiet(r"location ~ ^/(?<tenant>\w+)/(?<name>\w+)$ { jwt_user_scope $tenant:$name; }");
}

#[test]
fn a_regex_that_stops_at_a_line_end_is_warned_about() {
    assert_warned("location ~ ^/users/(?<user_id>[^/]+)(?:/|$)(.*)$ {\njwt_user_scope on; # here\n}", "line end");
    assert_quiet("location ~ ^/users/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; }");
}

#[test]
fn a_regex_that_finds_a_path_behind_another_is_warned_about() {
    let location = |regex: &str| format!("location ~ {regex} {{\njwt_user_scope on; # here\n}}");
    for regex in [
        "/users/(?<user_id>[^/]+)(?:/|$)",
        "(?i)/users/(?<user_id>[^/]+)(?:/|$)",
        "^/health|/users/(?<user_id>[^/]+)(?:/|$)",
        "^/api/.*users/(?<user_id>[^/]+)(?:/|$)",
    ] {
        assert_warned(&location(regex), "behind another one");
    }
    assert_quiet(&location("(?i)^/users/(?<user_id>[^/]+)(?:/|$)"));
}

const CHECKED: &str = "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {\njwt_user_scope on; # here\n}";

#[test]
fn a_location_that_comes_before_the_check_is_warned_about() {
    let pass = "proxy_pass http://unix:echo.sock;";
    let other = |location: &str, inside: &str| format!("location {location} {{ {pass} {inside} }}\n{CHECKED}");
    assert_warned(&other("^~ /users/", ""), "\"^~ /users/\" keeps requests from its regex");
    assert_warned(&other(r"~* \.png$", ""), r#""\.png$" comes first"#);
    let inner = other("/", &format!(r"location ~ \.png$ {{ {pass} }}"));
    assert_warned(&inner, r#""\.png$" within "/" comes first"#);
    for said in ["jwt_user_scope off;", "jwt_user_scope any;", "jwt_user_scope_guard /users/:user_id;"] {
        assert_quiet(&other("^~ /users/", said));
        assert_quiet(&other(r"~* \.png$", said));
    }
    assert_warned(&other("~ ^/", ""), r#""^/" comes first"#);
    assert_warned(&other(r"~ ^/.+\.png$", ""), "comes first");
    assert_warned(&format!("jwt_user_scope any; {}", other("^~ /users/", "")), "keeps requests from its regex");
    assert_warned(
        &format!("location /users/a/ {{ {pass} }} location /users/a {{ {pass} {} }}", CHECKED.replace("(?<", "a/(?<")),
        r#""/users/a/" is longer than "/users/a" around this one"#,
    );
    assert_quiet(&other("^~ /users/", "internal;"));
    assert_quiet(&other("/users/", ""));
    assert_quiet(&format!("{CHECKED}\nlocation ~ \\.png$ {{ {pass} }}"));
    assert_quiet(&format!("location ~ \\.png$ {{ expires 1d; }}\n{CHECKED}"));
    assert_quiet(&format!("jwt_user_scope_guard /users/:user_id; {}", other("^~ /users/", "")));
}

/// What it warns of is so.
#[test]
fn a_location_that_comes_before_the_check_passes_requests_on() {
    let checked = "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; empty_gif; }";
    for other in
        ["location ^~ /users/", r"location ~ \.png$", r"location / { empty_gif; } location /users/ { location ~ \.png$"]
    {
        let end = if other.contains("location / ") { "}" } else { "" };
        let nginx = Setup::new().http(&scoped_server(&format!("{other} {{ empty_gif; }} {end} {checked}")));
        assert_eq!(get("/users/alice/a.png").send(&nginx).status, 200, "{other}");
    }
}

#[test]
fn a_bypass_that_holds_for_false_is_warned_about() {
    let location = |bypass: &str| {
        format!(
            "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on;\njwt_user_scope_bypass {bypass}; # here\n}}"
        )
    };
    assert_warned(&location("$jwt_user_scope_claim_is_admin"), "\"false\"");
    assert_warned(&location("$owner$JWT_user_scope_claim_is_admin"), "\"false\"");
    assert_quiet(&location("$owner"));
    let set = |body: &str| {
        Setup::new()
            .check(&format!("jwt_user_scope_set $Nested /app/admin; server {{ listen unix:nginx.sock; {body} }}"))
    };
    let set = set(&location("$nested"));
    assert!(set.accepted && set.stderr.contains("\"false\""), "{}", set.stderr);
}

#[test]
fn a_bypass_by_the_request_is_warned_about() {
    let location = |bypass: &str| {
        format!(
            "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on;\njwt_user_scope_bypass {bypass}; # here\n}}"
        )
    };
    for variable in ["http_x_admin", "arg_admin", "cookie_Admin", "uri", "Request_Method", "user_id"] {
        let says = format!("the bypass holds by \"${}\"", variable.to_lowercase());
        assert_warned(&location(&format!("${variable}")), &says);
        assert_warned(&location(&format!("$owner${variable}")), &says);
    }
    assert_quiet(&location("$owner $remote_user $ssl_client_s_dn"));
}

#[test]
fn keys_that_another_location_would_bring_are_warned_about() {
    let server = |location: &str| {
        format!("{location} location /users {{ jwt_user_scope any;\njwt_user_scope_key_request /_jwks?x; # here\n}}")
    };
    let pass = "proxy_pass http://unix:echo.sock;";
    for location in ["", &format!("location / {{ {pass} }}"), &format!("location = /_jwks2 {{ {pass} }}")] {
        let check = check(&server(location));
        let says = "\"jwt_user_scope_key_request\" has no location \"/_jwks\" in server \"\"";
        assert_eq!(check.stderr.matches("[warn]").count(), 1, "{}", check.stderr);
        assert!(check.stderr.contains(says) && check.stderr.contains(&check.here), "{}", check.stderr);
    }
    for location in ["= /_jwks", "/_jwks", "^~ /_", "~ ^/_jwks$"] {
        assert_quiet(&server(&format!("location {location} {{ internal; {pass} }}")));
    }
    assert_quiet(&server("location /_jwks { proxy_pass http://unix:echo.sock; }"));
    // Each server needs one.
    let with = "location = /_jwks { internal; proxy_pass http://unix:echo.sock; }";
    let servers = ["a", "b"].map(|name| {
        let own = if name == "a" { with } else { "" };
        format!(
            "server {{ listen unix:nginx.sock; server_name {name}; {own} location /users {{ jwt_user_scope any; }} }}"
        )
    });
    let check = Setup::new().check(&format!("jwt_user_scope_key_request /_jwks;\n{}", servers.join("\n")));
    assert!(check.accepted && check.stderr.contains("in server \"b\""), "{}", check.stderr);
    assert_eq!(check.stderr.matches("[warn]").count(), 1, "{}", check.stderr);
}

/// Blocks without a location of their own repeat nothing.
#[test]
fn a_location_is_warned_about_once() {
    assert_warned(
        "location / {
            satisfy any; deny all;
            if ($uri) { set $x 1; }
            limit_except GET { allow all; }
            \njwt_user_scope any; # here
        }",
        "satisfy any",
    );
}

/// Where each is placed, its own line is named.
#[test]
fn every_location_is_looked_at() {
    let check = check(
        "jwt_user_scope any;
        location /a { satisfy any; deny all; }
        location /b { satisfy any; deny all; location /b/c { satisfy all; } }
        location /d { satisfy all; }",
    );
    assert_eq!(check.stderr.matches("[warn]").count(), 2, "{}", check.stderr);
    for location in ["location \"/a\"", "location \"/b\""] {
        assert!(check.stderr.contains(location), "no {location} in {}", check.stderr);
    }
}

/// A path that nginx resolves to another location may be a user's to the servers that both pass requests on to.
#[test]
fn another_way_to_the_same_servers_is_warned_about() {
    let checked = r"location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
        jwt_user_scope on; # here
        PASS }";
    let says = "passes requests on to the same servers";
    let passes = [
        "proxy_pass http://unix:echo.sock;",
        "proxy_pass http://127.0.0.1:1;",
        "fastcgi_pass unix:echo.sock;",
        "uwsgi_pass unix:echo.sock;",
        "scgi_pass 127.0.0.1:1;",
    ];
    for pass in passes {
        let checked = checked.replace("PASS", pass);
        for other in [
            format!("location / {{ {pass} }}"),
            format!("location = /users/health {{ jwt_user_scope off; {pass} }}"),
            format!("location /catalogue/ {{ jwt_user_scope any; {pass} }}"),
            format!("location /a/ {{ location /a/b/ {{ {pass} }} }}"),
        ] {
            assert_warned(&format!("{checked}\n{other}"), says);
            assert_warned(&format!("{other}\n{checked}"), says);
            assert_quiet(&format!("jwt_user_scope_guard /users/:id; {checked}\n{other}"));
        }
        for other in [
            "location / { proxy_pass http://unix:other.sock; }".to_owned(),
            "location / { proxy_pass http://$host; resolver 127.0.0.1; }".to_owned(),
            "location / { root .; }".to_owned(),
            format!("location = /_jwks {{ internal; {pass} }}"),
            format!("location @named {{ {pass} }}"),
            format!("location / {{ jwt_user_scope_guard /users/:id; {pass} }}"),
            format!("location ~ ^/people/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; {pass} }}"),
        ] {
            assert_quiet(&format!("{checked}\n{other}"));
        }
    }
}
