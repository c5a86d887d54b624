//! Warnings about configurations that quietly undo the check.

use std::mem;
use std::rc::Rc;

use authz::{Scope, demands_slash, is_unanchored, stops_at_line_end, takes_part_of_segment};
use directives::{Layout, Shadow};

use super::{Bypass, KeyRequest};
use crate::ffi::{Conf, Position, Server, ServerId};
use crate::log;

/// What is to be looked at once all locations have been read.
#[derive(Default)]
pub struct Seen {
    pub layout: Layout<ServerId>,
    /// Locations that compare a user, by their places, and their directives.
    pub checked: Vec<(usize, Position)>,
    /// Key sets, each with the server that fetches it and its name.
    fetched: Vec<(ServerId, String, Rc<KeyRequest>)>,
}

impl Seen {
    /// Key sets that a server fetches.
    pub fn fetches(&mut self, server: Server, requests: &[Rc<KeyRequest>]) {
        for request in requests {
            if !self.fetched.iter().any(|(known, _, one)| *known == server.id() && Rc::ptr_eq(one, request)) {
                self.fetched.push((server.id(), server.name(), request.clone()));
            }
        }
    }
}

/// Looks at a location with a check in force. `captures` are those of its regex that it compares, and
/// `captured` tells whether it compares nothing else.
pub fn check(cf: Conf, scope: Scope, captures: &[usize], captured: bool, bypass: &Bypass, position: &Position) {
    let location = String::from_utf8_lossy(cf.location_name());
    let warn = |problem: &str, remedy: &str| warn(cf, &location, problem, remedy, position);
    if cf.satisfies_any() {
        warn("\"satisfy any\" lets requests in without a token", "use \"satisfy all\", or give the others a location");
    }
    if scope == Scope::Any || location.is_empty() {
        return;
    }
    if !captured {
        warn(
            "the compared value is no named capture of this location, so that another regex may set it",
            "capture it in the regex of the location",
        );
    }
    if !cf.merges_slashes() {
        warn(
            "with \"merge_slashes off\" an empty segment can stand before the user",
            "leave it on in all servers of the address",
        );
    }
    if bypass.has_claim(&cf.gathered().set_variables) {
        let (problem, remedy) =
            ("the bypass holds for a claim that is \"false\", too, as a text", "name a \"map\" over the claim");
        self::warn(cf, &location, problem, remedy, bypass.position.as_ref().unwrap_or(position));
    }
    let names = |indexes: &[usize]| indexes.iter().map(|&index| cf.variable_name(index)).collect::<Vec<_>>();
    if let Some(variable) = bypass.of_clients(&names(&cf.regex_captures()), |name| cf.defines_variable(name)) {
        let problem = format!(
            "the bypass holds by \"${}\", which every request has or any client writes",
            variable.escape_ascii()
        );
        let remedy = "name a \"map\" over a claim";
        self::warn(cf, &location, &problem, remedy, bypass.position.as_ref().unwrap_or(position));
    }
    if let Some(regex) = cf.location_regex() {
        let names = names(captures);
        if demands_slash(regex, &names) {
            warn(
                "the regex demands a slash, so that the path without one is not checked here",
                "end it with \"(?:/|$)\"",
            );
        }
        if takes_part_of_segment(regex, &names) {
            warn(
                "the regex may take a part of a segment for the user, and so another user's path for this one's",
                "end it with \"(?:/|$)\"",
            );
        }
        if is_unanchored(regex, &names) {
            warn(
                "the regex may find its path behind another one",
                "begin it with \"^\", and let nothing before the user match slashes",
            );
        }
        if stops_at_line_end(regex) {
            warn(
                "the end of the regex stops at a line end, which a path may hold encoded",
                "leave \".*\" and \"$\" out, or write \"[\\s\\S]*\"",
            );
        }
    }
}

fn warn(cf: Conf, location: &str, problem: &str, remedy: &str, position: &Position) {
    log::conf_warning(
        cf,
        format_args!("\"jwt_user_scope\" in location \"{location}\": {problem}: {remedy} in {position}"),
    );
}

/// Looks at all servers, once they have been read.
pub fn check_servers(cf: Conf) {
    let Seen { layout, checked, fetched } = mem::take(&mut cf.gathered().seen);
    for (place, position) in checked {
        let location = layout.name(place);
        for shadow in layout.shadows(place) {
            let (problem, remedy) = match shadow {
                Shadow::FinalPrefix(name) => (
                    format!("location \"^~ {name}\" keeps requests from its regex, and has no check"),
                    "leave \"^~\" out, or check there, too",
                ),
                Shadow::Longer(name, around) => (
                    format!("location \"{name}\" is longer than \"{around}\" around this one, and has no check"),
                    "put this one in there, or check there, too",
                ),
                Shadow::Inner(name, around) => (
                    format!("location \"{name}\" within \"{around}\" comes first, and has no check"),
                    "put this one in there, before it, or check there, too",
                ),
                Shadow::Earlier(name) => (
                    format!("location \"{name}\" comes first, and has no check"),
                    "put it behind this one, or check there, too",
                ),
            };
            warn(cf, location, &problem, remedy, &position);
        }
        if let Some(beside) = layout.beside(place) {
            let problem = format!(
                "location \"{beside}\" passes requests on to the same servers, and may do so as they were sent, with \"..\" behind \
                 a user's path"
            );
            let remedy = "add \"jwt_user_scope_guard\" to the server, with a template such as \"/api/users/:user_id\"";
            warn(cf, location, &problem, remedy, &position);
        }
    }
    for (server, name, request) in fetched {
        let uri = String::from_utf8_lossy(&request.uri);
        if !layout.has_place_for(server, &uri) {
            log::conf_warning(
                cf,
                format_args!(
                    "\"jwt_user_scope_key_request\" has no location \"{uri}\" in server \"{name}\", and would take keys from \
                     where else that path leads: add one of its own, such as \"location = /_jwks\", and make it \"internal\", in {}",
                    request.position
                ),
            );
        }
    }
}
