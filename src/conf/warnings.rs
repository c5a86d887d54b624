//! Warnings about configurations that quietly undo the check.

use authz::{Scope, demands_slash, is_unanchored, stops_at_line_end, takes_part_of_segment};

use crate::ffi::{Conf, Position};
use crate::log;

/// Looks at a location with a check in force. `captures` are those of its regex that it compares, and
/// `captured` tells whether it compares nothing else.
pub fn check(cf: Conf, scope: Scope, captures: &[usize], captured: bool, position: &Position) {
    let location = String::from_utf8_lossy(cf.location_name());
    let warn = |problem: &str, remedy: &str| {
        log::conf_warning(
            cf,
            format_args!("\"jwt_user_scope\" in location \"{location}\": {problem}: {remedy} in {position}"),
        );
    };
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
    if let Some(regex) = cf.location_regex() {
        let names: Vec<_> = captures.iter().map(|&index| cf.variable_name(index)).collect();
        if demands_slash(regex, &names) {
            warn(
                "the regex demands a slash after the user, so that the path without one is not checked here",
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
            warn("the regex finds its path behind another one, too", "begin it with \"^\"");
        }
        if stops_at_line_end(regex) {
            warn(
                "the end of the regex stops at a line end, which a path may hold encoded",
                "leave \".*\" and \"$\" out",
            );
        }
    }
}
