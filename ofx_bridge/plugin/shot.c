/* SPDX-License-Identifier: Apache-2.0 */
/* See shot.h. Knows no action of a host: renders and buttons send their frames through here. */
#include "shot.h"

#include <stdint.h>
#include <string.h>

#include "daemon.h"
#include "host.h"
#include "spaces.h"

enum { SLICE_MS = 20 }; /* between two looks at whether the host wants to stop */

/* The project's frame. The extent is rooted at 0, 0 and so its upper right corner. */
static int project_extent(OfxImageEffectHandle effect, ck_region_d *extent) {
    OfxPropertySetHandle set = ck_effect_properties(effect);
    *extent = (ck_region_d){0, 0, ck_get_double(set, kOfxImageEffectPropProjectExtent, 0, 0),
                            ck_get_double(set, kOfxImageEffectPropProjectExtent, 1, 0)};
    if (ck_this_host.offsets_format) {
        extent->x1 = ck_get_double(set, kOfxImageEffectPropProjectOffset, 0, 0);
        extent->y1 = ck_get_double(set, kOfxImageEffectPropProjectOffset, 1, 0);
    }
    return extent->x2 > extent->x1 && extent->y2 > extent->y1;
}

static ck_box find_window(const ck_shot *shot) {
    const ck_picture *source = &shot->pictures[CK_CLIP_SOURCE];
    ck_region_d extent, defined;
    int has_extent = project_extent(shot->instance->effect, &extent);
    int has_defined = ck_clip_region(shot->instance->clips[CK_CLIP_SOURCE], shot->time, &defined);
    ck_geometry geometry = {
        .extent = has_extent ? &extent : NULL,
        .defined = has_defined ? &defined : NULL,
        .scale_x = shot->scale_x,
        .scale_y = shot->scale_y,
        .pixel_aspect = source->pixel_aspect,
        .bounds = source->image.bounds,
        .overscan = ck_value(&shot->values, "overscan") != 0,
        .one_size = ck_this_host.one_size,
    };
    return ck_display_window(&geometry);
}

static int check_size(ck_box window) {
    int64_t width = (int64_t)window.x2 - window.x1, height = (int64_t)window.y2 - window.y1;
    if (width <= CK_SIDE_LIMIT && height <= CK_SIDE_LIMIT)
        return CK_OK;
    return ck_fail(CK_REFUSED, "the frame is %lld x %lld pixels, more than %d on a side; crop it or use a proxy.",
                   (long long)width, (long long)height, CK_SIDE_LIMIT);
}

int ck_shot_look(ck_shot *shot) {
    ck_picture *source = &shot->pictures[CK_CLIP_SOURCE];
    int status = ck_picture_take(shot->instance->clips[CK_CLIP_SOURCE], CK_CLIP_SOURCE, shot->time, source);
    if (status != CK_OK || !source->handle || ck_box_is_empty(source->image.bounds))
        return status;
    ck_box window = find_window(shot);
    if (ck_box_is_empty(window))
        return CK_OK;
    if ((status = check_size(window)) != CK_OK)
        return status;
    shot->window = window;
    return CK_OK;
}

int ck_shot_find_space(ck_shot *shot) {
    char page[64];
    if (!ck_is_choice(&shot->values, "working_space", "auto"))
        return CK_OK;
    ck_get_text(ck_effect_properties(shot->instance->effect), kOfxImageEffectPropResolvePage, 0, page, sizeof page);
    int space = ck_host_space(ck_this_host.name, page);
    if (space < 0)
        return ck_fail(CK_REFUSED, "%s does not say how its pictures are encoded; choose the Working Space.",
                       ck_this_host.title);
    ck_set_choice(&shot->values, "working_space", space);
    return CK_OK;
}

/* What of the frame the plate has. */
static ck_box photographed(const ck_shot *shot) {
    return ck_box_intersect(shot->window, shot->pictures[CK_CLIP_SOURCE].image.bounds);
}

static int is_black_row(const ck_shot *shot, enum ck_clip which, int y) {
    float values[CK_PIECE];
    for (int x = shot->window.x1, end; x < shot->window.x2; x = end) {
        end = ck_piece_end(x, shot->window.x2);
        ck_read_channel(&shot->pictures[which].image, y, x, end, shot->channels[which], values, 1);
        for (int index = 0; index < end - x; index++)
            if (values[index] != 0)
                return 0;
    }
    return 1;
}

static int is_black(const ck_shot *shot, enum ck_clip which) {
    for (int y = shot->window.y1; y < shot->window.y2; y++)
        if (shot->is_stopped(shot->state) || !is_black_row(shot, which, y))
            return 0;
    return 1;
}

/* Beside the plate hint and masks are 0, as the plate is: what a host has there and a file has not changes no key.
   may_be_unwired: an image that is black all over says only that nothing is wired. */
static int find_matte(ck_shot *shot, enum ck_clip which, enum ck_hint_channel wanted, int content, int may_be_unwired) {
    ck_picture *picture = &shot->pictures[which];
    int status = ck_picture_take(shot->instance->clips[which], which, shot->time, picture);
    if (status != CK_OK || !picture->is_wired)
        return status;
    if (wanted == CK_HINT_ALPHA && picture->image.channels == 3)
        return ck_fail(CK_REFUSED, "the hint has no alpha; set Hint channel to Red or Luminance.");
    ck_box there = photographed(shot);
    ck_image_cut(&picture->image, there);
    shot->channels[which] = ck_hint_resolve(&picture->image, there, wanted, shot->is_stopped, shot->state);
    if (may_be_unwired && is_black(shot, which))
        ck_picture_give(picture);
    else
        shot->contents |= content;
    return CK_OK;
}

static int find_hint(ck_shot *shot) {
    int is_auto = ck_is_choice(&shot->values, "hint_source", "auto");
    if (ck_is_choice(&shot->values, "hint_source", "source_alpha"))
        shot->contents |= CK_HAS_ALPHA;
    if (!is_auto && !ck_is_choice(&shot->values, "hint_source", "input"))
        return CK_OK;
    enum ck_hint_channel wanted = (enum ck_hint_channel)ck_choice(&shot->values, "hint_channel");
    return find_matte(shot, CK_CLIP_HINT, wanted, CK_HAS_HINT, is_auto && ck_this_host.connects_all);
}

int ck_shot_find_mattes(ck_shot *shot) {
    int status = find_hint(shot), may_be_unwired = ck_this_host.connects_all;
    if (status == CK_OK)
        status = find_matte(shot, CK_CLIP_INSIDE, CK_HINT_AUTO, CK_HAS_INSIDE, may_be_unwired);
    if (status == CK_OK)
        status = find_matte(shot, CK_CLIP_OUTSIDE, CK_HINT_AUTO, CK_HAS_OUTSIDE, may_be_unwired);
    return status;
}

int ck_shot_wait(ck_shot *shot) {
    int status;
    while ((status = ck_poll(shot->frame, SLICE_MS, NULL)) == CK_WAITING)
        if (shot->is_stopped(shot->state)) {
            (void)ck_cancel(shot->frame);
            return CK_CANCELLED;
        }
    return status;
}

int ck_shot_open(ck_shot *shot) {
    ck_client *client = NULL;
    int planes = shot->contents & (CK_HAS_INSIDE | CK_HAS_OUTSIDE) ? CK_WITH_MASKS : 0;
    if (ck_choice(&shot->values, "output") == CK_OUTPUT_HINT)
        planes |= CK_WITH_HINT;
    int status = ck_daemon(&client);
    if (status == CK_OK)
        status =
            ck_slot(client, shot->window.x2 - shot->window.x1, shot->window.y2 - shot->window.y1, planes, &shot->frame);
    return status == CK_OK ? ck_shot_wait(shot) : status;
}

static void fill_plate_row(const ck_shot *shot, int y, float *in) {
    float pixels[4 * CK_PIECE];
    const ck_picture *source = &shot->pictures[CK_CLIP_SOURCE], *hint = &shot->pictures[CK_CLIP_HINT];
    for (int x = shot->window.x1, end; x < shot->window.x2; x = end) {
        end = ck_piece_end(x, shot->window.x2);
        size_t count = 4 * (size_t)(end - x);
        ck_read_row(&source->image, y, x, end, pixels);
        if (source->is_premultiplied)
            ck_unpremultiply_row(pixels, end - x);
        if (shot->contents & CK_HAS_HINT)
            ck_read_channel(&hint->image, y, x, end, shot->channels[CK_CLIP_HINT], pixels + 3, 4);
        ck_stream(in, pixels, count * sizeof *in);
        in += count;
    }
}

static void fill_mask_row(const ck_shot *shot, int y, float *masks) {
    for (int channel = 0; channel < 2; channel++) {
        enum ck_clip which = channel == 0 ? CK_CLIP_INSIDE : CK_CLIP_OUTSIDE;
        if (shot->contents & (channel == 0 ? CK_HAS_INSIDE : CK_HAS_OUTSIDE))
            ck_read_channel(&shot->pictures[which].image, y, shot->window.x1, shot->window.x2, shot->channels[which],
                            masks + channel, 2);
    }
}

int ck_shot_fill(ck_shot *shot) {
    float *in = ck_plane(shot->frame, CK_PLANE_IN), *masks = ck_plane(shot->frame, CK_PLANE_MASK);
    if (!in || (shot->contents & (CK_HAS_INSIDE | CK_HAS_OUTSIDE) && !masks))
        return ck_fail(CK_MISUSED, "the frame came without its memory; please report this.");
    size_t width = (size_t)(shot->window.x2 - shot->window.x1);
    for (int y = shot->window.y2 - 1; y >= shot->window.y1; y--) {
        if (shot->is_stopped(shot->state))
            return CK_CANCELLED;
        fill_plate_row(shot, y, in);
        in += 4 * width;
        if (!masks)
            continue;
        fill_mask_row(shot, y, masks);
        masks += 2 * width;
    }
    ck_stream_end();
    return CK_OK;
}

static void blank(float *row, int x1, int x2, int channels) {
    if (x2 > x1)
        memset(row + (size_t)channels * (size_t)x1, 0, (size_t)channels * (size_t)(x2 - x1) * sizeof *row);
}

static void trim_plane(float *plane, int channels, ck_box window, ck_box there) {
    int width = window.x2 - window.x1;
    for (int y = window.y2 - 1; y >= window.y1; y--, plane += (size_t)channels * (size_t)width) {
        int is_there = y >= there.y1 && y < there.y2;
        blank(plane, 0, is_there ? there.x1 - window.x1 : width, channels);
        blank(plane, is_there ? there.x2 - window.x1 : width, width, channels);
    }
}

int ck_shot_trim(ck_shot *shot) {
    float *keyed = ck_plane(shot->frame, CK_PLANE_OUT), *hint = ck_plane(shot->frame, CK_PLANE_HINT);
    ck_box there = photographed(shot);
    if (!keyed)
        return ck_fail(CK_MISUSED, "the frame came back without its memory; please report this.");
    trim_plane(keyed, 4, shot->window, there);
    if (hint)
        trim_plane(hint, 1, shot->window, there);
    return CK_OK;
}

static int frame_number(OfxTime time) {
    return time >= INT32_MIN && time <= INT32_MAX ? (int)time : 0;
}

int ck_shot_submit(ck_shot *shot) {
    int status = ck_send_values(&shot->values, shot->frame);
    if (status != CK_OK)
        return status;
    /* No node: hosts render frames of one instance side by side and want all of them; they stop what they do not. */
    return ck_submit(shot->frame, shot->contents, shot->priority, "", frame_number(shot->time));
}

void ck_shot_end(ck_shot *shot) {
    ck_release(shot->frame);
    shot->frame = NULL;
    for (int which = 0; which < CK_CLIP_COUNT; which++)
        ck_picture_give(&shot->pictures[which]);
}
