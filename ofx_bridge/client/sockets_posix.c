/* SPDX-License-Identifier: Apache-2.0 */
/* Linux and macOS: sockets of the Unix family that never block. Knows no messages. No Mac has run it: what differs
   there is written from the manuals. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deadline.h"
#include "sockets_posix.h"

static const int AGAIN_MS = 5; /* until a full queue of connections is asked again */
/* 1 if one of `count` sockets has what it is asked for, or an error; 0 when time is over. */
static int wait_for(struct pollfd *asked, nfds_t count, double until) {
    for (;;) {
        int left = ck_milliseconds_until(until);
        int ready = poll(asked, count, left);
        if (ready > 0)
            return 1;
        if (ready < 0 && errno != EINTR && errno != EAGAIN)
            return 0;
        if (left == 0)
            return 0;
    }
}

#if defined(__APPLE__)

enum { SEND_FLAGS = 0 };

static int new_socket(int type) {
    int made = socket(AF_UNIX, type, 0);
    const int yes = 1;
    if (made < 0)
        return -1;
    if (fcntl(made, F_SETFD, FD_CLOEXEC) == 0 && fcntl(made, F_SETFL, O_NONBLOCK) == 0 &&
        setsockopt(made, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes) == 0)
        return made;
    close(made);
    return -1;
}

#else

enum { SEND_FLAGS = MSG_NOSIGNAL };

static int new_socket(int type) {
    return socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

#endif

/* Whether a connect that failed with `reason` may succeed when asked again: Linux says EAGAIN of a full queue. */
static int is_worth_repeating(int reason) {
    return reason == EAGAIN || reason == EINTR || reason == EINPROGRESS || reason == EALREADY;
}

static int reach(int made, const struct sockaddr_un *address, double until) {
    for (;;) {
        if (connect(made, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EISCONN)
            return 0;
        if (!is_worth_repeating(errno))
            return -1;
        int left = ck_milliseconds_until(until);
        if (left == 0)
            return -2;
        poll(NULL, 0, left < AGAIN_MS ? left : AGAIN_MS);
    }
}

int ck_connect(const char *path, int type, double until, ck_socket *connection) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *connection = CK_NO_SOCKET;
    /* An empty path would be a name of Linux's own, which anybody can take. */
    if (path[0] == '\0' || strlen(path) > ck_socket_path_limit())
        return -1;
    strcpy(address.sun_path, path);
    int made = new_socket(type);
    if (made < 0)
        return -3;
    int failed = reach(made, &address, until);
    if (failed)
        close(made);
    else
        *connection = made;
    return failed;
}

int ck_dial(const char *path, double until, ck_socket *connection) {
    return ck_connect(path, SOCK_STREAM, until, connection);
}

enum ck_received ck_socket_receive(ck_socket connection, void *data, size_t room, size_t *size) {
    *size = 0;
    if (room == 0) /* recv would answer as at the end */
        return CK_RECEIVED_NOTHING;
    for (;;) {
        ssize_t got = recv((int)connection, data, room, 0);
        if (got > 0) {
            *size = (size_t)got;
            return CK_RECEIVED_SOME;
        }
        if (got == 0)
            return CK_RECEIVED_GONE;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return CK_RECEIVED_NOTHING;
        if (errno != EINTR)
            return CK_RECEIVED_GONE;
    }
}

int ck_socket_send(ck_socket connection, const void *data, size_t size, double until) {
    const char *rest = data;
    struct pollfd asked = {.fd = (int)connection, .events = POLLOUT};
    while (size > 0) {
        ssize_t sent = send((int)connection, rest, size, SEND_FLAGS);
        if (sent >= 0) {
            rest += sent;
            size -= (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_for(&asked, 1, until))
                return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

void ck_socket_close(ck_socket connection) {
    if (connection != CK_NO_SOCKET)
        close((int)connection);
}

int ck_wait_readable(ck_socket one, ck_socket other, double until) {
    /* poll skips a descriptor below 0, which CK_NO_SOCKET is. */
    struct pollfd asked[] = {{.fd = (int)one, .events = POLLIN}, {.fd = (int)other, .events = POLLIN}};
    return wait_for(asked, 2, until);
}
