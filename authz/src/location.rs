//! What can be told of a location's regex by looking at it: the mistakes that leave a user's paths unchecked.

/// Whether a regex wants a slash behind the last of the compared groups, as `(?<user_id>[^/]+)/` does, so that the path
/// that ends with the user is another location's.
pub fn demands_slash(regex: &[u8], names: &[&[u8]]) -> bool {
    let mut groups = (0..regex.len()).filter_map(|start| after_name(&regex[start..], names));
    let Some((_, rest)) = groups.next_back().and_then(group) else { return false };
    let slashes: [&[u8]; 4] = [b"/", b"\\/", b"[/]", b"(?:/)"];
    let behind = slashes.iter().find_map(|slash| rest.strip_prefix(*slash));
    behind.is_some_and(|rest| !matches!(rest.first(), Some(b'?' | b'*' | b'{' | b'|')))
}

/// Whether a regex may be content with the beginning of a segment as the compared group: `^/users/(?<user_id>\w+)`
/// and `^/users/(?<user_id>\w+)/?` find user A in `/users/A.B`.
pub fn takes_part_of_segment(regex: &[u8], names: &[&[u8]]) -> bool {
    let mut groups = (0..regex.len()).filter_map(|start| after_name(&regex[start..], names));
    let Some((inside, rest)) = groups.next_back().and_then(group) else { return false };
    let takes_all = matches!(inside, b"[^/]+" | b"[^/]*" | b"[^/]++" | b"[^\\/]+");
    !takes_all && !goes_on_certainly(rest, 0)
}

/// Whether a regex with a compared group may find its path behind another one.
pub fn is_unanchored(regex: &[u8], names: &[&[u8]]) -> bool {
    (0..regex.len()).any(|start| after_name(&regex[start..], names).is_some())
        && !regex.starts_with(b"^")
        && !regex.starts_with(b"\\A")
        && !regex.starts_with(b"(?")
}

/// Whether a regex ends with something that stops at a line end, which a path may hold encoded: `(.*)$`.
pub fn stops_at_line_end(regex: &[u8]) -> bool {
    let Some(mut rest) = regex.strip_suffix(b"$") else { return false };
    while let [before @ .., b')' | b'?'] = rest {
        rest = before;
    }
    rest.ends_with(b".*") || rest.ends_with(b".+")
}

/// What stands behind the opening of a group of one of these names: `(?<name>`, `(?P<name>` or `(?'name'`.
fn after_name<'r>(regex: &'r [u8], names: &[&[u8]]) -> Option<&'r [u8]> {
    let group = regex.strip_prefix(b"(?")?;
    let (name, rest) = name_of(group)?;
    names.iter().any(|known| known.eq_ignore_ascii_case(name)).then_some(rest)
}

/// The name that a group's opening goes on with, and what stands behind it.
fn name_of(group: &[u8]) -> Option<(&[u8], &[u8])> {
    let group = group.strip_prefix(b"P").unwrap_or(group);
    let named = group.strip_prefix(b"<").or_else(|| group.strip_prefix(b"'"))?;
    let end = named.iter().position(|b| matches!(b, b'>' | b'\''))?;
    Some((&named[..end], &named[end + 1..]))
}

/// The inside of the group that has just been opened, and what stands behind it.
fn group(regex: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = syntax(regex).find(|&(_, byte, depth)| byte == b')' && depth < 0);
    end.map(|(i, ..)| (&regex[..i], &regex[i + 1..]))
}

/// The bytes that are neither escaped nor in a class, each with its place, and how many more groups are open behind it
/// than were at first.
fn syntax(regex: &[u8]) -> impl Iterator<Item = (usize, u8, i32)> {
    let (mut depth, mut class, mut escaped) = (0, false, false);
    regex.iter().enumerate().filter_map(move |(i, &b)| {
        if escaped || b == b'\\' {
            escaped = !escaped;
            return None;
        }
        match b {
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => depth -= 1,
            _ => {}
        }
        (!class).then_some((i, b, depth))
    })
}

/// Groups in groups, beyond which nothing more is made of a regex.
const MAX_DEPTH: usize = 8;

/// Whether what stands behind a group matches only where a slash, the path's end or a certain byte comes next. In
/// doubt it does not.
fn goes_on_certainly(rest: &[u8], depth: usize) -> bool {
    let behind = match rest {
        [b'$', ..] | [b'\\', b'z' | b'Z', ..] => return true,
        // The end of a group around the one that is looked at.
        [b')', behind @ ..] => return goes_on_certainly(behind, depth),
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

/// The inside of a group without what says of which kind it is. Nothing of the kinds that match nothing by themselves,
/// but for the positive lookahead.
fn after_opening(inside: &[u8]) -> &[u8] {
    let Some(kind) = inside.strip_prefix(b"?") else { return inside };
    match kind {
        [b':' | b'=' | b'>', rest @ ..] => rest,
        // A lookbehind has no end of a name, or one that is none.
        [b'<', b'=' | b'!', ..] => b"",
        _ => name_of(kind).map_or(b"", |(_, rest)| rest),
    }
}

/// What `|` divides the inside of a group into.
fn alternatives(inside: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(inside);
    core::iter::from_fn(move || {
        let text = rest.take()?;
        let end = syntax(text).find(|&(_, byte, depth)| byte == b'|' && depth == 0);
        rest = end.map(|(i, ..)| &text[i + 1..]);
        Some(end.map_or(text, |(i, ..)| &text[..i]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_demanded_slashes() {
        let rows: [(&[u8], bool); 33] = [
            (b"^/users/(?<user_id>[^/]+)/", true),
            (b"^/users/(?P<user_id>[^/]+)/", true),
            (b"^/users/(?'user_id'[^/]+)/", true),
            (b"^/users/(?<USER_ID>[^/]+)/", true),
            (b"^/users/(?<user_id>(a|b)[)/]+)/files", true),
            (b"^/users/(?<user_id>\\w+)\\/x", true),
            (b"^/users/(?<user_id>\\w+)[/]", true),
            (b"^/users/(?<user_id>\\w+)(?:/)", true),
            (b"^/users/(?<user_id>\\w+)/-x", true),
            (b"^/users/(?<user_id>[^/]+)(?:/|$)", false),
            (b"^/users/(?<user_id>[^/]+)", false),
            (b"^/users/(?<user_id>[^/]+)$", false),
            (b"^/users/(?<user_id>[^/]+)/?", false),
            (b"^/users/(?<user_id>[^/]+)/*", false),
            (b"^/users/(?<user_id>[^/]+)(/.*)?$", false),
            (b"^/(?<other>[^/]+)/(?<user_id>[^/]+)(?:/|$)", false),
            (b"^/users/(?<other>[^/]+)/", false),
            (b"^/users/(?<user_id>[^/]+", false),
            (b"^/(?<user_id>", false),
            (b"^/(?<user_id", false),
            (b"^/(?user_id>\\w+)/", false),
            (b"^/(?<user_id>[^/]+){1}/", false),
            (b"^/(?<user_id>\\)+)/", true),
            (b"^/(?<user_id>\\)+)x/", false),
            (b"^/(?<user_id>[(]+)/", true),
            (b"^/(?<user_id>[(]+)x/", false),
            (b"^/(?<user_id>[)]+)x/", false),
            (b"^/(?<user_id>[)/]+)x", false),
            (b"^/(?<user_id>[)](a)x)/", true),
            (b"^/(?<user_id>[a]b(c)d)/", true),
            (b"^/(?<user_id>((a)(b)))/", true),
            (b"^/(?<user_id>((a)(b)))x/", false),
            (b"^/(?<user_id>[^/]+)/|", false),
        ];
        for (regex, demanded) in rows {
            assert_eq!(demands_slash(regex, &[b"user_id"]), demanded, "{}", regex.escape_ascii());
        }
        let two: &[&[u8]] = &[b"tenant", b"name"];
        assert!(!demands_slash(b"^/(?<tenant>\\w+)/(?<name>\\w+)$", two), "a slash between two parts of the user");
        assert!(demands_slash(b"^/(?<tenant>\\w+)/(?<name>\\w+)/", two));
    }

    #[test]
    fn finds_groups_that_take_a_part() {
        for regex in [
            &b"^/u/(?<user_id>\\w+)"[..],
            b"^/u/(?<user_id>[a-z]+)",
            b"^/u/(?<user_id>.+)",
            b"^/u/(?<user_id>[^/]+?)",
            b"^/u/(?<user_id>[^/]{36})",
            b"^/u/(?<user_id>\\w+).*",
            b"^/u/(?<user_id>\\w+).*$",
            b"^/u/(?<user_id>\\w+).",
            b"^/u/(?<user_id>\\w+)/?",
            b"^/u/(?<user_id>\\w+)/*",
            b"^/u/(?<user_id>\\w+)/??",
            b"^/u/(?<user_id>\\w+)/{0,1}",
            b"^/u/(?<user_id>\\w+)/|x",
            b"^/u/(?<user_id>\\w+)[/.]",
            b"^/u/(?<user_id>\\w+)[^a]",
            b"^/u/(?<user_id>[0-9a-f-]+)\\b",
            b"^/u/(?<user_id>\\w+)\\W",
            b"^/u/(?<user_id>\\w+)(/.*)?",
            b"^/u/(?<user_id>\\w+)(?:/|)",
            b"^/u/(?<user_id>\\w+)(?:/|.)",
            b"^/u/(?<user_id>\\w+)(?:/|$)?",
            b"^/u/(?<user_id>\\w+)(?:(?:/|))",
            b"^/u/(?<user_id>\\w+)(?!x)",
            b"^/u/((?<user_id>\\w+))?(?:/|$)",
            b"^/u/((?<user_id>\\w+))",
            b"^/u/(?<user_id>\\w+)(?<=x)",
            b"^/u/(?<user_id>\\w+)(?<!x>/)",
            b"^/u/(?<user_id>\\w+)(?<=x>/)",
            b"^/u/(?<user_id>\\w+)((((((((($)))))))))",
            b"^/u/(?<user_id>\\w+)(?:/",
        ] {
            assert!(takes_part_of_segment(regex, &[b"user_id"]), "{}", regex.escape_ascii());
        }
        for regex in [
            &b"^/u/(?<user_id>[^/]+)"[..],
            b"^/u/(?<user_id>[^/]*)",
            b"^/u/(?<user_id>\\w+)(?:/|$)",
            b"^/u/(?<user_id>\\w+)$",
            b"^/u/(?<user_id>\\w+)\\z",
            b"^/u/((?<user_id>\\w+))(?:/|$)",
            b"^/u/((?<user_id>\\w+)/)?",
            b"^/u/(?<user_id>\\w+)/",
            b"^/u/(?<user_id>\\w+)\\/",
            b"^/u/(?<user_id>\\w+)[/]",
            b"^/u/(?<user_id>\\w+)/+x",
            b"^/u/(?<user_id>\\w+)(/|$)",
            b"^/u/(?<user_id>\\w+)(?=/|$)",
            b"^/u/(?<user_id>\\w+)(?:$|\\/)",
            b"^/u/(?<user_id>\\w+)(?:/(?:a|b)|$)",
            b"^/u/(?<user_id>\\w+)(/.*)?$",
            b"^/u/(?<user_id>\\w+)(?:/(?<rest>.*))?$",
            b"^/u/(?<user_id>\\w+)(?P<rest>/.*)?$",
            b"^/u/(?<user_id>\\w+)/?$",
            b"^/u/(?<user_id>\\w+)/*+$",
            b"^/u/(?<user_id>\\w+)\\.json$",
            b"^/u/(?<user_id>\\w+):(?<what>.*)",
            b"^/u/(?<user_id>[^/]+).*",
            b"^/u/(?<user_id>[^/]++)/?",
            b"^/u/(?<user_id>[^\\/]+)/?",
            b"^/u/(?<user_id>\\w+",
            b"^/u/",
        ] {
            assert!(!takes_part_of_segment(regex, &[b"user_id"]), "{}", regex.escape_ascii());
        }
    }

    #[test]
    fn finds_missing_anchors() {
        let is_unanchored = |regex| is_unanchored(regex, &[b"user_id"]);
        assert!(is_unanchored(b"/users/(?<user_id>\\d+)/"));
        assert!(!is_unanchored(b"^/users/(?<user_id>\\d+)/") && !is_unanchored(b"\\A/u/(?<user_id>\\d+)/"));
        assert!(!is_unanchored(b"(?i)^/users/(?<user_id>\\d+)/"), "not told");
        assert!(!is_unanchored(b"txt$"), "no user is captured here");
    }

    #[test]
    fn finds_ends_that_stop_at_a_line_end() {
        for regex in [&b"^/u/(?<user_id>[^/]+)(.*)$"[..], b"(?<rest>.*)$", b"(?:/(.*))?$", b"/.*$", b"/(.+)$"] {
            assert!(stops_at_line_end(regex), "{}", regex.escape_ascii());
        }
        for regex in [&b"^/u/(?<user_id>[^/]+)$"[..], b"(?:/|$)", b"(.*)", b".*", b"", b"$", b"/.$", b"/x*$"] {
            assert!(!stops_at_line_end(regex), "{}", regex.escape_ascii());
        }
    }
}
