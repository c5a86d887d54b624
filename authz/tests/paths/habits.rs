//! What the models of backends do to paths.

pub fn is_slash(b: &u8) -> bool {
    *b == b'/'
}

/// What stands before the first of these bytes.
pub fn until<'a>(bytes: &'a [u8], ends: &[u8]) -> &'a [u8] {
    let end = bytes.iter().position(|b| ends.contains(b)).unwrap_or(bytes.len());
    &bytes[..end]
}

pub fn path_of(target: &[u8]) -> &[u8] {
    until(target, b"?")
}

pub fn exact(segment: &[u8], literal: &str) -> bool {
    segment == literal.as_bytes()
}

pub fn ascii_caseless(segment: &[u8], literal: &str) -> bool {
    segment.eq_ignore_ascii_case(literal.as_bytes())
}

/// Python's `re.IGNORECASE`, to which three more letters are an `i`, an `s` and a `k`.
pub fn python_caseless(segment: &[u8], literal: &str) -> bool {
    let plain = |c: char| match c {
        '\u{130}' | '\u{131}' => 'i',
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    std::str::from_utf8(segment).is_ok_and(|segment| segment.chars().map(plain).eq(literal.chars()))
}

/// The user of `/api/users/{user}` and what is below.
pub fn user(path: &[u8], is: fn(&[u8], &str) -> bool) -> Option<Vec<u8>> {
    user_of_segments(path, is, <[u8]>::to_vec)
}

/// The same, where segments are decoded after the path is split.
pub fn user_of_segments(path: &[u8], is: fn(&[u8], &str) -> bool, decode: fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    let mut segments = path.strip_prefix(b"/")?.split(is_slash).map(decode);
    let matches = is(&segments.next()?, "api") && is(&segments.next()?, "users");
    segments.next().filter(|user| matches && !user.is_empty())
}

fn digit(b: u8) -> Option<u8> {
    u8::try_from(char::from(b).to_digit(16)?).ok()
}

/// Decodes every escape, and passes broken ones as they are, as Python does.
pub fn unquote(bytes: &[u8]) -> Vec<u8> {
    unquote_but(bytes, b"")
}

/// Leaves the escapes of some bytes alone.
pub fn unquote_but(bytes: &[u8], kept: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = match bytes[at..] {
            [b'%', high, low, ..] => digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        let byte = byte.filter(|byte| !kept.contains(byte));
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    decoded
}

/// Refuses broken escapes.
pub fn unquote_strictly(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut escapes = bytes.iter().enumerate().filter(|&(_, &b)| b == b'%');
    let is_sound = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    escapes.all(|(at, _)| is_sound(at)).then(|| unquote(bytes))
}

/// `%uXXXX` too.
pub fn unquote_wide(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut decoded = Vec::new();
    while let Some(at) = rest.windows(2).position(|pair| pair == b"%u") {
        decoded.extend_from_slice(&unquote(&rest[..at]));
        let digits = rest.get(at + 2..at + 6).and_then(|digits| std::str::from_utf8(digits).ok());
        let c = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        let Some(c) = c else {
            decoded.extend_from_slice(b"%u");
            rest = &rest[at + 2..];
            continue;
        };
        decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + 6..];
    }
    decoded.extend_from_slice(&unquote(rest));
    decoded
}

/// Text, with U+FFFD for what is none.
pub fn text(bytes: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(bytes).into_owned().into_bytes()
}

/// A decoder that takes overlong forms.
pub fn utf8_leniently(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (b, length) = match bytes[at..] {
            [0xc0, low @ 0x80..=0xbf, ..] => (low & 0x3f, 2),
            [0xc1, low @ 0x80..=0xbf, ..] => (0x40 | low & 0x3f, 2),
            [0xe0, 0x80, low @ 0x80..=0xbf, ..] => (low & 0x3f, 3),
            [0xe0, 0x81, low @ 0x80..=0xbf, ..] => (0x40 | low & 0x3f, 3),
            [b, ..] => (b, 1),
            [] => break,
        };
        decoded.push(b);
        at += length;
    }
    decoded
}

pub fn slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|&b| if b == b'\\' { b'/' } else { b }).collect()
}

pub fn squeeze(path: &[u8]) -> Vec<u8> {
    let mut squeezed: Vec<u8> = Vec::with_capacity(path.len());
    for &b in path {
        if b != b'/' || squeezed.last() != Some(&b'/') {
            squeezed.push(b);
        }
    }
    squeezed
}

pub fn without_parameters(path: &[u8]) -> Vec<u8> {
    path.split(is_slash).map(|segment| until(segment, b";")).collect::<Vec<_>>().join(&b'/')
}

/// Names as the .NET Framework normalises them: no spaces or dots at the end, dots alone are `.` or `..`, and dots
/// among spaces are an error.
pub fn windows_names(path: &[u8]) -> Option<Vec<u8>> {
    let normalize = |segment| {
        let name = without_end(segment, b" ");
        let only_dots = !name.is_empty() && name.iter().all(|&b| b == b'.');
        match without_end(segment, b". ") {
            _ if only_dots => Some(&name[..name.len().min(2)]),
            [] if !name.is_empty() => None,
            name => Some(name),
        }
    };
    Some(path.split(is_slash).map(normalize).collect::<Option<Vec<_>>>()?.join(&b'/'))
}

fn without_end<'a>(bytes: &'a [u8], ignored: &[u8]) -> &'a [u8] {
    &bytes[..bytes.iter().rposition(|b| !ignored.contains(b)).map_or(0, |last| last + 1)]
}

/// RFC 3986 section 5.2.4, for a path that begins with a slash.
pub fn remove_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut input = path;
    let mut output: Vec<u8> = Vec::with_capacity(path.len());
    while !input.is_empty() {
        if input.starts_with(b"/./") {
            input = &input[2..];
        } else if input == b"/." {
            input = b"/";
        } else if input.starts_with(b"/../") || input == b"/.." {
            output.truncate(output.iter().rposition(is_slash).unwrap_or(0));
            input = if input == b"/.." { b"/" } else { &input[3..] };
        } else {
            let next = input[1..].iter().position(is_slash).map_or(input.len(), |at| at + 1);
            output.extend_from_slice(&input[..next]);
            input = &input[next..];
        }
    }
    output
}

fn is_something(segment: &&[u8]) -> bool {
    !segment.is_empty()
}

/// Java's servers: slashes merged, dots resolved, and an error above the root.
pub fn normalize(path: &[u8]) -> Option<Vec<u8>> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(is_slash).filter(is_something) {
        match segment {
            b"." => {}
            b".." => drop(kept.pop()?),
            _ => kept.push(segment),
        }
    }
    Some([b"/", kept.join(&b'/').as_slice()].concat())
}

/// Go's `cleanPath`: the same, where above the root is the root, and a final slash stays.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(is_slash).filter(is_something) {
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let end: &[u8] = if path.ends_with(b"/") && !kept.is_empty() { b"/" } else { b"" };
    [b"/", kept.join(&b'/').as_slice(), end].concat()
}
