//! Why a request is refused: one flat list, and what each entry says to the operator, the client and the log.

/// A refusal. Fine enough for the log; [`Denied::word`] groups it into the result words of the public surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nothing to verify: no `Authorization`, another scheme, or `Bearer` alone (RFC 6750 section 2.1).
    MissingToken,
    /// Two places carry tokens, and not the same.
    TwoTokens,
    /// Not exactly three non-empty segments (RFC 7515 section 7.1).
    Segments,
    /// A segment is not strict base64url (RFC 7515 section 2).
    Encoding,
    /// The header is not a JSON object with unique member names (RFC 7515 section 4).
    Header,
    /// `alg` is missing or not a string, or `kid` is not a string (RFC 7515 sections 4.1.1, 4.1.4).
    HeaderMember,
    /// A `crit` header: no extension is understood here (RFC 7515 section 4.1.11).
    Critical,
    /// A `b64` header that is `false`: the payload would not be base64url (RFC 7797 section 3), which no JWT may have
    /// (section 7).
    Unencoded,
    /// The payload is not a JSON object with unique member names (RFC 7519 section 4).
    Payload,
    /// No key that the token selects is used with its `alg` (RFC 8725 section 3.1).
    UnsupportedAlgorithm,
    /// No key carries the token's `kid`, and none is without one.
    UnknownKey,
    /// No selected key verifies the signature.
    BadSignature,
    /// No key at hand verifies the token, and a key set that may hold its key was never fetched.
    KeysUnavailable,
    /// `exp` is missing (RFC 7519 section 4.1.4; required here).
    ExpMissing,
    /// `exp` is not a number, or too large for one.
    ExpInvalid,
    /// `now >= exp`.
    Expired,
    /// `nbf` is not a number, or too large for one (RFC 7519 section 4.1.5).
    NbfInvalid,
    /// `now < nbf`.
    NotYetValid,
    /// `iat` is not a number, or too large for one (RFC 7519 section 4.1.6).
    IatInvalid,
    /// Issued for longer than the location accepts.
    LifetimeExceeded,
    /// `iss` is missing, not a string, no accepted issuer (RFC 7519 section 4.1.1), or not the one of the key.
    BadIssuer,
    /// `aud` is missing, neither a string nor an array of strings, or names no accepted audience (RFC 7519 section 4.1.3).
    BadAudience,
    /// The `typ` header names another kind of token (RFC 8725 section 3.11).
    BadType,
    /// `sub` is not a string (RFC 7519 section 4.1.2).
    SubInvalid,
    /// `jti` is not a string (RFC 7519 section 4.1.7).
    JtiInvalid,
    /// The user claim is missing.
    UserMissing,
    /// The user claim is neither a non-empty string, nor an integer, nor a non-empty array of these.
    UserInvalid,
    /// The token's user is not the one of the path.
    UserMismatch,
    /// The value to compare with is empty: the location names no user.
    EmptyScope,
    /// A requirement of the location is not met, answered as forbidden.
    RequirementFailed,
    /// A requirement of the location is not met, answered as an unfit token.
    RequirementFailedToken,
    /// Some backend could read the path as a user's, and no comparison with that user covers it.
    UncoveredPath,
    /// A backend could read the path differently from nginx.
    AmbiguousPath,
    /// The decision could not be made.
    Internal,
}

/// Every result word of a decision, the commonest first.
pub const WORDS: [&str; 22] = [
    "ok",
    "missing_token",
    "expired",
    "user_mismatch",
    "bad_signature",
    "bypassed",
    "preflight",
    "malformed_token",
    "unsupported_algorithm",
    "unknown_key",
    "keys_unavailable",
    "not_yet_valid",
    "lifetime_exceeded",
    "bad_issuer",
    "bad_audience",
    "bad_type",
    "bad_claim",
    "empty_scope",
    "requirement_failed",
    "uncovered_path",
    "ambiguous_path",
    "internal_error",
];

/// The `WWW-Authenticate` challenge of a refusal (RFC 6750 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// None.
    None,
    /// `Bearer`, without an error code: the request carried no token.
    Bearer,
    /// `error="invalid_token"`.
    InvalidToken,
    /// `error="insufficient_scope"`.
    InsufficientScope,
}

/// What the client is told. It groups more coarsely than the log: a caller who forges tokens learns nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// There is no token.
    NotAuthenticated,
    /// The token has expired.
    TokenExpired,
    /// The token is refused for any other reason.
    InvalidToken,
    /// The token is good, but not for this.
    Forbidden,
    /// The path is refused.
    BadRequestPath,
    /// Nothing can be said now.
    ServiceUnavailable,
}

impl Denied {
    /// The result word, as `$jwt_user_scope_result` shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::TwoTokens
            | Self::Segments
            | Self::Encoding
            | Self::Header
            | Self::HeaderMember
            | Self::Critical
            | Self::Unencoded
            | Self::Payload => "malformed_token",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LifetimeExceeded => "lifetime_exceeded",
            Self::BadIssuer => "bad_issuer",
            Self::BadAudience => "bad_audience",
            Self::BadType => "bad_type",
            Self::ExpMissing
            | Self::ExpInvalid
            | Self::NbfInvalid
            | Self::IatInvalid
            | Self::SubInvalid
            | Self::JtiInvalid
            | Self::UserMissing
            | Self::UserInvalid => "bad_claim",
            Self::UserMismatch => "user_mismatch",
            Self::EmptyScope => "empty_scope",
            Self::RequirementFailed | Self::RequirementFailedToken => "requirement_failed",
            Self::UncoveredPath => "uncovered_path",
            Self::AmbiguousPath => "ambiguous_path",
            Self::Internal => "internal_error",
        }
    }

    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::UserMismatch | Self::EmptyScope | Self::RequirementFailed | Self::UncoveredPath => 403,
            Self::AmbiguousPath => 400,
            Self::KeysUnavailable => 503,
            Self::Internal => 500,
            _ => 401,
        }
    }

    /// The challenge that goes with the answer.
    pub fn challenge(self) -> Challenge {
        match (self, self.status()) {
            (Self::MissingToken, _) => Challenge::Bearer,
            (_, 401) => Challenge::InvalidToken,
            (Self::UncoveredPath, _) => Challenge::None,
            (_, 403) => Challenge::InsufficientScope,
            _ => Challenge::None,
        }
    }

    /// What the client is told; `None` where nginx's own page is the answer.
    pub fn detail(self) -> Option<Detail> {
        match (self, self.status()) {
            (Self::MissingToken, _) => Some(Detail::NotAuthenticated),
            (Self::Expired, _) => Some(Detail::TokenExpired),
            (_, 401) => Some(Detail::InvalidToken),
            (_, 403) => Some(Detail::Forbidden),
            (_, 400) => Some(Detail::BadRequestPath),
            (_, 503) => Some(Detail::ServiceUnavailable),
            _ => None,
        }
    }

    /// The cause in words, for the log. Constant text: nothing of the token is in it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::MissingToken => "no bearer token in the request",
            Self::TwoTokens => "the configured token and the one in \"Authorization\" differ",
            Self::Segments => "token is not three non-empty segments",
            Self::Encoding => "a segment of the token is not strict base64url",
            Self::Header => "token header is not a JSON object with unique member names",
            Self::HeaderMember => "\"alg\" is missing, or \"alg\" or \"kid\" is not a string",
            Self::Critical => "token header has \"crit\", and no extension is supported",
            Self::Unencoded => "token header has \"b64\" false, and a payload has to be base64url",
            Self::Payload => "token payload is not a JSON object with unique member names",
            Self::UnsupportedAlgorithm => "no configured key is used with the algorithm of the token",
            Self::UnknownKey => "no configured key has the \"kid\" of the token",
            Self::BadSignature => "no configured key verifies the signature",
            Self::KeysUnavailable => "a key set that may hold the key of the token was never fetched",
            Self::ExpMissing => "claim \"exp\" is missing",
            Self::ExpInvalid => "claim \"exp\" is not a number in range",
            Self::Expired => "token has expired",
            Self::NbfInvalid => "claim \"nbf\" is not a number in range",
            Self::NotYetValid => "claim \"nbf\" is in the future",
            Self::IatInvalid => "claim \"iat\" is not a number in range",
            Self::LifetimeExceeded => "token was issued for longer than \"jwt_user_scope_max_lifetime\"",
            Self::BadIssuer => "claim \"iss\" is not an accepted issuer, or not the issuer of the key",
            Self::BadAudience => "claim \"aud\" names no accepted audience",
            Self::BadType => "\"typ\" of the token is not an accepted one",
            Self::SubInvalid => "claim \"sub\" is not a string",
            Self::JtiInvalid => "claim \"jti\" is not a string",
            Self::UserMissing => "user claim is missing",
            Self::UserInvalid => "user claim is neither a non-empty string nor an integer, nor an array of these",
            Self::UserMismatch => "user of the token is not the user of the path",
            Self::EmptyScope => "the value to compare the user with is empty",
            Self::RequirementFailed | Self::RequirementFailedToken => {
                "a value of \"jwt_user_scope_require\" is empty or 0"
            }
            Self::UncoveredPath => {
                "a backend could take the path for a user's, and no comparison with that user covers it"
            }
            Self::AmbiguousPath => "a backend could read the path differently from nginx",
            Self::Internal => "internal error",
        }
    }
}
