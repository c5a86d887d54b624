//! From an `Authorization` value to the three parts of a compact JWS (RFC 7515 section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Denied;

/// The token of an `Authorization` value (RFC 6750 section 2.1): the scheme in any case, one or more spaces, the token,
/// and spaces at the end. `None` for another scheme, and for `Bearer` with nothing behind it.
pub fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"Bearer ";
    let (scheme, rest) = authorization.split_at_checked(SCHEME.len())?;
    let token = trim_spaces(rest);
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
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

/// A token taken apart and decoded, nothing of it verified.
pub(crate) struct Unverified<'t> {
    /// What was signed: header and payload segments with the dot between them.
    pub signed: &'t [u8],
    pub header: Vec<u8>,
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
}

impl<'t> Unverified<'t> {
    /// Exactly three non-empty segments, each strict base64url: no padding, no white space, no non-zero trailing bits.
    pub fn split(token: &'t [u8]) -> Result<Self, Denied> {
        let mut parts = token.split(|&b| b == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Denied::Segments);
        };
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(Denied::Segments);
        }
        Ok(Self {
            signed: &token[..header.len() + 1 + payload.len()],
            header: decode(header)?,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }
}

fn decode(segment: &[u8]) -> Result<Vec<u8>, Denied> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Denied::Encoding)
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
            assert_eq!(Unverified::split(token).err(), denied, "{}", token.escape_ascii());
        }
        assert_eq!(Unverified::split(b"QQ.QUI.QUJD").unwrap().signed, b"QQ.QUI");
    }
}
