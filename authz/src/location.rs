//! What can be told of a location's regex by looking at it: the mistakes that leave a user's paths unchecked.

use crate::regex::{Piece, after_opening, alternatives, group, is_assertion, name_of, opening, piece, syntax};

/// Whether a regex demands a slash where the path may end, as `(?<user_id>[^/]+)/` and `(?<user_id>[^/]+)/files/` do, so
/// that the path without one is another location's.
pub fn demands_slash(regex: &[u8], names: &[&[u8]]) -> bool {
    let Some((_, rest)) = last_group(regex, names) else { return false };
    let end = alternatives(behind_groups(rest)).next().unwrap_or_default();
    let end = without_whatever(end.strip_suffix(b"$").unwrap_or(end));
    let slashes: [&[u8]; 3] = [b"/", b"[/]", b"(?:/)"];
    slashes.iter().any(|slash| end.ends_with(slash))
}

/// What stands behind the groups that end right here, be they left out or not: then there is no user.
fn behind_groups(mut rest: &[u8]) -> &[u8] {
    while let [b')', b'?', behind @ ..] | [b')', behind @ ..] = rest {
        rest = behind;
    }
    rest
}

/// Whether a regex may be content with the beginning of a segment as the compared group: `^/users/(?<user_id>\w+)`
/// and `^/users/(?<user_id>\w+)/?` find user A in `/users/A.B`. So may one with its end, as `^/users/\w*-?(?<user_id>\w+)`.
pub fn takes_part_of_segment(regex: &[u8], names: &[&[u8]]) -> bool {
    let Some((inside, rest)) = last_group(regex, names) else { return false };
    if is_lazy_by_flag(regex) || may_begin_within_segment(before_group(regex, names)) {
        return true;
    }
    // To the end of the segment, unless what comes next is not to be had there.
    let takes_all = matches!(inside, b"[^/]+" | b"[^/]*" | b"[^\\/]+") && may_be_nothing(rest, 0);
    inside != b"[^/]++" && !takes_all && !goes_on_certainly(rest, 0)
}

/// Whether the flag that makes all repetitions lazy is set somewhere: `(?U)`, `(?iU:`.
fn is_lazy_by_flag(regex: &[u8]) -> bool {
    syntax(regex).filter(|&(_, byte, _)| byte == b'(').any(|(at, ..)| {
        let flags = regex[at + 1..].strip_prefix(b"?").unwrap_or_default();
        flags.iter().take_while(|b| b.is_ascii_alphabetic()).any(|b| *b == b'U')
    })
}

/// Whether what stands between the last slash and the compared group may be more or less of its segment.
fn may_begin_within_segment(before: &[u8]) -> bool {
    let (mut rest, mut varies) = (before, false);
    while let Some((piece, behind)) = piece(rest) {
        rest = behind;
        varies = match piece {
            Piece::Byte(b'/' | b'|') => false,
            Piece::Byte(b'(') => match group(behind) {
                // One that stands open, which the compared one is in.
                None => {
                    rest = after_opening(behind);
                    varies
                }
                Some((inside, after)) => {
                    rest = after;
                    let inside = if is_assertion(inside) { b"" } else { after_opening(inside) };
                    let begins_anew = inside.ends_with(b"/") && !is_optional(after);
                    (varies && !begins_anew) || group_varies(inside, after)
                }
            },
            Piece::Byte(b'.') | Piece::Class(_) | Piece::Property { .. } => true,
            Piece::Escape(b) if b"wWdDsSNhHvVXRCK".contains(&b) => true,
            _ => varies || is_optional(behind),
        };
        rest = behind_quantifier(rest);
    }
    varies
}

/// Whether a group before the compared one may be more or less of its segment: it is not one text, nor whole segments.
fn group_varies(inside: &[u8], behind: &[u8]) -> bool {
    let are_segments = alternatives(inside).all(|way| way.is_empty() || way.ends_with(b"/"));
    let is_text = alternatives(inside).count() == 1 && !may_begin_within_segment(inside) && !is_optional(behind);
    !are_segments && !is_text
}

/// Whether what stands before may be left out, or be there again.
fn is_optional(behind: &[u8]) -> bool {
    matches!(behind, [b'?' | b'*' | b'+', ..]) || behind.starts_with(b"{") && !behind.starts_with(b"{1}")
}

fn behind_quantifier(mut rest: &[u8]) -> &[u8] {
    while let [b'?' | b'*' | b'+', behind @ ..] = rest {
        rest = behind;
    }
    match rest {
        [b'{', behind @ ..] => behind.iter().position(|b| *b == b'}').map_or(rest, |end| &behind[end + 1..]),
        _ => rest,
    }
}

/// Whether a regex with a compared group may find its path behind another one: it is not anchored, something before
/// the group takes slashes, or the group may match again, behind itself.
pub fn is_unanchored(regex: &[u8], names: &[&[u8]]) -> bool {
    alternatives(regex).any(|alternative| holds_group(alternative, names) && !is_anchored(alternative, names, 0))
        || takes_slashes(before_group(regex, names))
        || is_in_repeated_group(regex, names)
}

fn is_in_repeated_group(regex: &[u8], names: &[&[u8]]) -> bool {
    let is_repeated = |behind: &[u8]| is_repeated(behind) && !behind.starts_with(b"{1}");
    let mut opened = syntax(regex).filter(|&(_, byte, _)| byte == b'(').map(|(at, ..)| &regex[at..]);
    opened.any(|at| {
        let Some((inside, behind)) = group(&at[1..]) else { return false };
        let holds_it = after_name(at, names).is_none() && holds_group(inside, names);
        holds_it && is_repeated(behind) && may_hold_slash(after_opening(inside))
    })
}

/// Whether a regex may find a path that begins so, whatever follows: `\.png$`, `^/api/`, `^/.+\.png$`.
pub fn swallows(regex: &[u8], start: &[u8]) -> bool {
    alternatives(regex).any(|alternative| {
        let Some((literal, rest)) = literal_and_rest(alternative) else { return !is_anchored(alternative, &[], 0) };
        start.starts_with(&literal) && (rest.is_empty() || begins_with_anything(rest))
    })
}

/// Whether `.*` or the like comes first, in a group or not.
fn begins_with_anything(regex: &[u8]) -> bool {
    let mut rest = regex;
    while let Some(opened) = rest.strip_prefix(b"(") {
        rest = after_opening(opened);
    }
    piece(rest)
        .is_some_and(|(piece, behind)| !matches!(piece, Piece::Byte(b'/')) && is_slash(&piece) && is_repeated(behind))
}

/// The text that every path begins with that an anchored regex finds; nothing if there is none.
pub fn literal_start(regex: &[u8]) -> Vec<u8> {
    if alternatives(regex).count() > 1 {
        return Vec::new();
    }
    literal_and_rest(regex).map_or_else(Vec::new, |(literal, _)| literal)
}

/// That text of an alternative that begins with an anchor, and what stands behind it.
fn literal_and_rest(alternative: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = alternative;
    while let Some((_, behind)) = rest.strip_prefix(b"(").and_then(group).filter(|(inside, _)| is_assertion(inside)) {
        rest = behind;
    }
    let mut rest = rest.strip_prefix(b"^")?;
    let mut literal = Vec::new();
    while let Some((piece, behind)) = piece(rest) {
        let byte = match piece {
            Piece::Byte(b) if !b".^$()|?*+{}".contains(&b) => b,
            Piece::Escape(b) if !b.is_ascii_alphanumeric() => b,
            _ => break,
        };
        // It may be left out, or there again.
        if matches!(behind, [b'?' | b'*' | b'+' | b'{', ..]) {
            break;
        }
        literal.push(byte);
        rest = behind;
    }
    Some((literal, rest))
}

/// Whether a regex ends with something that stops at a line end, which a path may hold encoded: `(.*)$`.
pub fn stops_at_line_end(regex: &[u8]) -> bool {
    let mut dots = syntax(regex).filter(|&(_, byte, _)| byte == b'.');
    dots.any(|(i, ..)| matches!(&regex[i + 1..], [b'*' | b'+', rest @ ..] if is_end(rest)))
}

/// Whether nothing but an end follows, of groups and then of all.
fn is_end(rest: &[u8]) -> bool {
    match rest {
        [b'$', ..] => true,
        [b')' | b'?' | b'+', rest @ ..] => is_end(rest),
        [b'|', others @ ..] => group(others).is_some_and(|(_, rest)| is_end(rest)),
        _ => false,
    }
}

/// The inside of the last group of one of these names, and what stands behind it.
fn last_group<'r>(regex: &'r [u8], names: &[&[u8]]) -> Option<(&'r [u8], &'r [u8])> {
    (0..regex.len()).filter_map(|start| after_name(&regex[start..], names)).next_back().and_then(group)
}

/// What stands before the first group of one of these names; nothing, if there is none.
fn before_group<'r>(regex: &'r [u8], names: &[&[u8]]) -> &'r [u8] {
    let first = (0..regex.len()).find(|&start| after_name(&regex[start..], names).is_some());
    &regex[..first.unwrap_or_default()]
}

/// Whether something in it may match any number of slashes: `.*`, `\S+`, `[^.]{1,9}`, `(?:/[^/]+)*`.
fn takes_slashes(regex: &[u8]) -> bool {
    let mut rest = regex;
    while let Some((piece, behind)) = piece(rest) {
        rest = behind;
        let opened = matches!(piece, Piece::Byte(b'(')).then(|| group(behind)).flatten();
        match opened {
            Some((inside, after)) if is_assertion(inside) => rest = after,
            Some((inside, after)) if is_repeated(after) && may_hold_slash(after_opening(inside)) => return true,
            _ if is_repeated(behind) && is_slash(&piece) => return true,
            _ => {}
        }
    }
    false
}

/// Whether what stands before may match any number of times.
fn is_repeated(behind: &[u8]) -> bool {
    matches!(behind, [b'*' | b'+' | b'{', ..])
}

fn may_hold_slash(regex: &[u8]) -> bool {
    let mut rest = regex;
    while let Some((piece, behind)) = piece(rest) {
        if is_slash(&piece) {
            return true;
        }
        rest = behind;
    }
    false
}

/// Whether a piece may match a slash.
fn is_slash(piece: &Piece) -> bool {
    match piece {
        Piece::Byte(b) => matches!(b, b'/' | b'.'),
        // In doubt it may.
        Piece::Escape(b) => b"/SDWNHVXC".contains(b),
        Piece::Property { name, is_not } => *is_not || !matches!(name, [b'L' | b'N', ..]),
        Piece::Class(class) => match class.strip_prefix(b"^") {
            Some(others) => names_slash(others) != Some(true),
            None => names_slash(class) != Some(false),
        },
    }
}

/// Whether a slash is in a class. `None` where that cannot be told.
fn names_slash(class: &[u8]) -> Option<bool> {
    let (mut rest, mut is_clear) = (class, true);
    loop {
        let (is_it, behind) = match rest {
            [] => return is_clear.then_some(false),
            [b'[', b':', posix @ ..] => {
                let end = posix.windows(2).position(|pair| pair == b":]")?;
                let (name, is_not) =
                    posix[..end].strip_prefix(b"^").map_or((&posix[..end], false), |name| (name, true));
                let holds_it: [&[u8]; 4] = [b"ascii", b"graph", b"print", b"punct"];
                (holds_it.contains(&name) != is_not, &posix[end + 2..])
            }
            [b'\\', b'p' | b'P' | b'Q' | b'x' | b'o', behind @ ..] => {
                is_clear = false;
                (false, behind)
            }
            [b'\\', b, behind @ ..] => (b"/SDWHVN".contains(b), behind),
            [from, b'-', to, behind @ ..] if *to != b'\\' && *to != b'[' => ((*from..=*to).contains(&b'/'), behind),
            [b, behind @ ..] => (*b == b'/', behind),
        };
        if is_it {
            return Some(true);
        }
        rest = behind;
    }
}

/// A regex without the `.*` or the like that it ends with, be it in a group of its own.
fn without_whatever(regex: &[u8]) -> &[u8] {
    let whatever: [&[u8]; 4] = [b".*", b".+", b"[\\s\\S]*", b"[\\s\\S]+"];
    let grouped = || {
        let open = regex.strip_suffix(b")")?;
        let start = opening(open)?;
        whatever.contains(&after_opening(&open[start + 1..])).then_some(&regex[..start])
    };
    let bare = || whatever.iter().find_map(|dots| regex.strip_suffix(*dots));
    grouped().or_else(bare).unwrap_or(regex)
}

/// What stands behind the opening of a group of one of these names: `(?<name>`, `(?P<name>` or `(?'name'`.
fn after_name<'r>(regex: &'r [u8], names: &[&[u8]]) -> Option<&'r [u8]> {
    let group = regex.strip_prefix(b"(?")?;
    let (name, rest) = name_of(group)?;
    names.iter().any(|known| known.eq_ignore_ascii_case(name)).then_some(rest)
}

fn holds_group(regex: &[u8], names: &[&[u8]]) -> bool {
    (0..regex.len()).any(|start| after_name(&regex[start..], names).is_some())
}

/// Whether an alternative finds the compared group only at the beginning of a path. Flags and assertions in front of it
/// are passed over.
fn is_anchored(alternative: &[u8], names: &[&[u8]], depth: usize) -> bool {
    let opened = match alternative {
        [b'^', ..] | [b'\\', b'A' | b'G', ..] => return true,
        [b'(', opened @ ..] if depth < MAX_DEPTH => opened,
        _ => return false,
    };
    let Some((inside, behind)) = group(opened) else { return false };
    if is_assertion(inside) {
        return is_anchored(behind, names, depth);
    }
    let inside = after_opening(inside);
    let mut ways = alternatives(inside);
    if holds_group(inside, names) {
        ways.all(|way| !holds_group(way, names) || is_anchored(way, names, depth + 1))
    } else {
        !matches!(behind, [b'?' | b'*' | b'{', ..]) && ways.all(|way| is_anchored(way, names, depth + 1))
    }
}

/// Groups in groups, beyond which nothing more is made of a regex.
const MAX_DEPTH: usize = 8;

/// Whether what stands behind a group matches only where a slash, the path's end or a certain byte comes next. In
/// doubt it does not.
fn goes_on_certainly(rest: &[u8], depth: usize) -> bool {
    let behind = match rest {
        [b'$', ..] | [b'\\', b'z' | b'Z', ..] => return true,
        // The end of a group around the one that is looked at, or of its alternative in there.
        [b')', ..] => return goes_on_certainly(behind_groups(rest), depth),
        [b'|', others @ ..] => return group(others).is_some_and(|(_, behind)| goes_on_certainly(behind, depth)),
        [b'[', b'/', b']', behind @ ..] => behind,
        // Classes, back references and assertions are letters or digits.
        [b'\\', b, behind @ ..] if !b.is_ascii_alphanumeric() => behind,
        [b'(', opened @ ..] if depth < MAX_DEPTH => {
            let Some((inside, behind)) = group(opened) else { return false };
            if !alternatives(after_opening(inside)).all(|alternative| goes_on_certainly(alternative, depth + 1)) {
                return false;
            }
            behind
        }
        [b, behind @ ..] if !b"\\^.[]()|?*+{}".contains(b) => behind,
        _ => return false,
    };
    match behind {
        [b'{' | b'|', ..] => false,
        // It may be left out; what follows it decides, then.
        [b'?' | b'*', b'?' | b'+', behind @ ..] | [b'?' | b'*', behind @ ..] => goes_on_certainly(behind, depth),
        _ => true,
    }
}

/// Whether what stands behind a group may match nothing, or nothing but the end. In doubt it may not.
fn may_be_nothing(rest: &[u8], depth: usize) -> bool {
    let Some((piece, mut behind)) = piece(rest) else { return rest.is_empty() };
    match piece {
        // The end of a group around the one that is looked at, or of its alternative in there.
        Piece::Byte(b')') => return may_be_nothing(behind_groups(rest), depth),
        Piece::Byte(b'|') => return group(behind).is_none_or(|(_, behind)| may_be_nothing(behind, depth)),
        Piece::Byte(b'(') if depth < MAX_DEPTH => {
            let Some((inside, after)) = group(behind) else { return false };
            if alternatives(after_opening(inside)).any(|one| may_be_nothing(one, depth + 1)) {
                return may_be_nothing(after.strip_prefix(b"?").unwrap_or(after), depth);
            }
            behind = after;
        }
        // The end of the path.
        Piece::Byte(b'$') => return true,
        Piece::Byte(b) if b"^(".contains(&b) => return false,
        _ => {}
    }
    match behind {
        [b'?' | b'*', b'?' | b'+', behind @ ..] | [b'?' | b'*', behind @ ..] => may_be_nothing(behind, depth),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
