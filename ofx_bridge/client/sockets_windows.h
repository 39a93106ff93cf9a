/* SPDX-License-Identifier: Apache-2.0 */
/* What the control connection and the lease share on Windows. */
#ifndef CK_SOCKETS_WINDOWS_H
#define CK_SOCKETS_WINDOWS_H

#include "system.h"

/* Connect to the port that the file at `path` tells, and send the secret that it tells if `has_secret`; see ck_dial. */
int ck_connect(const char *path, int has_secret, double until, ck_socket *connection);

#endif
