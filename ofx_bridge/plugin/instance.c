/* SPDX-License-Identifier: Apache-2.0 */
/* See instance.h. */
#include "instance.h"

#include <stdlib.h>

#include "host.h"

static OfxStatus keep(OfxImageEffectHandle effect, void *data) {
    OfxPropertySetHandle set = ck_effect_properties(effect);
    if (!set)
        return kOfxStatErrBadHandle;
    return ck_this_host.properties->propSetPointer(set, kOfxPropInstanceData, 0, data);
}

static OfxStatus fill(OfxImageEffectHandle effect, ck_instance *instance) {
    OfxStatus status = ck_controls_find(effect, &instance->controls);
    if (status != kOfxStatOK)
        return status;
    instance->effect = effect;
    ck_clips_find(effect, instance->clips);
    return keep(effect, instance);
}

OfxStatus ck_instance_create(OfxImageEffectHandle effect) {
    ck_instance *instance = calloc(1, sizeof *instance);
    if (!instance)
        return kOfxStatErrMemory;
    OfxStatus status = fill(effect, instance);
    if (status == kOfxStatOK)
        ck_notices_init(&instance->notices);
    else
        free(instance);
    return status;
}

ck_instance *ck_instance_of(OfxImageEffectHandle effect) {
    return ck_get_pointer(ck_effect_properties(effect), kOfxPropInstanceData);
}

void ck_instance_destroy(ck_instance *instance) {
    (void)keep(instance->effect, NULL);
    ck_notices_end(&instance->notices);
    free(instance);
}
