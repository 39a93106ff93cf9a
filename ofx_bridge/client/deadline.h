/* SPDX-License-Identifier: Apache-2.0 */
/* How long a wait may still take, as the systems' own waits want to be told. */
#ifndef CK_DEADLINE_H
#define CK_DEADLINE_H

/* Milliseconds until ck_now() is `until`, rounded up: a wait that is not over is never 0. An hour at most. */
int ck_milliseconds_until(double until);

#endif
