//! The servers of a configuration, and what each is known by when the next configuration is read.

use core::ptr;
use std::collections::HashMap;

use nginx_sys::{ngx_http_conf_addr_t, ngx_http_conf_port_t, ngx_http_core_main_conf_t, ngx_http_core_srv_conf_t};

use super::text;

/// A server of the configuration that is read.
#[derive(Clone, Copy)]
pub struct Server<'c>(&'c ngx_http_core_srv_conf_t);

impl<'c> Server<'c> {
    pub(super) fn new(server: &'c ngx_http_core_srv_conf_t) -> Self {
        Self(server)
    }

    pub fn merges_slashes(self) -> bool {
        self.0.merge_slashes != 0
    }

    /// Its first name; empty when it has none.
    pub fn name(self) -> String {
        text(&self.0.server_name)
    }
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
        let mut addresses: HashMap<*const _, Vec<String>> = HashMap::new();
        // SAFETY: the core module has filled the arrays, which are of these types; they live as long as the configuration.
        let servers = unsafe {
            let ports = http.ports.as_ref().map_or(&[][..], |ports| ports.as_slice::<ngx_http_conf_port_t>());
            for address in ports.iter().flat_map(|port| port.addrs.as_slice::<ngx_http_conf_addr_t>()) {
                for &server in address.servers.as_slice::<*const ngx_http_core_srv_conf_t>() {
                    addresses.entry(server).or_default().push(text(&address.opt.addr_text));
                }
            }
            http.servers.as_slice::<&ngx_http_core_srv_conf_t>()
        };
        let mut identities = HashMap::new();
        let mut counts: HashMap<String, u32> = HashMap::new();
        for &server in servers {
            let mut own = addresses.remove(&ptr::from_ref(server)).unwrap_or_default();
            own.sort_unstable();
            own.insert(0, text(&server.server_name));
            let identity = own.join(" ");
            *counts.entry(identity.clone()).or_default() += 1;
            identities.insert(ptr::from_ref(server), identity);
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
