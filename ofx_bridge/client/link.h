/* SPDX-License-Identifier: Apache-2.0 */
/* One conversation with the daemon: the lease, the control connection, and memory that comes. Not for several threads
   at once. Knows no frames. */
#ifndef CK_LINK_H
#define CK_LINK_H

#include "messages.h"
#include "system.h"
#include "zmtp.h"

enum {
    CK_REQUEST_ROOM = 16384, /* bytes of the longest request: 64 parameters of two words each */
    CK_ARRIVALS = 16,        /* regions that have come and were not taken */
};

/* Memory that has come over the lease. */
typedef struct ck_arrival {
    uint32_t slot;
    uint64_t size;
    ck_region region;
} ck_arrival;

typedef struct ck_link ck_link;
struct ck_link {
    ck_link *next; /* of the process */
    ck_dealer dealer;
    ck_lease *lease;
    uint64_t last_id;
    ck_arrival arrivals[CK_ARRIVALS];
    int arrival_count;
    ck_reply reply; /* what ck_link_receive has received */
};

/* Connect within `timeout` seconds. `reply` holds the daemon's WELCOME. A child that is forked leaves the conversation to
   its parent: the connections are closed there.
   visit: ask for no session; there are no slots then.
   CK_OK, or with ck_error: CK_DOWN, CK_SILENT, CK_UNSAFE, CK_VERSION, CK_REFUSED, CK_NO_MEMORY. */
int ck_link_open(const char *name, int visit, double timeout, ck_link **link);

/* End the conversation; null is ignored. */
void ck_link_close(ck_link *link);

/* A number for a request. */
uint64_t ck_link_id(ck_link *link);

/* Send a message that was written; 0, or -1 if the daemon takes nothing any more. */
int ck_link_send(ck_link *link, const ck_writer *message);

/* Receive the next reply into `reply`; never waits. What is not understood is passed over, since a newer daemon may
   tell more. The daemon's last words come before word of its end. */
enum ck_received ck_link_receive(ck_link *link);

/* Wait until something has come or ck_now() is `until`. */
void ck_link_wait(const ck_link *link, double until);

/* Take the memory of a slot, if it has come; 1 if so. The region is the caller's then. */
int ck_link_take_region(ck_link *link, uint32_t slot, ck_arrival *arrival);

/* Keep memory that has come, or come back, until it is taken. */
void ck_link_keep_region(ck_link *link, ck_arrival *arrival);

/* Fail because what answers is no daemon that this library understands: CK_VERSION, with ck_error. */
int ck_link_stranger(void);

#endif
