/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <stdlib.h>
#include <string.h>

#include "../include/corridorkey.h"
#include "failures.h"
#include "folder.h"
#include "sentence.h"

#define SEND 0.1 /* seconds within which the daemon has to take what is sent */

/* The conversations of this process, for a child that is forked: it must not keep their sessions alive. */
static ck_mutex links_mutex = CK_MUTEX_INIT;
static ck_link *links;

static int no_daemon(void) {
    return ck_fail(CK_DOWN, "no CorridorKey daemon runs; start it with `ckey start`.");
}

static int turned_away(void) {
    return ck_fail(CK_REFUSED,
                   "the CorridorKey daemon closed the connection; see its log: it belongs to somebody else, "
                   "or has as many sessions as it can.");
}

static int no_memory(void) {
    return ck_fail(CK_NO_MEMORY,
                   "this program has no memory left, or too many files open; close something and try again.");
}

static int not_connected(int why) {
    return why == -1 ? no_daemon() : why == -2 ? ck_fail_silent() : no_memory();
}

int ck_link_stranger(void) {
    return ck_fail(CK_VERSION,
                   "what answers is no CorridorKey daemon of this version; install the same version on both "
                   "sides.");
}

static int not_shaken(int status) {
    switch (status) {
    case CK_OK:
        return CK_OK;
    case CK_DOWN:
        return no_daemon();
    case CK_SILENT:
        return ck_fail_silent();
    case CK_NO_MEMORY:
        return no_memory();
    default:
        return ck_link_stranger();
    }
}

static int find_place(const char *name, char *path) {
    int status = ck_folder_path(name, path);
    return status == CK_DOWN ? no_daemon() : status;
}

static int connect_both(ck_link *link, double until) {
    char path[CK_FOLDER_ROOM];
    ck_socket connection;
    int status = find_place("lease", path);
    if (status != CK_OK)
        return status;
    int why = ck_lease_open(path, until, &link->lease);
    if (why != 0)
        return not_connected(why);
    status = find_place("control", path);
    if (status != CK_OK)
        return status;
    why = ck_dial(path, until, &connection);
    return why != 0 ? not_connected(why) : not_shaken(ck_dealer_open(&link->dealer, connection, until));
}

/* Receive the lease's first message, which has the session's token. */
static int receive_token(ck_link *link, double until, ck_lease_said *said) {
    uint8_t data[CK_LEASE_MESSAGE];
    size_t size;
    for (;;) {
        ck_region region;
        enum ck_received got = ck_lease_receive(link->lease, data, &size, &region);
        if (got == CK_RECEIVED_GONE || got == CK_RECEIVED_FULL)
            return turned_away();
        if (got == CK_RECEIVED_SOME) {
            ck_region_close(&region);
            int is_token = ck_decode_lease(data, size, said) == 0 && said->op == CK_LEASE_OPENED;
            return is_token ? CK_OK : ck_link_stranger();
        }
        if (ck_now() >= until)
            return ck_fail_silent();
        ck_wait_readable(ck_lease_socket(link->lease), ck_lease_socket(link->lease), until);
    }
}

static int refusal(const ck_reply *reply) {
    int status = reply->code == CK_CODE_VERSION ? CK_VERSION : CK_REFUSED;
    return ck_fail_refused(status, reply);
}

static int check_welcome(const ck_reply *reply) {
    if (reply->op == CK_OP_ERROR)
        return refusal(reply);
    if (reply->op == CK_OP_BUSY)
        return ck_fail(CK_REFUSED, "the CorridorKey daemon is busy: %s; try again.", reply->reason);
    if (reply->version < CK_PROTOCOL_OLDEST || reply->version > CK_PROTOCOL_VERSION)
        return ck_fail(CK_VERSION,
                       "the CorridorKey daemon speaks version %u of the protocol and this plug-in %d; install "
                       "the same version on both sides.",
                       (unsigned)reply->version, CK_PROTOCOL_VERSION);
    return reply->slot_limit >= 1 || reply->session == 0 ? CK_OK : ck_link_stranger();
}

static int say_hello(ck_link *link, const char *name, const uint8_t *token, double until) {
    uint8_t data[CK_REQUEST_ROOM];
    ck_writer message;
    uint64_t id = ck_link_id(link);
    ck_writer_init(&message, data, sizeof data);
    ck_encode_hello(&message, id, token, name);
    if (ck_link_send(link, &message) != 0)
        return no_daemon();
    for (;;) {
        enum ck_received got = ck_link_receive(link);
        if (got == CK_RECEIVED_GONE || got == CK_RECEIVED_FULL)
            return turned_away();
        if (got == CK_RECEIVED_SOME && link->reply.id == id)
            return check_welcome(&link->reply);
        if (got == CK_RECEIVED_NOTHING && ck_now() >= until)
            return ck_fail_silent();
        if (got == CK_RECEIVED_NOTHING)
            ck_link_wait(link, until);
    }
}

static int converse(ck_link *link, const char *name, int visit, double until) {
    ck_lease_said said;
    int status = connect_both(link, until);
    if (status == CK_OK && !visit)
        status = receive_token(link, until, &said);
    return status == CK_OK ? say_hello(link, name, visit ? NULL : said.token, until) : status;
}

static void hang_up(ck_link *link) {
    ck_dealer_close(&link->dealer);
    if (link->lease != NULL)
        ck_lease_close(link->lease);
    link->lease = NULL;
}

static void leave_to_parent(void) {
    for (ck_link *link = links; link != NULL; link = link->next)
        hang_up(link);
    links = NULL;
}

static void enlist(ck_link *link) {
    ck_mutex_lock(&links_mutex);
    link->next = links;
    links = link;
    ck_mutex_unlock(&links_mutex);
}

static void strike_off(const ck_link *link) {
    ck_mutex_lock(&links_mutex);
    ck_link **each = &links;
    while (*each != NULL && *each != link)
        each = &(*each)->next;
    if (*each != NULL)
        *each = link->next;
    ck_mutex_unlock(&links_mutex);
}

int ck_link_open(const char *name, int visit, double timeout, ck_link **link) {
    ck_link *made = ck_after_fork(leave_to_parent, &links_mutex) == 0 ? calloc(1, sizeof *made) : NULL;
    if (made == NULL)
        return no_memory();
    made->dealer.connection = CK_NO_SOCKET;
    enlist(made);
    int status = converse(made, name, visit, ck_now() + timeout);
    if (status != CK_OK)
        ck_link_close(made);
    else
        *link = made;
    return status;
}

void ck_link_close(ck_link *link) {
    if (link == NULL)
        return;
    strike_off(link);
    hang_up(link);
    for (int index = 0; index < link->arrival_count; index++)
        ck_region_close(&link->arrivals[index].region);
    free(link);
}

uint64_t ck_link_id(ck_link *link) {
    return ++link->last_id;
}

int ck_link_send(ck_link *link, const ck_writer *message) {
    return message->full ? -1 : ck_dealer_send(&link->dealer, message->data, message->size, ck_now() + SEND);
}

void ck_link_keep_region(ck_link *link, ck_arrival *arrival) {
    if (link->arrival_count == CK_ARRIVALS)
        ck_region_close(&arrival->region);
    else
        link->arrivals[link->arrival_count++] = *arrival;
}

/* Keep what came over the lease, if it says something sensible. */
static void take_region(ck_link *link, const uint8_t *data, size_t size, ck_region *region) {
    ck_lease_said said;
    if (ck_decode_lease(data, size, &said) != 0 || said.op != CK_LEASE_REGION || region->handle == -1) {
        ck_region_close(region);
        return;
    }
    ck_arrival arrival = {said.slot, said.size, *region};
    ck_link_keep_region(link, &arrival);
}

static enum ck_received receive_regions(ck_link *link) {
    uint8_t data[CK_LEASE_MESSAGE];
    size_t size;
    for (;;) {
        ck_region region;
        enum ck_received got = ck_lease_receive(link->lease, data, &size, &region);
        if (got != CK_RECEIVED_SOME)
            return got;
        take_region(link, data, size, &region);
    }
}

enum ck_received ck_link_receive(ck_link *link) {
    for (;;) {
        const uint8_t *body;
        size_t size;
        enum ck_received got = ck_dealer_receive(&link->dealer, &body, &size);
        if (got == CK_RECEIVED_NOTHING)
            return receive_regions(link);
        if (got == CK_RECEIVED_GONE)
            return got;
        if (ck_decode_reply(body, size, &link->reply) == 0 && link->reply.op != CK_OP_UNKNOWN)
            return got;
    }
}

void ck_link_wait(const ck_link *link, double until) {
    ck_wait_readable(link->dealer.connection, ck_lease_socket(link->lease), until);
}

int ck_link_take_region(ck_link *link, uint32_t slot, ck_arrival *arrival) {
    for (int index = 0; index < link->arrival_count; index++) {
        if (link->arrivals[index].slot != slot)
            continue;
        *arrival = link->arrivals[index];
        link->arrivals[index] = link->arrivals[--link->arrival_count];
        return 1;
    }
    return 0;
}
