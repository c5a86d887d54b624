//! What errors and refusals say: each something of its own, in nginx's grammar, with the numbers that it is about.

use std::collections::HashSet;
use std::error::Error;

use authz::{
    AlgorithmError, ClaimNameError, Denied, Encoding, Granted, KeyError, KeyFileError, KeySetError, MAX_TRIED, NoKeys,
    SecretError, TemplateError,
};

mod refusals;

/// Lower case at the beginning, no full stop at the end, one line, and no text twice.
fn assert_grammar(texts: &[String]) {
    let mut seen = HashSet::new();
    for text in texts {
        assert!(text.starts_with(|c: char| c == '"' || c.is_ascii_lowercase()), "{text:?}");
        assert!(!text.ends_with('.') && !text.contains('\n') && text.len() > 5, "{text:?}");
        assert!(seen.insert(text), "{text:?} is said twice");
    }
}

fn say<E: Error>(errors: &[E]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn each_error_of_a_key_says_what_to_do() {
    use KeyError::*;
    let all = [
        Malformed,
        Private,
        Shared,
        UnknownType,
        NotForVerifying,
        OtherAlgorithm,
        NotAllowed,
        TooSmall,
        TooLarge,
        OtherKid,
        OtherBlock,
        SmallOrder,
    ];
    assert_grammar(&say(&all));
    assert!(TooSmall.to_string().contains("2048") && TooLarge.to_string().contains("8192"));
}

#[test]
fn each_error_of_a_key_file_says_what_to_do() {
    use KeyFileError::*;
    let texts = say(&[
        TooLarge,
        Unknown,
        NotAKey,
        Set(KeySetError::NotASet),
        Set(KeySetError::TooManyKeys),
        Key(7, KeyError::Private),
        NoUsableKey,
        TooManyKeys,
    ]);
    assert_grammar(&texts);
    assert_eq!(Set(KeySetError::TooLarge).to_string(), TooLarge.to_string());
    assert!(texts[0].contains("256 KiB") && texts[4].contains("64") && texts[5].contains("(key 7)"));
    assert!(texts[7].contains(&format!("more than {MAX_TRIED} keys")));
}

#[test]
fn each_error_of_a_secret_says_what_to_do() {
    use SecretError::*;
    let encodings = [Encoding::Utf8, Encoding::Hex, Encoding::Base64, Encoding::Base64Url];
    let mut all = vec![Empty, Blank, TooShort(32), TooShort(48), TooShort(64), Pem, Jwk, PublicKey, PublicDefault];
    all.extend(encodings.map(NotEncoded));
    all.extend([NotVersioned, NotAllowed, TooManyKeys, Unusable]);
    assert_grammar(&say(&all));
    let short = TooShort(48).to_string();
    assert!(short.contains("than 48 bytes") && short.contains("\"openssl rand -hex 48\""), "{short}");
    assert!(NotEncoded(Encoding::Base64Url).to_string().starts_with("is not base64url:"));
    assert!(TooManyKeys.to_string().contains(&format!("more than {MAX_TRIED} secrets")));
}

#[test]
fn each_error_of_a_word_says_what_to_do() {
    use TemplateError::*;
    let templates =
        [NoSlash, EmptySegment, DotSegment, Character('?'), Character('\n'), NoUser, SecondUser, UserName, NotUtf8];
    assert_grammar(&say(&templates));
    assert!(Character('\n').to_string().ends_with(r"'\n'"), "a control character must not reach a log");
    assert_grammar(&say(&[ClaimNameError::Empty, ClaimNameError::Tilde, ClaimNameError::NotUtf8]));
    assert_grammar(&say(&[AlgorithmError::None, AlgorithmError::Unknown]));
    assert_grammar(&say(&[KeySetError::TooLarge, KeySetError::TooManyKeys, KeySetError::NotASet]));
    assert_grammar(&say(&[NoKeys]));
}

#[test]
fn each_refusal_has_a_reason() {
    use Denied::{RequirementFailed, RequirementFailedToken};
    // The one that says what another says.
    assert_eq!(RequirementFailed.reason(), RequirementFailedToken.reason());
    let others = refusals::ALL.into_iter().filter(|denied| *denied != RequirementFailedToken);
    assert_grammar(&others.map(|denied| denied.reason().to_owned()).collect::<Vec<_>>());
}

#[test]
fn each_refusal_is_summed_up() {
    for denied in refusals::ALL {
        let (status, word, reason) = (denied.status(), denied.word(), denied.reason());
        assert_eq!(denied.summary(), format!("{status} {word}: {reason}"));
    }
}

#[test]
fn each_outcome_has_its_word() {
    use authz::Decision;
    let granted = [(Granted::Ok, "ok"), (Granted::Bypassed, "bypassed"), (Granted::Preflight, "preflight")];
    for (outcome, word) in granted {
        assert_eq!(Decision::without_identity(Ok(outcome)).word(), word);
    }
    assert_eq!(Decision::without_identity(Err(Denied::KeysUnavailable)).word(), "keys_unavailable");
}
