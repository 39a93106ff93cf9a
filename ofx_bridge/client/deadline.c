/* SPDX-License-Identifier: Apache-2.0 */
#include "deadline.h"

#include "system.h"

static const int LONGEST_MS = 3600000; /* so that any `until` fits the systems' types */

int ck_milliseconds_until(double until) {
    double left = 1000 * (until - ck_now());
    if (!(left > 0))
        return 0;
    return left < LONGEST_MS ? (int)left + 1 : LONGEST_MS;
}
