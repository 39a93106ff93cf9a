/* SPDX-License-Identifier: Apache-2.0 */
/* ZMTP 3.0 over the sockets of system.h. Knows no messages, only where they begin and end.

       greeting   FF 8x00 7F | 03 00 | "NULL" padded to 20 | 00 | 31x00
       command    flags 04, size, body; the first is READY with the socket's type
       frame      flags, size, body; flags: 1 more frames follow, 2 size is 8 bytes, big-endian, instead of 1 */
#include "zmtp.h"

#include <stdlib.h>
#include <string.h>

#include "../include/corridorkey.h"
#include "../include/corridorkey_params.h"

enum { MORE_FLAG = 1, LONG_FLAG = 2, COMMAND_FLAG = 4 };
enum { GREETING_SIZE = 64, MECHANISM_AT = 12, MECHANISM_SIZE = 20 };
enum { HEAD_SIZE = 9, FRAMES = 8, ROOM = HEAD_SIZE + CK_MESSAGE_LIMIT, PING_SIZE = 7, CONTEXT_LIMIT = 16 };

static const uint8_t greeting[GREETING_SIZE] = {0xff, [9] = 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
static const char ready[] = "\x04\x1c\5READY\13Socket-Type\0\0\0\6DEALER";
enum { READY_SIZE = sizeof ready - 1 };

/* A frame that has come whole. */
typedef struct frame {
    int flags;
    const uint8_t *body;
    size_t size;
} frame;

static enum ck_received receive_more(ck_dealer *dealer) {
    size_t came;
    dealer->size -= dealer->taken;
    memmove(dealer->received, dealer->received + dealer->taken, dealer->size);
    dealer->taken = 0;
    enum ck_received got =
        ck_socket_receive(dealer->connection, dealer->received + dealer->size, ROOM - dealer->size, &came);
    if (got == CK_RECEIVED_SOME)
        dealer->size += came;
    return got;
}

static uint64_t big_endian(const uint8_t *bytes, size_t size) {
    uint64_t number = 0;
    while (size--)
        number = number << 8 | *bytes++;
    return number;
}

/* Take the first frame. A whole one always fits into ROOM, so there is room to receive more if there is none. */
static enum ck_received take_frame(ck_dealer *dealer, frame *taken) {
    const uint8_t *at = dealer->received + dealer->taken;
    size_t left = dealer->size - dealer->taken;
    if (!left)
        return CK_RECEIVED_NOTHING;
    size_t head = at[0] & LONG_FLAG ? HEAD_SIZE : 2;
    if (left < head)
        return CK_RECEIVED_NOTHING;
    uint64_t size = big_endian(at + 1, head - 1);
    if (size > CK_MESSAGE_LIMIT)
        return CK_RECEIVED_GONE;
    if (left - head < size)
        return CK_RECEIVED_NOTHING;
    *taken = (frame){at[0], at + head, (size_t)size};
    dealer->taken += head + (size_t)size;
    return CK_RECEIVED_SOME;
}

/* Receive more by `until`. */
static int await_more(ck_dealer *dealer, double until) {
    for (;;) {
        enum ck_received got = receive_more(dealer);
        if (got != CK_RECEIVED_NOTHING)
            return got == CK_RECEIVED_SOME ? CK_OK : CK_DOWN;
        if (!ck_wait_readable(dealer->connection, dealer->connection, until))
            return CK_SILENT;
    }
}

static int check_greeting(ck_dealer *dealer, double until) {
    while (dealer->size < GREETING_SIZE) {
        int status = await_more(dealer, until);
        if (status)
            return status;
    }
    const uint8_t *said = dealer->received;
    if (said[0] != 0xff || said[9] != 0x7f || said[10] < 3)
        return CK_VERSION;
    if (memcmp(said + MECHANISM_AT, greeting + MECHANISM_AT, MECHANISM_SIZE) != 0)
        return CK_VERSION;
    dealer->taken = GREETING_SIZE;
    return CK_OK;
}

static int check_ready(ck_dealer *dealer, double until) {
    frame first;
    enum ck_received got;
    while ((got = take_frame(dealer, &first)) == CK_RECEIVED_NOTHING) {
        int status = await_more(dealer, until);
        if (status)
            return status;
    }
    if (got == CK_RECEIVED_GONE || !(first.flags & COMMAND_FLAG))
        return CK_VERSION;
    return first.size >= 6 && !memcmp(first.body, "\5READY", 6) ? CK_OK : CK_VERSION;
}

static int shake_hands(ck_dealer *dealer, double until) {
    uint8_t words[GREETING_SIZE + READY_SIZE];
    if (!dealer->received)
        return CK_NO_MEMORY;
    memcpy(words, greeting, GREETING_SIZE);
    memcpy(words + GREETING_SIZE, ready, READY_SIZE);
    if (ck_socket_send(dealer->connection, words, sizeof words, until))
        return ck_now() < until ? CK_DOWN : CK_SILENT;
    int status = check_greeting(dealer, until);
    return status ? status : check_ready(dealer, until);
}

int ck_dealer_open(ck_dealer *dealer, ck_socket connection, double until) {
    *dealer = (ck_dealer){connection, malloc(ROOM), 0, 0, 0};
    int status = shake_hands(dealer, until);
    if (status)
        ck_dealer_close(dealer);
    return status;
}

/* Write a frame; returns its bytes. */
static size_t put_frame(uint8_t *to, int flags, const void *body, size_t size) {
    int is_long = size > UINT8_MAX;
    size_t head = is_long ? HEAD_SIZE : 2;
    to[0] = (uint8_t)(is_long ? flags | LONG_FLAG : flags);
    for (size_t i = 1; i < head; i++)
        to[i] = (uint8_t)((uint64_t)size >> 8 * (head - 1 - i));
    memcpy(to + head, body, size);
    return head + size;
}

int ck_dealer_send(ck_dealer *dealer, const uint8_t *body, size_t size, double until) {
    /* All at once: the system may keep a second, small piece back until the first has arrived. */
    uint8_t *message = malloc(2 * HEAD_SIZE + strlen(CK_MARK) + size);
    if (!message)
        return -1;
    size_t end = put_frame(message, MORE_FLAG, CK_MARK, strlen(CK_MARK));
    end += put_frame(message + end, 0, body, size);
    int failed = ck_socket_send(dealer->connection, message, end, until);
    free(message);
    return failed;
}

/* PING: two bytes of time to live, then what the PONG has to repeat. Other commands are not known here. */
static int answer(ck_dealer *dealer, const frame *command) {
    uint8_t pong[2 + 5 + CONTEXT_LIMIT], body[5 + CONTEXT_LIMIT] = "\4PONG";
    if (command->size < PING_SIZE || command->size > PING_SIZE + CONTEXT_LIMIT)
        return 0;
    if (memcmp(command->body, "\4PING", 5) != 0)
        return 0;
    memcpy(body + 5, command->body + PING_SIZE, command->size - PING_SIZE);
    size_t size = put_frame(pong, COMMAND_FLAG, body, command->size - 2);
    /* There is room for it, unless the other side has long stopped to take anything. */
    return ck_socket_send(dealer->connection, pong, size, ck_now());
}

/* Take frames up to the end of a message. */
static enum ck_received take_message(ck_dealer *dealer, frame *last) {
    while (dealer->parts < FRAMES) {
        enum ck_received got = take_frame(dealer, last);
        if (got != CK_RECEIVED_SOME)
            return got;
        if (last->flags & COMMAND_FLAG) {
            if (answer(dealer, last))
                return CK_RECEIVED_GONE;
        } else if (last->flags & MORE_FLAG) {
            dealer->parts++;
        } else {
            dealer->parts = 0;
            return CK_RECEIVED_SOME;
        }
    }
    return CK_RECEIVED_GONE;
}

enum ck_received ck_dealer_receive(ck_dealer *dealer, const uint8_t **body, size_t *size) {
    frame last;
    if (!dealer->received)
        return CK_RECEIVED_GONE;
    enum ck_received got = take_message(dealer, &last);
    if (got == CK_RECEIVED_NOTHING) {
        got = receive_more(dealer);
        if (got == CK_RECEIVED_SOME)
            got = take_message(dealer, &last);
    }
    if (got == CK_RECEIVED_SOME) {
        *body = last.body;
        *size = last.size;
    }
    return got;
}

void ck_dealer_close(ck_dealer *dealer) {
    ck_socket_close(dealer->connection);
    free(dealer->received);
    *dealer = (ck_dealer){.connection = CK_NO_SOCKET};
}
