//! From an `Authorization` value to the three segments of a compact JWS (RFC 7515 section 7.1).

use std::cell::Cell;
use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use memchr::memchr;

use crate::Denied;

/// The token of an `Authorization` value (RFC 6750 section 2.1): the scheme in any case, one or more spaces, the token,
/// and spaces at the end. `None` for another scheme, and for `Bearer` with nothing behind it.
pub fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"Bearer ";
    let (scheme, rest) = authorization.split_at_checked(SCHEME.len())?;
    let token = trim_spaces(rest);
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}

/// The token of a request, and the second one that must be the same. `own` is the value of the place where the token is
/// looked for, if that is not `Authorization`, which is no fallback then; `bearer` is the one that is there.
pub fn tokens<'t>(own: Option<&'t [u8]>, bearer: Option<&'t [u8]>) -> (Option<&'t [u8]>, Option<&'t [u8]>) {
    match own {
        None => (bearer, None),
        Some(token) => (Some(token).filter(|token| !token.is_empty()), bearer),
    }
}

/// Only spaces: `trim_ascii` would take tabs and line ends too.
fn trim_spaces(mut bytes: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' '] = bytes {
        bytes = rest;
    }
    bytes
}

/// A token taken apart, nothing of it verified.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'t> {
    /// What was signed: header and payload segments with the dot between them.
    pub signed: &'t [u8],
    /// The header segment, as it was sent.
    pub header: &'t [u8],
    payload: &'t [u8],
    signature: &'t [u8],
}

impl<'t> Compact<'t> {
    /// Exactly three segments, none of them empty.
    pub fn split(token: &'t [u8]) -> Result<Self, Denied> {
        let (header, rest) = split_at_dot(token).ok_or(Denied::Segments)?;
        let (payload, signature) = split_at_dot(rest).ok_or(Denied::Segments)?;
        if header.is_empty() || payload.is_empty() || signature.is_empty() || memchr(b'.', signature).is_some() {
            return Err(Denied::Segments);
        }
        Ok(Self { signed: &token[..header.len() + 1 + payload.len()], header, payload, signature })
    }

    pub fn payload(self) -> Result<Vec<u8>, Denied> {
        decode(self.payload)
    }

    /// Looks at the signature, decoded into a room that is used again and again.
    pub fn with_signature<T>(self, room: &SignatureRoom, look: impl FnOnce(&Vec<u8>) -> T) -> Result<T, Denied> {
        let finds_room = self.signature.len() <= SignatureRoom::ENCODED;
        let mut bytes = if finds_room { room.0.take() } else { Vec::new() };
        let is_room = bytes.capacity() >= SignatureRoom::BYTES;
        bytes.clear();
        let looked_at = decode_into(self.signature, &mut bytes).map(|()| look(&bytes));
        // Memory that a request has found is given back with it.
        if is_room {
            room.0.set(bytes);
        }
        looked_at
    }
}

/// Room for a signature, so that not every token has to find some. jsonwebtoken wants a [`Vec`].
pub(crate) struct SignatureRoom(Cell<Vec<u8>>);

impl SignatureRoom {
    /// What an RSA key of 4096 bits makes.
    const BYTES: usize = 512;
    /// As many, in base64 without padding.
    const ENCODED: usize = (Self::BYTES * 4).div_ceil(3);
}

/// Nothing of a token.
impl fmt::Debug for SignatureRoom {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("SignatureRoom").finish_non_exhaustive()
    }
}

impl Default for SignatureRoom {
    fn default() -> Self {
        Self(Cell::new(Vec::with_capacity(Self::BYTES)))
    }
}

fn split_at_dot(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = memchr(b'.', bytes)?;
    Some((&bytes[..dot], &bytes[dot + 1..]))
}

/// Strict base64url (RFC 4648 section 5): no padding, no white space, no non-zero trailing bits.
pub(crate) fn decode(segment: &[u8]) -> Result<Vec<u8>, Denied> {
    let mut bytes = Vec::new();
    decode_into(segment, &mut bytes).map(|()| bytes)
}

fn decode_into(segment: &[u8], bytes: &mut Vec<u8>) -> Result<(), Denied> {
    URL_SAFE_NO_PAD.decode_append(segment, bytes).map_err(|_| Denied::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bearer_token() {
        let rows: [(&[u8], Option<&[u8]>); 18] = [
            (b"Bearer T", Some(b"T")),
            (b"bearer T", Some(b"T")),
            (b"BEARER T", Some(b"T")),
            (b"Bearer   T", Some(b"T")),
            (b"Bearer T  ", Some(b"T")),
            (b"Bearer T T", Some(b"T T")),
            (b"Bearer \tT", Some(b"\tT")),
            (b"Bearer T\t", Some(b"T\t")),
            (b"Bearer \"T\"", Some(b"\"T\"")),
            (b"", None),
            (b"X", None),
            (b"Bearer", None),
            (b"Bearer ", None),
            (b"Bearer    ", None),
            (b"Bearer\tT", None),
            (b" Bearer T", None),
            (b"BearerT", None),
            (b"Basic QTpC", None),
        ];
        for (header, token) in rows {
            assert_eq!(bearer(header), token, "{}", header.escape_ascii());
        }
    }

    #[test]
    fn a_place_of_its_own_comes_first() {
        type Two = (Option<&'static [u8]>, Option<&'static [u8]>);
        let rows: [(Two, Two); 5] = [
            ((None, None), (None, None)),
            ((None, Some(b"B")), (Some(b"B"), None)),
            ((Some(b"A"), None), (Some(b"A"), None)),
            ((Some(b"A"), Some(b"B")), (Some(b"A"), Some(b"B"))),
            ((Some(b""), Some(b"B")), (None, Some(b"B"))),
        ];
        for ((own, bearer), found) in rows {
            assert_eq!(tokens(own, bearer), found, "{own:?} {bearer:?}");
        }
    }

    fn read(token: &[u8]) -> Result<(&[u8], [Vec<u8>; 3]), Denied> {
        let token = Compact::split(token)?;
        Ok((
            token.signed,
            [decode(token.header)?, token.payload()?, token.with_signature(&SignatureRoom::default(), Vec::clone)?],
        ))
    }

    #[test]
    fn takes_three_strict_segments_only() {
        let rows: [(&[u8], Option<Denied>); 17] = [
            (b"QQ.QUI.QUJD", None),
            (b"", Some(Denied::Segments)),
            (b"QQ", Some(Denied::Segments)),
            (b"QQ.QQ", Some(Denied::Segments)),
            (b"QQ.QQ.QQ.QQ", Some(Denied::Segments)),
            (b"QQ.QQ.QQ.", Some(Denied::Segments)),
            (b".QQ.QQ", Some(Denied::Segments)),
            (b"QQ..QQ", Some(Denied::Segments)),
            (b"QQ.QQ.", Some(Denied::Segments)),
            (b"QQ==.QQ.QQ", Some(Denied::Encoding)),
            (b"QR.QQ.QQ", Some(Denied::Encoding)),
            (b"QQ.QR.QQ", Some(Denied::Encoding)),
            (b"QQ.QQ.QR", Some(Denied::Encoding)),
            (b"QQ.Q.QQ", Some(Denied::Encoding)),
            (b"QQ.+/+/.QQ", Some(Denied::Encoding)),
            (b"QQ.QQ.QQ\n", Some(Denied::Encoding)),
            (b"QQ. QQ.QQ", Some(Denied::Encoding)),
        ];
        for (token, denied) in rows {
            assert_eq!(read(token).err(), denied, "{}", token.escape_ascii());
        }
        assert_eq!(read(b"QQ.QUI.QUJD").unwrap(), (&b"QQ.QUI"[..], [b"A".into(), b"AB".into(), b"ABC".into()]));
    }

    #[test]
    fn shows_no_signature() {
        let room = SignatureRoom::default();
        Compact::split(b"QQ.QQ.QUJD").unwrap().with_signature(&room, |bytes| assert_eq!(bytes, b"ABC")).unwrap();
        assert_eq!(format!("{room:?}"), "SignatureRoom { .. }");
    }

    /// Memory that is found for one token does not stay.
    #[test]
    fn keeps_its_own_room_and_no_other() {
        let look = |room: &SignatureRoom, length| {
            let token = [&b"QQ.QQ."[..], URL_SAFE_NO_PAD.encode_to_string(vec![7; length]).as_bytes()].concat();
            let token = Compact::split(&token).unwrap();
            token.with_signature(room, |bytes| (bytes.as_ptr(), bytes == &vec![7; length])).unwrap()
        };
        let room = SignatureRoom::default();
        let (own, _) = look(&room, 32);
        for length in [4, 511, 512, 4] {
            assert_eq!(look(&room, length), (own, true), "{length}");
        }
        for length in [513, 514, 4000] {
            let (other, is_same) = look(&room, length);
            assert!(other != own && is_same, "{length}");
            assert_eq!(look(&room, 4), (own, true), "after {length}");
        }
        assert_eq!(Compact::split(b"QQ.QQ.Q").unwrap().with_signature(&room, Vec::len), Err(Denied::Encoding));
        assert_eq!(look(&room, 4), (own, true), "after one that cannot be decoded");
        // As a panic would leave it.
        for length in [4, 512] {
            room.0.take();
            assert!(look(&room, length).1 && room.0.take().capacity() == 0, "{length}");
        }
    }

    /// Every byte in every place, around the lengths at which the decoder takes other steps.
    #[test]
    fn decodes_as_another_decoder_does() {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;

        for length in [1, 2, 3, 4, 5, 10, 11, 12, 36, 37, 38, 39, 43, 69, 70] {
            let plain: Vec<u8> = b"AZaz09-_QUJD".iter().copied().cycle().take(length).collect();
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut segment = plain.clone();
                    segment[place] = byte;
                    let decoded = decode(&segment);
                    assert_eq!(decoded.ok(), URL_SAFE_NO_PAD.decode(&segment).ok(), "{}", segment.escape_ascii());
                }
            }
        }
    }
}
