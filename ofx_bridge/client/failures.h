/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to say of a daemon, or of this process, in more than one place. Each remembers the sentence, see ck_fail,
   and returns the status. */
#ifndef CK_FAILURES_H
#define CK_FAILURES_H

#include "messages.h"

int ck_fail_ended(void);     /* CK_DOWN: the daemon was there and has ended */
int ck_fail_silent(void);    /* CK_SILENT: it does not answer */
int ck_fail_no_memory(void); /* CK_NO_MEMORY */

/* `status`, in the words of an ERROR: cause and next step. */
int ck_fail_refused(int status, const ck_reply *error);

#endif
