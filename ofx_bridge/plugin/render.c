/* SPDX-License-Identifier: Apache-2.0 */
/* The render action. A frame that cannot be keyed is transparent black, for hosts that ignore failures, and a failure
   with a sentence; the plate is never passed off as a result. */
#include <stdio.h>
#include <string.h>

#include "actions.h"
#include "host.h"
#include "shot.h"
#include "spaces.h"

static int is_aborted(void *state) {
    const ck_shot *shot = state;
    return ck_this_host.effects->abort(shot->instance->effect);
}

/* Batch where no artist waits. */
static int priority_of(OfxImageEffectHandle effect) {
    int interactive = ck_get_int(ck_effect_properties(effect), kOfxPropIsInteractive, 0, 1);
    return ck_this_host.is_background || !interactive ? CK_PRIORITY_BATCH : CK_PRIORITY_INTERACTIVE;
}

static ck_box render_window(OfxPropertySetHandle in) {
    int sides[4];
    for (int side = 0; side < 4; side++)
        sides[side] = ck_get_int(in, kOfxImageEffectPropRenderWindow, side, 0);
    return (ck_box){sides[0], sides[1], sides[2], sides[3]};
}

static int check_field(OfxPropertySetHandle in) {
    if (!ck_is_text(in, kOfxImageEffectPropFieldToRender, kOfxImageFieldLower) &&
        !ck_is_text(in, kOfxImageEffectPropFieldToRender, kOfxImageFieldUpper))
        return CK_OK;
    return ck_fail(CK_REFUSED, "CorridorKey keys whole frames and the host renders fields; deinterlace the plate.");
}

/* What of the output the network has seen. */
static ck_box seen_of(const ck_shot *shot) {
    return ck_box_intersect(shot->target, shot->window);
}

static void show_plate_row(const ck_image *plate, const ck_image *output, int y, int x1, int x2) {
    float pixels[4 * CK_PIECE];
    for (int x = x1, end; x < x2; x = end) {
        end = ck_piece_end(x, x2);
        ck_read_row(plate, y, x, end, pixels);
        ck_write_row(output, y, x, end, pixels);
    }
}

/* All of the plate, as the host gets it that asks whether there is anything to do. */
static int show_plate(ck_shot *shot) {
    ck_box target = shot->target;
    for (int y = target.y1; y < target.y2; y++) {
        if (is_aborted(shot))
            return CK_CANCELLED;
        show_plate_row(&shot->pictures[CK_CLIP_SOURCE].image, &shot->pictures[CK_CLIP_OUTPUT].image, y, target.x1,
                       target.x2);
    }
    ck_stream_end();
    return CK_OK;
}

static ck_checker checker_of(const ck_shot *shot) {
    int space =
        ck_foreground_space(ck_choice(&shot->values, "working_space"), ck_choice(&shot->values, "output_space"));
    return ck_checker_make(shot->window.x2 - shot->window.x1, ck_space_is_linear(space));
}

/* What the out and hint planes hold, and how it is shown. */
struct result {
    const float *keyed, *hint; /* hint: null unless it is shown */
    enum ck_output shown;
    ck_checker checker;
};

static void show_row(const ck_shot *shot, const struct result *result, ck_box part, int y) {
    float pixels[4 * CK_PIECE];
    int top = shot->window.y2 - 1 - y, width = shot->window.x2 - shot->window.x1;
    for (int x = part.x1, end; x < part.x2; x = end) {
        end = ck_piece_end(x, part.x2);
        int left = x - shot->window.x1;
        size_t first = (size_t)top * (size_t)width + (size_t)left;
        const float *hint = result->hint ? result->hint + first : NULL;
        ck_compose_row(result->shown, result->keyed + 4 * first, hint, end - x, left, top, &result->checker, pixels);
        ck_write_row(&shot->pictures[CK_CLIP_OUTPUT].image, y, x, end, pixels);
    }
}

static int show_result(ck_shot *shot) {
    struct result result = {ck_plane(shot->frame, CK_PLANE_OUT), ck_plane(shot->frame, CK_PLANE_HINT),
                            (enum ck_output)ck_choice(&shot->values, "output"), checker_of(shot)};
    if (!result.keyed || (result.shown == CK_OUTPUT_HINT && !result.hint))
        return ck_fail(CK_MISUSED, "the frame came back without its memory; please report this.");
    ck_box part = seen_of(shot);
    if (memcmp(&part, &shot->target, sizeof part) != 0)
        ck_clear(&shot->pictures[CK_CLIP_OUTPUT].image, shot->target);
    for (int y = part.y2 - 1; y >= part.y1; y--) {
        if (is_aborted(shot))
            return CK_CANCELLED;
        show_row(shot, &result, part, y);
    }
    ck_stream_end();
    return CK_OK;
}

static int key(ck_shot *shot) {
    static int (*const steps[])(ck_shot *shot) = {
        ck_shot_find_space, ck_shot_find_mattes, ck_shot_open, ck_shot_fill,
        ck_shot_submit,     ck_shot_wait,        ck_shot_trim, show_result,
    };
    int status = CK_OK;
    for (size_t step = 0; step < sizeof steps / sizeof *steps && status == CK_OK; step++)
        status = steps[step](shot);
    return status;
}

static int make(ck_shot *shot, OfxPropertySetHandle in) {
    int status = check_field(in);
    if (status == CK_OK)
        status = ck_controls_read(&shot->instance->controls, shot->time, &shot->values);
    if (status == CK_OK)
        status = ck_shot_look(shot);
    if (status != CK_OK)
        return status;
    if (ck_choice(&shot->values, "output") == CK_OUTPUT_PLATE)
        return show_plate(shot);
    if (!ck_box_is_empty(seen_of(shot)))
        return key(shot);
    ck_clear(&shot->pictures[CK_CLIP_OUTPUT].image, shot->target);
    return CK_OK;
}

static const char *hint_in_words(const ck_shot *shot) {
    if (shot->contents & CK_HAS_ALPHA)
        return "the plate's alpha";
    if (!(shot->contents & CK_HAS_HINT))
        return "from the screen's colour";
    return ck_fact(shot->frame, CK_FACT_EMPTY) != 0 ? "the input, which is empty" : "the input";
}

/* What the frame was keyed with, in a line; empty if none was. */
static void describe_use(const ck_shot *shot, char *text, size_t size) {
    char notes[256] = "";
    text[0] = 0;
    if (!shot->frame)
        return;
    ck_notes(shot->frame, notes, sizeof notes);
    notes[strcspn(notes, "\n")] = 0;
    snprintf(text, size, "frame %g: plate %s, hint %s, %.2f s%s%s", shot->time,
             ck_choices_working_space[ck_choice(&shot->values, "working_space")], hint_in_words(shot),
             ck_fact(shot->frame, CK_FACT_SECONDS), notes[0] ? "; " : "", notes);
}

/* Say how it went, and leave no half-made picture. */
static OfxStatus conclude(ck_shot *shot, int status) {
    char used[CK_USED_ROOM];
    ck_instance *instance = shot->instance;
    if (status == CK_OK) {
        describe_use(shot, used, sizeof used);
        ck_notice_success(&instance->notices, instance->effect, used);
        return kOfxStatOK;
    }
    if (status != CK_CANCELLED)
        ck_notice_failure(&instance->notices, instance->effect, ck_last_sentence());
    ck_clear(&shot->pictures[CK_CLIP_OUTPUT].image, shot->target);
    return kOfxStatFailed;
}

OfxStatus ck_render(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out) {
    (void)out;
    ck_shot shot = {
        .instance = instance,
        .time = ck_get_double(in, kOfxPropTime, 0, 0),
        .scale_x = ck_get_double(in, kOfxImageEffectPropRenderScale, 0, 1),
        .scale_y = ck_get_double(in, kOfxImageEffectPropRenderScale, 1, 1),
        .is_stopped = is_aborted,
        .priority = priority_of(instance->effect),
    };
    shot.state = &shot;
    ck_picture *output = &shot.pictures[CK_CLIP_OUTPUT];
    OfxImageClipHandle clip = instance->clips[CK_CLIP_OUTPUT];
    int status = ck_picture_take(clip, CK_CLIP_OUTPUT, shot.time, output);
    if (status != CK_OK)
        ck_notice_failure(&instance->notices, instance->effect, ck_last_sentence());
    OfxStatus done = kOfxStatFailed;
    if (status == CK_OK && output->handle) {
        shot.target = ck_box_intersect(render_window(in), output->image.bounds);
        done = conclude(&shot, make(&shot, in));
    }
    ck_shot_end(&shot);
    return done;
}
