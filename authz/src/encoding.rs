//! How the bytes of a secret are written.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// How the bytes of a secret are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    #[default]
    Utf8,
    /// Hexadecimal, in either case.
    Hex,
    /// Base64, padded or not.
    Base64,
    /// Base64url, padded or not.
    Base64Url,
}

impl Encoding {
    /// The encoding of this name.
    pub fn named(name: &[u8]) -> Option<Self> {
        [Self::Utf8, Self::Hex, Self::Base64, Self::Base64Url].into_iter().find(|one| one.name().as_bytes() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
        }
    }

    /// The secret behind its text. White space within is skipped: tools wrap what they encode.
    pub(crate) fn decode(self, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        const EITHER: GeneralPurposeConfig =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
        const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER);

        // Room for all at once: a vector that grows leaves copies behind.
        let room = || Zeroizing::new(Vec::with_capacity(text.len() + 3));
        let (mut digits, mut bytes) = (room(), room());
        digits.extend(text.iter().filter(|b| !b.is_ascii_whitespace()));
        let decoded = match self {
            Self::Utf8 => {
                bytes.extend(text);
                true
            }
            Self::Hex => unhex(&digits, &mut bytes),
            Self::Base64 => BASE64.decode_vec(&*digits, &mut bytes).is_ok(),
            Self::Base64Url => BASE64URL.decode_vec(&*digits, &mut bytes).is_ok(),
        };
        decoded.then_some(bytes)
    }
}

fn unhex(digits: &[u8], bytes: &mut Vec<u8>) -> bool {
    let digit = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
    digits.chunks(2).all(|pair| match *pair {
        [high, low] => digit(high).zip(digit(low)).map(|(high, low)| bytes.push(high * 16 + low)).is_some(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_secrets() {
        let rows: [(&str, Encoding, Option<&[u8]>); 17] = [
            ("ab c\n", Encoding::Utf8, Some(b"ab c\n")),
            ("00fFa0", Encoding::Hex, Some(b"\x00\xff\xa0")),
            ("00 ff\na0", Encoding::Hex, Some(b"\x00\xff\xa0")),
            ("00f", Encoding::Hex, None),
            ("0x00", Encoding::Hex, None),
            ("+1", Encoding::Hex, None),
            ("+/8=", Encoding::Base64, Some(b"\xfb\xff")),
            ("+/8", Encoding::Base64, Some(b"\xfb\xff")),
            ("+/\r\n8=\n", Encoding::Base64, Some(b"\xfb\xff")),
            ("+/9=", Encoding::Base64, None),
            ("-_8=", Encoding::Base64, None),
            ("+/8==", Encoding::Base64, None),
            ("-_8", Encoding::Base64Url, Some(b"\xfb\xff")),
            ("-_8=", Encoding::Base64Url, Some(b"\xfb\xff")),
            ("+/8", Encoding::Base64Url, None),
            ("-_9", Encoding::Base64Url, None),
            ("a", Encoding::Base64Url, None),
        ];
        for (text, encoding, bytes) in rows {
            let decoded = encoding.decode(text.as_bytes());
            assert_eq!(decoded.as_ref().map(|bytes| &***bytes), bytes, "{text:?} {encoding:?}");
        }
    }

    #[test]
    fn encodings_have_names() {
        for encoding in [Encoding::Utf8, Encoding::Hex, Encoding::Base64, Encoding::Base64Url] {
            assert_eq!(Encoding::named(encoding.name().as_bytes()), Some(encoding));
        }
        for name in ["", "UTF8", "utf-8", "base32", "Base64"] {
            assert_eq!(Encoding::named(name.as_bytes()), None, "{name}");
        }
    }
}
