/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a lease on a connection that is only a stream of bytes: each is led by its length. */
#ifndef CK_STREAM_H
#define CK_STREAM_H

#include <stddef.h>
#include <stdint.h>

enum { CK_LEAD = 4 }; /* bytes of the length, little-endian */

/* How many bytes the message that begins with these has with its lead, as far as is known; 0 if it is empty or has more
   than `limit` bytes. Whoever receives asks for no byte beyond it: what comes beside the bytes is then the message's
   own, and a wait for the connection tells of the next one. */
size_t ck_whole_size(const uint8_t *bytes, size_t got, size_t limit);

#endif
