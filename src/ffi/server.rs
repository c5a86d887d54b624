//! The servers of a configuration, and what each is known by when the next configuration is read.

use core::ptr;
use std::collections::HashMap;

use nginx_sys::{
    ngx_http_conf_addr_t, ngx_http_conf_port_t, ngx_http_core_main_conf_t, ngx_http_core_srv_conf_t, ngx_str_t,
};

use super::text;

/// A server of the configuration that is read.
#[derive(Clone, Copy)]
pub struct Server<'c>(&'c ngx_http_core_srv_conf_t);

/// Which server it is, in the configuration that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ServerId(*const ngx_http_core_srv_conf_t);

impl<'c> Server<'c> {
    pub(super) fn new(server: &'c ngx_http_core_srv_conf_t) -> Self {
        Self(server)
    }

    pub fn id(self) -> ServerId {
        ServerId(self.0)
    }

    /// Its first name; empty when it has none.
    pub fn name(self) -> String {
        text(&self.0.server_name)
    }
}

/// The addresses of a configuration, each with the servers that listen there.
///
/// To be asked when the core module has read all servers, each of which has an address then.
fn addresses(http: &ngx_http_core_main_conf_t) -> Vec<(&ngx_str_t, &[&ngx_http_core_srv_conf_t])> {
    // SAFETY: the core module has filled the arrays, which are of these types; they live as long as the configuration.
    unsafe {
        let ports = http.ports.as_ref().map_or(&[][..], |ports| ports.as_slice::<ngx_http_conf_port_t>());
        let addresses = ports.iter().flat_map(|port| port.addrs.as_slice::<ngx_http_conf_addr_t>());
        addresses.map(|address| (&address.opt.addr_text, address.servers.as_slice())).collect()
    }
}

/// Whether slashes are merged in every path that a server is asked for. nginx parses a request by another server of the
/// address: its default, or the one that the TLS handshake names. `Host` chooses later (ngx_http_request.c).
pub(super) fn slashes_are_merged(http: &ngx_http_core_main_conf_t, server: Server) -> bool {
    let is_heard_by = |servers: &[&_]| servers.iter().any(|&other| ptr::eq(other, server.0));
    let neighbours = addresses(http).into_iter().filter(|(_, servers)| is_heard_by(servers));
    neighbours.flat_map(|(_, servers)| servers).all(|server| server.merge_slashes != 0)
}

/// What the servers are known by: the same after a reload, whatever other servers there are and in whatever order, and
/// never that of another server.
///
/// That is the first name and all addresses. Where several servers have these, another may be the one of them that nginx
/// serves after a reload, so theirs do not last.
pub struct Identities(HashMap<*const ngx_http_core_srv_conf_t, String>);

impl Identities {
    /// Those of all servers, once the core module has read them.
    pub(super) fn of(http: &ngx_http_core_main_conf_t) -> Self {
        let mut heard_at: HashMap<*const ngx_http_core_srv_conf_t, (&ngx_str_t, Vec<String>)> = HashMap::new();
        for (address, servers) in addresses(http) {
            for &server in servers {
                let (_, at) = heard_at.entry(server).or_insert((&server.server_name, Vec::new()));
                at.push(text(address));
            }
        }
        let mut identities = HashMap::new();
        let mut counts: HashMap<String, u32> = HashMap::new();
        for (server, (name, mut at)) in heard_at {
            at.sort_unstable();
            at.insert(0, text(name));
            let identity = at.join(" ");
            *counts.entry(identity.clone()).or_default() += 1;
            identities.insert(server, identity);
        }
        for (server, identity) in identities.iter_mut().filter(|(_, identity)| counts[*identity] > 1) {
            // No structure is where another is, nor where one of the configuration still in force is.
            *identity += &format!(" {server:p}");
        }
        Self(identities)
    }

    pub fn find(&self, server: Server) -> String {
        self.0.get(&ptr::from_ref(server.0)).cloned().unwrap_or_else(|| format!("{:p}", server.0))
    }
}
