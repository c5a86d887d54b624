//! What is built of the directives about keys. They are read only where a check is in force.

use std::env;
use std::rc::Rc;

use ::directives::SecretPlace;
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
    if let Some(built) = cf.gathered().built_keys.iter().find(is_it) {
        return Ok(built.clone());
    }
    let keys = Rc::new(sources.keys(allowed, &|name| env::var_os(name))?);
    if let Some(status) = cf.gathered().status {
        status.count_keys(keys.iter(), &places(sources));
    }
    let sets = Rc::new(FetchedSets::new(fetched_sets(cf, sources, allowed)?));
    let built = Built { sources: sources.clone(), allowed, server, keys, sets };
    cf.gathered().built_keys.push(built.clone());
    Ok(built)
}

/// Where the keys are, in the order in which they are read: each place as its directive names it.
fn places(sources: &KeySources) -> Vec<String> {
    let secrets = sources.secrets.iter().map(|secret| match &secret.place {
        SecretPlace::Env(name) => format!("env:{name}"),
        SecretPlace::File(path) => format!("file:{}", path.display()),
    });
    secrets.chain(sources.files.iter().map(|file| format!("file:{}", file.path.display()))).collect()
}

/// The key sets, each in a zone of its server.
fn fetched_sets(cf: Conf, sources: &KeySources, allowed: Option<Algorithms>) -> Result<Vec<FetchedSet>, String> {
    let set = |request: &Rc<KeyRequest>| {
        let (uri, args) = (String::from_utf8_lossy(&request.uri), String::from_utf8_lossy(&request.args));
        let name = format!("jwt_user_scope {uri}?{args} {}", cf.server_identity());
        let zone = Zone::register(cf, &name);
        let zone = zone.ok_or_else(|| {
            format!("\"jwt_user_scope_key_request\" directive: out of memory in {}", request.position)
        })?;
        let status = cf.gathered().status;
        if let Some(status) = status {
            status.show_set(&cf.server().name(), (&request.uri, &request.args), zone);
        }
        Ok(FetchedSet::new(request.clone(), zone, allowed, status))
    };
    sources.requests.iter().map(set).collect()
}
