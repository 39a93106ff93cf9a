/* SPDX-License-Identifier: Apache-2.0 */
/* See progress.h. Both versions of the suite are in use; the later one is asked first. */
#include "progress.h"

#include "host.h"

static OfxStatus begin(OfxImageEffectHandle effect, const char *label) {
    if (ck_this_host.is_background)
        return kOfxStatFailed;
    if (ck_this_host.progress_two)
        return ck_this_host.progress_two->progressStart(effect, label, "corridorkey");
    return ck_this_host.progress ? ck_this_host.progress->progressStart(effect, label) : kOfxStatFailed;
}

void ck_progress_begin(ck_progress *progress, OfxImageEffectHandle effect, const char *label) {
    progress->effect = effect;
    progress->is_shown = begin(effect, label) == kOfxStatOK;
}

int ck_progress_update(const ck_progress *progress, double part) {
    if (!progress->is_shown)
        return 0;
    OfxStatus status = ck_this_host.progress_two ? ck_this_host.progress_two->progressUpdate(progress->effect, part)
                                                 : ck_this_host.progress->progressUpdate(progress->effect, part);
    return status == kOfxStatReplyNo;
}

void ck_progress_end(ck_progress *progress) {
    if (!progress->is_shown)
        return;
    if (ck_this_host.progress_two)
        (void)ck_this_host.progress_two->progressEnd(progress->effect);
    else
        (void)ck_this_host.progress->progressEnd(progress->effect);
    progress->is_shown = 0;
}
