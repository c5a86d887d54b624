//! The module's variables, by their names in lower case.

/// How the names of all begin.
pub const OWN: &[u8] = b"jwt_user_scope_";

/// `$jwt_user_scope_user`
pub const USER: &str = "jwt_user_scope_user";
/// `$jwt_user_scope_result`
pub const RESULT: &str = "jwt_user_scope_result";
/// `$jwt_user_scope_payload`
pub const PAYLOAD: &str = "jwt_user_scope_payload";
/// What stands before the name of a claim.
pub const CLAIM: &str = "jwt_user_scope_claim_";
/// What stands before the name of a header member.
pub const HEADER: &str = "jwt_user_scope_header_";

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable<'n> {
    /// The verified user.
    User,
    /// The result word.
    Result,
    /// The claims, as they were written.
    Payload,
    /// A claim of this name, its letters folded.
    Claim(&'n str),
    /// A header member of this name, its letters folded.
    Header(&'n str),
}

impl<'n> Variable<'n> {
    /// The one of this name.
    pub fn named(name: &'n [u8]) -> Option<Self> {
        Some(match std::str::from_utf8(name).ok()? {
            USER => Self::User,
            RESULT => Self::Result,
            PAYLOAD => Self::Payload,
            name => {
                let header = || name.strip_prefix(HEADER).map(Self::Header);
                name.strip_prefix(CLAIM).map(Self::Claim).or_else(header)?
            }
        })
    }

    /// Whether it has this very name, and not one that goes on as the configuration wants.
    pub fn is_whole(self) -> bool {
        !matches!(self, Self::Claim(_) | Self::Header(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_known_by_name() {
        let rows: [(&[u8], _); 8] = [
            (b"jwt_user_scope_user", Some(Variable::User)),
            (b"jwt_user_scope_result", Some(Variable::Result)),
            (b"jwt_user_scope_payload", Some(Variable::Payload)),
            (b"jwt_user_scope_claim_role", Some(Variable::Claim("role"))),
            (b"jwt_user_scope_header_kid", Some(Variable::Header("kid"))),
            (b"jwt_user_scope_users", None),
            (b"jwt_user_scope_\xff", None),
            (b"user", None),
        ];
        for (name, variable) in rows {
            assert_eq!(Variable::named(name), variable, "{}", name.escape_ascii());
        }
    }
}
