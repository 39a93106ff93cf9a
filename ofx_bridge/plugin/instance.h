/* SPDX-License-Identifier: Apache-2.0 */
/* What we keep for one node of a host. Set when it is made and the same until it ends, but for the notices. */
#ifndef CK_INSTANCE_H
#define CK_INSTANCE_H

#include "clips.h"
#include "controls.h"
#include "notices.h"
#include "ofx.h"

typedef struct ck_instance {
    OfxImageEffectHandle effect;
    ck_controls controls;
    OfxImageClipHandle clips[CK_CLIP_COUNT];
    ck_notices notices;
} ck_instance;

/* Make the instance of an effect. Cheap: some hosts make one for every frame. */
OfxStatus ck_instance_create(OfxImageEffectHandle effect);

/* The instance of an effect, null if it has none. */
ck_instance *ck_instance_of(OfxImageEffectHandle effect);

void ck_instance_destroy(ck_instance *instance);

#endif
