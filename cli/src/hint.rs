//! What to do about a refusal.

use authz::Denied;

use crate::report::Step;

/// The step that refuses.
pub fn step_of(denied: Denied) -> Step {
    match denied {
        Denied::UncoveredPath => Step::Guard,
        Denied::AmbiguousPath => Step::Path,
        Denied::MissingToken | Denied::TwoTokens | Denied::Segments | Denied::Encoding => Step::Token,
        Denied::Header | Denied::HeaderMember | Denied::Critical | Denied::Unencoded => Step::Header,
        Denied::UnsupportedAlgorithm | Denied::UnknownKey | Denied::KeysUnavailable => Step::Key,
        Denied::BadSignature => Step::Signature,
        Denied::Payload => Step::Payload,
        Denied::ExpMissing | Denied::ExpInvalid | Denied::Expired => Step::Expiry,
        Denied::NbfInvalid | Denied::NotYetValid => Step::NotBefore,
        Denied::IatInvalid | Denied::LifetimeExceeded => Step::Lifetime,
        Denied::BadIssuer => Step::Issuer,
        Denied::BadAudience => Step::Audience,
        Denied::BadType => Step::Type,
        Denied::SubInvalid | Denied::JtiInvalid | Denied::UserMissing | Denied::UserInvalid => Step::UserClaim,
        Denied::UserMismatch | Denied::EmptyScope => Step::User,
        Denied::RequirementFailed | Denied::RequirementFailedToken => Step::Require,
        Denied::Internal => Step::Require,
    }
}

/// The remedy, for whoever runs nginx or writes the client.
pub fn of(denied: Denied) -> &'static str {
    match denied {
        Denied::UncoveredPath => {
            "give these paths a location with jwt_user_scope that captures the user, or exempt this one with \
             \"jwt_user_scope_guard off\""
        }
        Denied::AmbiguousPath => {
            "have the client send a plain path: no \"..\", \"//\", \";\" or backslash, and no encoded slash or percent sign"
        }
        Denied::MissingToken => "have the client send \"Authorization: Bearer <token>\"",
        Denied::TwoTokens => "have the client send one token, or the same one at both places",
        Denied::Segments | Denied::Encoding => {
            "send the token whole and as it was issued: three base64url parts with dots between, no quotes, no padding"
        }
        Denied::Header | Denied::HeaderMember | Denied::Critical | Denied::Unencoded | Denied::Payload => {
            "ask the issuer's side: this is no JSON Web Token as RFC 7515 and RFC 7519 have it"
        }
        Denied::UnsupportedAlgorithm => {
            "compare what the issuer signs with to the keys configured here: a secret is for HS256, a public key for its \
             own kind, unless jwt_user_scope_algorithms says more"
        }
        Denied::UnknownKey => {
            "compare the issuer's current \"kid\" to the keys configured here: after a rotation, add the new key or leave \
             \"kid=\" out"
        }
        Denied::BadSignature => {
            "the issuer has signed with another secret or key than the ones configured here: compare them, their \
             \"encoding=\", and what nginx was started with"
        }
        Denied::KeysUnavailable => "fetch the issuer's key set and name it with --jwks; in nginx, see its error log",
        Denied::ExpMissing | Denied::ExpInvalid => "have the issuer give every token an \"exp\" in seconds",
        Denied::Expired => {
            "have the client get a new token; if it was new, compare the clocks, and see jwt_user_scope_leeway"
        }
        Denied::NbfInvalid => "have the issuer write \"nbf\" in seconds, or leave it out",
        Denied::NotYetValid => "compare the clocks of issuer and nginx, and see jwt_user_scope_leeway",
        Denied::IatInvalid => "have the issuer write \"iat\" in seconds, or leave it out",
        Denied::LifetimeExceeded => "have the issuer give shorter tokens, or raise jwt_user_scope_max_lifetime",
        Denied::BadIssuer => {
            "compare \"iss\" to jwt_user_scope_issuer and to \"issuer=\" of the key, to the last slash"
        }
        Denied::BadAudience => "compare \"aud\" to jwt_user_scope_audience, to the last slash",
        Denied::BadType => {
            "send an access token, and not another that the same key signs; or name its \"typ\" in jwt_user_scope_type"
        }
        Denied::SubInvalid => "have the issuer write \"sub\" as a string, or name it in jwt_user_scope_claim",
        Denied::JtiInvalid => "have the issuer write \"jti\" as a string, or leave it out",
        Denied::UserMissing | Denied::UserInvalid => {
            "name the claim that holds the user in jwt_user_scope_claim, or have the issuer add it"
        }
        Denied::UserMismatch => "have the client ask for its own user's path, or see jwt_user_scope_bypass",
        Denied::EmptyScope => {
            "the location captures no user from this path: correct its regex, or the value of jwt_user_scope"
        }
        Denied::RequirementFailed | Denied::RequirementFailedToken => {
            "see which value of jwt_user_scope_require is empty or 0, and why"
        }
        Denied::Internal => "see nginx's error log",
    }
}
