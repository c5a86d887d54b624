# nginx with the module, for those without a Debian machine.
#
#   docker build -t nginx-jwt-user-scope .
#   docker run --rm -p 8080:8080 -e BETTER_AUTH_SECRET -v "$PWD/nginx.conf:/etc/nginx/nginx.conf:ro" nginx-jwt-user-scope
#
# nginx.conf begins as nginx.conf.example does, with the address of the backend. The secret may also be a file,
# /run/secrets/<name>, which nginx.conf names by jwt_user_scope_secret file:/run/secrets/<name>.
#
# Both stages take nginx from the same Debian release: the module is built for exactly the nginx that loads it.

ARG RUST_IMAGE=rust:1-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
RUN make build

FROM ${BASE_IMAGE}
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/* \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log
COPY --from=build /src/target/release/ngx_http_jwt_user_scope_module.so /usr/lib/nginx/modules/
# An image whose nginx does not load the module is none.
RUN nginx -t -g 'load_module modules/ngx_http_jwt_user_scope_module.so;'

EXPOSE 8080
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
