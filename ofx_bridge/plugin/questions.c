/* SPDX-License-Identifier: Apache-2.0 */
/* What the host asks before it renders: what comes out, what goes in, whether there is anything to do. */
#include <stdio.h>

#include "actions.h"
#include "host.h"

static void prefer_premultiplication(ck_instance *instance, OfxPropertySetHandle out) {
    char word[64];
    switch ((enum ck_output)ck_output_now(&instance->controls)) {
    case CK_OUTPUT_PREMULTIPLIED:
        ck_set_text(out, kOfxImageEffectPropPreMultiplication, 0, kOfxImagePreMultiplied);
        break;
    case CK_OUTPUT_FOREGROUND:
        ck_set_text(out, kOfxImageEffectPropPreMultiplication, 0, kOfxImageUnPreMultiplied);
        break;
    case CK_OUTPUT_MATTE:
    case CK_OUTPUT_HINT:
    case CK_OUTPUT_CHECKER:
        ck_set_text(out, kOfxImageEffectPropPreMultiplication, 0, kOfxImageOpaque);
        break;
    case CK_OUTPUT_PLATE:
        if (ck_clip_premultiplication(instance->clips[CK_CLIP_SOURCE], word, sizeof word))
            ck_set_text(out, kOfxImageEffectPropPreMultiplication, 0, word);
        break;
    }
}

OfxStatus ck_get_clip_preferences(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out) {
    (void)in;
    ck_set_text(out, kOfxImageClipPropComponents_ "Output", 0, kOfxImageComponentRGBA);
    ck_set_int(out, kOfxImageEffectFrameVarying, 0);
    prefer_premultiplication(instance, out);
    return kOfxStatOK;
}

static void ask_for(const char *clip, const ck_region_d *region, OfxPropertySetHandle out) {
    char name[64];
    snprintf(name, sizeof name, "%s%s", kOfxImageClipPropRoI_, clip);
    const double sides[4] = {region->x1, region->y1, region->x2, region->y2};
    for (int side = 0; side < 4; side++)
        ck_set_double(out, name, side, sides[side]);
}

/* All of every clip, whatever part of the output is asked for: the network looks at the whole frame. */
OfxStatus ck_get_regions_of_interest(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out) {
    OfxTime time = ck_get_double(in, kOfxPropTime, 0, 0);
    OfxStatus status = kOfxStatReplyDefault;
    for (int which = 0; which < CK_CLIP_OUTPUT; which++) {
        ck_region_d region;
        OfxImageClipHandle clip = instance->clips[which];
        if (!ck_clip_is_connected(clip) || !ck_clip_region(clip, time, &region))
            continue;
        ask_for(ck_clip_names[which], &region, out);
        status = kOfxStatOK;
    }
    return status;
}

OfxStatus ck_is_identity(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out) {
    ck_values values;
    OfxTime time = ck_get_double(in, kOfxPropTime, 0, 0);
    if (ck_controls_read(&instance->controls, time, &values) != CK_OK)
        return kOfxStatReplyDefault;
    if (ck_choice(&values, "output") != CK_OUTPUT_PLATE)
        return kOfxStatReplyDefault;
    ck_set_text(out, kOfxPropName, 0, ck_clip_names[CK_CLIP_SOURCE]);
    ck_set_double(out, kOfxPropTime, 0, time);
    return kOfxStatOK;
}
