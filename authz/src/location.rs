//! What can be told of a location's regex by looking at it: the mistakes that leave a user's paths unchecked.

/// Whether a regex wants a slash behind the last of the compared groups, as `(?<user_id>[^/]+)/` does, so that the path
/// that ends with the user is another location's.
pub fn demands_slash(regex: &[u8], names: &[&[u8]]) -> bool {
    let mut groups = (0..regex.len()).filter_map(|start| after_name(&regex[start..], names));
    let Some(rest) = groups.next_back().and_then(after_group) else { return false };
    let slashes: [&[u8]; 4] = [b"/", b"\\/", b"[/]", b"(?:/)"];
    let behind = slashes.iter().find_map(|slash| rest.strip_prefix(*slash));
    behind.is_some_and(|rest| !matches!(rest.first(), Some(b'?' | b'*' | b'{' | b'|')))
}

/// Whether a regex ends with the compared group, though that may take a part of a segment only: `^/users/(?<user_id>\w+)`
/// finds user A in `/users/A.B`.
pub fn takes_part_of_segment(regex: &[u8], names: &[&[u8]]) -> bool {
    let mut groups = (0..regex.len()).filter_map(|start| after_name(&regex[start..], names));
    let Some(group) = groups.next_back() else { return false };
    let whole: [&[u8]; 2] = [b"[^/]+)", b"[^/]*)"];
    after_group(group) == Some(b"") && !whole.contains(&group)
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
    let group = group.strip_prefix(b"P").unwrap_or(group);
    let named = group.strip_prefix(b"<").or_else(|| group.strip_prefix(b"'"))?;
    let end = named.iter().position(|b| matches!(b, b'>' | b'\''))?;
    names.iter().any(|name| name.eq_ignore_ascii_case(&named[..end])).then(|| &named[end + 1..])
}

/// What stands behind the group that has just been opened.
fn after_group(regex: &[u8]) -> Option<&[u8]> {
    let (mut depth, mut class) = (1, false);
    let mut bytes = regex.iter().enumerate();
    while let Some((i, b)) = bytes.next() {
        match b {
            b'\\' => _ = bytes.next(),
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return regex.get(i + 1..);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_demanded_slashes() {
        let rows: [(&[u8], bool); 32] = [
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
        for regex in [&b"^/u/(?<user_id>\\w+)"[..], b"^/u/(?<user_id>[a-z]+)", b"^/u/(?<user_id>.+)"] {
            assert!(takes_part_of_segment(regex, &[b"user_id"]), "{}", regex.escape_ascii());
        }
        for regex in [
            &b"^/u/(?<user_id>[^/]+)"[..],
            b"^/u/(?<user_id>[^/]*)",
            b"^/u/(?<user_id>\\w+)(?:/|$)",
            b"^/u/(?<user_id>\\w+)$",
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
