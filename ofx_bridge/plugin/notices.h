/* SPDX-License-Identifier: Apache-2.0 */
/* What the artist is told: why frames fail, and the answers of buttons. */
#ifndef CK_NOTICES_H
#define CK_NOTICES_H

#include "../client/sentence.h"
#include "../client/system.h"
#include "ofx.h"

enum { CK_USED_ROOM = 512 };

/* What an instance has told; any number of renders may tell at once. */
typedef struct ck_notices {
    ck_mutex mutex;
    char wanted[CK_SENTENCE_ROOM]; /* the failure to be shown; empty if none is */
    char shown[CK_SENTENCE_ROOM];  /* the failure that the host shows */
    int is_telling;                /* whether a thread is at telling the host */
    char used[CK_USED_ROOM];       /* how the last frame was keyed */
} ck_notices;

void ck_notices_init(ck_notices *notices);
void ck_notices_end(ck_notices *notices);

/* Forget what dialogs have said: a failure that comes back is told anew. */
void ck_notices_forget(void);

/* Show why a frame failed, once as long as the sentence stays the same. */
void ck_notice_failure(ck_notices *notices, OfxImageEffectHandle effect, const char *sentence);

/* Take a failure back, if one is shown, and remember how the frame was keyed. */
void ck_notice_success(ck_notices *notices, OfxImageEffectHandle effect, const char *used);

/* How the last frame of this instance was keyed, empty if none was. */
void ck_notice_used(ck_notices *notices, char *text, size_t size);

/* Answer a button. Nothing is shown where nobody looks. */
void ck_tell(OfxImageEffectHandle effect, const char *sentence);
void ck_tell_failure(OfxImageEffectHandle effect, const char *sentence);

#endif
