//! Every request to an nginx of these tests is asked about once more: `jwt-user-scope explain` must say the word that the
//! module's own access log has.
//!
//! nginx logs what the program needs into `explained.log`. When nginx has ended, each line is replayed with the
//! configuration, the files, the environment and the key sets (`published.rs`) that it was answered under. The program is
//! told what no configuration says: the client's address, what backends answered, whether a limit was reached. It is told
//! neither the word nor the path that nginx ended with, nor its status, and must come to all by itself.
//!
//! A few requests cannot be replayed. They are counted by their kind; `make e2e` prints the counts, and fails when one
//! about which the module has a word is not of a kind that is named there.

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
const FIXED: [&str; 17] = [
    "msec",
    "request_time",
    "status",
    "request",
    "request_method",
    "request_uri",
    "uri",
    "host",
    "server_addr",
    "server_port",
    "remote_addr",
    "content_length",
    "jwt_user_scope_result",
    "http_authorization",
    "upstream_status",
    "upstream_http_x_accel_redirect",
    "sent_http_x_accel_redirect",
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

/// Headers that a client of a test may leave out, unlike most.
const SENT_BY_ALL: [&str; 5] =
    ["http_accept", "http_accept_encoding", "http_connection", "http_host", "http_user_agent"];

/// The configurations that an nginx has run with.
pub struct Explained {
    generations: Mutex<Vec<Generation>>,
}

struct Generation {
    conf: String,
    /// Variables that the log shows.
    variables: Vec<String>,
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
        generations.push(Generation { conf, variables });
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
        // Where backends of the test have sent a request that is answered, and so logged, later.
        let mut sent_on = Vec::new();
        for line in log.lines() {
            let mut entry = Entry::parse(line, &generations);
            sent_on.extend(entry.get("sent_http_x_accel_redirect").map(<[u8]>::to_vec));
            entry.answers = entry.answers(&mut sent_on);
            let generation = &generations[entry.generation];
            let compared = entry.compare(setup, generation, &published);
            let compared =
                compared.unwrap_or_else(|wrong| panic!("explained wrongly: {wrong}\n{line}\n{}", generation.conf));
            tally.add(compared, &entry.text("jwt_user_scope_result"));
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

/// Variables that the configuration names and does not compute itself, and the headers.
fn variables_of(conf: &str) -> Vec<String> {
    let without_comments: String =
        conf.lines().map(|line| line.split(" #").next().unwrap_or_default().to_owned() + "\n").collect();
    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let name = |text: &str| text.chars().take_while(is_name).collect::<String>().to_ascii_lowercase();
    let after = |prefix: &str| without_comments.split(prefix).skip(1).map(name).collect::<BTreeSet<_>>();
    let mut names: BTreeSet<String> = HEADERS.iter().map(|name| (*name).to_owned()).collect();
    names.extend(without_comments.split('$').skip(1).map(|text| name(text.trim_start_matches('{'))));
    names.extend(
        ["limit_req", "limit_conn"]
            .iter()
            .filter(|name| conf.contains(&format!("{name} ")))
            .map(|name| format!("{name}_status")),
    );
    let maps = without_comments
        .split("map ")
        .skip(1)
        .filter_map(|map| Some(name(map.split('{').next()?.split('$').next_back()?)));
    let computed: BTreeSet<_> =
        ["set $", "jwt_user_scope_set $", "(?<", "(?P<", "(?'"].into_iter().flat_map(after).chain(maps).collect();
    names.retain(|name| {
        name.starts_with(char::is_alphabetic)
            && !name.starts_with("jwt_user_scope_")
            && !computed.contains(name)
            && !FIXED.contains(&&name[..])
    });
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
    /// What backends have answered.
    answers: Vec<Vec<u8>>,
}

/// What came of a line.
enum Compared {
    Same(Rest),
    /// The same with one of several key sets, of which another gives another word: one came while the request was answered.
    OneOfSeveral(Rest),
    /// The same with a key set that came shortly before or after.
    OneOfMany(Rest),
    /// It could not be replayed.
    Left(&'static str),
}

/// What was compared beside the word and the path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// The status that nginx answered with, and whether the request was let through.
    Status,
    Nothing,
}

impl Entry {
    fn parse(line: &str, generations: &[Generation]) -> Entry {
        let fields: Vec<_> = line.split('\t').collect();
        let generation = fields[0].parse().expect("a number of a configuration");
        let own: &Generation = &generations[generation];
        let names = FIXED.into_iter().chain(own.variables.iter().map(String::as_str)).map(str::to_owned);
        let values = fields[1..].iter().map(|value| (*value != "-").then(|| unescape(value)));
        Entry { generation, fields: names.zip(values).collect(), answers: Vec::new() }
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

    /// The last answer of each backend, in the order of the redirects. `sent_on` are those of backends in this nginx.
    fn answers(&self, sent_on: &mut Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let statuses = self.text("upstream_status");
        let last = |tries: &str| tries.rsplit(", ").next().unwrap_or_default().trim().as_bytes().to_vec();
        let mut answers: Vec<_> = statuses.split(" : ").map(last).filter(|status| !status.is_empty()).collect();
        let redirect = |target: &[u8]| [b"X-Accel-Redirect: ", target].concat();
        let seen = self.get("upstream_http_x_accel_redirect");
        if let Some(target) = seen {
            answers.pop();
            answers.push(redirect(target));
            sent_on.clear();
        } else if answers.len() > 1 {
            for (answer, target) in answers.iter_mut().zip(sent_on.drain(..)) {
                *answer = redirect(&target);
            }
        }
        answers
    }

    fn compare(&self, setup: &Setup, generation: &Generation, published: &Published) -> Result<Compared, String> {
        let word = self.text("jwt_user_scope_result");
        let end = self.number("msec");
        let start = end - self.number("request_time");
        let mut said = BTreeSet::new();
        for time in [Time::of_clock(start, end), Time::of_stall(start, end)] {
            for at in BTreeSet::from([start as u64, end as u64]) {
                let found = self.words(setup, generation, published, (at, &time));
                if let Some(rest) = found.get(&word) {
                    let rest = rest.clone()?;
                    return Ok(match () {
                        () if found.len() == 1 => Compared::Same(rest),
                        () if time.is_exact => Compared::OneOfSeveral(rest),
                        () => Compared::OneOfMany(rest),
                    });
                }
                said.extend(found.into_keys());
            }
        }
        match self.kind_left(&word) {
            Some(kind) => Ok(Compared::Left(kind)),
            None => Err(format!("{} in the place of \"{word}\"", Vec::from_iter(said).join(", "))),
        }
    }

    /// The words for the request, one for each combination of key sets that may have been in force, and whether the path
    /// and the status are right where the program says so.
    fn words(
        &self,
        setup: &Setup,
        generation: &Generation,
        published: &Published,
        (at, time): (u64, &Time),
    ) -> BTreeMap<String, Result<Rest, String>> {
        let mut wanted: Vec<Wanted> = Vec::new();
        loop {
            // Behind an "error_page", say, others may be asked for once these are there.
            let mut more = None;
            let mut words = BTreeMap::new();
            for sets in published.in_force(&wanted, time) {
                let (report, word) = self.ask(setup, at, &sets);
                let path = self.compare_path(&report, generation);
                let rest = path.and_then(|()| self.compare_status(&report, generation));
                let known = words.entry(word).or_insert_with(|| rest.clone());
                if rest.is_ok() {
                    *known = rest;
                }
                if report["key_sets"].as_array().is_some_and(|all| all.len() > wanted.len()) {
                    more = Some(report);
                }
            }
            match more {
                Some(report) => wanted = Wanted::by(&report, |uri| self.socket(setup, generation, published, uri)),
                None => return words,
            }
        }
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
            fields.insert("request".into(), Some(format!("GET {uri} HTTP/1.1").into()));
            let fetch = Entry { generation: self.generation, fields, answers: Vec::new() };
            // Only a fetch comes to an internal location: others are answered, perhaps by an "error_page" of it.
            let report = fetch.ask(setup, 0, &[]).0;
            report["way"].as_array()?.iter().find_map(|place| socket_of(&generation.conf, place.as_str()?))
        })
    }

    /// The path that nginx ended with, unless the line may be of a subrequest.
    fn compare_path(&self, report: &Value, generation: &Generation) -> Result<(), String> {
        let (found, path) = (report["uri"].as_str().unwrap_or_default(), self.text("uri"));
        let is_followed = report["not_followed"].as_array().is_some_and(Vec::is_empty);
        if found == path || !is_followed || generation.conf.contains("log_subrequest on") {
            return Ok(());
        }
        Err(format!("path \"{found}\" in the place of \"{path}\""))
    }

    /// The status that nginx answered with. Where the program knows none, it may at least be no refusal of a request that is
    /// let through, unless that is a backend's own.
    fn compare_status(&self, report: &Value, generation: &Generation) -> Result<Rest, String> {
        let status = self.text("status");
        let is_followed = report["not_followed"].as_array().is_some_and(Vec::is_empty);
        let is_gone = ["499", "000"].contains(&&status[..]);
        if !is_followed || is_gone || generation.conf.contains("log_subrequest on") {
            return Ok(Rest::Nothing);
        }
        let (answer, let_through) = (&report["answer"], &report["let_through"]);
        let is_refusal = ["400", "401", "403", "503"].contains(&&status[..]);
        let is_backends = self.text("upstream_status").contains(&status);
        match (answer.as_u64(), let_through.as_bool()) {
            (_, None) => Err("neither let through nor refused".into()),
            (Some(answer), _) if answer.to_string() != status => {
                Err(format!("status {answer} in the place of {status}"))
            }
            (Some(400..), Some(true)) if !is_backends => Err(format!("let through, and answered with {status}")),
            (Some(_), _) => Ok(Rest::Status),
            (None, Some(true)) if is_refusal && !is_backends => Err(format!("let through in the place of {status}")),
            (None, Some(true)) => Ok(Rest::Status),
            // The page of an `error_page` is answered by somebody else.
            (None, Some(false)) => Ok(Rest::Nothing),
        }
    }

    /// Why the word says nothing about the program.
    fn kind_left(&self, word: &str) -> Option<&'static str> {
        let status = self.text("status");
        let kinds = [
            (word == "internal_error", "nginx had no memory, and that on purpose"),
            (word.is_empty() && status == "400", "nginx itself refused the form of the request"),
            (word.is_empty() && ["499", "000"].contains(&&status[..]), "the client went away before a decision"),
        ];
        kinds.into_iter().find(|(is_left, _)| *is_left).map(|(_, kind)| kind)
    }

    fn explain(&self, setup: &Setup, at: u64, sets: &[InForce]) -> Output {
        let directory = kept(setup, self.generation);
        let mut arguments: Vec<OsString> = vec!["explain".into(), "--json".into(), "--config".into()];
        arguments.push(directory.join("nginx.conf").into());
        arguments.extend(["--prefix".into(), directory.into()]);
        let mut option =
            |name: &str, value: Vec<u8>| arguments.push([name.as_bytes(), b"=", &value].concat().into_os());
        // nginx has no path of a request whose path it refuses, no host of a target, and a page makes the method GET.
        let sent: Vec<_> = self.get("request").unwrap_or_default().split(|&b| b == b' ').collect();
        let target = sent.get(1).copied();
        let absolute = target.filter(|target| target.first().is_some_and(u8::is_ascii_alphabetic));
        option("--path", absolute.or(self.get("request_uri")).or(target).unwrap_or_default().into());
        option("--method", sent.first().copied().unwrap_or_default().into());
        option("--at", at.to_string().into());
        for set in sets {
            option("--jwks", set.map_or_else(Vec::new, |file| file.as_os_str().as_encoded_bytes().into()));
        }
        if let Some(host) = self.get("host") {
            option("--host", host.into());
        }
        if let Some(client) = self.get("remote_addr") {
            option("--client", client.into());
        }
        if let Some(length) = self.get("content_length") {
            option("--header", [b"Content-Length: ", length].concat());
        }
        for answer in &self.answers {
            option("--answer", answer.clone());
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
                // The program would ask for it.
                (Some(_), None) if SENT_BY_ALL.contains(&&name[..]) => {
                    option("--set", [name.as_bytes(), b"="].concat());
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

/// What the program knows of the request, and of where its files are.
const OF_REQUEST: [&str; 9] = [
    "args",
    "content_type",
    "document_root",
    "document_uri",
    "is_args",
    "query_string",
    "realpath_root",
    "request_filename",
    "request_method",
];

/// Variables that the program takes from the request itself.
fn is_of_request(name: &str) -> bool {
    ["arg_", "cookie_"].iter().any(|prefix| name.starts_with(prefix)) || OF_REQUEST.contains(&name)
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

/// How many requests were compared, and how many not, by kind, and whether the module has a word about them.
#[derive(Default)]
struct Tally(BTreeMap<(&'static str, &'static str), usize>);

impl Tally {
    fn add(&mut self, compared: Compared, word: &str) {
        let (kind, rest) = match compared {
            Compared::Same(rest) => ("compared", rest),
            Compared::OneOfSeveral(rest) => ("compared with one of several key sets", rest),
            Compared::OneOfMany(rest) => ("compared with one of many key sets", rest),
            Compared::Left(kind) => (kind, Rest::Nothing),
        };
        let word = if word.is_empty() { "no word" } else { "word" };
        *self.0.entry((kind, word)).or_default() += 1;
        if rest == Rest::Status {
            *self.0.entry(("status", word)).or_default() += 1;
        }
    }

    /// For `scripts/explained`, one file for each nginx.
    fn keep(&self) {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explained");
        fs::create_dir_all(&directory).expect("a directory for results");
        let lines: String = self.0.iter().map(|((kind, word), count)| format!("{count}\t{kind}\t{word}\n")).collect();
        fs::write(directory.join(format!("{}-{number}", std::process::id())), lines).expect("a file for results");
    }
}
