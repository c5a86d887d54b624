//! Every request to an nginx of these tests is asked about once more: `jwt-user-scope explain` must say the word that the
//! module's own access log has.
//!
//! nginx logs what the program needs into `explained.log`. When nginx has ended, each line is replayed with the
//! configuration, the files, the environment and the key sets (`published.rs`) that it was answered under. What cannot be replayed is counted by its
//! kind; `make e2e` prints the counts and fails when too little was compared.

use super::published::{InForce, Published, Time, Wanted, socket_of};
use super::setup::Setup;
use jwt_user_scope::{Call, Output, run};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const LOG: &str = "explained.log";

/// What every configuration logs.
const FIXED: [&str; 12] = [
    "msec",
    "request_time",
    "status",
    "request_method",
    "request_uri",
    "uri",
    "host",
    "server_addr",
    "server_port",
    "jwt_user_scope_result",
    "http_authorization",
    "upstream_http_x_accel_redirect",
];

/// Headers that the decision looks at, whatever the configuration says.
const HEADERS: [&str; 6] = [
    "http_origin",
    "http_access_control_request_method",
    "http_x_http_method_override",
    "http_x_http_method",
    "http_x_method_override",
    "http_cookie",
];

/// The configurations that an nginx has run with.
pub struct Explained {
    generations: Mutex<Vec<Generation>>,
}

struct Generation {
    conf: String,
    /// Variables that the log shows.
    variables: Vec<String>,
    /// Something reads a variable of the module before the access phase.
    reads_early: bool,
}

impl Explained {
    /// Writes the first configuration.
    pub fn new(setup: &Setup, conf: String) -> Explained {
        let explained = Explained { generations: Mutex::default() };
        explained.write(setup, conf);
        explained
    }

    /// Writes a configuration, with the log in it, and keeps it with the files of this moment.
    pub fn write(&self, setup: &Setup, conf: String) {
        let mut generations = self.generations.lock().expect("no panic");
        let number = generations.len();
        let variables = variables_of(&conf);
        fs::write(setup.path("nginx.conf"), logging(&conf, number, &variables)).expect("nginx.conf");
        keep(setup, number, &conf);
        let reads_early = conf.split([';', '{', '}']).map(str::trim).any(|statement| {
            let early = ["set ", "if ", "limit_req_zone ", "rewrite ", "return "];
            early.iter().any(|name| statement.starts_with(name)) && statement.contains("$jwt_user_scope")
        });
        generations.push(Generation { conf, variables, reads_early });
    }

    /// The same again, since files may have changed.
    pub fn write_again(&self, setup: &Setup) {
        let last = self.generations.lock().expect("no panic").last().map(|generation| generation.conf.clone());
        self.write(setup, last.expect("the first configuration"));
    }

    /// Compares all that was logged.
    pub fn check(&self, setup: &Setup) {
        let log = fs::read_to_string(setup.path(LOG)).unwrap_or_default();
        let generations = self.generations.lock().expect("no panic");
        let published = Published::to(setup);
        let mut tally = Tally::default();
        for line in log.lines() {
            let entry = Entry::parse(line, &generations);
            let generation = &generations[entry.generation];
            let compared = entry.compare(setup, generation, &published);
            tally.add(
                compared.unwrap_or_else(|wrong| panic!("explained wrongly: {wrong}\n{line}\n{}", generation.conf)),
            );
        }
        tally.keep();
    }
}

/// The configuration with the log in the place of `access_log off`, and beside every other one.
fn logging(conf: &str, number: usize, variables: &[String]) -> String {
    let all = FIXED.into_iter().chain(variables.iter().map(String::as_str));
    let fields: Vec<_> = all.map(|name| format!("${{{name}}}")).collect();
    let log = format!("access_log {LOG} explained;");
    // "off" cancels every other log of its level.
    let format = format!("log_format explained escape=default \"{number}\\t{}\"; {log}", fields.join("\\t"));
    match conf.split_once("access_log off;") {
        Some((before, after)) => {
            format!("{before}{format}{}", after.replace("access_log ", &format!("{log} access_log ")))
        }
        None => conf.into(),
    }
}

/// Variables that the directives name, and the headers.
fn variables_of(conf: &str) -> Vec<String> {
    let without_comments: String =
        conf.lines().map(|line| line.split(" #").next().unwrap_or_default().to_owned() + "\n").collect();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = |at: &usize| {
        !without_comments[..*at].ends_with(['$', '{', '"', '\'']) || without_comments[..*at].ends_with("{\n")
    };
    let places = without_comments.match_indices("jwt_user_scope").map(|(at, name)| (at, at + name.len()));
    let directives =
        places.filter(|(at, _)| begins(at)).filter_map(|(_, end)| without_comments[end..].split(';').next());
    let mut names: BTreeSet<String> = HEADERS.iter().map(|name| (*name).to_owned()).collect();
    for directive in directives {
        for part in directive.split('$').skip(1) {
            let name: String = part.trim_start_matches('{').chars().take_while(|&c| is_name(c)).collect();
            names.insert(name.to_ascii_lowercase());
        }
        if directive.trim().eq_ignore_ascii_case("on") && !directive.starts_with('_') {
            names.insert("user_id".into());
        }
    }
    names.retain(|name| name.starts_with(char::is_alphabetic) && !name.starts_with("jwt_user_scope_"));
    names.into_iter().collect()
}

fn kept(setup: &Setup, number: usize) -> PathBuf {
    setup.path(&format!("explained-{number}"))
}

/// Copies what a configuration may name.
fn keep(setup: &Setup, number: usize, conf: &str) {
    let directory = kept(setup, number);
    fs::create_dir_all(&directory).expect("a directory in the prefix");
    for entry in fs::read_dir(setup.path("")).expect("the prefix").filter_map(Result::ok) {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.path().extension().is_none_or(|extension| extension != "log") {
            // It may be gone by now.
            let _ = fs::copy(entry.path(), directory.join(entry.file_name()));
        }
    }
    fs::write(directory.join("nginx.conf"), conf).expect("nginx.conf");
}

/// A line of the log.
struct Entry {
    generation: usize,
    fields: BTreeMap<String, Option<Vec<u8>>>,
}

/// What came of a line.
enum Compared {
    Same,
    /// The same with one of several key sets, of which another gives another word: one came while the request was answered.
    OneOfSeveral,
    /// The same with a key set that came shortly before or after.
    OneOfMany,
    /// It could not be replayed.
    Left(&'static str),
}

impl Entry {
    fn parse(line: &str, generations: &[Generation]) -> Entry {
        let fields: Vec<_> = line.split('\t').collect();
        let generation = fields[0].parse().expect("a number of a configuration");
        let own: &Generation = &generations[generation];
        let names = FIXED.into_iter().chain(own.variables.iter().map(String::as_str)).map(str::to_owned);
        let values = fields[1..].iter().map(|value| (*value != "-").then(|| unescape(value)));
        Entry { generation, fields: names.zip(values).collect() }
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields.get(name)?.as_deref()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.get(name).unwrap_or_default()).into_owned()
    }

    fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or_else(|_| panic!("no number in {name}: {}", self.text(name)))
    }

    fn compare(&self, setup: &Setup, generation: &Generation, published: &Published) -> Result<Compared, String> {
        let word = self.text("jwt_user_scope_result");
        let end = self.number("msec");
        let start = end - self.number("request_time");
        let seconds = BTreeSet::from([start as u64, end as u64]);
        let mut said = BTreeSet::new();
        let mut wanted = Vec::new();
        for &at in &seconds {
            let (report, found) = self.ask(setup, at, &[]);
            if let Some(kind) = self.kind_left(&report, generation) {
                return Ok(Compared::Left(kind));
            }
            wanted = Wanted::by(&report, |uri| self.socket(setup, generation, published, uri));
            // Without a set it has been asked already.
            let with = |sets: &[InForce]| {
                let has_any = sets.iter().any(Option::is_some);
                if has_any { self.ask(setup, at, sets).1 } else { found.clone() }
            };
            let words = published.words(&wanted, &Time::of_clock(start, end), with);
            if words.contains(&word) {
                return Ok(if words.len() == 1 { Compared::Same } else { Compared::OneOfSeveral });
            }
            said.extend(words);
        }
        for &at in seconds.iter().filter(|_| !wanted.is_empty()) {
            let words = published.words(&wanted, &Time::of_stall(start, end), |sets| self.ask(setup, at, sets).1);
            if words.contains(&word) {
                return Ok(Compared::OneOfMany);
            }
            said.extend(words);
        }
        Err(format!("{} in the place of \"{word}\"", Vec::from_iter(said).join(", ")))
    }

    /// What the program reports, and its word: an empty one where it decides nothing, as in the log.
    fn ask(&self, setup: &Setup, at: u64, sets: &[InForce]) -> (Value, String) {
        let output = self.explain(setup, at, sets);
        let report: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
        let word = match report["result"].as_str() {
            Some(word) => word.to_owned(),
            None if report.is_object() => String::new(),
            None => output.stderr,
        };
        (report, word)
    }

    /// The key server that a key set of the request's server comes from.
    fn socket(&self, setup: &Setup, generation: &Generation, published: &Published, uri: &str) -> Option<String> {
        let server = [self.text("host"), self.text("server_addr"), self.text("server_port")].join(" ");
        published.socket(&format!("{} {server} {uri}", self.generation), || {
            let mut fields = self.fields.clone();
            fields.insert("request_uri".into(), Some(uri.into()));
            let fetch = Entry { generation: self.generation, fields };
            socket_of(&generation.conf, fetch.ask(setup, 0, &[]).0["place"].as_str()?)
        })
    }

    /// Why the word says nothing about the program, by what is known of the request and its configuration.
    fn kind_left(&self, report: &Value, generation: &Generation) -> Option<&'static str> {
        let (status, word) = (self.text("status"), self.text("jwt_user_scope_result"));
        let has =
            |name: &str| report["not_followed"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
        let has_any = |names: &[&str]| names.iter().any(|name| has(name));
        let checked = report["check"] == true;
        let kinds = [
            (
                word.is_empty() && (self.get("uri").is_none_or(<[u8]>::is_empty) || status == "400"),
                "nginx itself refused the request",
            ),
            (["499", "000"].contains(&&status[..]), "the client went away"),
            (
                word == "internal_error" || (word.is_empty() && status == "500"),
                "nginx had no memory, and that on purpose",
            ),
            (self.get("upstream_http_x_accel_redirect").is_some(), "sent elsewhere by X-Accel-Redirect"),
            (report["uri"].as_str().is_some_and(|uri| uri != self.text("uri")), "rewritten or redirected within nginx"),
            (has_any(&["error_page", "try_files"]), "\"error_page\" or \"try_files\" in the configuration"),
            (checked && has_any(&["if", "return"]), "\"if\" or \"return\" beside the check"),
            (!checked && generation.reads_early, "a variable of the module is read where no check is"),
            (
                checked && word.is_empty() && has_any(&["allow", "deny", "limit_req", "limit_conn"]),
                "another module answered first",
            ),
            (
                has("satisfy any") && has_any(&["allow", "auth_basic", "auth_request"]) && is_guarded(report),
                "another module lets in what the guard awaits",
            ),
            (generation.conf.contains("auth_request_set"), "what was compared is set anew after the check"),
        ];
        kinds.into_iter().find(|(is_left, _)| *is_left).map(|(_, kind)| kind)
    }

    fn explain(&self, setup: &Setup, at: u64, sets: &[InForce]) -> Output {
        let directory = kept(setup, self.generation);
        let mut arguments: Vec<OsString> = vec!["explain".into(), "--json".into(), "--config".into()];
        arguments.push(directory.join("nginx.conf").into());
        let mut option =
            |name: &str, value: Vec<u8>| arguments.push([name.as_bytes(), b"=", &value].concat().into_os());
        option("--path", self.get("request_uri").unwrap_or_default().into());
        option("--method", self.get("request_method").unwrap_or_default().into());
        option("--at", at.to_string().into());
        for set in sets {
            option("--jwks", set.map_or_else(Vec::new, |file| file.as_os_str().as_encoded_bytes().into()));
        }
        if let Some(host) = self.get("host") {
            option("--host", host.into());
        }
        let address = self.get("server_addr").filter(|address| address.starts_with(b"unix:"));
        if let Some(address) = address.or_else(|| self.get("server_port")) {
            option("--listen", address.into());
        }
        for (name, value) in &self.fields {
            let header = name.strip_prefix("http_").filter(|name| *name != "authorization");
            match (header, value) {
                (Some(header), Some(value)) => {
                    option("--header", [header.replace('_', "-").as_bytes(), b": ", value].concat());
                }
                (None, value) if !FIXED.contains(&&name[..]) && !is_of_request(name) => {
                    option("--set", [name.as_bytes(), b"=", value.as_deref().unwrap_or_default()].concat());
                }
                _ => {}
            }
        }
        let token = self.get("http_authorization");
        if token.is_some() {
            arguments.push("--authorization".into());
        }
        let environment = |name: &str| setup.environment.get(name).map(OsString::from);
        let mut input = || Ok(token.unwrap_or_default().to_vec());
        run(Call { arguments, environment: &environment, input: &mut input, now: at })
    }
}

fn is_guarded(report: &Value) -> bool {
    report["steps"].as_array().is_some_and(|steps| steps.iter().any(|step| step["step"] == "guard"))
}

/// Variables that the program takes from the request itself.
fn is_of_request(name: &str) -> bool {
    ["arg_", "cookie_"].iter().any(|prefix| name.starts_with(prefix)) || ["args", "request_uri", "uri"].contains(&name)
}

trait IntoOs {
    fn into_os(self) -> OsString;
}

impl IntoOs for Vec<u8> {
    fn into_os(self) -> OsString {
        OsString::from_vec(self)
    }
}

/// nginx writes `\xNN` for quotes, backslashes, and what is no printable ASCII.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = text.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend(part[2..].bytes());
    }
    bytes
}

/// How many requests were compared, and how many not, by kind.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    fn add(&mut self, compared: Compared) {
        let kind = match compared {
            Compared::Same => "compared",
            Compared::OneOfSeveral => "compared with one of several key sets",
            Compared::OneOfMany => "compared with one of many key sets",
            Compared::Left(kind) => kind,
        };
        *self.0.entry(kind).or_default() += 1;
    }

    /// For `scripts/explained`, one file for each nginx.
    fn keep(&self) {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explained");
        fs::create_dir_all(&directory).expect("a directory for results");
        let lines: String = self.0.iter().map(|(kind, count)| format!("{count}\t{kind}\n")).collect();
        fs::write(directory.join(format!("{}-{number}", std::process::id())), lines).expect("a file for results");
    }
}
