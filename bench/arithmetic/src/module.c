/*
 * `arithmetic check|plain <algorithm> <directory of keys>;` in a location: takes the bearer token apart and decodes its
 * signature; with `check`, verifies it and refuses with 401 when it does not hold. The difference between both is what a
 * signature check costs within nginx, in the middle of all else that a request makes it do.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#define SIGNATURE_MAX  1024


typedef struct {
    ngx_flag_t   on;
    ngx_flag_t   check;
    void        *verifier;
} ngx_http_arithmetic_conf_t;


/* In lib.rs. */
void *arithmetic_verifier(const u_char *algorithm, size_t length, const u_char *keys, size_t keys_length);
ngx_int_t arithmetic_verifies(const void *verifier, const u_char *message, size_t length, const u_char *signature,
    size_t signature_length);

static char *ngx_http_arithmetic(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static void *ngx_http_arithmetic_create_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_arithmetic_init(ngx_conf_t *cf);


static ngx_command_t  ngx_http_arithmetic_commands[] = {

    { ngx_string("arithmetic"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE3,
      ngx_http_arithmetic,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_arithmetic_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_arithmetic_init,              /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_arithmetic_create_conf,       /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_arithmetic_module = {
    NGX_MODULE_V1,
    &ngx_http_arithmetic_module_ctx,       /* module context */
    ngx_http_arithmetic_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_arithmetic_handler(ngx_http_request_t *r)
{
    u_char                      *dot, *end, bytes[SIGNATURE_MAX];
    ngx_str_t                    token, encoded, signature;
    ngx_http_arithmetic_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_arithmetic_module);

    if (!conf->on) {
        return NGX_DECLINED;
    }

    if (r->headers_in.authorization == NULL || r->headers_in.authorization->value.len < sizeof("Bearer ")) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    token.data = r->headers_in.authorization->value.data + sizeof("Bearer ") - 1;
    end = r->headers_in.authorization->value.data + r->headers_in.authorization->value.len;

    for (dot = end; dot > token.data && *dot != '.'; dot--) { /* void */ }

    encoded.data = dot + 1;
    encoded.len = end - encoded.data;
    signature.data = bytes;

    if (ngx_base64_decoded_length(encoded.len) > sizeof(bytes)
        || ngx_decode_base64url(&signature, &encoded) != NGX_OK)
    {
        return NGX_HTTP_UNAUTHORIZED;
    }

    if (!conf->check) {
        return NGX_OK;
    }

    return arithmetic_verifies(conf->verifier, token.data, dot - token.data, signature.data, signature.len)
           ? NGX_OK : NGX_HTTP_UNAUTHORIZED;
}


static void *
ngx_http_arithmetic_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_arithmetic_conf_t));
}


static char *
ngx_http_arithmetic(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value = cf->args->elts;
    ngx_http_arithmetic_conf_t  *own = conf;

    own->on = 1;
    own->check = ngx_strcmp(value[1].data, "check") == 0;
    own->verifier = arithmetic_verifier(value[2].data, value[2].len, value[3].data, value[3].len);

    return own->verifier != NULL ? NGX_CONF_OK : "has no such key";
}


static ngx_int_t
ngx_http_arithmetic_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *handler;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    handler = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (handler == NULL) {
        return NGX_ERROR;
    }

    *handler = ngx_http_arithmetic_handler;

    return NGX_OK;
}
