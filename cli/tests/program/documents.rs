//! docs/explain.md prints what the program really says.

use std::process::Command;

use crate::common::{Room, SECRET};

const PAGE: &str = include_str!("../../../docs/explain.md");

/// The text of fenced blocks of one kind.
fn blocks(kind: &str) -> Vec<&'static str> {
    let begin = format!("```{kind}\n");
    PAGE.split(&begin[..]).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

/// Times pass: a token of five minutes has a little less when it is looked at.
fn without_times(text: &str) -> String {
    let is_time = |word: &str| {
        let word = word.trim_end_matches([',', '.']);
        word.ends_with(['s', 'm', 'h', 'd'])
            && word[..word.len() - 1].chars().all(|c| c.is_ascii_digit())
            && word.len() > 1
    };
    let line = |line: &str| line.split(' ').filter(|word| !is_time(word)).collect::<Vec<_>>().join(" ");
    text.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn runs_as_it_is_printed() {
    let confs = blocks("nginx");
    let room = Room::new(confs.first().expect("a location.conf"));
    room.write("pages.conf", confs.get(1).expect("a pages.conf"));
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_jwt-user-scope")).parent().expect("a directory");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").expect("PATH"));
    let consoles = blocks("console");
    assert!(consoles.len() >= 4, "{consoles:?}");
    for console in consoles {
        let (command, printed) = console.strip_prefix("$ ").and_then(|rest| rest.split_once('\n')).expect("a command");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{{ {command}; }} 2>&1")]).current_dir(room.path("")).env_clear();
        let output = shell.env("PATH", &path).env("BETTER_AUTH_SECRET", SECRET).output().expect("a shell");
        let said = String::from_utf8(output.stdout).expect("text");
        assert_eq!(without_times(&said), without_times(printed), "{command}");
    }
}

#[test]
fn names_every_step() {
    let source = include_str!("../../src/report.rs").split("pub fn name(self)").nth(1).expect("the names of steps");
    let steps = source.split("impl State").next().unwrap_or_default().lines().filter_map(|line| line.split('"').nth(1));
    let steps: Vec<_> = steps.collect();
    assert_eq!(steps.len(), 17, "{steps:?}");
    for step in steps {
        assert!(PAGE.contains(&format!("| {step} |")), "docs/explain.md says nothing of the step {step}");
    }
}
