/* Lets allocations fail: those of nginx itself and of the module, from the one that the control file names. Preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "preload.h"

/* As in shortage.rs. */
struct control {
    uint32_t first;  /* the allocation to fail, counted from 1; 0 for none */
    uint32_t last;   /* the last one that fails */
    uint32_t seen;   /* allocations so far */
    uint32_t failed; /* how many have failed */
    uint32_t whose;  /* which are counted: 0 all, 1 those of the module, 2 all since its first one */
};

static struct control none, *control = &none;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

__attribute__((constructor)) static void map_control(void) {
    control = mapped_control("NO_MEMORY", &none, sizeof none);
}

/* nginx is the program, which has no name behind its path that a library would have. */
static int is_ours(void *caller) {
    static int loaded;
    Dl_info found;
    if (!dladdr(caller, &found) || !found.dli_fname)
        return 0;
    int module = strstr(found.dli_fname, "jwt_user_scope") != NULL;
    loaded |= module;
    return module || ((control->whose == 0 || (control->whose == 2 && loaded)) && !strstr(found.dli_fname, ".so"));
}

static int fails(void *caller) {
    if (control->first == 0 || !is_ours(caller))
        return 0;
    uint32_t number = ++control->seen;
    if (number < control->first || number > control->last)
        return 0;
    control->failed++;
    return 1;
}

#define FAILS() fails(__builtin_return_address(0))

void *malloc(size_t size) {
    if (FAILS()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    if (FAILS()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    if (FAILS()) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(block, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (FAILS())
        return errno = ENOMEM; /* glibc's sets it too */
    void *found = __libc_memalign(alignment, size);
    if (found)
        *block = found;
    return found ? 0 : ENOMEM;
}
