/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds broken messages to the C client's decoders: wire_fuzz FILE COUNT SEED, with one golden message a line in FILE,
   "r <hex>" a reply, "l <hex>" what comes over the lease. Built with ASan and UBSan, which see what is read or written
   beyond its end; what was decoded is checked here. Prints how many mutants were accepted and refused. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../ofx_bridge/client/messages.h"
#include "../../ofx_bridge/client/msgpack.h"
#include "../../ofx_bridge/client/zmtp.h"
#include "../../ofx_bridge/include/corridorkey.h"

enum { GOLDEN = 256, ROOM = 65536, STREAM_ROOM = 4 * ROOM, GREETING_SIZE = 64, OPENING_SIZE = GREETING_SIZE + 30 };

typedef struct golden {
    char kind;
    size_t size;
    uint8_t *data;
} golden;

typedef struct mutant {
    char kind;
    size_t size;
    uint8_t data[ROOM];
} mutant;

static golden goldens[GOLDEN];
static size_t golden_count;
static uint64_t state;
static unsigned long accepted, refused, heard, mute;
static ck_reply reply;

/* splitmix64 */
static uint64_t dice(void) {
    uint64_t mixed = state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

static size_t below(size_t bound) {
    return bound ? (size_t)(dice() % bound) : 0;
}

static void need(int holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "out of range: %s\n", what);
    exit(1);
}

static int digit(char letter) {
    return letter <= '9' ? letter - '0' : letter - 'a' + 10;
}

static void add_golden(const char *line) {
    size_t size = strspn(line + 2, "0123456789abcdef") / 2;
    need(golden_count < GOLDEN && size <= ROOM / 4, "the golden file");
    golden *made = &goldens[golden_count++];
    *made = (golden){line[0], size, malloc(size)};
    need(made->data != NULL, "memory");
    for (size_t i = 0; i < size; i++)
        made->data[i] = (uint8_t)(digit(line[2 + 2 * i]) << 4 | digit(line[3 + 2 * i]));
}

static void load(const char *path) {
    static char line[ROOM];
    FILE *file = fopen(path, "r");
    need(file != NULL, path);
    while (fgets(line, sizeof line, file))
        add_golden(line);
    fclose(file);
    need(golden_count > 0, path);
}

/* Replace `gone` bytes at `at` by others. */
static void put_bytes(uint8_t *data, size_t *size, size_t at, size_t gone, const uint8_t *bytes, size_t count) {
    uint8_t kept[64];
    if (count > sizeof kept || at + gone > *size || *size - gone + count > ROOM)
        return;
    if (count)
        memcpy(kept, bytes, count);
    memmove(data + at + count, data + at + gone, *size - at - gone);
    memcpy(data + at, kept, count);
    *size += count - gone;
}

static void insert_any(uint8_t *data, size_t *size, size_t at) {
    uint8_t bytes[8];
    uint64_t random = dice();
    memcpy(bytes, &random, sizeof bytes);
    put_bytes(data, size, at, 0, bytes, 1 + below(8));
}

/* Put the head of something that is far too long, or just too long. */
static void blow_up(uint8_t *data, size_t *size, size_t at) {
    static const uint8_t codes[] = {0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf,
                                    0x8f, 0x9f, 0xbf, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xca, 0xcb};
    uint8_t head[9] = {codes[below(sizeof codes)]};
    uint64_t number = below(2) ? dice() >> below(64) : ~(uint64_t)0;
    memcpy(head + 1, &number, 8);
    put_bytes(data, size, at, below(*size - at + 1) % 4, head, 1 + below(9));
}

/* Put a piece of another golden message in the place of what is there. */
static void splice_other(uint8_t *data, size_t *size, size_t at) {
    const golden *other = &goldens[below(golden_count)];
    size_t from = below(other->size), count = below(other->size - from + 1);
    put_bytes(data, size, at, below(*size - at + 1), other->data + from, count > 64 ? 64 : count);
}

static void mutate(uint8_t *data, size_t *size) {
    static const uint8_t bytes[] = {0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0xa0, 0xc0, 0xc1, 0xc2, 0xc3, 0xd4, 0xe0, 0xff};
    size_t at = below(*size);
    switch (below(8)) {
    case 0:
    case 1:
        if (*size)
            data[at] ^= (uint8_t)(1u << below(8));
        break;
    case 2:
        if (*size)
            data[at] = bytes[below(sizeof bytes)];
        break;
    case 3:
        if (*size)
            data[at] = (uint8_t)dice();
        break;
    case 4:
        *size = at;
        break;
    case 5:
        insert_any(data, size, at);
        break;
    case 6:
        splice_other(data, size, at);
        break;
    default:
        blow_up(data, size, at);
    }
}

static void check_text(const char *text, size_t room, const char *what) {
    need(memchr(text, 0, room) != NULL, what);
}

#define CHECK_TEXT(member) check_text(reply.member, sizeof reply.member, #member)
#define IS_FLAG(value) ((value) == 0 || (value) == 1)

static void check_slot_ready(void) {
    need(reply.slot > 0 && reply.size > 0, "slot");
    need(reply.layout.width > 0 && reply.layout.width <= CK_SIDE_LIMIT, "width");
    need(reply.layout.height > 0 && reply.layout.height <= CK_SIDE_LIMIT, "height");
    need(IS_FLAG(reply.layout.masks) && IS_FLAG(reply.layout.hint) && IS_FLAG(reply.fresh), "flags");
}

static void check_result(void) {
    need(reply.slot > 0 && reply.gen > 0, "slot or generation");
    need(IS_FLAG(reply.empty) && IS_FLAG(reply.kept), "flags");
    need(reply.total >= -1e18 && reply.total <= 1e18, "total");
}

static void check_reply(void) {
    CHECK_TEXT(boot);
    CHECK_TEXT(device);
    CHECK_TEXT(model);
    CHECK_TEXT(quality);
    CHECK_TEXT(stage);
    CHECK_TEXT(notes);
    CHECK_TEXT(reason);
    CHECK_TEXT(sentence);
    CHECK_TEXT(next);
    need(reply.slot_limit >= -1e18 && reply.slot_limit <= 1e18, "slot_limit");
    need(reply.fraction >= 0 && reply.fraction <= 1, "fraction");
    need(reply.seconds >= 0 && reply.seconds <= 3600, "seconds");
    need(reply.code >= 0 && reply.code < CK_CODE_COUNT, "code");
    need(reply.screen >= -1 && reply.screen <= 1, "screen");
    need(reply.op >= CK_OP_UNKNOWN && reply.op <= CK_OP_ERROR, "op");
    if (reply.op == CK_OP_SLOT_READY)
        check_slot_ready();
    if (reply.op == CK_OP_RESULT)
        check_result();
}

static int feed_reply(const uint8_t *data, size_t size) {
    if (ck_decode_reply(data, size, &reply))
        return 0;
    check_reply();
    return 1;
}

static int feed_lease(const uint8_t *data, size_t size) {
    ck_lease_said said;
    if (ck_decode_lease(data, size, &said))
        return 0;
    need(said.op != CK_LEASE_OPENED || said.session > 0, "session");
    need(said.op != CK_LEASE_REGION || (said.slot > 0 && said.size > 0), "region");
    return 1;
}

static void walk(const uint8_t *data, size_t size) {
    ck_reader reader;
    ck_value value;
    ck_reader_init(&reader, data, size);
    while (!ck_read(&reader, &value) && !ck_skip(&reader, &value))
        need(reader.at > data && reader.at <= data + size, "where the reader is");
}

/* A copy that ends where its memory ends. */
static uint8_t *exact(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size);
    need(copy != NULL, "memory");
    memcpy(copy, data, size);
    return copy;
}

static void feed(const mutant *fed) {
    uint8_t *data = exact(fed->data, fed->size);
    int taken = fed->kind == 'r' ? feed_reply(data, fed->size) : feed_lease(data, fed->size);
    *(taken ? &accepted : &refused) += 1;
    walk(data, fed->size);
    free(data);
}

static size_t put_opening(uint8_t *to) {
    static const uint8_t greeting[GREETING_SIZE] = {0xff, [9] = 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    memcpy(to, greeting, GREETING_SIZE);
    memcpy(to + GREETING_SIZE, "\x04\x1c\5READY\13Socket-Type\0\0\0\6ROUTER", 30);
    return OPENING_SIZE;
}

/* A daemon's words: a PING, and the mutant as a message; broken again in a place that may be the handshake. */
static size_t make_stream(const mutant *fed, uint8_t *to) {
    size_t size = put_opening(to), message = 0;
    uint8_t *at = to + size;
    const uint8_t head[] = {4, 8, 4, 'P', 'I', 'N', 'G', 0, 0, 'c', 1, 4, 'C', 'K', 'P', '1', 2, 0, 0, 0, 0, 0, 0};
    memcpy(at, head, sizeof head);
    at[sizeof head] = (uint8_t)(fed->size >> 8);
    at[sizeof head + 1] = (uint8_t)fed->size;
    memcpy(at + sizeof head + 2, fed->data, fed->size);
    message = sizeof head + 2 + fed->size;
    size += message;
    if (below(4) == 0)
        mutate(to, &size);
    else if (below(2))
        mutate(at, &message), size = OPENING_SIZE + message;
    return size;
}

static int connect_dealer(const uint8_t *words, size_t size, ck_dealer *dealer, int *peer) {
    int pair[2];
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "a pair of sockets");
    need(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0, "a socket that does not wait");
    need(write(pair[1], words, size) == (ssize_t)size, "what a socket takes");
    need(shutdown(pair[1], SHUT_WR) == 0, "an end");
    *peer = pair[1];
    return ck_dealer_open(dealer, pair[0], ck_now() + 10);
}

static void feed_dealer(const mutant *fed) {
    static uint8_t words[STREAM_ROOM];
    ck_dealer dealer;
    int peer;
    size_t size = make_stream(fed, words);
    int status = connect_dealer(words, size, &dealer, &peer);
    need(status == CK_OK || status == CK_DOWN || status == CK_VERSION, "the status of a handshake");
    if (status == CK_OK) {
        const uint8_t *body;
        enum ck_received got;
        while ((got = ck_dealer_receive(&dealer, &body, &size)) == CK_RECEIVED_SOME) {
            uint8_t *data = exact(body, size);
            feed_reply(data, size);
            free(data);
            heard++;
        }
        need(got == CK_RECEIVED_GONE, "the end of a conversation");
    }
    mute += status != CK_OK;
    ck_dealer_close(&dealer);
    close(peer);
}

static void make_mutant(mutant *made) {
    const golden *from = &goldens[below(golden_count)];
    made->kind = from->kind;
    made->size = from->size;
    memcpy(made->data, from->data, from->size);
    for (size_t left = 1 + below(2) * below(4); left; left--)
        mutate(made->data, &made->size);
}

int main(int count, char **words) {
    static mutant made;
    need(count == 4, "what it was called with");
    load(words[1]);
    state = strtoull(words[3], NULL, 10);
    for (unsigned long number = 0, end = strtoul(words[2], NULL, 10); number < end; number++) {
        make_mutant(&made);
        feed(&made);
        if (number % 10 == 0)
            feed_dealer(&made);
    }
    printf("accepted %lu refused %lu heard %lu mute %lu\n", accepted, refused, heard, mute);
    for (size_t i = 0; i < golden_count; i++)
        free(goldens[i].data);
    return 0;
}
