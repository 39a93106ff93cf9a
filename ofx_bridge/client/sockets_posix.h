/* SPDX-License-Identifier: Apache-2.0 */
/* What the control connection and the lease share on Linux and macOS. */
#ifndef CK_SOCKETS_POSIX_H
#define CK_SOCKETS_POSIX_H

#include "system.h"

/* Connect a socket of `type`, SOCK_..., of the Unix family; see ck_dial. */
int ck_connect(const char *path, int type, double until, ck_socket *connection);

#endif
