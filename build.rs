//! Forwards what nginx-sys learnt from nginx's headers, as `cfg(ngx_feature = "...")` and `cfg(nginx_1_23)`, and
//! compiles the little that only C can say about nginx's structures.

use std::env;

fn main() {
    let names = env::var("DEP_NGINX_FEATURES_CHECK").unwrap_or_else(|_| "any()".into());
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({names}))");
    for feature in env::var("DEP_NGINX_FEATURES").iter().flat_map(|f| f.split(',')) {
        println!("cargo::rustc-cfg=ngx_feature=\"{}\"", feature.trim());
    }

    // Since 1.23.0 headers of one name are linked (`ngx_table_elt_t.next`).
    println!("cargo::rustc-check-cfg=cfg(nginx_1_23)");
    let version = env::var("DEP_NGINX_VERSION_NUMBER").ok().and_then(|v| v.parse::<u64>().ok());
    if version.is_some_and(|v| v >= 1_023_000) {
        println!("cargo::rustc-cfg=nginx_1_23");
    }

    let includes = env::var_os("DEP_NGINX_INCLUDE").expect("nginx-sys tells where nginx's headers are");
    cc::Build::new()
        .file("src/ffi/versions.c")
        .includes(env::split_paths(&includes))
        .compile("jwt_user_scope_versions");
    println!("cargo::rerun-if-changed=src/ffi/versions.c");
    println!("cargo::rerun-if-changed=build.rs");
}
