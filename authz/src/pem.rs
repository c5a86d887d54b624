//! Public keys and certificates in PEM (RFC 7468), and the DER in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use spki::der::asn1::AnyRef;
use spki::der::{self, Decode, Reader, SliceReader, Tag, TagNumber};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::public_key::{Curve, KeyError, Material};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Whether the text has a PEM block.
pub(crate) fn is_pem(text: &[u8]) -> bool {
    find(text, BEGIN).is_some()
}

/// The keys of all blocks. Text outside of blocks explains, and is skipped (RFC 7468 section 2).
pub(crate) fn keys(mut text: &[u8]) -> Vec<Result<Material, KeyError>> {
    let mut keys = Vec::new();
    while let Some(begin) = find(text, BEGIN) {
        let (key, rest) = match split_block(&text[begin + BEGIN.len()..]) {
            Some(block) => (key(block.label, block.body), block.rest),
            None => (Err(KeyError::Malformed), &[][..]),
        };
        keys.push(key);
        text = rest;
    }
    keys
}

/// A block between its two lines of dashes.
struct Block<'t> {
    label: &'t [u8],
    body: &'t [u8],
    rest: &'t [u8],
}

/// Reads on behind `-----BEGIN `. `None` when the block does not end, or ends as another.
fn split_block(text: &[u8]) -> Option<Block<'_>> {
    let (label, text) = split(text, DASHES)?;
    let (body, text) = split(text, END)?;
    let (end, rest) = split(text, DASHES)?;
    (end == label).then_some(Block { label, body, rest })
}

fn key(label: &[u8], body: &[u8]) -> Result<Material, KeyError> {
    // Not decoded: what must stay private is not copied about.
    if label.ends_with(b"PRIVATE KEY") {
        return Err(KeyError::Private);
    }
    let read = match label {
        b"PUBLIC KEY" => public_key,
        b"RSA PUBLIC KEY" => rsa_public_key,
        b"CERTIFICATE" => certificate,
        _ => return Err(KeyError::OtherBlock),
    };
    let base64: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    read(&STANDARD.decode(base64).map_err(|_| KeyError::Malformed)?)
}

/// A `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
pub(crate) fn public_key(der: &[u8]) -> Result<Material, KeyError> {
    material(SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Malformed)?)
}

/// An `RSAPublicKey` (RFC 8017 appendix A.1.1), which the backend parses.
fn rsa_public_key(der: &[u8]) -> Result<Material, KeyError> {
    Ok(Material::Rsa(der.into()))
}

/// The key of an X.509 certificate (RFC 5280 section 4.1). Nothing else in it is looked at: the operator, who put the
/// file there, vouches for the key, and neither a date nor a signature of the certificate adds to that.
fn certificate(der: &[u8]) -> Result<Material, KeyError> {
    let info = |der| {
        let mut reader = SliceReader::new(der)?;
        let info = reader.sequence(|certificate| {
            let info = certificate.sequence(key_of_tbs_certificate)?;
            skip_rest(certificate)?;
            Ok::<_, der::Error>(info)
        })?;
        reader.finish()?;
        Ok::<_, der::Error>(info)
    };
    material(info(der).map_err(|_| KeyError::Malformed)?)
}

/// Behind an optional version: serial number, signature algorithm, issuer, validity, subject, then the key.
fn key_of_tbs_certificate<'d>(fields: &mut SliceReader<'d>) -> der::Result<SubjectPublicKeyInfoRef<'d>> {
    let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    let before = if Tag::peek(fields)? == version { 6 } else { 5 };
    for _ in 0..before {
        fields.tlv_bytes()?;
    }
    let info = SubjectPublicKeyInfoRef::decode(fields)?;
    skip_rest(fields)?;
    Ok(info)
}

fn skip_rest(fields: &mut SliceReader<'_>) -> der::Result<()> {
    fields.read_slice(fields.remaining_len()).map(drop)
}

fn material(info: SubjectPublicKeyInfoRef<'_>) -> Result<Material, KeyError> {
    let key = info.subject_public_key.as_bytes().ok_or(KeyError::Malformed)?.to_vec();
    match info.algorithm.oid {
        RSA => Ok(Material::Rsa(key)),
        EC => curve(info.algorithm.parameters).map(|curve| Material::Ec(curve, key)),
        ED25519 => Ok(Material::Ed25519(key)),
        _ => Err(KeyError::UnknownType),
    }
}

/// Named curves only (RFC 5480 section 2.1.1).
fn curve(parameters: Option<AnyRef<'_>>) -> Result<Curve, KeyError> {
    let named = parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok()).ok_or(KeyError::UnknownType)?;
    match named {
        P256 => Ok(Curve::P256),
        P384 => Ok(Curve::P384),
        P521 => Ok(Curve::P521),
        _ => Err(KeyError::UnknownType),
    }
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}

/// What stands before a mark, and what behind it.
fn split<'t>(text: &'t [u8], mark: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let at = find(text, mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}
