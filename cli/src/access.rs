//! `allow` and `deny`: who may come, by the address of the client (`ngx_http_access_module.c`).

use std::net::IpAddr;

/// A rule. The first that fits decides.
pub struct Rule {
    whom: Whom,
    pub allows: bool,
}

enum Whom {
    All,
    Unix,
    /// An address, and how many of its bits count.
    Network(IpAddr, u8),
}

/// What the rules say of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// No rule fits.
    Nothing,
    Allowed,
    Denied,
    /// It depends on an address that is not known.
    Unknown,
}

impl Rule {
    /// The argument of `allow` or `deny`.
    pub fn parse(allows: bool, whom: &[u8]) -> Result<Self, String> {
        let whom = match whom {
            b"all" => Whom::All,
            b"unix:" => Whom::Unix,
            _ => network(whom).ok_or_else(|| format!("invalid parameter \"{}\"", String::from_utf8_lossy(whom)))?,
        };
        Ok(Self { whom, allows })
    }

    /// `None` where the address would have to be known.
    fn fits(&self, client: Option<&[u8]>) -> Option<bool> {
        let network = match self.whom {
            Whom::All => return Some(true),
            Whom::Unix => return Some(client? == b"unix:"),
            Whom::Network(network, bits) => (network, bits),
        };
        let address = std::str::from_utf8(client?).ok().and_then(|text| text.parse::<IpAddr>().ok());
        Some(address.is_some_and(|address| is_within(address, network)))
    }
}

/// What rules say of a client, whose address may not be known.
pub fn judge(rules: &[Rule], client: Option<&[u8]>) -> Said {
    for rule in rules {
        match rule.fits(client) {
            None => return Said::Unknown,
            Some(true) if rule.allows => return Said::Allowed,
            Some(true) => return Said::Denied,
            Some(false) => {}
        }
    }
    Said::Nothing
}

fn network(text: &[u8]) -> Option<Whom> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u8>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    Some(Whom::Network(address, bits.unwrap_or(most))).filter(|_| bits.is_none_or(|bits| bits <= most))
}

fn is_within(address: IpAddr, (network, bits): (IpAddr, u8)) -> bool {
    let number = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (false, address.to_bits()),
    };
    let ((kind, address), (wanted, network)) = (number(address), number(network));
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    kind == wanted && (address ^ network) & mask == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        use Said::{Allowed, Denied, Nothing, Unknown};
        type Row<'r> = (&'r [(bool, &'r str)], Option<&'r str>, Said);
        let rows: [Row; 15] = [
            (&[], None, Nothing),
            (&[(false, "all")], None, Denied),
            (&[(true, "all"), (false, "10.0.0.1")], None, Allowed),
            (&[(true, "10.0.0.0/8"), (false, "all")], None, Unknown),
            (&[(true, "10.0.0.0/8"), (false, "all")], Some("10.1.2.3"), Allowed),
            (&[(true, "10.0.0.0/8"), (false, "all")], Some("11.1.2.3"), Denied),
            (&[(true, "10.0.0.0/8"), (false, "all")], Some("unix:"), Denied),
            (&[(true, "unix:")], Some("unix:"), Allowed),
            (&[(true, "unix:")], Some("::1"), Nothing),
            (&[(false, "127.0.0.1")], Some("127.0.0.1"), Denied),
            (&[(false, "127.0.0.1")], Some("127.0.0.2"), Nothing),
            (&[(false, "127.0.0.1")], Some("::ffff:127.0.0.1"), Denied),
            (&[(false, "2001:db8::/32")], Some("2001:db8:1::2"), Denied),
            (&[(false, "::/0")], Some("10.0.0.1"), Nothing),
            (&[(false, "0.0.0.0/0")], Some("10.0.0.1"), Denied),
        ];
        for (rules, client, expected) in rows {
            let all: Vec<_> =
                rules.iter().map(|(allows, whom)| Rule::parse(*allows, whom.as_bytes()).unwrap()).collect();
            assert_eq!(judge(&all, client.map(str::as_bytes)), expected, "{rules:?} {client:?}");
        }
        for whom in ["", "here", "10.0.0.0/33", "10.0.0/8"] {
            assert!(Rule::parse(true, whom.as_bytes()).is_err(), "{whom}");
        }
    }
}
