//! docs/reference.md names what the module registers, nothing more and nothing less, and nginx agrees with what it says
//! of syntax, defaults and contexts. The configurations that the documents print load, without a warning.

use directives::{DIRECTIVES, SET, STATUS};
use std::collections::BTreeSet;

use crate::common::*;

const REFERENCE: &str = include_str!("../../docs/reference.md");
const DOCUMENTS: [(&str, &str); 7] = [
    ("README.md", include_str!("../../README.md")),
    ("docs/reference.md", REFERENCE),
    ("docs/recipes.md", include_str!("../../docs/recipes.md")),
    ("docs/paths.md", include_str!("../../docs/paths.md")),
    ("docs/keys.md", include_str!("../../docs/keys.md")),
    ("docs/explain.md", include_str!("../../docs/explain.md")),
    ("docs/operating.md", include_str!("../../docs/operating.md")),
];

const MODULE: &str = "modules/ngx_http_jwt_user_scope_module.so";

/// Variables that the documents' examples take from elsewhere, and the upstream that all of them use.
const AROUND: &str = "
    upstream backend { server unix:backend.sock; }
    map $uri $user_id { default none; }
    map $uri $tenant { default none; }
    map $uri $is_admin { default 0; }
    map $uri $email_verified { default 0; }";

/// What stands under one `###` heading.
struct Entry {
    name: &'static str,
    text: &'static str,
}

impl Entry {
    /// Entries whose heading begins with `prefix`.
    fn all(prefix: &str) -> Vec<Entry> {
        let sections = REFERENCE.split("\n### ").skip(1);
        let entries = sections.filter_map(|section| {
            let (name, text) = section.split_once('\n')?;
            let name = name.trim_matches('`');
            let text = text.split("\n## ").next().unwrap_or_default();
            name.starts_with(prefix).then_some(Entry { name, text })
        });
        entries.collect()
    }

    /// A line such as "- Syntax: `...`", without the back quotes.
    fn field(&self, name: &str) -> &'static str {
        let value = |line: &'static str| line.strip_prefix("- ")?.strip_prefix(name)?.strip_prefix(": ");
        let found: Vec<_> = self.text.lines().filter_map(value).collect();
        assert_eq!(found.len(), 1, "{name} of {}", self.name);
        found[0].trim_matches('`')
    }

    /// The forms of the argument list: `on | off` has two.
    fn forms(&self) -> Vec<&'static str> {
        let arguments = self.field("Syntax").strip_prefix(self.name).and_then(|rest| rest.strip_suffix(';'));
        let arguments = arguments.unwrap_or_else(|| panic!("no syntax of {}: {}", self.name, self.field("Syntax")));
        arguments.split(" | ").map(str::trim).collect()
    }

    /// A whole statement: the first example, else the default.
    fn statement(&self) -> &'static str {
        let lines = blocks(self.text).flat_map(str::lines).map(str::trim);
        let examples = lines.filter(|line| line.split([' ', ';']).next() == Some(self.name) && line.ends_with(';'));
        examples.chain([self.field("Default")]).find(|line| line.ends_with(';')).expect("an example or a default")
    }
}

fn blocks(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split("```nginx\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default())
}

/// `nginx -t` with a statement at a place of this name.
fn check(place: &str, statement: &str) -> ConfigCheck {
    let at = |here: &str| if here == place { statement.to_owned() } else { String::new() };
    let setup = Setup::new();
    setup.check_whole(&setup.adapted(&format!(
        "load_module {MODULE};\n{}\nevents {{ }}\nhttp {{\n{AROUND}\n{}\nupstream u {{ server unix:u.sock; {} }}\n\
         server {{ listen unix:nginx.sock; {}\nif ($uri) {{ {} }}\n\
         location / {{ {}\nif ($uri) {{ {} }}\nlimit_except GET {{ {} }} }} }} }}",
        at("main"),
        at("http"),
        at("upstream"),
        at("server"),
        at("if in server"),
        at("location"),
        at("if in location"),
        at("limit_except"),
    )))
}

/// Where a directive may stand by its documentation, in the first place.
fn place(entry: &Entry) -> &'static str {
    entry.field("Context").split(", ").last().expect("a context")
}

/// The names in the table that module and program read directives by.
fn registered() -> BTreeSet<String> {
    let all = DIRECTIVES.into_iter().chain([SET, STATUS]);
    all.map(|(name, _)| name.to_str().expect("text").to_owned()).collect()
}

/// Words in the module's file that could be directives, each tried out.
fn known_to_nginx() -> BTreeSet<String> {
    let path = Setup::new().adapted(MODULE);
    let file = std::fs::read(path.lines().last().expect("a path").trim()).expect("the module");
    let words = file.split(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).filter(|w| w.starts_with(b"jwt_user_scope"));
    let words: BTreeSet<_> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let known = |word: &String| !check("http", &format!("{word};")).stderr.contains("unknown directive");
    words.into_iter().filter(known).collect()
}

#[test]
fn names_every_directive_and_no_other() {
    let documented: Vec<_> = Entry::all("jwt").iter().map(|entry| entry.name.to_owned()).collect();
    let names: BTreeSet<_> = documented.iter().cloned().collect();
    assert_eq!(names.len(), documented.len(), "a directive is documented twice: {documented:?}");
    assert_eq!(names, registered(), "docs/reference.md and directives/src/lib.rs");
    assert_eq!(names, known_to_nginx(), "docs/reference.md and the built module; `make build` makes it anew");
}

#[test]
fn names_every_variable_and_no_other() {
    let entries = Entry::all("$");
    let documented: BTreeSet<_> = entries.iter().map(|entry| entry.name.replace("<name>", "")).collect();
    let source = include_str!("../../directives/src/variables.rs").split("#[cfg(test)]").next().unwrap_or_default();
    let names = source.split('"').filter(|text| text.starts_with("jwt_user_scope_"));
    // What all names begin with is no variable itself.
    let registered = names.filter(|text| *text != "jwt_user_scope_").map(|name| format!("${name}"));
    assert_eq!(documented, registered.collect(), "docs/reference.md and directives/src/variables.rs");

    for entry in &entries {
        let name = entry.name.replace("<name>", "some_name");
        let check = check("server", &format!("add_header X {name};"));
        assert!(check.accepted, "{name}: {}", check.stderr);
    }
    assert!(!check("server", "add_header X $jwt_user_scope_other;").accepted);
}

#[test]
fn directives_stand_where_it_says_and_nowhere_else() {
    const PLACES: [&str; 8] =
        ["main", "http", "upstream", "server", "if in server", "location", "if in location", "limit_except"];
    for entry in Entry::all("jwt") {
        let documented: Vec<_> = entry.field("Context").split(", ").collect();
        for place in PLACES {
            let check = check(place, entry.statement());
            let allowed = documented.contains(&place);
            assert_eq!(check.accepted, allowed, "{} in {place}: {}", entry.statement(), check.stderr);
            let reason = format!("\"{}\" directive is not allowed here", entry.name);
            assert!(allowed || check.stderr.contains(&reason), "{} in {place}: {}", entry.statement(), check.stderr);
        }
        assert!(documented.iter().all(|place| PLACES.contains(place)), "{}: {documented:?}", entry.name);
    }
}

#[test]
fn syntax_and_default_are_nginx_s_own() {
    for entry in Entry::all("jwt") {
        let (name, forms) = (entry.name, entry.forms());
        let check = |arguments: &str| check(place(&entry), &format!("{name} {arguments};"));
        let accept = |arguments: &str| {
            let check = check(arguments);
            assert!(check.accepted, "{name} {arguments}: {}", check.stderr);
        };
        let refuse = |arguments: &str, reason: &str| {
            let check = check(arguments);
            assert!(!check.accepted && check.stderr.contains(reason), "{name} {arguments}: {}", check.stderr);
        };

        if forms == [""] {
            accept("");
            refuse("nonsense", "invalid number of arguments");
            continue;
        }
        let words = forms.iter().filter(|form| !form.contains('<'));
        words.clone().for_each(|word| accept(word));
        if words.count() == forms.len() {
            refuse("nonsense", "invalid value");
        }
        match entry.field("Default") {
            "none" => {}
            default => accept(default.strip_prefix(name).and_then(|rest| rest.strip_suffix(';')).expect("a default")),
        }

        refuse("", "invalid number of arguments");
        if !forms.iter().any(|form| form.contains("...") || form.contains('[')) {
            let most = forms.iter().map(|form| form.split(' ').count()).max().unwrap_or_default();
            refuse(&"x ".repeat(most + 1), "invalid number of arguments");
        }
    }
}

#[test]
fn what_the_documents_print_loads_without_a_warning() {
    for (name, text) in DOCUMENTS {
        let blocks: Vec<_> = blocks(text).collect();
        assert!(!blocks.is_empty(), "{name} prints no configuration");
        for block in blocks {
            assert_loads(name, block);
        }
    }
}

/// Loads a block at whichever level it is written for.
fn assert_loads(document: &str, block: &str) {
    let setup = Setup::new().file("jwt-secret", SECRET).file("blocked-users", "\"42\" 0;\n");
    let setup = setup.file("ca.pem", fixture("p256.crt"));
    // This nginx has the module already, listens on a socket, and owns neither of these directories.
    let lines = block.lines().filter(|line| !line.starts_with("load_module"));
    let block = lines.collect::<Vec<_>>().join("\n").replace("server {", "server {\n    listen unix:nginx.sock;");
    let block = block.replace("/etc/nginx/", "").replace("/var/log/nginx/", "");
    let levels = [
        block.clone(),
        format!("server {{ listen unix:nginx.sock;\n{block}\n}}"),
        format!("server {{ listen unix:nginx.sock; location / {{\n{block}\n}} }}"),
    ];
    let checks = levels.map(|body| setup.check(&format!("{AROUND}\n{body}")));
    let loads = checks.iter().any(|check| check.accepted && !check.stderr.contains("[warn]"));
    let says: Vec<_> = checks.iter().map(|check| check.stderr.as_str()).collect();
    assert!(loads, "{document} prints what nginx does not take:\n{block}\n{}", says.join("\n"));
}
