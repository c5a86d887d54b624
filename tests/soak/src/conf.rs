//! nginx.conf and the files that it names.

use std::path::Path;

use crate::key_set::Source;
use crate::keyring::{Keyring, eddsa, es256, rs256};
use crate::place::{Place, RELOADS_PER_SECRET, secrets, shared_secrets};

/// The key sets, in the order of `place::Set`.
pub const SOURCES: [Source; 4] = [
    Source { name: "stable", stale: 3_600.0, is_renewed: true },
    Source { name: "rotating", stale: 3_600.0, is_renewed: true },
    Source { name: "early", stale: 7_200.0, is_renewed: false },
    Source { name: "stale", stale: 6.0, is_renewed: true },
];

/// A fault in the configuration that the run has to find: the places whose blocks are changed, what is replaced, and by
/// what.
#[derive(Clone, Copy)]
pub struct Sabotage {
    pub name: &'static str,
    pub places: &'static [&'static str],
    pub from: &'static str,
    pub to: &'static str,
}

/// Files that stay as they are.
pub fn write_files(prefix: &Path, keyring: &Keyring) {
    let write = |name: &str, text: String| std::fs::write(prefix.join(name), text).expect("a file in the prefix");
    write("secret-1", keyring.secret(1));
    write("secret-2", keyring.secret(2));
    write("rsa.pem", keyring.pem(rs256(1)));
    write("ec.pem", keyring.pem(es256(1)));
    write("ed.jwks", format!(r#"{{"keys":[{}]}}"#, keyring.jwk(eddsa(1), "twin")));
    let other = [keyring.jwk(eddsa(2), "twin"), keyring.jwk(es256(2), "ec")];
    write("other.jwks", format!(r#"{{"keys":[{}]}}"#, other.join(",")));
    write("htpasswd", "alice:{PLAIN}pass\n".into());
}

/// Puts the configuration of this generation in place, as a whole.
pub fn write(
    prefix: &Path,
    module: &Path,
    keyring: &Keyring,
    places: &[std::sync::Arc<Place>],
    generation: u32,
    sabotage: Option<Sabotage>,
) {
    // One more than is in force: the fault of a rotation that forgets to drop it.
    let numbers = (100 + generation / RELOADS_PER_SECRET).saturating_sub(2)..=shared_secrets(generation)[0].number;
    for number in numbers {
        let path = prefix.join(format!("secret-{number}"));
        if !path.exists() {
            std::fs::write(path, keyring.secret(number)).expect("a file in the prefix");
        }
    }
    let text = text(module, places, generation, sabotage);
    std::fs::write(prefix.join("nginx.conf.new"), text).expect("a file in the prefix");
    std::fs::rename(prefix.join("nginx.conf.new"), prefix.join("nginx.conf")).expect("a file in the prefix");
}

fn text(module: &Path, places: &[std::sync::Arc<Place>], generation: u32, sabotage: Option<Sabotage>) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let blocks = places.iter().map(|place| block(place, generation, sabotage)).collect::<String>();
    let key_sets = SOURCES.iter().map(|Source { name, .. }| {
        format!("location = /_{name} {{ internal; proxy_read_timeout 2s; proxy_pass http://unix:keys-{name}.sock; }}\n")
    });
    let key_sets = key_sets.collect::<String>();
    let text = format!(
        r#"load_module {module};
{user} daemon off; master_process on; worker_processes 2; pid nginx.pid; error_log error.log info;
events {{ worker_connections 2048; }}
http {{
    log_format soak escape=none '$status|$jwt_user_scope_result|$jwt_user_scope_user|$http_x_soak_users';
    access_log access.log soak;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    keepalive_requests 1000000; keepalive_timeout 1h;
    large_client_header_buffers 4 16k;
    client_max_body_size 1m;
    http2_max_concurrent_streams 64;
    add_header X-Result $jwt_user_scope_result always;
    add_header X-Generation {generation} always;
    proxy_http_version 1.1;
    proxy_set_header Host localhost;
    proxy_set_header Connection "";
    proxy_set_header X-User $jwt_user_scope_user;
    proxy_set_header X-Result $jwt_user_scope_result;
    {secrets}
    jwt_user_scope_guard /g/users/:user_id /l/users/:user_id;
    upstream backend {{ server unix:backend.sock; keepalive 64; }}
    map $jwt_user_scope_claim_role $is_admin {{ volatile; default ""; ~^admin$ 1; }}
    map $jwt_user_scope_claim_email_verified $email_verified {{ volatile; default ""; true 1; }}
    server {{
        listen unix:nginx.sock;
        listen unix:h2.sock http2;
{blocks}
{key_sets}
        location /rewrite/ {{ rewrite ^/rewrite/(.*)$ /rewritten/$1 last; }}
        location @page {{ return 418 "page $jwt_user_scope_result"; }}
        location = /_permit {{
            internal;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
            proxy_set_header X-User $jwt_user_scope_user;
            proxy_set_header X-Result $jwt_user_scope_result;
            proxy_pass http://backend/permit;
        }}
        location / {{ proxy_pass http://backend; }}
    }}
}}
"#,
        module = module.display(),
        secrets = secrets(generation),
    );
    // No variable of nginx: every configuration has its own.
    text.replace("$generation", &generation.to_string())
}

fn block(place: &Place, generation: u32, sabotage: Option<Sabotage>) -> String {
    let block = place.conf(generation);
    let Some(Sabotage { from, to, .. }) = sabotage.filter(|sabotage| sabotage.places.contains(&place.name)) else {
        return block;
    };
    let forgotten = format!("secret-{}", (100 + generation / RELOADS_PER_SECRET).saturating_sub(2));
    let spoilt = block.replacen(from, &to.replace("$forgotten", &forgotten), 1);
    assert!(spoilt != block, "{from:?} stands in the block of {}", place.name);
    spoilt
}
