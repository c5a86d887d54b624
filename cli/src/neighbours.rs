//! What directives of nginx's own modules say on one level, as far as they matter to a decision of this one.

use std::collections::BTreeMap;

use crate::access::Rule;
use crate::conf::Position;
use crate::rewrite::Action;
use crate::syntax::{Directive, Word};
use crate::template::{Part, Template};

/// What stands on one level. What is `None` or empty is inherited, unless it is said otherwise.
#[derive(Default)]
pub struct Neighbours {
    pub satisfies_any: Option<bool>,
    pub merges_slashes: Option<bool>,
    pub underscores_in_headers: Option<bool>,
    pub ignores_invalid_headers: Option<bool>,
    /// Who answers where all have agreed. Not inherited, but by `if` and `limit_except`.
    pub content: Option<Content>,
    pub intercepts_errors: Option<bool>,
    /// Not inherited.
    pub is_internal: bool,
    pub max_body: Option<u64>,
    pub error_pages: Vec<ErrorPage>,
    pub recursive_error_pages: Option<bool>,
    /// Not inherited.
    pub try_files: Option<(Vec<Template>, Position)>,
    pub root: Option<Root>,
    pub index: Vec<Template>,
    pub access: Vec<(Rule, Position)>,
    /// `set_real_ip_from`
    pub trusts_proxies: bool,
    /// Whether a password is asked for.
    pub asks_password: Option<bool>,
    pub password_file: Option<Template>,
    /// The subrequest of `auth_request`; an inner `None` is `off`.
    pub auth_request: Option<Option<Vec<u8>>>,
    /// The zones of `limit_req` and `limit_conn`.
    pub limits: Vec<Limit>,
    /// `limit_req_status` and `limit_conn_status`
    pub limit_status: [Option<u16>; 2],
    /// `add_header`, and whether it is there in every answer.
    pub headers: Vec<(Template, bool)>,
    /// Values with variables of other directives, by their names.
    pub others: BTreeMap<Vec<u8>, Vec<Template>>,
    /// The rewrite module's. Not inherited.
    pub actions: Vec<Action>,
    /// Each `include` of files that are not here, as it is written, and where.
    pub unread: Vec<String>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A server behind nginx.
    Backend,
    /// nginx itself, with a picture.
    Picture,
    /// nginx itself, with a page that is always there.
    Page,
}

/// `root`, or `alias` for the name of its location.
pub struct Root {
    pub path: Template,
    pub is_alias: bool,
}

/// A zone that a request is counted in.
pub struct Limit {
    pub zone: Vec<u8>,
    /// `limit_conn`, and not `limit_req`.
    pub of_connections: bool,
}

/// `error_page <status> ... [=[<status>]] <uri>`
pub struct ErrorPage {
    pub statuses: Vec<u16>,
    /// The status in the place of that of the answer; 0 for that of the page.
    pub sends: Option<u16>,
    pub uri: Template,
    pub position: Position,
}

const PASSES: [&[u8]; 6] =
    [b"proxy_pass", b"fastcgi_pass", b"uwsgi_pass", b"scgi_pass", b"grpc_pass", b"memcached_pass"];

/// Their values are looked at when nothing is decided any more, or are none of this request's.
const NOT_READ: [&[u8]; 8] = [
    b"access_log",
    b"auth_request_set",
    b"error_log",
    b"limit_conn_zone",
    b"limit_req_zone",
    b"log_format",
    b"server_name",
    b"listen",
];

impl Neighbours {
    /// Takes a directive without a block; it may be of a module that nothing is known of.
    pub fn add(&mut self, directive: &Directive, position: &Position) -> Result<(), String> {
        let (name, words) = (directive.name(), directive.arguments());
        let first = words.first().map(|word| &word.0[..]);
        let is_on = first.map(|word| word == b"on");
        match name {
            b"satisfy" => self.satisfies_any = Some(first == Some(b"any")),
            b"merge_slashes" => self.merges_slashes = is_on,
            b"underscores_in_headers" => self.underscores_in_headers = is_on,
            b"ignore_invalid_headers" => self.ignores_invalid_headers = is_on,
            b"internal" => self.is_internal = true,
            b"empty_gif" => self.content = Some(Content::Picture),
            b"stub_status" | b"jwt_user_scope_status" => self.content = Some(Content::Page),
            b"client_max_body_size" => self.max_body = first.and_then(size),
            b"error_page" => self.error_pages.push(error_page(words, position)?),
            b"recursive_error_pages" => self.recursive_error_pages = is_on,
            b"try_files" => self.try_files = Some((templates(words)?, position.clone())),
            b"root" | b"alias" => {
                let path = templates(words)?.pop().ok_or("invalid number of arguments")?;
                self.root = Some(Root { path, is_alias: name == b"alias" });
            }
            b"index" => self.index.extend(templates(words)?),
            b"allow" | b"deny" => {
                let rule = Rule::parse(name == b"allow", first.unwrap_or_default())?;
                self.access.push((rule, position.clone()));
            }
            b"set_real_ip_from" => self.trusts_proxies = true,
            b"auth_basic" => self.asks_password = Some(first != Some(b"off")),
            b"auth_basic_user_file" => self.password_file = templates(words)?.pop(),
            b"auth_request" => {
                self.auth_request = Some(first.filter(|uri| *uri != b"off").map(<[u8]>::to_vec));
            }
            b"limit_req" | b"limit_conn" => self.limits.extend(limit(name == b"limit_conn", words)),
            b"limit_req_status" => self.limit_status[0] = first.and_then(number),
            b"limit_conn_status" => self.limit_status[1] = first.and_then(number),
            b"add_header" => self.headers.extend(header(words)),
            b"include" if first.is_some_and(holds_no_check) => {}
            b"include" => {
                let name = first.map(String::from_utf8_lossy).unwrap_or_default();
                self.unread.push(format!("\"include {}\" in {position}", name.escape_debug()));
            }
            _ => self.add_other(name, words),
        }
        Ok(())
    }

    fn add_other(&mut self, name: &[u8], words: &[Word]) {
        if PASSES.contains(&name) {
            self.content = Some(Content::Backend);
        }
        if name.ends_with(b"_intercept_errors") {
            self.intercepts_errors = words.first().map(|word| word.0 == b"on");
        }
        let has_variable = |value: &Template| value.parts.iter().any(|part| matches!(part, Part::Variable(_)));
        if !NOT_READ.contains(&name) && !name.starts_with(b"jwt_user_scope") {
            let values = words.iter().filter_map(|word| Template::parse(&word.0)).filter(has_variable);
            self.others.entry(name.to_vec()).or_default().extend(values);
        }
    }
}

/// Files of every nginx, with types and parameters for backends.
fn holds_no_check(file: &[u8]) -> bool {
    const FILES: [&[u8]; 6] =
        [b"mime.types", b"fastcgi_params", b"fastcgi.conf", b"proxy_params", b"scgi_params", b"uwsgi_params"];
    file.rsplit(|&b| b == b'/').next().is_some_and(|name| FILES.contains(&name))
}

fn templates(words: &[Word]) -> Result<Vec<Template>, String> {
    let template = |word: &Word| Template::parse(&word.0).ok_or_else(|| format!("invalid value \"{word}\""));
    words.iter().map(template).collect()
}

fn number(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `10m`; `0` sets no limit.
fn size(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
    let (digits, factor) = match text.split_at_checked(text.len().checked_sub(1)?)? {
        (digits, "k") => (digits, 1 << 10),
        (digits, "m") => (digits, 1 << 20),
        (digits, "g") => (digits, 1 << 30),
        _ => (&text[..], 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn error_page(words: &[Word], position: &Position) -> Result<ErrorPage, String> {
    let wrong = || "invalid number of arguments in \"error_page\" directive".to_owned();
    let (uri, statuses) = words.split_last().ok_or_else(wrong)?;
    let sends = statuses.iter().find_map(|word| word.0.strip_prefix(b"="));
    let sends = sends.map(|status| if status.is_empty() { Some(0) } else { number(status) });
    let statuses = statuses.iter().filter(|word| !word.0.starts_with(b"="));
    let statuses: Option<Vec<u16>> = statuses.map(|word| number(&word.0)).collect();
    let statuses = statuses.filter(|statuses| !statuses.is_empty()).ok_or_else(wrong)?;
    let uri = Template::parse(&uri.0).ok_or_else(|| format!("invalid value \"{uri}\""))?;
    Ok(ErrorPage { statuses, sends: sends.flatten(), uri, position: position.clone() })
}

fn limit(of_connections: bool, words: &[Word]) -> Option<Limit> {
    let zone = if of_connections {
        words.first().map(|word| &word.0[..])
    } else {
        words.iter().find_map(|word| word.0.strip_prefix(b"zone="))
    };
    Some(Limit { zone: zone?.to_vec(), of_connections })
}

fn header(words: &[Word]) -> Option<(Template, bool)> {
    let always = words.get(2).is_some_and(|word| word.0 == b"always");
    Some((Template::parse(&words.get(1)?.0)?, always))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        let rows = [("0", Some(0)), ("10", Some(10)), ("2k", Some(2048)), ("1M", Some(1 << 20)), ("1g", Some(1 << 30))];
        for (text, expected) in rows.into_iter().chain([("", None), ("m", None), ("-1", None), ("1x", None)]) {
            assert_eq!(size(text.as_bytes()), expected, "{text}");
        }
    }
}
