//! Why a request is refused: one flat list, and what each entry says to the operator, the client and the log.

/// Makes [`Denied`] of one row for each refusal: its status, its result word, and the cause in words.
macro_rules! refusals {
    ($($(#[$about:meta])+ $name:ident = $status:literal $word:literal $reason:literal,)+) => {
        /// A refusal. Fine enough for the log; [`Denied::word`] groups it into the result words of the public surface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Denied {
            $($(#[$about])+ $name,)+
        }

        impl Denied {
            /// The result word, as `$jwt_user_scope_result` shows it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// The place of that word in [`WORDS`].
            pub(crate) fn word_index(self) -> usize {
                match self {
                    $(Self::$name => const { place_of($word) },)+
                }
            }

            /// The HTTP status of the answer.
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)+
                }
            }

            /// The cause in words, for the log. Constant text: nothing of the token is in it.
            pub fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)+
                }
            }

            /// Status, word and reason, as the log has them, put together beforehand.
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($status, " ", $word, ": ", $reason),)+
                }
            }
        }
    };
}

refusals! {
    /// Nothing to verify: no `Authorization`, another scheme, or `Bearer` alone (RFC 6750 section 2.1).
    MissingToken = 401 "missing_token" "no bearer token in the request",
    /// Two places carry tokens, and not the same.
    TwoTokens = 401 "malformed_token" "the configured token and the one in \"Authorization\" differ",
    /// Not exactly three non-empty segments (RFC 7515 section 7.1).
    Segments = 401 "malformed_token" "token is not three non-empty segments",
    /// A segment is not strict base64url (RFC 7515 section 2).
    Encoding = 401 "malformed_token" "a segment of the token is not strict base64url",
    /// The header is not a JSON object with unique member names (RFC 7515 section 4).
    Header = 401 "malformed_token" "token header is not a JSON object with unique member names",
    /// `alg` is missing or not a string, or `kid` is not a string (RFC 7515 sections 4.1.1, 4.1.4).
    HeaderMember = 401 "malformed_token" "\"alg\" is missing, or \"alg\" or \"kid\" is not a string",
    /// A `crit` header: no extension is understood here (RFC 7515 section 4.1.11).
    Critical = 401 "malformed_token" "token header has \"crit\", and no extension is supported",
    /// A `b64` header that is `false`: the payload would not be base64url (RFC 7797 section 3), which no JWT may have
    /// (section 7).
    Unencoded = 401 "malformed_token" "token header has \"b64\" false, and a payload has to be base64url",
    /// The payload is not a JSON object with unique member names (RFC 7519 section 4).
    Payload = 401 "malformed_token" "token payload is not a JSON object with unique member names",
    /// No key that the token selects is used with its `alg` (RFC 8725 section 3.1).
    UnsupportedAlgorithm = 401 "unsupported_algorithm" "no configured key is used with the algorithm of the token",
    /// No key carries the token's `kid`, and none is without one.
    UnknownKey = 401 "unknown_key" "no configured key has the \"kid\" of the token",
    /// No selected key verifies the signature.
    BadSignature = 401 "bad_signature" "no configured key verifies the signature",
    /// No key at hand verifies the token, and a key set that may hold its key was never fetched.
    KeysUnavailable = 503 "keys_unavailable" "a key set that may hold the key of the token was never fetched",
    /// `exp` is missing (RFC 7519 section 4.1.4; required here).
    ExpMissing = 401 "bad_claim" "claim \"exp\" is missing",
    /// `exp` is not a number, or too large for one.
    ExpInvalid = 401 "bad_claim" "claim \"exp\" is not a number in range",
    /// `now >= exp`.
    Expired = 401 "expired" "token has expired",
    /// `nbf` is not a number, or too large for one (RFC 7519 section 4.1.5).
    NbfInvalid = 401 "bad_claim" "claim \"nbf\" is not a number in range",
    /// `now < nbf`.
    NotYetValid = 401 "not_yet_valid" "claim \"nbf\" is in the future",
    /// `iat` is not a number, or too large for one (RFC 7519 section 4.1.6).
    IatInvalid = 401 "bad_claim" "claim \"iat\" is not a number in range",
    /// Issued for longer than the location accepts.
    LifetimeExceeded = 401 "lifetime_exceeded" "token was issued for longer than \"jwt_user_scope_max_lifetime\"",
    /// `iss` is missing, not a string, no accepted issuer (RFC 7519 section 4.1.1), or not the one of the key.
    BadIssuer = 401 "bad_issuer" "claim \"iss\" is not an accepted issuer, or not the issuer of the key",
    /// `aud` is missing, neither a string nor an array of strings, or names no accepted audience (RFC 7519 section 4.1.3).
    BadAudience = 401 "bad_audience" "claim \"aud\" names no accepted audience",
    /// The `typ` header names another kind of token (RFC 8725 section 3.11).
    BadType = 401 "bad_type" "\"typ\" of the token is not an accepted one",
    /// `sub` is not a string (RFC 7519 section 4.1.2).
    SubInvalid = 401 "bad_claim" "claim \"sub\" is not a string",
    /// `jti` is not a string (RFC 7519 section 4.1.7).
    JtiInvalid = 401 "bad_claim" "claim \"jti\" is not a string",
    /// The user claim is missing.
    UserMissing = 401 "bad_claim" "user claim is missing",
    /// The user claim is neither a non-empty string, nor an integer, nor a non-empty array of these.
    UserInvalid = 401 "bad_claim" "user claim is neither a non-empty string nor an integer, nor an array of these",
    /// The token's user is not the one of the path.
    UserMismatch = 403 "user_mismatch" "user of the token is not the user of the path",
    /// The value to compare with is empty: the location names no user.
    EmptyScope = 403 "empty_scope" "the value to compare the user with is empty",
    /// A requirement of the location is not met, answered as forbidden.
    RequirementFailed = 403 "requirement_failed" "a value of \"jwt_user_scope_require\" is empty or 0",
    /// A requirement of the location is not met, answered as an unfit token.
    RequirementFailedToken = 401 "requirement_failed" "a value of \"jwt_user_scope_require\" is empty or 0",
    /// Some backend could read the path as a user's, and no comparison with that user covers it.
    UncoveredPath = 403 "uncovered_path"
        "a backend could take the path for a user's, and no comparison with that user covers it",
    /// A backend could read the path differently from nginx.
    AmbiguousPath = 400 "ambiguous_path" "a backend could read the path differently from nginx",
    /// The decision could not be made.
    Internal = 500 "internal_error" "internal error",
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

/// The place of a word in [`WORDS`]. One that has none is an error of the compiler's.
pub(crate) const fn place_of(word: &str) -> usize {
    let mut place = 0;
    while !is_same(WORDS[place].as_bytes(), word.as_bytes()) {
        place += 1;
    }
    place
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([a, one @ ..], [b, other @ ..]) => *a == *b && is_same(one, other),
        _ => false,
    }
}

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
}
