# nginx with the module.
#
#   docker build -t nginx-jwt-user-scope .
#   docker run --rm -p 8080:8080 -e BETTER_AUTH_SECRET -v "$PWD/nginx.conf:/etc/nginx/nginx.conf:ro" nginx-jwt-user-scope
#
# nginx.conf begins as nginx.conf.example does, with the address of the backend. The secret may also be a file,
# /run/secrets/<name>, which nginx.conf names by jwt_user_scope_secret file:/run/secrets/<name>.
#
# NGINX_VERSION   of the official image. For 1.28.3 the source comes with nginx-sys; for another, NGINX_SOURCE is needed
# NGINX_IMAGE     another image with nginx in it, on Debian or Ubuntu; where nginx is the distribution's own package, the
#                 headers are too
# NGINX_SOURCE    the address of nginx-<version>.tar.gz, from which the headers are made
# NGINX_SOURCE_SHA256   the SHA-256 sum that this file must have; without it, nothing is built from it
# RUST_IMAGE      where the Rust toolchain is taken from

ARG NGINX_VERSION=1.28.3
ARG NGINX_IMAGE=nginx:${NGINX_VERSION}
ARG RUST_IMAGE=rust:1.95-bookworm

FROM ${RUST_IMAGE} AS rust

# The module is built beside the nginx that will load it, for exactly that nginx.
FROM ${NGINX_IMAGE} AS build
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup
ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl make
WORKDIR /usr/src/ngx_http_jwt_user_scope_module
ARG NGINX_SOURCE=
ARG NGINX_SOURCE_SHA256=
RUN [ -z "${NGINX_SOURCE}" ] || { \
        curl -fsSL -o /tmp/nginx.tar.gz "${NGINX_SOURCE}" && \
        echo "${NGINX_SOURCE_SHA256:?the sum of NGINX_SOURCE}  /tmp/nginx.tar.gz" | sha256sum -c && \
        mkdir /usr/src/nginx && tar -xzf /tmp/nginx.tar.gz --strip-components=1 -C /usr/src/nginx; \
    }
COPY . .
RUN if [ -d /usr/src/nginx ]; then export NGINX_UNPACKED=/usr/src/nginx; fi; scripts/reproducibly make build

FROM ${NGINX_IMAGE}
COPY --from=build /usr/src/ngx_http_jwt_user_scope_module/target/release/ngx_http_jwt_user_scope_module.so /usr/lib/nginx/modules/
# The build fails here if this nginx does not load the module.
RUN nginx -t -g 'load_module modules/ngx_http_jwt_user_scope_module.so;'

EXPOSE 8080
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
