/*
 * The bit-fields of a request. Where they stand is left to a C compiler: bindgen before 0.73, which nginx-sys 0.5 uses,
 * misplaces those that do not begin at a word, as nginx's do since 1.29.3, behind the port of a request
 * (https://github.com/rust-lang/rust-bindgen/issues/3384).
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#pragma GCC visibility push(hidden)

unsigned jwt_user_scope_internal(const ngx_http_request_t *r);
unsigned jwt_user_scope_filter_finalize(const ngx_http_request_t *r);
unsigned jwt_user_scope_valid_unparsed_uri(const ngx_http_request_t *r);
void jwt_user_scope_pass_limits(ngx_http_request_t *r);
void jwt_user_scope_need_in_memory(ngx_http_request_t *r);
unsigned jwt_user_scope_header_only(const ngx_http_request_t *r);
unsigned jwt_user_scope_is_stale(const ngx_http_request_t *r);
void jwt_user_scope_forget_port(ngx_http_request_t *r);
void jwt_user_scope_keep_page(ngx_http_request_t *r);
unsigned jwt_user_scope_count(const ngx_http_request_t *r);
void jwt_user_scope_set_count(ngx_http_request_t *r, unsigned count);

unsigned
jwt_user_scope_internal(const ngx_http_request_t *r)
{
    return r->internal;
}

unsigned
jwt_user_scope_filter_finalize(const ngx_http_request_t *r)
{
    return r->filter_finalize;
}

unsigned
jwt_user_scope_valid_unparsed_uri(const ngx_http_request_t *r)
{
    return r->valid_unparsed_uri;
}

/* 1 is NGX_HTTP_LIMIT_REQ_PASSED, and NGX_HTTP_LIMIT_CONN_PASSED: both are private to their modules. */
void
jwt_user_scope_pass_limits(ngx_http_request_t *r)
{
    if (r->limit_req_status == 0) {
        r->limit_req_status = 1;
    }

    if (r->limit_conn_status == 0) {
        r->limit_conn_status = 1;
    }
}

void
jwt_user_scope_need_in_memory(ngx_http_request_t *r)
{
    r->filter_need_in_memory = 1;
}

unsigned
jwt_user_scope_header_only(const ngx_http_request_t *r)
{
    return r->header_only;
}

unsigned
jwt_user_scope_is_stale(const ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)
    if (r->upstream != NULL) {
        return r->upstream->cache_status == NGX_HTTP_CACHE_STALE
               || r->upstream->cache_status == NGX_HTTP_CACHE_UPDATING;
    }
#endif

    return 0;
}

void
jwt_user_scope_forget_port(ngx_http_request_t *r)
{
#if (nginx_version >= 1029003)
    r->port = 0;
#else
    (void) r;
#endif
}

void
jwt_user_scope_keep_page(ngx_http_request_t *r)
{
    r->error_page = 1;
}

unsigned
jwt_user_scope_count(const ngx_http_request_t *r)
{
    return r->count;
}

void
jwt_user_scope_set_count(ngx_http_request_t *r, unsigned count)
{
    r->count = count;
}

#pragma GCC visibility pop
