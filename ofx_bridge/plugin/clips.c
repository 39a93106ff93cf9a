/* SPDX-License-Identifier: Apache-2.0 */
/* See clips.h. Each image is looked at on its own: bounds, row bytes and components of one say nothing of another. */
#include "clips.h"

#include <stdint.h>
#include <string.h>

#include "../client/sentence.h"
#include "../include/corridorkey.h"
#include "host.h"

const char *const ck_clip_names[CK_CLIP_COUNT] = {"Source", "AlphaHint", "InsideMask", "OutsideMask", "Output"};

static const char *const labels[CK_CLIP_COUNT] = {"Source", "Alpha Hint", "Inside Mask", "Outside Mask", "Output"};

static int is_matte(enum ck_clip which) {
    return which != CK_CLIP_SOURCE && which != CK_CLIP_OUTPUT;
}

/* IsMask stays unset: Natron would put a channel menu of its own before the image. */
static void describe_matte(OfxPropertySetHandle made) {
    ck_set_int(made, kOfxImageClipPropOptional, 1);
    ck_set_text(made, kOfxImageEffectPropSupportedComponents, 0, kOfxImageComponentAlpha);
    ck_set_text(made, kOfxImageEffectPropSupportedComponents, 1, kOfxImageComponentRGBA);
    if (ck_this_host.knows_rgb)
        ck_set_text(made, kOfxImageEffectPropSupportedComponents, 2, kOfxImageComponentRGB);
}

static OfxStatus define(OfxImageEffectHandle effect, enum ck_clip which) {
    OfxPropertySetHandle made = NULL;
    if (ck_this_host.effects->clipDefine(effect, ck_clip_names[which], &made) != kOfxStatOK || !made)
        return kOfxStatFailed;
    ck_set_text(made, kOfxPropLabel, 0, labels[which]);
    ck_set_int(made, kOfxImageEffectPropSupportsTiles, 0);
    ck_set_int(made, kOfxImageEffectPropTemporalClipAccess, 0);
    if (is_matte(which))
        describe_matte(made);
    else
        ck_set_text(made, kOfxImageEffectPropSupportedComponents, 0, kOfxImageComponentRGBA);
    return kOfxStatOK;
}

OfxStatus ck_clips_define(OfxImageEffectHandle effect) {
    for (int which = 0; which < CK_CLIP_COUNT; which++)
        if (define(effect, (enum ck_clip)which) != kOfxStatOK)
            return kOfxStatFailed;
    return kOfxStatOK;
}

void ck_clips_find(OfxImageEffectHandle effect, OfxImageClipHandle clips[CK_CLIP_COUNT]) {
    for (int which = 0; which < CK_CLIP_COUNT; which++)
        if (ck_this_host.effects->clipGetHandle(effect, ck_clip_names[which], &clips[which], NULL) != kOfxStatOK)
            clips[which] = NULL;
}

static OfxPropertySetHandle properties_of(OfxImageClipHandle clip) {
    OfxPropertySetHandle set = NULL;
    return clip && ck_this_host.effects->clipGetPropertySet(clip, &set) == kOfxStatOK ? set : NULL;
}

int ck_clip_is_connected(OfxImageClipHandle clip) {
    return ck_get_int(properties_of(clip), kOfxImageClipPropConnected, 0, 0) != 0;
}

int ck_clip_premultiplication(OfxImageClipHandle clip, char *text, size_t size) {
    return ck_get_text(properties_of(clip), kOfxImageEffectPropPreMultiplication, 0, text, size);
}

int ck_clip_region(OfxImageClipHandle clip, OfxTime time, ck_region_d *region) {
    OfxRectD found = {0, 0, 0, 0};
    if (!clip || ck_this_host.pixel_regions)
        return 0;
    if (ck_this_host.effects->clipGetRegionOfDefinition(clip, time, &found) != kOfxStatOK)
        return 0;
    *region = (ck_region_d){found.x1, found.y1, found.x2, found.y2};
    return 1;
}

static int channels_of(OfxPropertySetHandle handle) {
    if (ck_is_text(handle, kOfxImageEffectPropComponents, kOfxImageComponentRGBA))
        return 4;
    if (ck_is_text(handle, kOfxImageEffectPropComponents, kOfxImageComponentRGB))
        return 3;
    if (ck_is_text(handle, kOfxImageEffectPropComponents, kOfxImageComponentAlpha))
        return 1;
    return 0;
}

/* Whether rows of the image are as long as its pixels take, so that no read leaves them. */
static int has_whole_rows(const ck_image *image) {
    int64_t width = (int64_t)image->bounds.x2 - image->bounds.x1;
    int64_t row = image->row_bytes < 0 ? -(int64_t)image->row_bytes : (int64_t)image->row_bytes;
    return image->row_bytes % (ptrdiff_t)sizeof(float) == 0 && row >= width * image->channels * (int64_t)sizeof(float);
}

static ck_image describe(OfxPropertySetHandle handle) {
    ck_image image = {ck_get_pointer(handle, kOfxImagePropData), 0, {0, 0, 0, 0}, channels_of(handle)};
    int sides[4];
    for (int side = 0; side < 4; side++)
        sides[side] = ck_get_int(handle, kOfxImagePropBounds, side, 0);
    image.bounds = (ck_box){sides[0], sides[1], sides[2], sides[3]};
    image.row_bytes = ck_get_int(handle, kOfxImagePropRowBytes, 0, 0);
    return image;
}

/* The image says whether it is premultiplied, in some hosts only the clip does. */
static int is_premultiplied(OfxPropertySetHandle image, OfxImageClipHandle clip) {
    char word[64];
    if (!ck_get_text(image, kOfxImageEffectPropPreMultiplication, 0, word, sizeof word))
        ck_clip_premultiplication(clip, word, sizeof word);
    return strcmp(word, kOfxImagePreMultiplied) == 0;
}

static int check(const ck_picture *picture, enum ck_clip which) {
    int channels = picture->image.channels;
    if (!ck_is_text(picture->handle, kOfxImageEffectPropPixelDepth, kOfxBitDepthFloat))
        return ck_fail(CK_REFUSED, "the image of %s is not float; set the project to 32-bit float.", labels[which]);
    if (channels != 4 && !is_matte(which))
        return ck_fail(CK_REFUSED, "the image of %s is not RGBA; convert it to RGBA.", labels[which]);
    if (channels == 0)
        return ck_fail(CK_REFUSED, "the image of %s is neither alpha, RGB nor RGBA; convert it to RGBA.",
                       labels[which]);
    if (!has_whole_rows(&picture->image))
        return ck_fail(CK_REFUSED, "the host describes the image of %s wrongly; please report this.", labels[which]);
    return CK_OK;
}

/* The standard: what cannot be handed out is black and transparent. Where every clip says that it is connected, it is one
   that is not. */
static int take_nothing(enum ck_clip which, ck_picture *picture) {
    picture->is_wired = is_matte(which) && !ck_this_host.connects_all;
    picture->image.channels = 1;
    return CK_OK;
}

int ck_picture_take(OfxImageClipHandle clip, enum ck_clip which, OfxTime time, ck_picture *picture) {
    OfxPropertySetHandle handle = NULL;
    memset(picture, 0, sizeof *picture);
    if (!clip || (is_matte(which) && !ck_clip_is_connected(clip)))
        return CK_OK;
    if (ck_this_host.effects->clipGetImage(clip, time, NULL, &handle) != kOfxStatOK || !handle)
        return take_nothing(which, picture);
    picture->handle = handle;
    picture->image = describe(handle);
    if (!picture->image.data && !ck_box_is_empty(picture->image.bounds)) {
        ck_picture_give(picture);
        return take_nothing(which, picture);
    }
    picture->is_wired = 1;
    picture->is_premultiplied = is_premultiplied(handle, clip);
    picture->pixel_aspect = ck_get_double(handle, kOfxImagePropPixelAspectRatio, 0, 1);
    return check(picture, which);
}

void ck_picture_give(ck_picture *picture) {
    if (picture->handle)
        (void)ck_this_host.effects->clipReleaseImage(picture->handle);
    memset(picture, 0, sizeof *picture);
}
