/* SPDX-License-Identifier: Apache-2.0 */
/* The half of misbehaving.c that is edited and renders. */
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "misbehaving.h"

int is_mode(Handle effect, double time, int wanted) {
    int mode = -1;
    params->value_at(find_param(effect, "mode"), time, &mode);
    return mode == wanted;
}

typedef struct Image {
    Handle set;
    void *data;
    int bounds[4], row_bytes, channels;
} Image;

static Image fetch(Handle effect, const char *clip, double time) {
    Image image = {0};
    char *components;
    if (effects->get_image(find_clip(effect, clip), time, 0, &image.set) != 0) {
        image.set = 0;
        return image;
    }
    props->get_pointer(image.set, "OfxImagePropData", 0, &image.data);
    props->get_ints(image.set, "OfxImagePropBounds", 4, image.bounds);
    props->get_int(image.set, "OfxImagePropRowBytes", 0, &image.row_bytes);
    props->get_string(image.set, "OfxImageEffectPropComponents", 0, &components);
    image.channels = strcmp(components, "OfxImageComponentRGBA") == 0 ? 4 : 1;
    return image;
}

/* Say what the host tells, for a test that knows what it should. */
static void look(Handle effect) {
    char text[200], depth[32] = "", page[32] = "", *found;
    Image source = fetch(effect, "Source", 1), hint = fetch(effect, "AlphaHint", 1);
    Handle set;
    double scale = 0;
    int connected = 0, has_version = props->get_int(host->properties, "OfxPropAPIVersion", 0, &connected) == 0;
    props->get_double(source.set, "OfxImageEffectPropRenderScale", 0, &scale);
    effects->get_properties(effect, &set);
    if (props->get_string(set, "OfxImageEffectPropResolvePage", 0, &found) == 0) {
        snprintf(page, sizeof page, "%s", found);
    }
    effects->get_clip_properties(find_clip(effect, "AlphaHint"), &set);
    props->get_int(set, "OfxImageClipPropConnected", 0, &connected);
    if (props->get_string(set, "OfxImageEffectPropPixelDepth", 0, &found) == 0) {
        snprintf(depth, sizeof depth, "%s", found);
    }
    snprintf(text, sizeof text, "hint %d %d %s, scale %g, rows %d, api %d, page %s, messages %d, wired %d", connected,
             hint.set ? hint.channels : 0, depth, scale, source.row_bytes, has_version, page, has_sticky, wirings);
    effects->release_image(source.set);
    if (hint.set) {
        effects->release_image(hint.set);
    }
    messages->say(effect, "OfxMessageLog", "", "%s", text);
}

/* The button's misdeeds. */
static void press_wrongly(Handle effect, Handle in) {
    Handle set;
    if (wrong("other instance") && first_instance != effect) {
        params->set(find_param(first_instance, "amount"), 2.0);
    }
    if (wrong("out of range")) {
        params->set(find_param(effect, "amount"), 7.0);
    }
    if (wrong("garbage pointer") && messages->clear) {
        messages->clear(effect);
    }
    if (wrong("dialog")) {
        messages->say(effect, "OfxMessageMessage", "", "%s", "hello");
    }
    if (wrong("wrong kind")) {
        effects->get_params(in, &set);
    }
}

static void press(Handle effect, Handle in) {
    char *name;
    int flag;
    if (wrong("string kept") && props->get_string(in, "OfxPropName", 0, &name) == 0) {
        params->value_at(find_param(effect, "flag"), 1, &flag);
        params->set(find_param(effect, "note"), strcmp(name, "button") == 0 ? "kept" : "spoiled");
        return;
    }
    press_wrongly(effect, in);
    params->set(find_param(effect, "amount"), 2.5);
    params->set(find_param(effect, "flag"), 1);
    params->set_at(find_param(effect, "note"), 7.0, "pressed");
}

int changed(Handle effect, Handle in) {
    char *name;
    if (props->get_string(in, "OfxPropName", 0, &name) != 0) {
        return 1;
    }
    if (strcmp(name, "Source") == 0) {
        wirings++;
    } else if (strcmp(name, "look") == 0) {
        look(effect);
    } else if (strcmp(name, "button") == 0) {
        press(effect, in);
    }
    return 0;
}

static float *pixel(const Image *image, int x, int y) {
    const int *box = image->bounds;
    if (!image->set || x < box[0] || x >= box[2] || y < box[1] || y >= box[3]) {
        return 0;
    }
    return (float *)((char *)image->data + (ptrdiff_t)(y - box[1]) * image->row_bytes) +
           (ptrdiff_t)(x - box[0]) * image->channels;
}

static void invert(const Image *source, const Image *hint, const Image *output, int x, int y, float amount) {
    const float *from = pixel(source, x, y), *key = pixel(hint, x, y);
    float *to = pixel(output, x, y);
    for (int channel = 0; to && channel < 4; channel++) {
        to[channel] = !from ? 0 : channel < 3 ? amount - from[channel] : from[3];
    }
    if (to && hint->set && wrong("reads past")) {
        key = (float *)hint->data + (ptrdiff_t)(y * (hint->bounds[2] - hint->bounds[0]) + x) * hint->channels;
    }
    if (to && key) {
        to[3] = key[hint->channels - 1];
    }
}

static void touch(const Image *source, const Image *output) {
    const int *box = output->bounds;
    if (wrong("past the row")) {
        pixel(output, box[2] - 1, box[1])[4] = 1;
    }
    if (wrong("before the image")) {
        ((float *)output->data)[-1] = 1;
    }
    if (wrong("writes source")) {
        pixel(source, source->bounds[0], source->bounds[1])[0] = 9;
    }
    if (wrong("past the window")) {
        pixel(output, box[0], box[1])[0] = 9;
    }
}

static int draw(Handle effect, const Image *source, const Image *hint, const Image *output, Handle in) {
    double time = 0, amount = 0;
    int window[4];
    props->get_double(in, "OfxPropTime", 0, &time);
    props->get_ints(in, "OfxImageEffectPropRenderWindow", 4, window);
    if (wrong("value in render")) {
        params->value(find_param(effect, "amount"), &amount);
    }
    params->value_at(find_param(effect, "amount"), time, &amount);
    for (int y = window[1] + wrong("unwritten"); y < window[3]; y++) {
        if (effects->abort(effect)) {
            return 1;
        }
        for (int x = window[0]; x < window[2]; x++) {
            invert(source, hint, output, x, y, (float)amount);
        }
    }
    touch(source, output);
    return 0;
}

static int fail(Handle effect) {
    if (wrong("format")) {
        messages->say(effect, "OfxMessageError", "", "it is 100% wrong");
    }
    if (has_sticky) {
        messages->stick(effect, "OfxMessageError", "", "%s", "told to fail");
    } else {
        messages->say(effect, "OfxMessageLog", "", "%s", "told to fail");
    }
    if (has_sticky && !wrong("same message")) {
        messages->clear(effect);
    }
    return 1;
}

static void *fetch_aside(void *effect) {
    Handle image;
    effects->get_image(find_clip(effect, "Source"), 1, 0, &image);
    return 0;
}

/* What may go wrong besides pixels. */
static void stray(Handle effect, Handle image) {
    pthread_t thread;
    int row_bytes;
    if (wrong("set in render")) {
        params->set(find_param(effect, "amount"), 2.0);
    }
    if (wrong("set at time in render")) {
        params->set_at(find_param(effect, "amount"), 1.0, 2.0);
    }
    if (wrong("dead image") && old_image) {
        props->get_int(old_image, "OfxImagePropRowBytes", 0, &row_bytes);
    }
    if (wrong("released twice")) {
        effects->release_image(image);
    }
    if (wrong("foreign thread") && pthread_create(&thread, 0, fetch_aside, effect) == 0) {
        pthread_join(thread, 0);
    }
    if (wrong("progress")) {
        progress->start(effect, "Loading");
        progress->update(effect, 0.5);
        progress->end(effect);
    }
    old_image = image;
}

int render(Handle effect, Handle in) {
    double time = 0;
    props->get_double(in, "OfxPropTime", 0, &time);
    Image source = fetch(effect, "Source", time), hint = fetch(effect, "AlphaHint", time);
    Image output = fetch(effect, "Output", time);
    int status = output.set ? draw(effect, &source, &hint, &output, in) : 1;
    if (is_mode(effect, time, 2)) {
        status = fail(effect);
    }
    if (source.set && !wrong("leak")) {
        effects->release_image(source.set);
    }
    if (hint.set) {
        effects->release_image(hint.set);
    }
    if (output.set) {
        effects->release_image(output.set);
    }
    stray(effect, output.set);
    return status;
}
