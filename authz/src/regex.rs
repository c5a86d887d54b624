//! The syntax of regexes, as far as [`crate::location`] looks at it.

/// A part of a regex; of groups, their parentheses are parts.
pub(crate) enum Piece<'r> {
    Byte(u8),
    /// What stands behind a backslash.
    Escape(u8),
    /// The inside of a class.
    Class(&'r [u8]),
    /// A Unicode property, or its opposite.
    Property {
        name: &'r [u8],
        is_not: bool,
    },
}

/// The part that a regex begins with, and what stands behind it.
pub(crate) fn piece(regex: &[u8]) -> Option<(Piece<'_>, &[u8])> {
    Some(match regex {
        [b'\\', kind @ (b'p' | b'P'), named @ ..] => {
            let (name, behind) = match named {
                [b'{', named @ ..] => {
                    let end = named.iter().position(|b| *b == b'}')?;
                    (&named[..end], &named[end + 1..])
                }
                named => named.split_at_checked(1)?,
            };
            (Piece::Property { name, is_not: *kind == b'P' }, behind)
        }
        [b'\\', b, behind @ ..] => (Piece::Escape(*b), behind),
        [b'[', ..] => {
            let end = syntax(regex).find(|&(_, byte, _)| byte == b']')?.0;
            (Piece::Class(&regex[1..end]), &regex[end + 1..])
        }
        [b, behind @ ..] => (Piece::Byte(*b), behind),
        [] => return None,
    })
}

/// The name that a group's opening goes on with, and what stands behind it.
pub(crate) fn name_of(group: &[u8]) -> Option<(&[u8], &[u8])> {
    let group = group.strip_prefix(b"P").unwrap_or(group);
    let named = group.strip_prefix(b"<").or_else(|| group.strip_prefix(b"'"))?;
    let end = named.iter().position(|b| matches!(b, b'>' | b'\''))?;
    Some((&named[..end], &named[end + 1..]))
}

/// The inside of the group that has just been opened, and what stands behind it.
pub(crate) fn group(regex: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = syntax(regex).find(|&(_, byte, depth)| byte == b')' && depth < 0);
    end.map(|(i, ..)| (&regex[..i], &regex[i + 1..]))
}

/// Where the last group that stands open begins.
pub(crate) fn opening(regex: &[u8]) -> Option<usize> {
    let mut open = Vec::new();
    syntax(regex).for_each(|(i, byte, _)| match byte {
        b'(' => open.push(i),
        b')' => drop(open.pop()),
        _ => {}
    });
    open.pop()
}

/// The bytes that are neither escaped nor in a class, each with its place, and how many more groups are open behind it
/// than were at first.
pub(crate) fn syntax(regex: &[u8]) -> impl Iterator<Item = (usize, u8, i32)> {
    let (mut depth, mut class, mut posix, mut escaped) = (0, false, false, false);
    regex.iter().enumerate().filter_map(move |(i, &b)| {
        if escaped || b == b'\\' {
            escaped = !escaped;
            return None;
        }
        match b {
            // "[:alpha:]" within a class.
            b'[' if class && regex.get(i + 1) == Some(&b':') => posix = true,
            b']' if posix => posix = regex[i - 1] != b':',
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => depth -= 1,
            _ => {}
        }
        (!class).then_some((i, b, depth))
    })
}

/// The inside of a group without what says of which kind it is. Nothing of the kinds that match nothing by themselves,
/// but for the positive lookahead.
pub(crate) fn after_opening(inside: &[u8]) -> &[u8] {
    let Some(kind) = inside.strip_prefix(b"?") else { return inside };
    match kind {
        [b':' | b'=' | b'>', rest @ ..] => rest,
        // A lookbehind has no end of a name, or one that is none.
        [b'<', b'=' | b'!', ..] => b"",
        _ => name_of(kind).map_or(b"", |(_, rest)| rest),
    }
}

/// Whether a group is one that matches nothing by itself: flags, a lookahead, a lookbehind.
pub(crate) fn is_assertion(inside: &[u8]) -> bool {
    let is_it = |kind: &[u8]| !matches!(kind, [b':' | b'>', ..]) && name_of(kind).is_none();
    inside.strip_prefix(b"?").is_some_and(is_it)
}

/// What `|` divides the inside of a group into.
pub(crate) fn alternatives(inside: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(inside);
    core::iter::from_fn(move || {
        let text = rest.take()?;
        let end = syntax(text).find(|&(_, byte, depth)| byte == b'|' && depth == 0);
        rest = end.map(|(i, ..)| &text[i + 1..]);
        Some(end.map_or(text, |(i, ..)| &text[..i]))
    })
}
