/* SPDX-License-Identifier: Apache-2.0 */
/* See daemon.h. All instances share it: the daemon knows a host as one session, whatever its number of nodes. */
#include "daemon.h"

#include <stddef.h>

#include "../client/system.h"
#include "host.h"

/* How long connecting may take: while an artist waits, and on a farm. */
enum { SHORT_MS = 250, LONG_MS = 5000 };

static ck_mutex mutex = CK_MUTEX_INIT;
static ck_client *kept;
static int64_t owner; /* the process that made it: a forked child has to make its own */

int ck_daemon(ck_client **client) {
    int status = CK_OK;
    ck_mutex_lock(&mutex);
    if (kept && owner != ck_process())
        kept = NULL;
    owner = ck_process();
    if (!kept)
        status = ck_open(CK_ABI, ck_this_host.title, ck_this_host.is_background ? LONG_MS : SHORT_MS, &kept);
    *client = kept;
    ck_mutex_unlock(&mutex);
    return status;
}

void ck_daemon_end(void) {
    ck_mutex_lock(&mutex);
    ck_close(kept);
    kept = NULL;
    ck_mutex_unlock(&mutex);
}
