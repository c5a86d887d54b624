/* What the preloaded libraries share. As in preload.rs. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The control file that a variable names, mapped; without one, what is given. */
static void *mapped_control(const char *variable, void *none, size_t size) {
    const char *name = getenv(variable);
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return none;
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return mapped == MAP_FAILED ? none : mapped;
}
