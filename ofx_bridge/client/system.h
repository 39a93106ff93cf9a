/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between Linux, macOS and Windows: time, threads, sockets, the lease, shared memory.
   Knows no messages of the protocol. */
#ifndef CK_SYSTEM_H
#define CK_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#include <winsock2.h> /* wants to come first */

#include <windows.h>
typedef SRWLOCK ck_mutex;
typedef CONDITION_VARIABLE ck_condition;
#define CK_MUTEX_INIT SRWLOCK_INIT
#else
#include <pthread.h>
typedef pthread_mutex_t ck_mutex;
typedef pthread_cond_t ck_condition;
#define CK_MUTEX_INIT PTHREAD_MUTEX_INITIALIZER
#endif

typedef intptr_t ck_socket;
#define CK_NO_SOCKET ((ck_socket) - 1)

enum { CK_LEASE_MESSAGE = 1024 }; /* bytes of the longest message over a lease */

/* What a socket or a lease had to give. */
enum ck_received {
    CK_RECEIVED_FULL = -2, /* this process has no descriptor left for what came, which is lost */
    CK_RECEIVED_GONE = -1,
    CK_RECEIVED_NOTHING = 0,
    CK_RECEIVED_SOME = 1,
};

/* Seconds on a clock that nobody sets. */
double ck_now(void);

void ck_mutex_init(ck_mutex *mutex);
void ck_mutex_end(ck_mutex *mutex);
void ck_mutex_lock(ck_mutex *mutex);
void ck_mutex_unlock(ck_mutex *mutex);
int ck_condition_init(ck_condition *condition); /* 0, or -1 */
void ck_condition_end(ck_condition *condition);
void ck_condition_wake_all(ck_condition *condition);
/* Wait until woken, or until ck_now() is `until`; may return early. */
void ck_condition_wait(ck_condition *condition, ck_mutex *mutex, double until);

/* Connect to the daemon's control socket, whose path (Windows: the file with its port) is `path`, by ck_now() ==
   `until`. The socket never blocks, is closed on exec and raises no signal. 0; -1 if nobody listens; -2 if it took too
   long; -3 if there is no memory or no descriptor for it. */
int ck_dial(const char *path, double until, ck_socket *connection);

/* Receive at most `room` bytes; *size is how many came. */
enum ck_received ck_socket_receive(ck_socket connection, void *data, size_t room, size_t *size);

/* Send all `size` bytes by ck_now() == `until`. 0, or -1: what was sent in part cannot be taken back. */
int ck_socket_send(ck_socket connection, const void *data, size_t size, double until);

void ck_socket_close(ck_socket connection);

/* Memory that came over a lease. */
typedef struct ck_region {
    intptr_t handle; /* descriptor or handle, -1 if there is none */
} ck_region;

/* Map `size` bytes, shared, readable and writable, backed at once, kept out of forked children; null if that fails. */
void *ck_region_map(const ck_region *region, size_t size);
void ck_region_unmap(void *memory, size_t size);
void ck_region_close(ck_region *region);

/* The connection that a session lives as long as. */
typedef struct ck_lease ck_lease;

/* Connect to the lease's socket at `path`; as ck_dial. */
int ck_lease_open(const char *path, double until, ck_lease **lease);

/* Receive a message and what came with it; never waits. data: CK_LEASE_MESSAGE bytes. *region has the handle -1 if none
   came; a message that is too long, or has more than one region, is as good as the daemon's end. */
enum ck_received ck_lease_receive(ck_lease *lease, uint8_t *data, size_t *size, ck_region *region);

/* What ck_wait_readable can wait for. */
ck_socket ck_lease_socket(const ck_lease *lease);
void ck_lease_close(ck_lease *lease);

/* Wait until one of two sockets has something to receive or is gone, or until ck_now() is `until`. 1 if so. */
int ck_wait_readable(ck_socket one, ck_socket other, double until);

/* The user's number, 0 on Windows. */
uint32_t ck_user(void);

/* The process's number; not the parent's in a forked child. */
int64_t ck_process(void);

/* Whether there is something at a path. */
int ck_path_exists(const char *path);

/* How a folder looks to who wants to meet the daemon there. */
enum ck_folder_state {
    CK_FOLDER_PRIVATE,   /* the user's alone, and no symbolic link; on Windows: a folder */
    CK_FOLDER_MISSING,   /* not there: no daemon runs */
    CK_FOLDER_LINK,      /* a symbolic link */
    CK_FOLDER_NO_FOLDER, /* something else */
    CK_FOLDER_FOREIGN,   /* another user's */
    CK_FOLDER_OPEN,      /* others may enter */
    CK_FOLDER_UNREADABLE,
};
enum ck_folder_state ck_folder_state(const char *path);

/* The longest path of a socket in bytes. */
size_t ck_socket_path_limit(void);

/* Call `work` in children of this process after fork, and lock `mutex` over the fork; nothing on Windows. Asking again
   changes nothing. 0, or -1. */
int ck_after_fork(void (*work)(void), ck_mutex *mutex);

#endif
