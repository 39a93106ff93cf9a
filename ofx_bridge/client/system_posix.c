/* SPDX-License-Identifier: Apache-2.0 */
/* Linux and macOS: time, threads, processes, and how a folder looks. Knows no sockets and no shared memory. No Mac has
   run it: what differs there is written from the manuals. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "system.h"

static const double LONGEST_WAIT = 3600; /* seconds, so that any `until` fits the system's types */

static atomic_int fork_is_watched;
static ck_mutex *fork_mutex;
static void (*fork_work)(void);

double ck_now(void) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void ck_mutex_init(ck_mutex *mutex) {
    pthread_mutex_init(mutex, NULL);
}

void ck_mutex_end(ck_mutex *mutex) {
    pthread_mutex_destroy(mutex);
}

void ck_mutex_lock(ck_mutex *mutex) {
    pthread_mutex_lock(mutex);
}

void ck_mutex_unlock(ck_mutex *mutex) {
    pthread_mutex_unlock(mutex);
}

static struct timespec timespec_of(double seconds) {
    struct timespec spec;
    spec.tv_sec = (time_t)seconds;
    spec.tv_nsec = (long)(1e9 * (seconds - (double)spec.tv_sec));
    return spec;
}

static double seconds_until(double until) {
    double left = until - ck_now();
    if (!(left > 0))
        return 0;
    return left < LONGEST_WAIT ? left : LONGEST_WAIT;
}

#if defined(__APPLE__)

int ck_condition_init(ck_condition *condition) {
    return pthread_cond_init(condition, NULL) == 0 ? 0 : -1;
}

void ck_condition_wait(ck_condition *condition, ck_mutex *mutex, double until) {
    struct timespec left = timespec_of(seconds_until(until));
    pthread_cond_timedwait_relative_np(condition, mutex, &left);
}

#else

int ck_condition_init(ck_condition *condition) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return -1;
    int failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0;
    failed = failed || pthread_cond_init(condition, &attributes) != 0;
    pthread_condattr_destroy(&attributes);
    return failed ? -1 : 0;
}

void ck_condition_wait(ck_condition *condition, ck_mutex *mutex, double until) {
    struct timespec end = timespec_of(ck_now() + seconds_until(until));
    pthread_cond_timedwait(condition, mutex, &end);
}

#endif

void ck_condition_end(ck_condition *condition) {
    pthread_cond_destroy(condition);
}

void ck_condition_wake_all(ck_condition *condition) {
    pthread_cond_broadcast(condition);
}

uint32_t ck_user(void) {
    return (uint32_t)getuid();
}

int64_t ck_process(void) {
    return (int64_t)getpid();
}

int ck_path_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

enum ck_folder_state ck_folder_state(const char *path) {
    struct stat status;
    if (lstat(path, &status) != 0)
        return errno == ENOENT ? CK_FOLDER_MISSING : CK_FOLDER_UNREADABLE;
    if (S_ISLNK(status.st_mode))
        return CK_FOLDER_LINK;
    if (!S_ISDIR(status.st_mode))
        return CK_FOLDER_NO_FOLDER;
    if (status.st_uid != getuid())
        return CK_FOLDER_FOREIGN;
    return (status.st_mode & 077) != 0 ? CK_FOLDER_OPEN : CK_FOLDER_PRIVATE;
}

size_t ck_socket_path_limit(void) {
    return sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
}

static void before_fork(void) {
    ck_mutex_lock(fork_mutex);
}

static void in_parent(void) {
    ck_mutex_unlock(fork_mutex);
}

static void in_child(void) {
    ck_mutex_unlock(fork_mutex);
    fork_work();
}

/* A fork would call the handlers where they no longer are: not every linker has them forgotten with the library. */
static void stay_loaded(void) {
    Dl_info here;
    if (dladdr(&fork_mutex, &here) != 0)
        dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

int ck_after_fork(void (*work)(void), ck_mutex *mutex) {
    /* No lock guards this: a child that was forked while another thread held it could never take it. */
    if (atomic_exchange(&fork_is_watched, 1) != 0)
        return 0;
    fork_work = work;
    fork_mutex = mutex;
    if (pthread_atfork(before_fork, in_parent, in_child) != 0) {
        atomic_store(&fork_is_watched, 0);
        return -1;
    }
    stay_loaded();
    return 0;
}
