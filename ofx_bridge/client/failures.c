/* SPDX-License-Identifier: Apache-2.0 */
#include "failures.h"

#include "../include/corridorkey.h"
#include "sentence.h"

int ck_fail_ended(void) {
    return ck_fail(CK_DOWN, "the CorridorKey daemon has ended; start it with `ckey start` and try again.");
}

int ck_fail_silent(void) {
    return ck_fail(CK_SILENT, "the CorridorKey daemon does not answer; see its log, or run `ckey stop --now` and start "
                              "it again.");
}

int ck_fail_no_memory(void) {
    return ck_fail(CK_NO_MEMORY, "this program has no memory left; close something and try again.");
}

int ck_fail_refused(int status, const ck_reply *error) {
    return ck_fail(status, "%s%s%s", error->sentence, error->next[0] ? "; " : "", error->next);
}
