/* SPDX-License-Identifier: Apache-2.0 */
/* Starts programs on Linux and macOS: fork, a clean slate, exec. Knows no daemon: only what `ckey start` says.

   A host has threads, handlers of signals and children of its own. So the child makes no call that is not safe after
   fork, all that it needs is made before, and the parent waits for this one child only. A host may also take every
   child in, or ignore SIGCHLD; then the end of the pipe counts as the program's end. */
#include "starter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../include/corridorkey.h"
#include "starter_text.h"

#if defined(__APPLE__)
#include <crt_externs.h>
#define SHOWER "open"
#else
#include <sys/syscall.h>
#define SHOWER "xdg-open"
#endif

enum {
    SLICE_MS = 20,     /* between two looks at a child */
    STOP_MS = 1000,    /* for a child to follow a signal */
    READS = 64,        /* more than a pipe holds, but not for ever */
    MOST_OPEN = 65536, /* descriptors, where they cannot be listed */
    PATH_ROOM = 4096,
};

static const char cannot_run[] = "ckey: `ckey` cannot be run; install CorridorKey again.\n";

typedef struct run_plan {
    const char *const *words;
    char **environment;
    int highest;  /* descriptor that is open */
    int output;   /* -1: nowhere */
    int detached; /* not a child of the host, so that the host need not wait for it */
} run_plan;

struct ck_starter {
    pid_t child;
    int pipe; /* -1 once it was read to its end */
    int ended, failed;
    ck_words words;
};

static int is_program(const char *path) {
    struct stat found;
    return path[0] == '/' && stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0;
}

/* Find a program on PATH, of which what is relative does not count: the host's working folder may be anything. */
static int find_program(const char *name, char *path, size_t room) {
    const char *folder = getenv("PATH");
    while (folder && *folder) {
        size_t length = strcspn(folder, ":");
        int size = length < PATH_ROOM ? snprintf(path, room, "%.*s/%s", (int)length, folder, name) : -1;
        if (length > 0 && size > 0 && (size_t)size < room && is_program(path))
            return 0;
        folder += length + (folder[length] == ':');
    }
    return -1;
}

static int read_line(const char *file, char *line, size_t room) {
    int from = open(file, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -1;
    ssize_t size = read(from, line, room);
    close(from);
    if (size < 0 || (size_t)size == room)
        return -1;
    line[size] = 0;
    ck_cut_line(line);
    return 0;
}

int ck_find_command(const char *bundle, char *path, size_t room) {
    char file[PATH_ROOM];
    int size = bundle ? snprintf(file, sizeof file, "%s/%s", bundle, CK_COMMAND_FILE) : -1;
    if (size > 0 && (size_t)size < sizeof file && read_line(file, path, room) == 0 && is_program(path))
        return 0;
    return find_program("ckey", path, room);
}

static char **host_environment(void) {
#if defined(__APPLE__)
    return *_NSGetEnviron(); /* a library has no `environ` there */
#else
    return environ;
#endif
}

/* The environment without what is the host's own: a list to be freed, of strings that are not; null without memory. */
static char **clean_environment(void) {
    char **all = host_environment();
    size_t count = 0, kept = 0;
    while (all && all[count])
        count++;
    char **clean = calloc(count + 1, sizeof *clean);
    for (size_t i = 0; clean && i < count; i++)
        if (!ck_is_hosts_own(all[i]))
            clean[kept++] = all[i];
    return clean;
}

static int highest_open(void) {
    DIR *list = opendir("/dev/fd");
    if (!list)
        return MOST_OPEN;
    int highest = 2;
    for (struct dirent *entry = readdir(list); entry; entry = readdir(list)) {
        int number = atoi(entry->d_name);
        highest = number > highest ? number : highest;
    }
    closedir(list);
    return highest;
}

/* In the child: close all but standard input, output and error. */
static void close_others(int highest) {
#if defined(SYS_close_range)
    if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
        return;
#endif
    for (int number = 3; number <= highest; number++)
        close(number);
}

/* In the child: handlers are the host's code, and what it ignores the program shall not. */
static void reset_signals(void) {
    struct sigaction usual;
    memset(&usual, 0, sizeof usual);
    usual.sa_handler = SIG_DFL;
    sigemptyset(&usual.sa_mask);
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &usual, 0); /* fails for those that nobody may change */
    sigprocmask(SIG_SETMASK, &usual.sa_mask, 0);
}

/* In the child: become the program. */
static void become(const run_plan *plan) {
    reset_signals();
    setsid();
    if (plan->detached && fork() != 0)
        _exit(0);
    int nowhere = open("/dev/null", O_RDWR);
    int output = plan->output < 0 ? nowhere : plan->output;
    dup2(nowhere, 0);
    dup2(output, 1);
    dup2(output, 2);
    close_others(plan->highest);
    execve(plan->words[0], (char *const *)plan->words, plan->environment);
    _exit(write(2, cannot_run, sizeof cannot_run - 1) < 0 ? 126 : 127);
}

/* Start a program; its process, or -1 with ck_error. */
static pid_t start(const char *const *words, int output, int detached) {
    run_plan plan = {words, clean_environment(), highest_open(), output, detached};
    sigset_t all, before;
    if (!plan.environment)
        return ck_fail(-1, "no memory is left to start a program; close something and try again.");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a handler of the host would run in the child too */
    pid_t child = fork();
    if (child == 0)
        become(&plan);
    pthread_sigmask(SIG_SETMASK, &before, 0);
    free(plan.environment);
    return child > 0 ? child : ck_fail(-1, "the system starts no more programs; close some and try again.");
}

/* Make a pipe that no other child of the host gets; its writing end is none of those that a child replaces. */
static int make_pipe(int ends[2]) {
#if defined(__linux__)
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
#else
    if (pipe(ends) != 0)
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
#endif
    int high = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
    close(ends[1]);
    ends[1] = high;
    if (high >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    close(ends[0]);
    if (high >= 0)
        close(high);
    return -1;
}

int ck_starter_begin(const char *path, ck_starter **starter) {
    const char *const words[] = {path, "start", 0};
    int ends[2];
    *starter = 0;
    ck_starter *made = calloc(1, sizeof *made);
    if (!made || make_pipe(ends) != 0) {
        free(made);
        return ck_fail(-1, "no memory or descriptors are left to start a program; close something and try again.");
    }
    made->pipe = ends[0];
    made->child = start(words, ends[1], 0);
    close(ends[1]);
    if (made->child < 0) {
        close(made->pipe);
        free(made);
        return -1;
    }
    *starter = made;
    return 0;
}

static void close_pipe(ck_starter *starter) {
    if (starter->pipe >= 0)
        close(starter->pipe);
    starter->pipe = -1;
}

/* Read what was said since. */
static void hear(ck_starter *starter) {
    char bytes[4096];
    for (int turn = 0; turn < READS && starter->pipe >= 0; turn++) {
        ssize_t size = read(starter->pipe, bytes, sizeof bytes);
        if (size > 0)
            ck_words_add(&starter->words, bytes, (size_t)size);
        else if (size < 0 && errno == EAGAIN)
            return;
        else if (size == 0 || errno != EINTR)
            close_pipe(starter);
    }
}

static int has_ended(ck_starter *starter) {
    int status = 0;
    if (starter->ended)
        return 1;
    hear(starter);
    pid_t found = waitpid(starter->child, &status, WNOHANG);
    if (found == 0 || (found < 0 && starter->pipe >= 0))
        return 0;
    hear(starter); /* the last of it, said between the two looks */
    starter->failed = found > 0 ? status != 0 : strncmp(ck_words_last(&starter->words), "ckey:", 5) == 0;
    starter->ended = 1;
    return 1;
}

int ck_starter_poll(ck_starter *starter, int wait_ms) {
    while (!has_ended(starter)) {
        if (wait_ms <= 0)
            return CK_WAITING;
        int slice = wait_ms < SLICE_MS ? wait_ms : SLICE_MS;
        struct pollfd said = {starter->pipe, POLLIN, 0};
        poll(&said, 1, slice);
        wait_ms -= slice;
    }
    return starter->failed ? ck_words_fail(&starter->words) : CK_OK;
}

/* Wait at most `wait_ms` for a child's end. Its process; 0 if it runs on; -1 if it is no child any more. */
static pid_t reap(pid_t child, int wait_ms) {
    pid_t found;
    while ((found = waitpid(child, 0, WNOHANG)) == 0 && wait_ms > 0) {
        poll(0, 0, SLICE_MS);
        wait_ms -= SLICE_MS;
    }
    return found;
}

/* Stop a child with what it started itself, but for what left its session, as the daemon does. */
static void stop(pid_t child) {
    static const int ways[] = {SIGTERM, SIGKILL};
    int still = reap(child, 0) == 0; /* else its number may be another's */
    for (size_t i = 0; i < 2 && still; i++) {
        if (kill(-child, ways[i]) != 0)
            kill(child, ways[i]); /* it leads no session yet */
        still = reap(child, STOP_MS) == 0;
    }
}

void ck_starter_end(ck_starter *starter) {
    if (!starter)
        return;
    if (!has_ended(starter))
        stop(starter->child);
    close_pipe(starter);
    free(starter);
}

int ck_show_file(const char *path) {
    char shower[PATH_ROOM];
    const char *const words[] = {shower, path, 0};
    if (access(path, R_OK) != 0)
        return ck_fail(-1, "%s is missing; install the plug-in again.", path);
    if (find_program(SHOWER, shower, sizeof shower) != 0)
        return ck_fail(-1, "this desktop has no " SHOWER "; open %s yourself.", path);
    pid_t child = start(words, -1, 1);
    if (child > 0)
        reap(child, STOP_MS);
    return child > 0 ? 0 : -1;
}
