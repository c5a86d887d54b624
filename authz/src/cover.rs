//! Whether a comparison covers a request that some backend could take for a user's.

use crate::{Granted, Judgement, Readings};

/// What the access phase must decide for a request to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Any grant: the location compares with the right user, but `satisfy any` may let others in.
    Grant,
    /// A bypass: the location compares with another user.
    Bypass,
}

/// How a request stands before the access phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// The comparison is about the user whose path it could be.
    Covered,
    /// The path rule will refuse it, whoever asks. Whatever location takes it after that has compared nothing.
    Refused,
    /// Only the decision can tell.
    Awaited(Awaited),
    /// Nothing covers it.
    Uncovered,
}

/// The comparison of a location, as the guard sees it.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// It refuses what it is about to refuse.
    pub enforced: bool,
    /// Another access module may let the request in.
    pub satisfies_any: bool,
    /// The path rule refuses the path.
    pub refuses_path: bool,
    /// A bypass is configured.
    pub may_bypass: bool,
    /// The guard refuses nothing either.
    pub guard_reports: bool,
}

impl Cover {
    /// Whether the guard has nothing more to say of the request, wherever an `error_page` leads it. One that only reports
    /// leaves the judgement to the next, and so does a path that no comparison will be about.
    pub fn is_final(self, guard_reports: bool) -> bool {
        !guard_reports && self != Self::Refused
    }
}

impl Comparison {
    /// How a request stands. `user` is the value that is compared with, asked for when it matters.
    pub fn cover<'u>(self, judgement: &Judgement, user: impl FnOnce() -> Option<&'u [u8]>) -> Cover {
        let Self { enforced, satisfies_any, refuses_path, may_bypass, guard_reports } = self;
        if enforced && !satisfies_any && refuses_path {
            return Cover::Refused;
        }
        let user = user();
        let is_users = matches!(&judgement.readings, Readings::User(reading, _) if user == Some(reading));
        let is_compared = is_users && judgement.nginx_agrees;
        match is_compared {
            true if enforced && satisfies_any => Cover::Awaited(Awaited::Grant),
            // A comparison that reports is no cover, but for a guard that reports with it.
            true if enforced || guard_reports => Cover::Covered,
            _ if enforced && may_bypass => Cover::Awaited(Awaited::Bypass),
            _ => Cover::Uncovered,
        }
    }
}

impl Awaited {
    /// Whether a grant is what was awaited.
    pub fn is_met_by(self, granted: Granted) -> bool {
        match granted {
            Granted::Bypassed => true,
            Granted::Ok | Granted::Preflight => self == Self::Grant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guard, Path};

    const PLAIN: Comparison = Comparison {
        enforced: true,
        satisfies_any: false,
        refuses_path: false,
        may_bypass: false,
        guard_reports: false,
    };

    #[test]
    fn tells_what_covers_a_request() {
        let reports = Comparison { enforced: false, ..PLAIN };
        let any = Comparison { satisfies_any: true, ..PLAIN };
        let bypass = Comparison { may_bypass: true, ..PLAIN };
        let mut guard = Guard::new();
        guard.add(b"/:user").unwrap();
        let judge = |raw: &'static [u8]| guard.judge_request(Path { raw, uri: raw, rewritten: false });
        let (own, other) = (judge(b"/A"), judge(b"/B"));
        let unclear = Judgement { readings: Readings::Unclear, is_alike: false, nginx_agrees: false, is_plain: false };
        // To others alone.
        let read = Judgement { nginx_agrees: false, ..own.clone() };
        let rows = [
            (PLAIN, &own, Cover::Covered),
            (PLAIN, &other, Cover::Uncovered),
            (PLAIN, &read, Cover::Uncovered),
            (any, &read, Cover::Uncovered),
            (bypass, &read, Cover::Awaited(Awaited::Bypass)),
            (Comparison { guard_reports: true, ..reports }, &read, Cover::Uncovered),
            (PLAIN, &unclear, Cover::Uncovered),
            (Comparison { refuses_path: true, ..PLAIN }, &other, Cover::Refused),
            (Comparison { refuses_path: true, ..PLAIN }, &own, Cover::Refused),
            (Comparison { refuses_path: true, ..any }, &other, Cover::Uncovered),
            (Comparison { refuses_path: true, ..reports }, &other, Cover::Uncovered),
            (any, &own, Cover::Awaited(Awaited::Grant)),
            (any, &other, Cover::Uncovered),
            (bypass, &own, Cover::Covered),
            (bypass, &other, Cover::Awaited(Awaited::Bypass)),
            (bypass, &unclear, Cover::Awaited(Awaited::Bypass)),
            (Comparison { enforced: false, ..bypass }, &other, Cover::Uncovered),
            (reports, &own, Cover::Uncovered),
            (Comparison { guard_reports: true, ..reports }, &own, Cover::Covered),
            (Comparison { guard_reports: true, ..PLAIN }, &other, Cover::Uncovered),
        ];
        for (comparison, judgement, cover) in rows {
            assert_eq!(comparison.cover(judgement, || Some(b"A")), cover, "{comparison:?} {judgement:?}");
        }
        assert_eq!(PLAIN.cover(&own, || None), Cover::Uncovered, "no value to compare with");
    }

    #[test]
    fn what_is_refused_or_reported_is_judged_again() {
        for cover in [Cover::Covered, Cover::Refused, Cover::Awaited(Awaited::Grant), Cover::Uncovered] {
            assert_eq!(cover.is_final(false), cover != Cover::Refused, "{cover:?}");
            assert!(!cover.is_final(true), "{cover:?}");
        }
    }

    #[test]
    fn a_bypass_is_met_by_a_bypass_alone() {
        let rows = [(Granted::Ok, true, false), (Granted::Preflight, true, false), (Granted::Bypassed, true, true)];
        for (granted, grant, bypass) in rows {
            assert_eq!(Awaited::Grant.is_met_by(granted), grant, "{granted:?}");
            assert_eq!(Awaited::Bypass.is_met_by(granted), bypass, "{granted:?}");
        }
    }
}
