/* Moves the clocks of nginx and of the module, holds a worker up where the module reads one, and counts how often it asks
   whether another lives, which it may be forbidden. Preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "preload.h"

/* As in moved_clock.rs. */
struct control {
    int64_t of_day;   /* seconds that the time of day is ahead */
    int64_t running;  /* seconds that the clocks are ahead which nobody sets */
    uint32_t process; /* whose points are counted */
    uint32_t point;   /* where it is held up, counted from 1: before a reading, behind it, before the next */
    uint32_t seen;    /* points so far */
    uint32_t asked;   /* how often the module has asked whether a process lives */
    uint32_t denied;  /* the error that it gets instead of an answer */
};

static struct control none, *control = &none;
static int (*read_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void prepare(void) {
    read_clock = dlsym(RTLD_NEXT, "clock_gettime");
    control = mapped_control("MOVED_CLOCK", &none, sizeof none);
}

static int is_the_module_s(void *caller) {
    Dl_info found;
    return dladdr(caller, &found) && found.dli_fname && strstr(found.dli_fname, "jwt_user_scope");
}

static void pass_point(void *caller) {
    if (control->process == (uint32_t)getpid() && is_the_module_s(caller) && ++control->seen == control->point)
        kill(getpid(), SIGSTOP);
}

static int read_moved(clockid_t clock, struct timespec *time) {
    int failed = read_clock(clock, time);
    if (!failed)
        time->tv_sec += clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? control->of_day : control->running;
    return failed;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    pass_point(__builtin_return_address(0));
    int failed = read_moved(clock, time);
    pass_point(__builtin_return_address(0));
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    if (read_moved(CLOCK_REALTIME, &now))
        return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec now;
    if (read_moved(CLOCK_REALTIME, &now))
        return -1;
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}

int kill(pid_t process, int number) {
    if (number == 0 && is_the_module_s(__builtin_return_address(0))) {
        __atomic_add_fetch(&control->asked, 1, __ATOMIC_RELAXED);
        if (control->denied) {
            errno = control->denied;
            return -1;
        }
    }
    return syscall(SYS_kill, process, number);
}
