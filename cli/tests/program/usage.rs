//! The command line: what it takes, and what it says to the rest.

use crate::common::*;

#[test]
fn nothing_can_be_said_without_the_parts_of_a_question() {
    let room = Room::new(LOCATION);
    let token = room.mint(&["--user", "A"]);
    let rows: [(&[&str], &str); 20] = [
        (&[], "which command?"),
        (&["refuse"], "unknown command"),
        (&[&token], "unknown command"),
        (&["explain"], "--config <file> is missing"),
        (&["explain", "--config", "location.conf"], "--path <path> is missing"),
        (&["explain", "--config", "none.conf", "--path", "/"], "file \"none.conf\" cannot be read"),
        (&["explain", "--config"], "takes a value"),
        (&["explain", "--json=yes"], "takes no value"),
        (&["explain", "--token", &token], "unknown option --token"),
        (&["explain", &token], "the token is read from standard input"),
        (&["explain", "--at", "noon"], "--at takes seconds since 1970"),
        (&["explain", "--set", "a"], "--set takes <variable>=<value>"),
        (&["explain", "--answer", "soon"], "--answer takes a status, or 'X-Accel-Redirect: <uri>'"),
        (&["explain", "--set", "jwt_user_scope_user=A"], "--set cannot give a variable of the module"),
        (&["explain", "--header", &token], "--header takes '<name>: <value>'"),
        (&["mint", "--config", "location.conf", "--path", "/../a"], "nginx answers this path with 400"),
        (&["mint"], "--config <file> is missing"),
        (&["mint", "--expires-in", "soon"], "--expires-in takes a time"),
        (&["mint", "--claim", "a"], "--claim takes <name>=<text> or <name>:=<json>"),
        (&["mint", "--claim", "a:=b"], "--claim takes <name>=<text> or <name>:=<json>"),
    ];
    let mut room = room;
    room.hide(&token);
    for (arguments, problem) in rows {
        let said = room.run(arguments, "");
        assert_eq!((said.status, &said.stdout[..]), (2, ""), "{arguments:?}: {said:?}");
        assert!(
            said.stderr.starts_with("jwt-user-scope: ") && said.stderr.contains(problem),
            "{arguments:?}: {said:?}"
        );
    }
}

#[test]
fn help_names_every_option() {
    let room = Room::new(LOCATION);
    for (command, file) in [("explain", "fn explain("), ("mint", "fn mint(")] {
        let help = room.run(&[command, "--help"], "");
        assert_eq!((help.status, &help.stderr[..]), (0, ""));
        let source = include_str!("../../src/options.rs");
        let own = source.split(file).nth(1).and_then(|rest| rest.split("\n}\n").next()).expect("a function");
        let shared = source.split("fn read(").nth(1).and_then(|rest| rest.split("_ =>").next()).expect("a function");
        let names =
            |text: &'static str| text.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
        let all: Vec<_> = names(own).chain(names(shared)).map(|(name, _)| name).collect();
        assert!(all.len() > 8, "{all:?}");
        let man = include_str!("../../jwt-user-scope.1").replace("\\-", "-");
        for name in all {
            assert!(man.contains(&format!("--{name}")), "the man page says nothing of --{name}");
            assert!(help.stdout.contains(&format!("--{name}")), "{command} --help says nothing of --{name}");
        }
    }
    let all = room.run(&["--help"], "");
    assert!(all.stdout.contains("explain") && all.stdout.contains("mint"), "{all:?}");
    assert_eq!(room.run(&["--version"], "").stdout, concat!("jwt-user-scope ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn json_says_the_same() {
    let room = Room::new(LOCATION);
    let arguments = ["explain", "--config", "location.conf", "--at", NOW, "--path", "/api/users/B/x?y", "--json"];
    let said = room.run(&arguments, &room.mint(&["--user", "A"]));
    let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((said.status, &report["result"], &report["status"]), (1, &"user_mismatch".into(), &403.into()));
    assert_eq!((&report["let_through"], &report["uri"]), (&false.into(), &"/api/users/B/x".into()));
    assert_eq!(report["answer"], 403);
    let steps: Vec<_> = report["steps"].as_array().expect("steps").iter().collect();
    let of = |state: &str| steps.iter().filter(|step| step["state"] == state).count();
    assert_eq!((of("refused"), steps.len()), (1, 16), "{steps:?}");
    assert!(report["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
}
