# shellcheck shell=bash
# What the scripts share. Sourced, with the project's root as working directory.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck disable=SC2034  # used where this is sourced
module=ngx_http_jwt_user_scope_module.so
# shellcheck disable=SC2034
built=$PWD/target/release/$module

say() { printf '== %s\n' "$*" >&2; }
die() { printf '\nerror: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# A token for an hour, by another hand than the program's own.
token() { # secret, user
    python3 - "$1" "$2" <<'END'
import base64, hashlib, hmac, json, sys, time
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
part = lambda value: b64(json.dumps(value).encode())
signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part({"uid": sys.argv[2], "exp": int(time.time()) + 3600})
print((signed + b"." + b64(hmac.digest(sys.argv[1].encode(), signed, hashlib.sha256))).decode())
END
}

# NGINX names another binary than the one on the machine; NGINX=none builds for a machine elsewhere.
case ${NGINX:-} in
    '' | none) ;;
    *) have "$NGINX" || die "NGINX=$NGINX is not an executable" ;;
esac
find_nginx() {
    [ "${NGINX:-}" != none ] || return 1
    PATH="$PATH:/usr/sbin:/usr/local/sbin:/usr/local/nginx/sbin" command -v "${NGINX:-nginx}"
}

nginx_version() { "$1" -v 2>&1 | sed -n 's|^nginx version: [^/]*/\([0-9.]*\).*|\1|p'; }
source_version() { sed -n 's/^#define NGINX_VERSION *"\(.*\)"/\1/p' "$1/src/core/nginx.h"; }

# The arguments that nginx was configured with, one per line. xargs undoes the shell's quoting and runs nothing.
nginx_arguments() { "$1" -V 2>&1 | sed -n 's/^configure arguments: //p' | xargs -r printf '%s\n'; }

# The version of the package that a binary comes from, where the distribution itself made that package: only then is
# there an nginx-dev to match it. Others, nginx.org's among them, also call theirs `nginx`.
debian_version() {
    local package version maintainer
    have dpkg-query || return 1
    package=$(dpkg-query -S "$(readlink -f "$1")" 2>/dev/null | cut -d: -f1) || return 1
    IFS='|' read -r version maintainer < <(dpkg-query -W -f '${Version}|${Maintainer}\n' "$package")
    [[ ${maintainer,,} == *debian* || ${maintainer,,} == *ubuntu* ]] && printf '%s\n' "$version"
}

# nginx's own source, as the crate that nginx-sys vendors. A manifest of its own keeps what that crate needs to build
# nginx, which is not wanted here, out of the module's Cargo.lock.
vendored_source() {
    local crate=target/vendored
    mkdir -p $crate
    printf '%s\n' '[package]' 'name = "vendored"' 'edition = "2024"' '[lib]' 'path = "none.rs"' '[workspace]' \
        '[dependencies]' 'nginx-src = "=1.28.5"' >$crate/Cargo.toml
    cargo metadata --format-version 1 --manifest-path $crate/Cargo.toml |
        grep -o '"manifest_path":"[^"]*/nginx-src-[^"]*/Cargo.toml"' | cut -d'"' -f4 | xargs dirname
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo. As root, run: $*"
    fi
}
