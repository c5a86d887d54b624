//! The servers of a configuration, and what one of them is told by when the next configuration is read.

use core::ptr;

use nginx_sys::{
    ngx_http_conf_addr_t, ngx_http_conf_port_t, ngx_http_core_main_conf_t, ngx_http_core_srv_conf_t,
    ngx_http_server_name_t, ngx_str_t,
};

use super::bytes;

/// A server of the configuration that is read.
#[derive(Clone, Copy)]
pub struct Server<'c> {
    own: &'c ngx_http_core_srv_conf_t,
    http: &'c ngx_http_core_main_conf_t,
}

impl<'c> Server<'c> {
    pub(super) fn new(own: &'c ngx_http_core_srv_conf_t, http: &'c ngx_http_core_main_conf_t) -> Self {
        Self { own, http }
    }

    pub fn merges_slashes(self) -> bool {
        self.own.merge_slashes != 0
    }

    /// Its first name; empty when it has none.
    pub fn name(self) -> String {
        text(&self.own.server_name)
    }

    /// What it is told by: the same after a reload, and never that of another server, in whatever order they stand.
    ///
    /// That is its first name; where others have the same, all its names and addresses. Of servers that these do not tell
    /// apart nginx serves the first only, which may be another after a reload, so theirs do not last.
    pub fn identity(self) -> String {
        let all = || self.all().filter(|other| raw(&other.own.server_name) == raw(&self.own.server_name));
        if all().count() == 1 {
            return self.name();
        }
        let whole = self.names_and_addresses();
        let same = || all().filter(|other| other.names_and_addresses() == whole);
        let before = same().take_while(|other| !ptr::eq(other.own, self.own)).count();
        // No address of a structure is that of another while the next configuration is read.
        if same().count() == 1 { whole } else { format!("{whole} {before} {:p}", self.http) }
    }

    fn all(self) -> impl Iterator<Item = Self> {
        // SAFETY: the core module has made the structures of all servers; they live as long as this one's.
        let servers = unsafe { self.http.servers.as_slice::<&ngx_http_core_srv_conf_t>() };
        servers.iter().map(move |own| Self { own, ..self })
    }

    /// All its names, then all its addresses, in an order of their own.
    fn names_and_addresses(self) -> String {
        // SAFETY: the arrays of a configuration that is read to its end; null, or of these types.
        let (mut names, mut addresses): (Vec<_>, Vec<_>) = unsafe {
            let names = self.own.server_names.as_slice::<ngx_http_server_name_t>();
            let ports = self.http.ports.as_ref().map_or(&[][..], |ports| ports.as_slice::<ngx_http_conf_port_t>());
            let addresses = ports.iter().flat_map(|port| port.addrs.as_slice::<ngx_http_conf_addr_t>());
            let own = addresses.filter(|address| address.servers.as_slice().iter().any(|&at| ptr::eq(self.own, at)));
            (names.iter().map(|name| text(&name.name)).collect(), own.map(|at| text(&at.opt.addr_text)).collect())
        };
        names.sort_unstable();
        addresses.sort_unstable();
        format!("{} on {}", names.join(" "), addresses.join(" "))
    }
}

/// A text of the configuration.
pub(super) fn text(text: &ngx_str_t) -> String {
    String::from_utf8_lossy(raw(text)).into_owned()
}

fn raw(text: &ngx_str_t) -> &[u8] {
    // SAFETY: the texts of a configuration live as long as it.
    unsafe { bytes(text.data, text.len) }
}
