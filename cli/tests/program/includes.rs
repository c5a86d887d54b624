//! `include`: from the directory of the main file, or from the output of `nginx -T`.

use crate::common::*;

const API: &str = "server { listen 80; server_name api;
    location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; proxy_pass http://b; } }";
const MAIN: &str = "events { }
    http {
        jwt_user_scope_claim sub;
        jwt_user_scope_audience api;
        server { listen 80; server_name other; location / { return 200; } }
        include conf.d/*.conf;
    }";

/// A room with these files beside `location.conf`.
fn room(conf: &str, files: &[(&str, &str)]) -> Room {
    let room = Room::new(conf);
    for (name, content) in files {
        std::fs::create_dir_all(room.path(name).parent().expect("a directory")).expect("a directory");
        room.write(name, content);
    }
    room
}

/// What `nginx -T` prints.
fn dump(files: &[(&str, &str)]) -> String {
    files.iter().map(|(name, content)| format!("# configuration file /none/nginx/{name}:\n{content}\n\n")).collect()
}

#[test]
fn what_http_sets_is_in_force_in_an_included_server() {
    let all = [("nginx.conf", MAIN), ("conf.d/api.conf", API), ("conf.d/zero.conf", "server { listen 81; }")];
    let rooms = [
        ("files", room(MAIN, &all[1..])),
        ("a dump", room(&dump(&all), &[])),
        ("one with messages", room(&format!("nginx: the configuration file x syntax is ok\n{}", dump(&all)), &[])),
    ];
    for (name, room) in rooms {
        let path = ["--path", "/api/users/A", "--host", "api", "--listen", "80"];
        let ask = |options: &[&str]| room.explain(&path, &room.mint(&[&path[..], options].concat()));
        assert_eq!(ask(&["--user", "A"]).word(), "ok", "{name}");
        assert_eq!(ask(&["--user", "A", "--claim", "aud=other"]).word(), "bad_audience", "{name}");
        let said = ask(&["--user", "B", "--claim", "uid=A"]);
        assert_eq!((said.word(), said.status), ("user_mismatch", 1), "{name}");
        assert!(said.stdout.contains("conf.d/api.conf:2\n") && !said.stdout.contains("note:"), "{name}: {said:?}");
        assert_eq!(room.explain(&["--path", "/x", "--host", "other", "--listen", "80"], "").status, 0, "{name}");
    }
}

#[test]
fn a_part_alone_says_what_is_missing() {
    let rows = [
        (API.to_owned(), "note: what \"http\" around this part would set is not known\n"),
        (LOCATION.to_owned(), "note: what \"http\" and \"server\" around this part would set is not known\n"),
        (format!("http {{ {API} }}"), ""),
    ];
    for (conf, note) in rows {
        let said = Room::new(&conf).explain(&["--path", "/api/users/A"], "");
        assert_eq!((said.word(), said.status), ("missing_token", 1), "{conf}");
        assert!(said.stdout.contains(note) && said.stdout.contains("note:") != note.is_empty(), "{conf}: {said:?}");
    }
}

/// In the order of their names, as the C library sorts them.
#[test]
fn files_are_taken_in_nginx_s_order() {
    let location = |user: &str| format!("location ~ ^/(?:x|{user})$ {{ jwt_user_scope $u; set $u {user}; }}");
    let files = [("b-c/x.part", "A"), ("b/x.part", "B"), ("b/y.part", "C"), ("b/.z.part", "D"), ("a/x.other", "E")];
    let files = files.map(|(name, user)| (name, location(user)));
    let files: Vec<_> = files.iter().map(|(name, location)| (*name, &location[..])).collect();
    let rows = [
        ("b*/*.part", "A"),
        ("b/**.part", "B"),
        ("b/[xy].part", "B"),
        ("b/[!x].part", "C"),
        ("?/?.other", "E"),
        ("b/y.part; include b/x.part", "C"),
    ];
    for (names, user) in rows {
        let conf = format!("http {{ server {{ include {names}; }} }}");
        let dumped = dump(&[&[("nginx.conf", &conf[..])], &files[..]].concat());
        for room in [room(&conf, &files), room(&dumped, &[])] {
            let said = room.explain(&["--path", "/x"], &room.mint(&["--path", "/x", "--user", "none"]));
            assert!(said.step("user").contains(&format!("that of \"{user}\"")), "{names}: {said:?}");
        }
    }
}

#[test]
fn every_block_may_include() {
    let files = [
        ("conf.d/inner.conf", "include conf.d/inmost.conf;"),
        ("conf.d/inmost.conf", "jwt_user_scope $who;"),
        ("map.conf", "A 1; default 0;"),
        ("if.conf", "return 410;"),
        ("limit.conf", "deny all;"),
    ];
    let room = room(
        "http { map $arg_u $who { include map.conf; }
            server { location /a { include conf.d/inner.conf; if ($arg_x) { include if.conf; }
                limit_except GET { include limit.conf; } } } }",
        &files,
    );
    let token = room.mint(&["--path", "/a", "--user", "1"]);
    let ask = |options: &[&str]| room.explain(options, &token).word().to_owned();
    assert_eq!(ask(&["--path", "/a?u=A"]), "ok");
    assert_eq!(ask(&["--path", "/a?u=B"]), "user_mismatch");
    assert_eq!(ask(&["--path", "/a?x=1"]), "not asked");
    assert_eq!(ask(&["--path", "/a?u=A", "--method", "PUT", "--client", "::1"]), "not asked");
}

/// Where it may matter, whatever is decided without it.
#[test]
fn what_is_not_here_leaves_nothing_to_say() {
    let check = "location / { jwt_user_scope any; }";
    let rows = [
        ("of http", format!("http {{ include gone.conf; server {{ {check} }} }}"), Some("gone.conf")),
        ("of a server", format!("http {{ server {{ include gone.conf; {check} }} }}"), Some("gone.conf")),
        ("of a server that answers", "http { server { include gone.conf; return 403; } }".into(), Some("gone.conf")),
        ("of a location", "http { server { location / { include gone; } } }".into(), Some("gone")),
        ("of an unknown directory", format!("http {{ include gone/*; server {{ {check} }} }}"), Some("gone/*")),
        ("of a directory", format!("http {{ include here; server {{ {check} }} }}"), Some("here")),
        ("in a file", format!("http {{ server {{ include here/gone; {check} }} }}"), Some("other")),
        ("of a part", format!("include gone; {check}"), Some("gone")),
        ("outside of http", format!("include gone/*; http {{ server {{ {check} }} }}"), None),
        ("of another server", format!("http {{ server {{ {check} }} server {{ listen 81; include gone; }} }}"), None),
        ("of another location", format!("http {{ server {{ {check} location /b {{ include gone; }} }} }}"), None),
        ("that matches nothing", format!("http {{ include here/*.conf; server {{ {check} }} }}"), None),
        ("of types", format!("http {{ include gone/mime.types; server {{ {check} }} }}"), None),
    ];
    for (name, conf, include) in rows {
        let room = room(&conf, &[("here/gone", "include other;")]);
        let options = ["--path", "/", "--listen", "80"];
        let options = if conf.contains("server") { &options[..] } else { &options[..2] };
        let said = room.explain(options, "");
        let note = include.map(|include| format!("note: \"include {include}\" in "));
        match note {
            Some(note) => assert!(said.status == 2 && said.stdout.contains(&note), "{name}: {said:?}"),
            None => assert_eq!((said.word(), said.status), ("missing_token", 1), "{name}"),
        }
    }
    let asked = "http { server { location / { satisfy any; jwt_user_scope any; auth_request /a; }
        location = /a { include gone; return 204; } } }";
    let said = Room::new(asked).explain(&["--path", "/"], "");
    assert!(said.stdout.contains("not followed here: auth_request"), "{said:?}");
    // All files of a dump are in it, but for one that was cut off.
    let main = "http { include conf.d/*.conf; include /none/nginx/x; server { location / { jwt_user_scope any; } } }";
    let said = Room::new(&dump(&[("nginx.conf", main), ("x", "")])).explain(&["--path", "/"], "");
    assert_eq!(said.status, 1, "{said:?}");
    let said = Room::new(&dump(&[("nginx.conf", main)])).explain(&["--path", "/"], "");
    assert!(said.status == 2 && said.stdout.contains("include /none/nginx/x"), "{said:?}");
}

#[test]
fn an_include_has_an_end() {
    let rows = [
        ("include location.conf;", vec![], "file \"location.conf\" includes itself, in location.conf:1"),
        ("include a;", vec![("a", "include b;"), ("b", "\ninclude a;")], "file \"a\" includes itself, in b:2"),
        ("include a;", vec![("a", "server {")], "unexpected end of file, expecting \"}\" in a:1"),
        ("server { include a; }", vec![("a", "jwt_user_scopes on;")], "unknown directive \"jwt_user_scopes\" in a:1"),
    ];
    for (conf, files, problem) in rows {
        let said = room(conf, &files).explain(&["--path", "/"], "");
        assert!(said.status == 2 && said.stderr.contains(problem), "{conf}: {said:?}");
    }
    let deep: Vec<_> = (0..60).map(|i| (format!("f{i}"), format!("include f{};", i + 1))).collect();
    let deep: Vec<_> = deep.iter().map(|(name, content)| (&name[..], &content[..])).collect();
    let said = room("include f0;", &deep).explain(&["--path", "/"], "");
    assert!(said.status == 2 && said.stderr.contains("is included too deep within others"), "{said:?}");
    let twice: Vec<_> = (0..30).map(|i| (format!("f{i}"), format!("include f{};", i + 1).repeat(2))).collect();
    let twice: Vec<_> = twice.iter().map(|(name, content)| (&name[..], &content[..])).collect();
    let said = room("include f0;", &[&twice[..], &[("f30", "")]].concat()).explain(&["--path", "/"], "");
    assert!(said.status == 2 && said.stderr.contains("is one of too many that are included"), "{said:?}");
}
