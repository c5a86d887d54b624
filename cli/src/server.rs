//! Which server answers a request: by the address that it came to and by its host (`ngx_http_find_virtual_server`).

use crate::Failure;
use crate::conf::{Kind, Level};
use crate::pattern::{Captures, Pattern};
use crate::select::Place;

/// How a file with several servers is to be read.
#[derive(Clone, Default)]
pub struct Address {
    /// As the client sends it.
    pub host: Option<Vec<u8>>,
    pub listen: Option<Vec<u8>>,
}

/// A word of `server_name`.
pub enum ServerName {
    /// In lower case, perhaps with a wildcard.
    Text(Vec<u8>),
    Regex(Pattern),
}

/// A `listen` directive.
#[derive(Clone)]
pub struct Listen {
    pub address: Vec<u8>,
    pub is_default: bool,
    pub is_encrypted: bool,
}

/// How well a name fits, the best last; of two wildcards, the longer one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Regex,
    End(usize),
    Beginning(usize),
    Exact,
}

/// A server that was found for an address, and what the regex of its name captured.
pub struct Served<'c> {
    pub place: Place<'c>,
    pub captures: Option<Captures>,
    /// Those that read the path before the host is known: the default servers of the addresses that it may come to.
    pub readers: Vec<Place<'c>>,
}

impl Address {
    /// The same, unless the target of the request names a host.
    pub fn or_of_target(&self, host: Option<&[u8]>) -> Self {
        Self { host: host.map(<[u8]>::to_vec).or(self.host.clone()), listen: self.listen.clone() }
    }

    /// The host as nginx keeps it.
    pub fn host(&self) -> Option<Vec<u8>> {
        self.host.as_deref().map(host)
    }
}

impl ServerName {
    pub fn parse(word: &[u8]) -> Result<Self, String> {
        Ok(match word {
            // Hosts are in lower case by then.
            [b'~', pattern @ ..] => Self::Regex(Pattern::compile(pattern, true)?),
            _ => Self::Text(word.to_ascii_lowercase()),
        })
    }

    /// The variables that it sets.
    pub fn captured(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::Regex(pattern) => pattern.names().collect(),
        }
    }

    fn fit(&self, host: &[u8]) -> Option<Fit> {
        let is_within = |suffix: &[u8]| host.len() > suffix.len() && host.ends_with(suffix);
        match self {
            Self::Regex(pattern) => pattern.captures(host).map(|_| Fit::Regex),
            Self::Text(name) => match &name[..] {
                name if name == host => Some(Fit::Exact),
                [b'.', domain @ ..] if domain == host => Some(Fit::Exact),
                [b'*', suffix @ ..] | suffix @ [b'.', ..] if is_within(suffix) => Some(Fit::Beginning(suffix.len())),
                [prefix @ .., b'*'] if host.len() > prefix.len() && host.starts_with(prefix) => {
                    Some(Fit::End(prefix.len()))
                }
                _ => None,
            },
        }
    }
}

impl Listen {
    /// The arguments of the directive.
    pub fn of<'w>(mut words: impl Iterator<Item = &'w [u8]>) -> Option<Self> {
        let address = whole(words.next()?);
        let words: Vec<_> = words.collect();
        Some(Self {
            address,
            is_default: words.iter().any(|word| matches!(*word, b"default_server" | b"default")),
            is_encrypted: words.iter().any(|word| matches!(*word, b"ssl" | b"quic")),
        })
    }

    fn is_at(&self, wanted: &[u8]) -> bool {
        self.address == whole(wanted) || port(&self.address) == Some(wanted)
    }

    /// It takes what comes to a port of an address that no other directive names.
    fn is_for_all(&self, wanted: &[u8]) -> bool {
        let all: &[u8] = if wanted.starts_with(b"[") { b"[::]:" } else { b"*:" };
        let wanted = whole(wanted);
        port(&wanted).is_some_and(|port| self.address == [all, port].concat())
    }
}

/// An address with its port, which is 80 where it has none.
fn whole(address: &[u8]) -> Vec<u8> {
    let is_port = !address.is_empty() && address.iter().all(u8::is_ascii_digit);
    let address = if is_port { [b"*:", address].concat() } else { address.to_vec() };
    let address = if address.starts_with(b"unix:") || port(&address).is_some() {
        address
    } else {
        [&address[..], b":80"].concat()
    };
    match address.strip_prefix(b"0.0.0.0:") {
        Some(port) => [b"*:", port].concat(),
        None => address,
    }
}

/// The port of an address that has one.
fn port(address: &[u8]) -> Option<&[u8]> {
    let colon = address.iter().rposition(|&b| b == b':').filter(|_| !address.starts_with(b"unix:"))?;
    let last = &address[colon + 1..];
    (!last.is_empty() && last.iter().all(u8::is_ascii_digit)).then_some(last)
}

/// The host of a request as nginx keeps it: in lower case, without a port and a final dot (`ngx_http_validate_host`).
fn host(text: &[u8]) -> Vec<u8> {
    let bracket = text.iter().position(|&b| b == b']').filter(|_| text.starts_with(b"["));
    let from = bracket.unwrap_or(0);
    let end = text[from..].iter().position(|&b| b == b':').map_or(text.len(), |at| from + at);
    text[..end].strip_suffix(b".").unwrap_or(&text[..end]).to_ascii_lowercase()
}

/// The server that an address leads to, or the file itself where it has none.
pub fn server<'c>(top: &'c Level, address: &Address) -> Result<Served<'c>, Failure> {
    let mut servers: Vec<Vec<&Level>> = Vec::new();
    for level in &top.levels {
        match level.kind {
            Kind::Http => servers.extend(servers_of(level).map(|server| vec![top, level, server])),
            Kind::Server { .. } => servers.push(vec![top, level]),
            _ => {}
        }
    }
    if servers.is_empty() {
        // A file of locations, of one location's directives, or of an "http" without a server.
        let http = top.levels.iter().find(|level| matches!(level.kind, Kind::Http));
        let place = Place::of([top].into_iter().chain(http).collect());
        return Ok(Served { readers: vec![place.clone()], place, captures: None });
    }
    if servers.len() > 1 && address.host.is_none() && address.listen.is_none() {
        return Err(Failure("there are several servers: choose one with --host <name> or --listen <address>".into()));
    }
    let all: Vec<_> = servers.iter().filter_map(|way| way.last().copied()).collect();
    let host = address.host();
    let chosen = choose(&all, address.listen.as_deref(), host.as_deref())?;
    let place = |wanted: &Level| {
        let way = servers.iter().find(|way| way.last().is_some_and(|server| std::ptr::eq(*server, wanted)));
        Place::of(way.cloned().unwrap_or_default())
    };
    let captures = host.and_then(|host| chosen.captured_by_name(&host));
    let readers = readers(&all, chosen, address.listen.as_deref());
    Ok(Served { place: place(chosen), captures, readers: readers.into_iter().map(place).collect() })
}

/// The default servers of the addresses that lead to a server (`ngx_http_init_connection`). Where these are encrypted, the
/// client names the host before.
fn readers<'c>(servers: &[&'c Level], chosen: &'c Level, wanted: Option<&[u8]>) -> Vec<&'c Level> {
    let wanted = wanted.map(|wanted| addresses(servers, wanted));
    let own = chosen.listens().into_iter().map(|listen| listen.address);
    let leading = own.filter(|address| wanted.as_ref().is_none_or(|wanted| wanted.contains(address)));
    let reader = |address: Vec<u8>| {
        let here = listening(servers, &address);
        let is_encrypted = here.iter().any(|(_, listen)| listen.is_encrypted);
        let default = here.iter().find(|(_, listen)| listen.is_default).or(here.first());
        default.map(|(server, _)| *server).filter(|_| !is_encrypted).unwrap_or(chosen)
    };
    leading.map(reader).collect()
}

/// The addresses that a wanted one stands for.
fn addresses(servers: &[&Level], wanted: &[u8]) -> Vec<Vec<u8>> {
    let all: Vec<_> = servers.iter().flat_map(|server| server.listens()).collect();
    let is_named = all.iter().any(|listen| listen.is_at(wanted));
    let is_there = |listen: &Listen| if is_named { listen.is_at(wanted) } else { listen.is_for_all(wanted) };
    all.into_iter().filter(is_there).map(|listen| listen.address).collect()
}

/// The servers at an address, with the directive that says so.
fn listening<'c>(servers: &[&'c Level], address: &[u8]) -> Vec<(&'c Level, Listen)> {
    let listen = |server: &'c Level| {
        let mut listens = server.listens().into_iter().filter(|listen| listen.address == address);
        Some((server, listens.next()?))
    };
    servers.iter().copied().filter_map(listen).collect()
}

fn choose<'c>(servers: &[&'c Level], listen: Option<&[u8]>, host: Option<&[u8]>) -> Result<&'c Level, Failure> {
    let best = match listen {
        Some(listen) => best_at(servers, listen, host).into_iter().collect(),
        None => best_anywhere(servers, host),
    };
    match best[..] {
        [] => Err(Failure("no server listens there: see --listen".into())),
        [one] => Ok(one),
        _ => Err(Failure("several servers fit, at different addresses: choose one with --listen <address>".into())),
    }
}

/// The server at an address, or at any address of a port.
fn best_at<'c>(servers: &[&'c Level], wanted: &[u8], host: Option<&[u8]>) -> Option<&'c Level> {
    let addresses = addresses(servers, wanted);
    let is_there = |listen: &Listen| addresses.contains(&listen.address);
    let here: Vec<_> = servers.iter().copied().filter(|server| server.listens().iter().any(is_there)).collect();
    let is_default = |server: &&Level| server.listens().iter().any(|listen| is_there(listen) && listen.is_default);
    let named = best_named(&here, host).first().copied();
    named.or_else(|| here.iter().copied().find(is_default)).or(here.first().copied())
}

/// The servers whose names fit best, but for those that another comes before at all of their addresses; where no name
/// fits, those that answer all else at an address.
fn best_anywhere<'c>(servers: &[&'c Level], host: Option<&[u8]>) -> Vec<&'c Level> {
    let named = best_named(servers, host);
    let candidates = if named.is_empty() { servers } else { &named };
    let mut best: Vec<&Level> = Vec::new();
    for address in candidates.iter().flat_map(|server| server.listens()).map(|listen| listen.address) {
        let is_there = |listen: &Listen| listen.address == address;
        let mut here = candidates.iter().copied().filter(|server| server.listens().iter().any(is_there));
        let first = here.clone().next();
        let default = here.find(|server| server.listens().iter().any(|listen| is_there(listen) && listen.is_default));
        let chosen = if named.is_empty() { default.or(first) } else { first };
        best.extend(chosen.filter(|one| !best.iter().any(|known| std::ptr::eq(*known, *one))));
    }
    best
}

/// The servers whose names fit a host best, in the order of the file.
fn best_named<'c>(servers: &[&'c Level], host: Option<&[u8]>) -> Vec<&'c Level> {
    let fit = |server: &Level| host.and_then(|host| server.fit(host));
    let best = servers.iter().filter_map(|server| fit(server)).max();
    servers.iter().copied().filter(|server| best.is_some() && fit(server) == best).collect()
}

fn servers_of(http: &Level) -> impl Iterator<Item = &Level> {
    http.levels.iter().filter(|level| matches!(level.kind, Kind::Server { .. }))
}

impl Level {
    fn listens(&self) -> Vec<Listen> {
        match &self.kind {
            Kind::Server { listens, .. } if !listens.is_empty() => listens.clone(),
            // Where nginx listens that is not told.
            _ => vec![Listen { address: b"*:80".to_vec(), is_default: false, is_encrypted: false }],
        }
    }

    fn names(&self) -> &[ServerName] {
        match &self.kind {
            Kind::Server { names, .. } => names,
            _ => &[],
        }
    }

    fn fit(&self, host: &[u8]) -> Option<Fit> {
        self.names().iter().filter_map(|name| name.fit(host)).max()
    }

    /// What a regex captures, where no other name of the server fits.
    fn captured_by_name(&self, host: &[u8]) -> Option<Captures> {
        if self.fit(host) != Some(Fit::Regex) {
            return None;
        }
        self.names().iter().find_map(|name| match name {
            ServerName::Regex(pattern) => pattern.captures(host),
            ServerName::Text(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_host_alone() {
        let rows = [
            ("A.Example", "a.example"),
            ("a.example:8080", "a.example"),
            ("a.example.", "a.example"),
            ("a.example.:80", "a.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ];
        for (text, expected) in rows {
            assert_eq!(host(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn tells_how_well_a_name_fits() {
        let rows = [
            ("a.example", "a.example", Some(Fit::Exact)),
            ("A.Example", "a.example", Some(Fit::Exact)),
            (".a.example", "a.example", Some(Fit::Exact)),
            (".a.example", "x.a.example", Some(Fit::Beginning(10))),
            ("*.a.example", "x.y.a.example", Some(Fit::Beginning(10))),
            ("*.a.example", "a.example", None),
            ("a.*", "a.example", Some(Fit::End(2))),
            ("a.*", "a.", None),
            ("~^(?<x>.)[.]A", "b.a.example", Some(Fit::Regex)),
            (r"~^\Sx", "a.example", None),
            ("_", "a.example", None),
        ];
        for (name, host, expected) in rows {
            assert_eq!(ServerName::parse(name.as_bytes()).unwrap().fit(host.as_bytes()), expected, "{name} {host}");
        }
        assert!(Fit::Exact > Fit::Beginning(1) && Fit::Beginning(1) > Fit::End(9) && Fit::End(0) > Fit::Regex);
        assert!(ServerName::parse(b"~(").is_err());
    }

    #[test]
    fn tells_who_listens_at_an_address() {
        let rows = [
            ("8080", "8080", true, true),
            ("8080", "*:8080", true, true),
            ("8080", "127.0.0.1:8080", false, true),
            ("8080", "[::1]:8080", false, false),
            ("[::]:8080", "[::1]:8080", false, true),
            ("127.0.0.1:81", "81", true, false),
            ("127.0.0.1:81", "127.0.0.1:81", true, false),
            ("127.0.0.1", "80", true, false),
            ("0.0.0.0:80", "*:80", true, true),
            ("[::1]", "[::1]:80", true, false),
            ("localhost", "80", true, false),
            ("*:80", "443", false, false),
            ("unix:/run/x:80", "80", false, false),
            ("unix:/run/x:80", "unix:/run/x:80", true, false),
        ];
        for (address, wanted, is_at, is_for_all) in rows {
            let listen = Listen::of([address.as_bytes()].into_iter()).unwrap();
            let found = (listen.is_at(wanted.as_bytes()), listen.is_for_all(wanted.as_bytes()));
            assert_eq!(found, (is_at, is_for_all), "{address} {wanted}");
        }
    }
}
