/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: TCP connections on 127.0.0.1 that never block, to a port that a file tells. Knows no messages. Written from
   the manuals and compiled, but no Windows has run it. Windows asks a port where nobody listens again, for longer than
   an artist waits: there a daemon that is gone looks like one that is late. */
#include "sockets_windows.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "deadline.h"

enum { SECRET_SIZE = 32, PLACE_ROOM = 128 };

static INIT_ONCE winsock = INIT_ONCE_STATIC_INIT;

static BOOL CALLBACK start_winsock(PINIT_ONCE once, PVOID argument, PVOID *context) {
    WSADATA about;
    (void)once;
    (void)argument;
    (void)context;
    return WSAStartup(MAKEWORD(2, 2), &about) == 0;
}

/* 1 if one of `count` sockets has what it is asked for, or an error; 0 when time is over. */
static int wait_for(WSAPOLLFD *asked, ULONG count, double until) {
    for (;;) {
        int left = ck_milliseconds_until(until);
        int ready = 0;
        if (count > 0)
            ready = WSAPoll(asked, count, left);
        else
            Sleep((DWORD)left);
        if (ready != 0 || left == 0)
            return ready > 0;
    }
}

/* The value of a hexadecimal digit, -1 of anything else. */
static int digit_of(char sign) {
    if (sign >= '0' && sign <= '9')
        return sign - '0';
    if (sign >= 'a' && sign <= 'f')
        return sign - 'a' + 10;
    return -1;
}

/* Read a secret in hexadecimal digits. 0, or -1. */
static int parse_secret(const char *text, uint8_t *secret) {
    for (int index = 0; index < SECRET_SIZE; index++) {
        int high = digit_of(text[2 * index]);
        int low = high < 0 ? -1 : digit_of(text[2 * index + 1]);
        if (low < 0)
            return -1;
        secret[index] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

/* Read "port", or "port secret" if there is to be one. 0, or -1. */
static int parse_place(const char *text, u_short *port, int has_secret, uint8_t *secret) {
    unsigned number = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        number = 10 * number + (unsigned)(*text - '0');
        if (number > 65535)
            return -1;
    }
    *port = (u_short)number;
    if (number == 0)
        return -1;
    return !has_secret ? 0 : *text == ' ' ? parse_secret(text + 1, secret) : -1;
}

static int read_place(const char *path, u_short *port, int has_secret, uint8_t *secret) {
    char text[PLACE_ROOM];
    FILE *file = fopen(path, "rbN"); /* not inherited */
    if (file == NULL)
        return -1;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    return parse_place(text, port, has_secret, secret);
}

static SOCKET new_socket(void) {
    SOCKET made =
        WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (made == INVALID_SOCKET)
        return INVALID_SOCKET;
    u_long yes = 1;
    const char now = 1;
    if (ioctlsocket(made, FIONBIO, &yes) == 0 && setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &now, sizeof now) == 0)
        return made;
    closesocket(made);
    return INVALID_SOCKET;
}

/* Wait until a connection is made. Not with WSAPoll, which before Windows 10 2004 never told that it was refused; the
   sets of select are lists of handles here, which no number is too large for. */
static int wait_connected(SOCKET made, double until) {
    int left = ck_milliseconds_until(until);
    struct timeval patience = {left / 1000, left % 1000 * 1000};
    fd_set connected = {1, {made}}, refused = {1, {made}};
    int ready = select(0, NULL, &connected, &refused, &patience);
    if (ready == 0)
        return -2;
    return ready > 0 && connected.fd_count == 1 && refused.fd_count == 0 ? 0 : -1;
}

static int reach(SOCKET made, u_short port, double until) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(made, (const struct sockaddr *)&address, sizeof address) == 0)
        return 0;
    return WSAGetLastError() == WSAEWOULDBLOCK ? wait_connected(made, until) : -1;
}

int ck_connect(const char *path, int has_secret, double until, ck_socket *connection) {
    uint8_t secret[SECRET_SIZE];
    u_short port;
    *connection = CK_NO_SOCKET;
    if (read_place(path, &port, has_secret, secret) != 0)
        return -1;
    if (!InitOnceExecuteOnce(&winsock, start_winsock, NULL, NULL))
        return -3;
    SOCKET made = new_socket();
    if (made == INVALID_SOCKET)
        return -3;
    int failed = reach(made, port, until);
    if (!failed && has_secret)
        failed = ck_socket_send((ck_socket)made, secret, sizeof secret, until);
    if (failed)
        closesocket(made);
    else
        *connection = (ck_socket)made;
    return failed;
}

int ck_dial(const char *path, double until, ck_socket *connection) {
    return ck_connect(path, 0, until, connection);
}

enum ck_received ck_socket_receive(ck_socket connection, void *data, size_t room, size_t *size) {
    *size = 0;
    if (room == 0) /* recv would answer as at the end */
        return CK_RECEIVED_NOTHING;
    int got = recv((SOCKET)connection, data, room < INT_MAX ? (int)room : INT_MAX, 0);
    if (got > 0) {
        *size = (size_t)got;
        return CK_RECEIVED_SOME;
    }
    return got < 0 && WSAGetLastError() == WSAEWOULDBLOCK ? CK_RECEIVED_NOTHING : CK_RECEIVED_GONE;
}

int ck_socket_send(ck_socket connection, const void *data, size_t size, double until) {
    const char *rest = data;
    WSAPOLLFD asked = {.fd = (SOCKET)connection, .events = POLLOUT};
    while (size > 0) {
        int sent = send((SOCKET)connection, rest, size < INT_MAX ? (int)size : INT_MAX, 0);
        if (sent >= 0) {
            rest += sent;
            size -= (size_t)sent;
        } else if (WSAGetLastError() != WSAEWOULDBLOCK || !wait_for(&asked, 1, until)) {
            return -1;
        }
    }
    return 0;
}

void ck_socket_close(ck_socket connection) {
    if (connection != CK_NO_SOCKET)
        closesocket((SOCKET)connection);
}

int ck_wait_readable(ck_socket one, ck_socket other, double until) {
    WSAPOLLFD asked[2] = {{.fd = (SOCKET)one, .events = POLLIN}};
    ULONG count = one == CK_NO_SOCKET ? 0 : 1;
    if (other != CK_NO_SOCKET) {
        WSAPOLLFD second = {.fd = (SOCKET)other, .events = POLLIN};
        asked[count++] = second;
    }
    return wait_for(asked, count, until);
}
