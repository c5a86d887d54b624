//! What is built of the directives about keys. They are read only where a check is in force.

use std::env;
use std::rc::Rc;

use authz::{Algorithms, Keys};

use super::{KeyRequest, KeySources};
use crate::ffi::{Conf, Zone};
use crate::keyset::{FetchedSet, FetchedSets};

/// What was built of the keys of one level. The levels below share them, and those that allow the same algorithms share
/// this.
#[derive(Clone)]
pub struct Built {
    sources: Rc<KeySources>,
    allowed: Option<Algorithms>,
    /// Where key sets are fetched, they are those of one server.
    server: Option<String>,
    pub keys: Rc<Keys>,
    pub sets: Rc<FetchedSets>,
}

/// The keys for locations of the server that is being read which allow these algorithms, built the first time that they
/// are asked for.
///
/// # Errors
/// What is wrong with which key, what to do, and where its directive stands.
pub fn built(cf: Conf, sources: &Rc<KeySources>, allowed: Option<Algorithms>) -> Result<Built, String> {
    let server = (!sources.requests.is_empty()).then(|| cf.server_identity());
    let is_it = |one: &&Built| Rc::ptr_eq(&one.sources, sources) && one.allowed == allowed && one.server == server;
    if let Some(built) = cf.main_conf().built_keys.iter().find(is_it) {
        return Ok(built.clone());
    }
    let keys = Rc::new(sources.keys(allowed, &|name| env::var_os(name))?);
    let sets = Rc::new(FetchedSets::new(fetched_sets(cf, sources, allowed)?));
    let built = Built { sources: sources.clone(), allowed, server, keys, sets };
    cf.main_conf().built_keys.push(built.clone());
    Ok(built)
}

/// The key sets, each in a zone of its server.
fn fetched_sets(cf: Conf, sources: &KeySources, allowed: Option<Algorithms>) -> Result<Vec<FetchedSet>, String> {
    let set = |request: &Rc<KeyRequest>| {
        let (uri, args) = (String::from_utf8_lossy(&request.uri), String::from_utf8_lossy(&request.args));
        let name = format!("jwt_user_scope {uri}?{args} {}", cf.server_identity());
        let zone = Zone::register(cf, &name);
        let zone =
            zone.ok_or_else(|| format!("\"jwt_user_scope_key_request\" has no memory in {}", request.position))?;
        Ok(FetchedSet::new(request.clone(), zone, allowed))
    };
    sources.requests.iter().map(set).collect()
}
