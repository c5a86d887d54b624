//! Clients that are written in Python, for protocols whose common library is there.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Tests run in threads of one process, and the first one makes the environment for all.
static MADE: Mutex<()> = Mutex::new(());

/// One of the scripts beside the tests, run by a Python that has this library (`name==version`). Its environment is
/// made once and kept with what Cargo builds.
pub fn python(library: &str, import: &str, script: &str) -> Command {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join(library.replace("==", "-"));
    let python = environment.join("bin/python");
    let has_library = || run(Command::new(&python).args(["-c", &format!("import {import}")])).is_ok();
    let lock = MADE.lock();
    if !has_library() {
        let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment)).and_then(|()| {
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--only-binary=:all:", library]))
        });
        made.unwrap_or_else(|error| panic!("a Python environment with {library}: {error}"));
    }
    drop(lock);
    let mut command = Command::new(python);
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e").join(script));
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {stderr}")) }
}
