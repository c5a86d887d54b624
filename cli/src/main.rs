//! The program `jwt-user-scope`; see the library.

use std::io::{self, IsTerminal, Read as _, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process};

use jwt_user_scope::{Call, run};

fn main() -> ExitCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let call = Call {
        arguments: env::args_os().skip(1).collect(),
        environment: &|name| env::var_os(name),
        input: &mut input,
        now,
    };
    let output = run(call);
    let written = io::stdout()
        .write_all(output.stdout.as_bytes())
        .and_then(|()| io::stderr().write_all(output.stderr.as_bytes()));
    // Nobody reads on, as behind "head".
    if written.is_err() {
        process::exit(2);
    }
    ExitCode::from(output.status)
}

fn input() -> io::Result<Vec<u8>> {
    let mut stdin = io::stdin();
    if stdin.is_terminal() {
        eprintln!("jwt-user-scope: paste the token, then press Return and Ctrl-D");
    }
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes)?;
    Ok(bytes)
}
