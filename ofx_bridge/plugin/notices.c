/* SPDX-License-Identifier: Apache-2.0 */
/* See notices.h.

   A host with working persistent messages shows one on the node until it is taken back; Nuke appends each to its
   console, so that one that is shown already is not set again. In other hosts a message is a dialog, and many instances
   fail for the same reason: there the process shows each failure once until an instance has recovered from one.
   The host is never called with a mutex held: a dialog may run the host's event loop, and with it another action. */
#include "notices.h"

#include <string.h>

#include "host.h"

static ck_mutex dialogs_mutex = CK_MUTEX_INIT;
static char last_dialog[CK_SENTENCE_ROOM];

void ck_notices_init(ck_notices *notices) {
    memset(notices, 0, sizeof *notices);
    ck_mutex_init(&notices->mutex);
}

void ck_notices_end(ck_notices *notices) {
    ck_mutex_end(&notices->mutex);
}

/* Keep `sentence`; whether another one was kept before. */
static int keep(ck_mutex *mutex, char kept[CK_SENTENCE_ROOM], const char *sentence) {
    ck_mutex_lock(mutex);
    int is_other = strcmp(kept, sentence) != 0;
    ck_copy_text(sentence, kept, CK_SENTENCE_ROOM);
    ck_mutex_unlock(mutex);
    return is_other;
}

void ck_notices_forget(void) {
    (void)keep(&dialogs_mutex, last_dialog, "");
}

static void show(OfxImageEffectHandle effect, const char *type, const char *sentence) {
    if (ck_this_host.messages && ck_this_host.messages->message)
        (void)ck_this_host.messages->message(effect, type, "corridorkey", "%s", sentence);
}

/* Have the host show what is wanted. One thread at a time tells it, so that nothing old is told after something newer. */
static void tell_host(ck_notices *notices, OfxImageEffectHandle effect) {
    char sentence[CK_SENTENCE_ROOM];
    ck_mutex_lock(&notices->mutex);
    int is_mine = !notices->is_telling;
    notices->is_telling = 1;
    while (is_mine && strcmp(notices->wanted, notices->shown) != 0) {
        memcpy(notices->shown, notices->wanted, sizeof notices->shown);
        memcpy(sentence, notices->wanted, sizeof sentence);
        ck_mutex_unlock(&notices->mutex);
        if (sentence[0])
            (void)ck_this_host.persistent->setPersistentMessage(effect, kOfxMessageError, "corridorkey", "%s",
                                                                sentence);
        else
            (void)ck_this_host.persistent->clearPersistentMessage(effect);
        ck_mutex_lock(&notices->mutex);
    }
    if (is_mine)
        notices->is_telling = 0;
    ck_mutex_unlock(&notices->mutex);
}

void ck_notice_failure(ck_notices *notices, OfxImageEffectHandle effect, const char *sentence) {
    int is_other = keep(&notices->mutex, notices->wanted, sentence);
    if (ck_this_host.persistent)
        tell_host(notices, effect);
    else if (is_other && keep(&dialogs_mutex, last_dialog, sentence))
        show(effect, ck_this_host.is_background ? kOfxMessageLog : kOfxMessageError, sentence);
}

void ck_notice_success(ck_notices *notices, OfxImageEffectHandle effect, const char *used) {
    int has_recovered = keep(&notices->mutex, notices->wanted, "");
    ck_mutex_lock(&notices->mutex);
    ck_copy_text(used, notices->used, sizeof notices->used);
    ck_mutex_unlock(&notices->mutex);
    if (ck_this_host.persistent)
        tell_host(notices, effect);
    else if (has_recovered)
        ck_notices_forget();
}

void ck_notice_used(ck_notices *notices, char *text, size_t size) {
    ck_mutex_lock(&notices->mutex);
    ck_copy_text(notices->used, text, size);
    ck_mutex_unlock(&notices->mutex);
}

void ck_tell(OfxImageEffectHandle effect, const char *sentence) {
    if (!ck_this_host.is_background)
        show(effect, kOfxMessageMessage, sentence);
}

void ck_tell_failure(OfxImageEffectHandle effect, const char *sentence) {
    if (!ck_this_host.is_background)
        show(effect, kOfxMessageError, sentence);
}
