/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the host what the effect is. Nothing is started or opened here: hosts scan their plug-ins at every start. */
#include "actions.h"
#include "host.h"

static void describe_pixels(OfxPropertySetHandle set) {
    ck_set_text(set, kOfxImageEffectPropSupportedPixelDepths, 0, kOfxBitDepthFloat);
    ck_set_int(set, kOfxImageEffectPropSupportsTiles, 0);
    ck_set_int(set, kOfxImageEffectPropSupportsMultiResolution, 1);
    ck_set_int(set, kOfxImageEffectPropTemporalClipAccess, 0);
    ck_set_int(set, kOfxImageEffectPropSupportsMultipleClipDepths, 0);
    ck_set_int(set, kOfxImageEffectPropSupportsMultipleClipPARs, 0);
}

/* Images come in the machine's own memory: the properties of GPU renders stay unset. */
static void describe_threads(OfxPropertySetHandle set) {
    ck_set_int(set, kOfxImageEffectPluginPropSingleInstance, 0);
    ck_set_text(set, kOfxImageEffectPluginRenderThreadSafety, 0, kOfxImageEffectRenderFullySafe);
    ck_set_int(set, kOfxImageEffectPluginPropHostFrameThreading, 0);
}

OfxStatus ck_describe_effect(OfxImageEffectHandle effect) {
    OfxPropertySetHandle set = ck_effect_properties(effect);
    if (!set)
        return kOfxStatErrBadHandle;
    ck_set_text(set, kOfxPropLabel, 0, "CorridorKey");
    ck_set_text(set, kOfxImageEffectPluginPropGrouping, 0, "Keyer");
    ck_set_text(set, kOfxPropPluginDescription, 0,
                "Keys green and blue screens with a neural network: straight foreground and matte from a plate and a "
                "rough hint. Needs the CorridorKey daemon, which `ckey start` starts.");
    ck_set_text(set, kOfxImageEffectPropSupportedContexts, 0, kOfxImageEffectContextFilter);
    ck_set_text(set, kOfxImageEffectPropSupportedContexts, 1, kOfxImageEffectContextGeneral);
    describe_pixels(set);
    describe_threads(set);
    /* The output's premultiplication follows from it. */
    ck_set_text(set, kOfxImageEffectPropClipPreferencesSlaveParam, 0, "output");
    ck_get_text(set, kOfxPluginPropFilePath, 0, ck_this_host.bundle, sizeof ck_this_host.bundle);
    return kOfxStatOK;
}

/* Clips and controls are the same in both contexts, so that a project may move between them. */
OfxStatus ck_describe_in_context(OfxImageEffectHandle effect) {
    OfxStatus status = ck_clips_define(effect);
    return status == kOfxStatOK ? ck_controls_define(effect) : status;
}
