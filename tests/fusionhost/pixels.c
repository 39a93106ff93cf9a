// SPDX-License-Identifier: Apache-2.0
// Pixels of the fake Fusion's images. Every access is checked; what is wrong is counted and does nothing.

#include <math.h>
#include <stdint.h>
#include <string.h>

__extension__ typedef _Float16 half;

// The same words, in the same order, are in pixels.py.
enum { OUTSIDE, PAST_END, NO_DATA, FREED, INPUT_WRITTEN, SET_WRITTEN, UNPLACED, NO_PIXEL };

typedef struct {
    float red, green, blue, alpha;
} fusion_pixel;

// One image; pixels.py fills it. `data` is the lowest row of the data window, `stride` leads to the row above it.
typedef struct {
    unsigned char *data;
    int64_t stride;
    int64_t (*faults)[3]; // for each kind of fault: how often, and x and y of the first
    int32_t left, bottom, right, top;
    int32_t depth, size; // `size` in bytes of a pixel
    int32_t unusable;    // the fault of whoever touches a pixel, -1 if there is none
    int32_t unwritable;  // the fault of whoever writes one, -1 if there is none
} fusion_image;

// A PixPtr. Between `at` and `end` are pixels that need no further look: RGBA of float32, within the data window.
typedef struct {
    fusion_image *image;
    unsigned char *at, *end, *writable_end;
    unsigned char *row; // of the pixel at `left`; NULL outside the data window
    int32_t x, y, placed;
} fusion_pointer;

static void blame(fusion_image *image, int fault, int x, int y) {
    int64_t *found = image->faults[fault];
    if (__atomic_fetch_add(&found[0], 1, __ATOMIC_RELAXED) == 0) {
        found[1] = x;
        found[2] = y;
    }
}

static void read_integers(const fusion_image *image, const unsigned char *at, fusion_pixel *pixel) {
    uint16_t wide[4] = {0};
    float values[4] = {0}, most = image->depth == 1 || image->depth == 5 ? 255.0f : 65535.0f;
    int count = image->depth > 4 ? 4 : 1;
    if (most < 256.0f) {
        for (int i = 0; i < count; i++)
            wide[i] = at[i];
    } else {
        memcpy(wide, at, (size_t)count * 2);
    }
    for (int i = 0; i < count; i++)
        values[i] = (float)wide[i] / most;
    *pixel =
        count == 4 ? (fusion_pixel){values[0], values[1], values[2], values[3]} : (fusion_pixel){0, 0, 0, values[0]};
}

static void read_pixel(const fusion_image *image, const unsigned char *at, fusion_pixel *pixel) {
    half narrow[4];
    float value;
    switch (image->depth) {
    case 3:
        memcpy(narrow, at, 2);
        *pixel = (fusion_pixel){0, 0, 0, (float)narrow[0]};
        return;
    case 4:
        memcpy(&value, at, 4);
        *pixel = (fusion_pixel){0, 0, 0, value};
        return;
    case 7:
        memcpy(narrow, at, 8);
        *pixel = (fusion_pixel){(float)narrow[0], (float)narrow[1], (float)narrow[2], (float)narrow[3]};
        return;
    case 8:
        memcpy(pixel, at, 16);
        return;
    default:
        read_integers(image, at, pixel);
    }
}

static uint16_t quantized(float value, float most) {
    return (uint16_t)floorf(fminf(fmaxf(value, 0.0f), 1.0f) * most + 0.5f);
}

static void write_pixel(const fusion_image *image, unsigned char *at, const fusion_pixel *pixel) {
    float values[4] = {pixel->red, pixel->green, pixel->blue, pixel->alpha};
    int count = image->depth > 4 ? 4 : 1, kind = image->depth - (count == 4 ? 4 : 0);
    const float *from = count == 4 ? values : values + 3;
    for (int i = 0; i < count; i++) {
        half narrow = (half)from[i];
        uint16_t wide = quantized(from[i], 65535.0f);
        if (kind == 1)
            at[i] = (unsigned char)quantized(from[i], 255.0f);
        if (kind == 2)
            memcpy(at + 2 * i, &wide, 2);
        if (kind == 3)
            memcpy(at + 2 * i, &narrow, 2);
        if (kind == 4)
            memcpy(at + 4 * i, &from[i], 4);
    }
}

// Returns where the pixel under `pointer` is, NULL (and blames) if it may not be touched.
static unsigned char *reach(fusion_pointer *pointer, const fusion_pixel *pixel, int writes) {
    fusion_image *image = pointer->image;
    int fault = image->unusable;
    if (fault < 0 && writes)
        fault = image->unwritable;
    if (fault < 0 && !pixel)
        fault = NO_PIXEL;
    if (fault < 0 && !pointer->placed)
        fault = UNPLACED;
    if (fault < 0 && !pointer->row)
        fault = OUTSIDE;
    if (fault < 0 && pointer->x >= image->right)
        fault = PAST_END;
    if (fault < 0 && pointer->x < image->left)
        fault = OUTSIDE;
    if (fault < 0)
        return pointer->row + (int64_t)(pointer->x - image->left) * image->size;
    blame(image, fault, pointer->x, pointer->y);
    return NULL;
}

static int is_plain(const fusion_pointer *pointer) {
    const fusion_image *image = pointer->image;
    return image->depth == 8 && pointer->row && pointer->x >= image->left && pointer->x < image->right;
}

void fusion_goto(fusion_pointer *pointer, int x, int y) {
    const fusion_image *image = pointer->image;
    int inside = image->unusable < 0 && y >= image->bottom && y < image->top;
    pointer->row = inside ? image->data + (y - image->bottom) * image->stride : NULL;
    pointer->x = x;
    pointer->y = y;
    pointer->placed = 1;
    pointer->at = pointer->end = pointer->writable_end = NULL;
    if (!is_plain(pointer))
        return;
    pointer->at = pointer->row + (int64_t)(x - image->left) * 16;
    pointer->end = pointer->row + (int64_t)(image->right - image->left) * 16;
    pointer->writable_end = image->unwritable < 0 ? pointer->end : NULL;
}

// Go on by a pixel that was not plain.
static void step(fusion_pointer *pointer) {
    pointer->x++;
    if (pointer->at)
        pointer->at += 16;
}

void fusion_next(fusion_pointer *pointer) {
    step(pointer);
}

static void get_checked(fusion_pointer *pointer, fusion_pixel *pixel) {
    const unsigned char *at = reach(pointer, pixel, 0);
    if (at)
        read_pixel(pointer->image, at, pixel);
    step(pointer);
}

static void set_checked(fusion_pointer *pointer, const fusion_pixel *pixel) {
    unsigned char *at = reach(pointer, pixel, 1);
    if (at)
        write_pixel(pointer->image, at, pixel);
    step(pointer);
}

void fusion_get_next(fusion_pointer *pointer, fusion_pixel *pixel) {
    if (!pixel || pointer->at >= pointer->end) {
        get_checked(pointer, pixel);
        return;
    }
    memcpy(pixel, pointer->at, 16);
    pointer->at += 16;
    pointer->x++;
}

void fusion_set_next(fusion_pointer *pointer, const fusion_pixel *pixel) {
    if (!pixel || pointer->at >= pointer->writable_end) {
        set_checked(pointer, pixel);
        return;
    }
    // One by one, as they came: a processor waits before it reads at once what was written in parts.
    volatile const float *from = (volatile const float *)pixel;
    float *to = (float *)(void *)pointer->at;
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
    to[3] = from[3];
    pointer->at += 16;
    pointer->x++;
}

// What Fusion's own operations do to rows first to last - 1 of RGBA images of float32.

// RGB times A. rough: as a host that is not exact would.
void fusion_alpha_multiply(const fusion_image *image, int first, int last, int rough) {
    for (int row = first; row < last; row++) {
        float *at = (float *)(void *)(image->data + row * image->stride), *end = at + 4 * (image->right - image->left);
        for (; at < end; at += 4) {
            float alpha = rough ? (float)(half)at[3] : at[3];
            at[0] *= alpha;
            at[1] *= alpha;
            at[2] *= alpha;
        }
    }
}

// Each channel of `to` is the one of `from` that `map` names.
void fusion_copy_channels(const fusion_image *from, const fusion_image *to, int first, int last, const int32_t *map) {
    for (int row = first; row < last; row++) {
        const float *in = (const float *)(const void *)(from->data + row * from->stride);
        float *out = (float *)(void *)(to->data + row * to->stride), *end = out + 4 * (to->right - to->left);
        for (; out < end; out += 4, in += 4)
            for (int channel = 0; channel < 4; channel++)
                out[channel] = in[map[channel]];
    }
}

void fusion_get(fusion_image *image, int x, int y, fusion_pixel *pixel) {
    fusion_pointer pointer = {.image = image};
    fusion_goto(&pointer, x, y);
    fusion_get_next(&pointer, pixel);
}

void fusion_set(fusion_image *image, int x, int y, const fusion_pixel *pixel) {
    fusion_pointer pointer = {.image = image};
    fusion_goto(&pointer, x, y);
    fusion_set_next(&pointer, pixel);
}
