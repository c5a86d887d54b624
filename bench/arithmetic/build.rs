//! Compiles the nginx side, in C, which finds nginx's headers where the module finds them.

use std::env;
use std::path::PathBuf;

fn main() {
    let directory = |name: &str| {
        println!("cargo::rerun-if-env-changed={name}");
        PathBuf::from(
            env::var_os(name).unwrap_or_else(|| panic!("{name} names nginx's sources; see .cargo/config.toml")),
        )
    };
    let (sources, objects) = (directory("NGINX_SOURCE_DIR"), directory("NGINX_BUILD_DIR"));
    let parts =
        ["core", "event", "event/modules", "event/quic", "http", "http/modules", "http/v2", "http/v3", "os/unix"];
    cc::Build::new()
        .file("src/module.c")
        .includes(parts.iter().map(|part| sources.join("src").join(part)).filter(|part| part.is_dir()))
        .include(objects)
        .flag_if_supported("-Wno-unused-parameter")
        .compile("arithmetic_module");
    println!("cargo::rerun-if-changed=src/module.c");
}
