//! What a path may become in the hands of some backend.
//!
//! Routers, proxies and file systems disagree on what to decode, cut, merge and resolve, and in which order. Each habit
//! is a step here, and [`Variants`] takes them all in every order, so that whatever a backend of any of these habits
//! makes of a path is among the results.

use std::collections::HashSet;

/// Bytes that may be spent on the variants of one path, beyond [`PER_BYTE`] of its own length. A path of fifty bytes
/// has room for ninety variants, and ordinary ones, however encoded, have a dozen. What needs more is an attack, and it
/// must not keep a worker busy.
const BUDGET: usize = 4 * 1024;

/// Long and merely encoded paths have few variants, which must find room.
const PER_BYTE: usize = 8;

/// A habit: what it makes of a path, or `None` when it changes nothing. A path begins with a slash, before and after.
type Step = fn(&[u8]) -> Option<Vec<u8>>;

/// Steps that any backend may take at any time: habits of servers in use, or of their predecessors. Each is the least
/// that somebody does, since what is done in one step is not tried apart.
const STEPS: [Step; 22] = [
    |path| cut(path, b'#'),
    |path| cut(path, b'?'),
    |path| cut(path, 0),
    // Java's path parameters, and those who take them to run to the end.
    |path| each_segment(path, |segment| before(segment, b';')),
    |path| cut(path, b';'),
    // WHATWG URLs, Windows.
    |path| replace(path, b'\\', b'/'),
    merge_slashes,
    |path| resolve_dots(path, Back::Always),
    // Python's pathlib.
    |path| resolve_dots(path, Back::Never),
    // Rust's url crate.
    |path| resolve_dots(path, Back::NotOverDrives),
    // The WHATWG parser sees dots through their escapes, and leaves every other escape alone.
    |path| decode(path, |b| b == b'.'),
    // Spring's AntPathMatcher before 4.3; Windows, which ignores spaces and dots at the end of a name.
    |path| each_segment(path, |segment| segment.trim_ascii_start()),
    |path| each_segment(path, |segment| segment.trim_ascii_end()),
    |path| each_segment(path, trim_spaces),
    |path| each_segment(path, trim_dots),
    // WHATWG URLs lose the first anywhere, and more at the end; lenient decoders lose all that is no text.
    |path| drop_bytes(path, |b| matches!(b, b'\t' | b'\n' | b'\r')),
    |path| trim_end(path, |&b| b <= b' '),
    |path| drop_bytes(path, |b| b.is_ascii_control()),
    drop_non_text,
    // Before it was repaired, IIS.
    decode_overlong,
    decode_wide,
    // "//host/path" is a reference to another host, to parsers that expect a URL rather than a path.
    skip_authority,
];

/// Decoding, the one habit that makes a difference each time: of everything, or of all but slashes.
const DECODERS: [Step; 2] = [|path| decode(path, |_| true), |path| decode(path, |b| b != b'/')];

/// Nobody in use decodes more often, whether or not nginx has done so before.
const DECODED_AT_MOST: usize = 2;

/// A path as some backend may see it before it splits it into segments.
#[derive(Clone, Copy)]
pub(crate) struct Variant<'a> {
    pub(crate) path: &'a [u8],
    /// How often it has been decoded; the user's segment may be decoded once more.
    pub(crate) decoded: usize,
}

/// The path cannot be judged.
pub(crate) struct Unreadable;

/// The variants of a path, shown one by one.
pub(crate) struct Variants<V> {
    seen: HashSet<Vec<u8>>,
    room: usize,
    decoded: usize,
    visit: V,
}

impl<V: FnMut(Variant) -> Result<(), Unreadable>> Variants<V> {
    /// Shows every variant of `path`, which has been decoded `decoded` times, to `visit`.
    ///
    /// # Errors
    /// There are too many, or `visit` says so.
    pub(crate) fn of(path: &[u8], decoded: usize, visit: V) -> Result<(), Unreadable> {
        let mut variants = Self { seen: HashSet::new(), room: BUDGET + PER_BYTE * path.len(), decoded, visit };
        let mut paths = Vec::new();
        variants.add(path.to_vec(), &mut paths)?;
        variants.complete(&mut paths)?;
        for _ in 0..DECODED_AT_MOST {
            variants.decoded += 1;
            paths = variants.decode(&paths)?;
            variants.complete(&mut paths)?;
        }
        Ok(())
    }

    /// Adds what the steps make of the paths, and of the results, until nothing is new.
    fn complete(&mut self, paths: &mut Vec<Vec<u8>>) -> Result<(), Unreadable> {
        let mut done = 0;
        while done < paths.len() {
            for path in STEPS.iter().filter_map(|step| step(&paths[done])).collect::<Vec<_>>() {
                self.add(path, paths)?;
            }
            done += 1;
        }
        Ok(())
    }

    /// What the decoders make of the paths.
    fn decode(&mut self, paths: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Unreadable> {
        let mut decoded = Vec::new();
        for path in paths.iter().flat_map(|path| DECODERS.iter().filter_map(|decode| decode(path))) {
            self.add(path, &mut decoded)?;
        }
        Ok(decoded)
    }

    fn add(&mut self, path: Vec<u8>, paths: &mut Vec<Vec<u8>>) -> Result<(), Unreadable> {
        if !self.seen.contains(&path) {
            self.room = self.room.checked_sub(path.len()).ok_or(Unreadable)?;
            (self.visit)(Variant { path: &path, decoded: self.decoded })?;
            self.seen.insert(path.clone());
            paths.push(path);
        }
        Ok(())
    }
}

/// The segments of a path.
pub(crate) fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/').skip(1)
}

/// Decodes what is wanted of the escapes; broken ones stay as they are.
pub(crate) fn decode(path: &[u8], wanted: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
    replace_escapes(path, b"%", 2, |code, decoded| {
        let byte = u8::try_from(code).ok().filter(|&byte| wanted(byte))?;
        decoded.push(byte);
        Some(())
    })
}

/// What those make of a path who take what is not encoded for Latin-1.
pub(crate) fn of_latin_1(path: &[u8]) -> Vec<u8> {
    path.iter().map(|&b| char::from(b)).collect::<String>().into_bytes()
}

/// The escapes `%uXXXX` of IIS.
fn decode_wide(path: &[u8]) -> Option<Vec<u8>> {
    replace_escapes(path, b"%u", 4, |code, decoded| {
        decoded.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
        Some(())
    })
}

/// Replaces each `mark` that has so many hexadecimal digits behind it by what `write` makes of them, if anything.
fn replace_escapes(
    path: &[u8],
    mark: &[u8],
    digits: usize,
    write: impl Fn(u32, &mut Vec<u8>) -> Option<()>,
) -> Option<Vec<u8>> {
    if !path.contains(&b'%') {
        return None;
    }
    let mut replaced = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [b, after @ ..] = rest {
        let escape = rest.strip_prefix(mark).and_then(|rest| rest.split_at_checked(digits));
        let written = escape.and_then(|(digits, after)| write(number(digits)?, &mut replaced).map(|()| after));
        rest = written.unwrap_or_else(|| {
            replaced.push(*b);
            after
        });
    }
    (replaced.len() < path.len()).then_some(replaced)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, &b| Some(sum * 16 + char::from(b).to_digit(16)?))
}

fn cut(path: &[u8], at: u8) -> Option<Vec<u8>> {
    path.contains(&at).then(|| before(path, at).to_vec())
}

fn before(bytes: &[u8], at: u8) -> &[u8] {
    bytes.split(|&b| b == at).next().unwrap_or_default()
}

/// Shortens each segment.
fn each_segment(path: &[u8], shorten: fn(&[u8]) -> &[u8]) -> Option<Vec<u8>> {
    let is_changed = segments(path).any(|segment| shorten(segment).len() < segment.len());
    is_changed.then(|| join(segments(path).map(shorten)))
}

fn join<'a>(segments: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    segments.into_iter().flat_map(|segment| [b"/", segment]).flatten().copied().collect()
}

fn replace(path: &[u8], from: u8, to: u8) -> Option<Vec<u8>> {
    path.contains(&from).then(|| path.iter().map(|&b| if b == from { to } else { b }).collect())
}

fn merge_slashes(path: &[u8]) -> Option<Vec<u8>> {
    let mut merged = path.to_vec();
    merged.dedup_by(|b, previous| *b == b'/' && *previous == b'/');
    (merged.len() < path.len()).then_some(merged)
}

/// Where `..` goes back over the segment before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Back {
    Always,
    Never,
    /// Not over what looks like the letter of a drive.
    NotOverDrives,
}

/// Takes out `.`, and `..` with what it goes back over. Above the root is the root.
fn resolve_dots(path: &[u8], back: Back) -> Option<Vec<u8>> {
    let is_dots = |segment: &[u8]| segment == b"." || (segment == b".." && back != Back::Never);
    if !segments(path).any(is_dots) {
        return None;
    }
    let is_left = |segment: &mut &[u8]| {
        back == Back::NotOverDrives && matches!(segment, [letter, b':' | b'|'] if letter.is_ascii_alphabetic())
    };
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in segments(path) {
        match segment {
            b"." => {}
            b".." if back != Back::Never => drop(kept.pop_if(|last| !is_left(last))),
            _ => kept.push(segment),
        }
    }
    // What a dot segment at the end names is a directory.
    kept.extend(segments(path).last().filter(|last| is_dots(last)).map(|_| &b""[..]));
    Some(join(kept))
}

fn trim_end(path: &[u8], is_trimmed: fn(&u8) -> bool) -> Option<Vec<u8>> {
    let end = path.iter().rposition(|b| !is_trimmed(b)).map_or(0, |last| last + 1);
    (end < path.len()).then(|| path[..end].to_vec())
}

fn trim_spaces(segment: &[u8]) -> &[u8] {
    &segment[..segment.iter().rposition(|&b| b != b' ').map_or(0, |last| last + 1)]
}

/// The .NET Framework takes longer rows of dots for `..`.
fn trim_dots(segment: &[u8]) -> &[u8] {
    let name = segment.iter().rposition(|&b| b != b'.').map_or(0, |last| last + 1);
    if name == 0 { &segment[..segment.len().min(2)] } else { &segment[..name] }
}

fn drop_bytes(path: &[u8], is_dropped: fn(&u8) -> bool) -> Option<Vec<u8>> {
    path.iter().any(is_dropped).then(|| path.iter().copied().filter(|b| !is_dropped(b)).collect())
}

fn drop_non_text(path: &[u8]) -> Option<Vec<u8>> {
    let is_text = std::str::from_utf8(path).is_ok();
    (!is_text).then(|| path.utf8_chunks().flat_map(|chunk| chunk.valid().bytes()).collect())
}

/// ASCII in more bytes than it needs, which UTF-8 forbids and old decoders accept.
fn decode_overlong(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [b, after @ ..] = rest {
        let (b, after) = match rest {
            [lead @ (0xc0 | 0xc1), low @ 0x80..=0xbf, after @ ..]
            | [0xe0, lead @ (0x80 | 0x81), low @ 0x80..=0xbf, after @ ..]
            | [0xf0, 0x80, lead @ (0x80 | 0x81), low @ 0x80..=0xbf, after @ ..] => {
                ((lead & 1) * 64 + (low & 0x3f), after)
            }
            _ => (*b, after),
        };
        decoded.push(b);
        rest = after;
    }
    (decoded.len() < path.len()).then_some(decoded)
}

fn skip_authority(path: &[u8]) -> Option<Vec<u8>> {
    let start = path.iter().position(|&b| b != b'/').filter(|&slashes| slashes > 1)?;
    let length = path[start..].iter().position(|&b| b == b'/')?;
    Some(path[start + length..].to_vec())
}

#[cfg(test)]
mod tests;
