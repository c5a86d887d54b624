//! A directory with a configuration, and the program in it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub const SECRET: &str = "a secret of these tests that nobody may ever print: 64 bytes or more";

/// A location as most are.
pub const LOCATION: &str = "location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {\n    jwt_user_scope on;\n}\n";

/// The time of every call that says no other.
pub const NOW: &str = "1000000";

pub struct Room {
    directory: TempDir,
    /// Texts that no output may hold.
    hidden: Vec<String>,
}

#[derive(Debug)]
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub status: i32,
}

impl Room {
    /// A room with this `location.conf`.
    pub fn new(conf: &str) -> Room {
        let room = Room { directory: tempfile::tempdir().expect("a directory"), hidden: vec![SECRET.into()] };
        room.write("location.conf", conf);
        room
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("a file");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Another text that no output may hold.
    pub fn hide(&mut self, text: &str) {
        self.hidden.push(text.into());
    }

    /// Runs the program, and looks for secrets in what it says.
    pub fn run(&self, arguments: &[&str], input: &str) -> Said {
        let said = self.run_unsearched(arguments, input);
        for hidden in &self.hidden {
            assert!(!said.stdout.contains(hidden) && !said.stderr.contains(hidden), "{arguments:?} prints {hidden}");
        }
        said
    }

    fn run_unsearched(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jwt-user-scope"));
        command.args(arguments).current_dir(self.directory.path()).env_clear().env("BETTER_AUTH_SECRET", SECRET);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        // One that reads no token is gone before it is written.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("the program ends");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said {
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            status: output.status.code().expect("an exit status"),
        }
    }

    /// A token of `mint`, with these options.
    pub fn mint(&self, options: &[&str]) -> String {
        let arguments = [&["mint", "--config", "location.conf", "--at", NOW], options].concat();
        let said = self.run(&arguments, "");
        assert_eq!(said.status, 0, "{arguments:?}: {said:?}");
        said.stdout.strip_suffix('\n').expect("a line").to_owned()
    }

    /// What `explain` says of a token, with these options. No part of the token may be in it.
    pub fn explain(&self, options: &[&str], token: &str) -> Said {
        let arguments = [&["explain", "--config", "location.conf", "--at", NOW], options].concat();
        let said = self.run(&arguments, token);
        let json = self.run(&[&arguments[..], &["--json"]].concat(), token);
        assert_eq!(json.status, said.status, "{arguments:?}: the same with --json");
        for part in token.split(['.', ' ', '\n']).filter(|part| part.len() > 8 && !part.ends_with(':')) {
            for text in [&said.stdout, &said.stderr, &json.stdout, &json.stderr] {
                assert!(!text.contains(part), "{arguments:?} prints a part of the token: {text}");
            }
        }
        said
    }
}

impl Said {
    /// The result word.
    pub fn word(&self) -> &str {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix("result: "));
        let line = line.unwrap_or_else(|| panic!("no result: {self:?}"));
        line.split(':').next().expect("a word")
    }

    /// The step that is refused.
    pub fn refused(&self) -> &str {
        let lines: Vec<_> =
            self.stdout.lines().filter(|line| line.get(16..).is_some_and(|s| s.starts_with("refused"))).collect();
        match lines[..] {
            [line] => line[4..15].trim(),
            [] => "",
            _ => panic!("several steps are refused: {lines:#?}"),
        }
    }

    /// The line of a step, without its number.
    pub fn step(&self, name: &str) -> &str {
        let mut lines = self.stdout.lines().filter_map(|line| line.get(4..));
        lines
            .find(|line| line.starts_with(&format!("{name:<12}")))
            .unwrap_or_else(|| panic!("no step {name}: {self:?}"))
    }
}
