//! What stands on the command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use directives::variables::Variable;
use lexopt::{Arg, Parser, ValueExt};

use crate::server::Address;
use crate::variables::Given;
use crate::{Failure, time};

/// What both commands are about: a place in a configuration, and a time.
#[derive(Default)]
pub struct Place {
    pub config: Option<PathBuf>,
    pub path: Option<Vec<u8>>,
    pub method: Vec<u8>,
    pub address: Address,
    pub at: Option<u64>,
}

#[derive(Default)]
pub struct Explain {
    pub place: Place,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// What the token's user is compared with, in the place of what the location says.
    pub user: Option<Vec<u8>>,
    pub given: Given,
    /// The client's address.
    pub client: Option<Vec<u8>>,
    /// nginx's prefix, where it runs on this machine.
    pub prefix: Option<PathBuf>,
    /// What backends answer, in the order in which they are asked.
    pub answers: Vec<Backend>,
    /// Key sets, in the order of the directives that fetch them; `None` for one that was never fetched.
    pub jwks: Vec<Option<PathBuf>>,
    /// Standard input is a header's value, and not a bare token.
    pub authorization: bool,
    pub json: bool,
}

/// What a backend answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Backend {
    Status(u16),
    /// `X-Accel-Redirect`
    Redirect(Vec<u8>),
}

#[derive(Default)]
pub struct Mint {
    pub place: Place,
    pub user: Option<String>,
    /// Seconds; negative for a token that has expired.
    pub expires_in: Option<i64>,
    pub claims: Vec<Member>,
    pub headers: Vec<Member>,
    pub algorithm: Option<String>,
    pub key: Option<PathBuf>,
}

/// A member of a JSON object: its name and value.
pub type Member = (String, serde_json::Value);

pub enum Command {
    Explain(Explain),
    Mint(Mint),
    Help(&'static str),
}

/// Reads the command line. Errors show the names of options and no value, which may be a token.
pub fn parse(arguments: Vec<OsString>) -> Result<Command, Failure> {
    let mut parser = Parser::from_args(arguments);
    match parser.next().map_err(wrong)? {
        Some(Arg::Value(command)) if command == "explain" => explain(parser),
        Some(Arg::Value(command)) if command == "mint" => mint(parser),
        Some(Arg::Value(command)) if command == "help" => Ok(Command::Help(HELP)),
        Some(Arg::Long("help") | Arg::Short('h')) => Ok(Command::Help(HELP)),
        Some(Arg::Long("version") | Arg::Short('V')) => Ok(Command::Help(VERSION)),
        None => Err(Failure("which command? There are \"explain\" and \"mint\"; --help tells more".into())),
        Some(_) => Err(Failure("unknown command: there are \"explain\" and \"mint\"; --help tells more".into())),
    }
}

fn explain(mut parser: Parser) -> Result<Command, Failure> {
    let mut options = Explain { place: Place::new(), ..Explain::default() };
    while let Some(argument) = parser.next().map_err(wrong)? {
        let name = match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help(EXPLAIN_HELP)),
            Arg::Long(name) => name.to_owned(),
            _ => return Err(unexpected()),
        };
        match &name[..] {
            "header" => options.headers.push(header(&bytes(&mut parser)?)?),
            "user" => options.user = Some(bytes(&mut parser)?),
            "set" => options.given.extend([variable(&bytes(&mut parser)?)?]),
            "client" => options.client = Some(bytes(&mut parser)?),
            "prefix" => options.prefix = Some(parser.value().map_err(wrong)?.into()),
            "answer" => options.answers.push(answer(&bytes(&mut parser)?)?),
            "jwks" => {
                options.jwks.push(Some(parser.value().map_err(wrong)?.into()).filter(|file: &PathBuf| file != ""))
            }
            "authorization" => options.authorization = true,
            "json" => options.json = true,
            _ if options.place.read(&name, &mut parser)? => {}
            _ => return Err(unknown(&name, "explain")),
        }
    }
    Ok(Command::Explain(options))
}

fn mint(mut parser: Parser) -> Result<Command, Failure> {
    let mut options = Mint { place: Place::new(), ..Mint::default() };
    while let Some(argument) = parser.next().map_err(wrong)? {
        let name = match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help(MINT_HELP)),
            Arg::Long(name) => name.to_owned(),
            _ => return Err(unexpected()),
        };
        match &name[..] {
            "user" => options.user = Some(text(&mut parser, &name)?),
            "expires-in" => options.expires_in = Some(duration(&text(&mut parser, &name)?)?),
            "claim" => options.claims.push(member(&text(&mut parser, &name)?, &name)?),
            "header" => options.headers.push(member(&text(&mut parser, &name)?, &name)?),
            "alg" => options.algorithm = Some(text(&mut parser, &name)?),
            "key" => options.key = Some(parser.value().map_err(wrong)?.into()),
            _ if options.place.read(&name, &mut parser)? => {}
            _ => return Err(unknown(&name, "mint")),
        }
    }
    Ok(Command::Mint(options))
}

impl Place {
    fn new() -> Self {
        Self { method: b"GET".to_vec(), ..Self::default() }
    }

    /// Whether the option is one of these.
    fn read(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Failure> {
        match name {
            "config" => self.config = Some(parser.value().map_err(wrong)?.into()),
            "path" => self.path = Some(bytes(parser)?),
            "method" => self.method = bytes(parser)?,
            "host" => self.address.host = Some(bytes(parser)?),
            "listen" => self.address.listen = Some(bytes(parser)?),
            "at" => {
                let at = text(parser, name)?.parse();
                self.at =
                    Some(at.map_err(|_| Failure("--at takes seconds since 1970, as \"date +%s\" prints".into()))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn variable(pair: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let pair = pair.strip_prefix(b"$").unwrap_or(pair);
    let equals = pair.iter().position(|&b| b == b'=').filter(|&at| at > 0);
    let equals = equals.ok_or_else(|| Failure("--set takes <variable>=<value>".into()))?;
    let name = pair[..equals].to_ascii_lowercase();
    if Variable::named(&name).is_some() {
        return Err(Failure("--set cannot give a variable of the module: these come from the verified token".into()));
    }
    Ok((name, pair[equals + 1..].to_vec()))
}

fn answer(text: &[u8]) -> Result<Backend, Failure> {
    const NAME: &[u8] = b"X-Accel-Redirect:";
    if text.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)) {
        return Ok(Backend::Redirect(trim(&text[NAME.len()..]).to_vec()));
    }
    let status = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    let status = status.filter(|status| (100..1000).contains(status)).map(Backend::Status);
    status.ok_or_else(|| Failure("--answer takes a status, or 'X-Accel-Redirect: <uri>'".into()))
}

fn header(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let colon = line.iter().position(|&b| b == b':').filter(|&at| at > 0);
    let colon = colon.ok_or_else(|| Failure("--header takes '<name>: <value>'".into()))?;
    Ok((line[..colon].to_vec(), trim(&line[colon + 1..]).to_vec()))
}

/// A header's value without the spaces around it; nginx takes away nothing else.
fn trim(value: &[u8]) -> &[u8] {
    let is_kept = |b: &u8| *b != b' ';
    let Some(first) = value.iter().position(is_kept) else { return b"" };
    &value[first..=value.iter().rposition(is_kept).unwrap_or(first)]
}

/// `name=text` or `name:=json`.
fn member(pair: &str, option: &str) -> Result<Member, Failure> {
    let wrong = || Failure(format!("--{option} takes <name>=<text> or <name>:=<json>"));
    let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
    let (name, is_json) = name.strip_suffix(':').map_or((name, false), |name| (name, true));
    match name {
        "" => Err(wrong()),
        _ if is_json => Ok((name.into(), serde_json::from_str(value).map_err(|_| wrong())?)),
        _ => Ok((name.into(), value.into())),
    }
}

fn duration(text: &str) -> Result<i64, Failure> {
    let (sign, time) = match text.strip_prefix('-') {
        Some(time) => (-1, time),
        None => (1, text),
    };
    let seconds = time::seconds(time).and_then(|seconds| i64::try_from(seconds).ok());
    seconds.map(|seconds| sign * seconds).ok_or_else(|| Failure("--expires-in takes a time, such as 5m or -1h".into()))
}

fn bytes(parser: &mut Parser) -> Result<Vec<u8>, Failure> {
    Ok(parser.value().map_err(wrong)?.into_vec())
}

fn text(parser: &mut Parser, option: &str) -> Result<String, Failure> {
    parser.value().map_err(wrong)?.string().map_err(|_| Failure(format!("the value of --{option} is not UTF-8")))
}

fn wrong(error: lexopt::Error) -> Failure {
    Failure(match error {
        lexopt::Error::MissingValue { option: Some(option) } => format!("{option} takes a value"),
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        _ => "the command line cannot be read: --help tells what it takes".into(),
    })
}

fn unexpected() -> Failure {
    Failure("unexpected argument: the token is read from standard input, all else has an option (see --help)".into())
}

fn unknown(name: &str, command: &str) -> Failure {
    Failure(format!("unknown option --{name}: \"jwt-user-scope {command} --help\" lists them"))
}

const VERSION: &str = concat!("jwt-user-scope ", env!("CARGO_PKG_VERSION"), "\n");

const HELP: &str = include_str!("help/all.txt");
const EXPLAIN_HELP: &str = include_str!("help/explain.txt");
const MINT_HELP: &str = include_str!("help/mint.txt");
