/* SPDX-License-Identifier: Apache-2.0 */
/* The host's progress dialog, where it has one and somebody looks. */
#ifndef CK_PROGRESS_H
#define CK_PROGRESS_H

#include "ofx.h"

typedef struct ck_progress {
    OfxImageEffectHandle effect;
    int is_shown;
} ck_progress;

void ck_progress_begin(ck_progress *progress, OfxImageEffectHandle effect, const char *label);

/* Show a part of 1. Whether the artist wants to stop. */
int ck_progress_update(const ck_progress *progress, double part);

void ck_progress_end(ck_progress *progress);

#endif
