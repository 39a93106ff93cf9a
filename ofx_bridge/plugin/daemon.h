/* SPDX-License-Identifier: Apache-2.0 */
/* The process's one client of the daemon, made when a render or a button first needs it. */
#ifndef CK_DAEMON_H
#define CK_DAEMON_H

#include "../include/corridorkey.h"

/* The client; connects to nothing. CK_OK, or what ck_open says. */
int ck_daemon(ck_client **client);

/* End it; no frame of it is left. The next ck_daemon makes another one. */
void ck_daemon_end(void);

#endif
