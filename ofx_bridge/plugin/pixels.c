/* SPDX-License-Identifier: Apache-2.0 */
/* Reads, composes and writes rows of pixels.

   The arithmetic is that of numpy in float32: one rounding for each product and each sum. Products stand in statements
   of their own and the build says -ffp-contract=off, so that no machine fuses a product with a sum. */
#include "pixels.h"

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { RGBA = 4, LINE = 64, WORTH_STREAMING = 2048 };

typedef struct span {
    int begin, end;
} span;

static int least(int one, int other) {
    return one < other ? one : other;
}
static int most(int one, int other) {
    return one > other ? one : other;
}

static size_t count_between(int begin, int end) {
    return end > begin ? (size_t)((int64_t)end - begin) : 0;
}

int ck_box_is_empty(ck_box box) {
    return box.x1 >= box.x2 || box.y1 >= box.y2;
}

int ck_piece_end(int x, int x2) {
    return x2 - x > CK_PIECE ? x + CK_PIECE : x2;
}

ck_box ck_box_intersect(ck_box one, ck_box other) {
    ck_box both = {most(one.x1, other.x1), most(one.y1, other.y1), least(one.x2, other.x2), least(one.y2, other.y2)};
    return ck_box_is_empty(both) ? (ck_box){0, 0, 0, 0} : both;
}

/* What of pixels x1 to x2 of row y the image has; nothing: x2 to x2. */
static span row_span(const ck_image *image, int y, int x1, int x2) {
    ck_box part = ck_box_intersect(image->bounds, (ck_box){x1, y, x2, y + 1});
    return ck_box_is_empty(part) ? (span){x2, x2} : (span){part.x1, part.x2};
}

static float *pixel_at(const ck_image *image, int x, int y) {
    ptrdiff_t column = (ptrdiff_t)x - image->bounds.x1;
    ptrdiff_t line = (ptrdiff_t)y - image->bounds.y1;
    return (float *)((char *)image->data + line * image->row_bytes) + column * image->channels;
}

void ck_image_cut(ck_image *image, ck_box box) {
    ck_box part = ck_box_intersect(image->bounds, box);
    if (!ck_box_is_empty(part))
        image->data = pixel_at(image, part.x1, part.y1);
    image->bounds = part;
}

static void clear_pixels(float *row, size_t count) {
    memset(row, 0, count * RGBA * sizeof *row);
}

static void widen_rgb(const float *restrict from, size_t count, float *restrict row) {
    for (size_t i = 0; i < count; i++) {
        row[RGBA * i] = from[3 * i];
        row[RGBA * i + 1] = from[3 * i + 1];
        row[RGBA * i + 2] = from[3 * i + 2];
        row[RGBA * i + 3] = 1;
    }
}

static void widen_alpha(const float *restrict from, size_t count, float *restrict row) {
    clear_pixels(row, count);
    for (size_t i = 0; i < count; i++)
        row[RGBA * i + 3] = from[i];
}

void ck_read_row(const ck_image *image, int y, int x1, int x2, float *row) {
    span there = row_span(image, y, x1, x2);
    float *inside = row + RGBA * count_between(x1, there.begin);
    size_t count = count_between(there.begin, there.end);
    clear_pixels(row, count_between(x1, there.begin));
    clear_pixels(inside + RGBA * count, count_between(there.end, x2));
    if (count == 0)
        return;
    const float *from = pixel_at(image, there.begin, y);
    if (image->channels == RGBA)
        memcpy(inside, from, count * RGBA * sizeof *inside);
    else if (image->channels == 3)
        widen_rgb(from, count, inside);
    else
        widen_alpha(from, count, inside);
}

void ck_unpremultiply_row(float *row, int width) {
    for (size_t i = 0; i < count_between(0, width); i++) {
        float *pixel = row + RGBA * i;
        float divisor = pixel[3] == 0 ? 1 : pixel[3]; /* a division by 1 changes nothing */
        pixel[0] /= divisor;
        pixel[1] /= divisor;
        pixel[2] /= divisor;
    }
}

enum { TRAIT_NO_MATTE = 1, TRAIT_NOT_WHITE = 2 };

static int row_traits(const float *restrict row, size_t count) {
    int no_matte = 0, not_white = 0;
    for (size_t i = 0; i < count; i++) {
        const float *pixel = row + RGBA * i;
        no_matte |= (pixel[1] != pixel[0]) | (pixel[2] != pixel[0]) | (pixel[3] != 1);
        not_white |= pixel[0] != 1;
    }
    return (no_matte ? TRAIT_NO_MATTE : 0) | (not_white ? TRAIT_NOT_WHITE : 0);
}

/* Whether a matte was saved as a grey picture with a solid alpha. Beyond its bounds an image has the alpha 0. */
static int is_opaque_matte(const ck_image *image, ck_box window, int (*interrupted)(void *state), void *state) {
    ck_box part = ck_box_intersect(image->bounds, window);
    int traits = memcmp(&part, &window, sizeof part) == 0 ? 0 : TRAIT_NO_MATTE;
    for (int y = part.y1; y < part.y2 && !(traits & TRAIT_NO_MATTE); y++) {
        if (interrupted && interrupted(state))
            return 0;
        traits |= row_traits(pixel_at(image, part.x1, y), count_between(part.x1, part.x2));
    }
    return traits == TRAIT_NOT_WHITE;
}

enum ck_hint_channel ck_hint_resolve(const ck_image *image, ck_box window, enum ck_hint_channel wanted,
                                     int (*interrupted)(void *state), void *state) {
    if (image->channels == 1)
        return CK_HINT_ALPHA;
    if (wanted != CK_HINT_AUTO)
        return wanted;
    if (image->channels != RGBA)
        return CK_HINT_LUMINANCE;
    return is_opaque_matte(image, window, interrupted, state) ? CK_HINT_RED : CK_HINT_ALPHA;
}

static void fill_channel(float *target, int step, size_t count, float value) {
    for (size_t i = 0; i < count; i++)
        target[i * (size_t)step] = value;
}

static void copy_channel(const float *restrict from, int channels, size_t count, float *restrict target, int step) {
    for (size_t i = 0; i < count; i++)
        target[i * (size_t)step] = from[i * (size_t)channels];
}

static void weigh_channels(const float *restrict from, int channels, size_t count, float *restrict target, int step) {
    for (size_t i = 0; i < count; i++) {
        const float *pixel = from + i * (size_t)channels;
        float red = pixel[0] * 0.2126f;
        float green = pixel[1] * 0.7152f;
        float blue = pixel[2] * 0.0722f;
        float sum = red + green;
        target[i * (size_t)step] = sum + blue;
    }
}

static void pick_channel(const ck_image *image, const float *from, size_t count, enum ck_hint_channel channel,
                         float *target, int step) {
    if (image->channels == 1)
        copy_channel(from, 1, count, target, step);
    else if (channel == CK_HINT_LUMINANCE)
        weigh_channels(from, image->channels, count, target, step);
    else if (channel == CK_HINT_ALPHA && image->channels != RGBA)
        fill_channel(target, step, count, 1);
    else
        copy_channel(from + (channel == CK_HINT_ALPHA ? 3 : channel - CK_HINT_RED), image->channels, count, target,
                     step);
}

void ck_read_channel(const ck_image *image, int y, int x1, int x2, enum ck_hint_channel channel, float *target,
                     int step) {
    span there = row_span(image, y, x1, x2);
    size_t before = count_between(x1, there.begin), count = count_between(there.begin, there.end);
    fill_channel(target, step, before, 0);
    if (count > 0)
        pick_channel(image, pixel_at(image, there.begin, y), count, channel, target + before * (size_t)step, step);
    fill_channel(target + (before + count) * (size_t)step, step, count_between(there.end, x2), 0);
}

ck_checker ck_checker_make(int frame_width, int linear) {
    int square = frame_width / 30, rest = frame_width % 30; /* 64 / 1920, and a half goes to the even one */
    if (rest > 15 || (rest == 15 && square % 2 == 1))
        square++;
    /* 0.15 and 0.55 in sRGB's encoding, and their linear light */
    ck_checker checker = {linear ? 0.01960665f : 0.15f, linear ? 0.26327342f : 0.55f, most(4, square)};
    return checker;
}

static void premultiply(const float *restrict keyed, size_t count, float *restrict row) {
    for (size_t i = 0; i < count; i++) {
        float matte = keyed[RGBA * i + 3];
        row[RGBA * i] = keyed[RGBA * i] * matte;
        row[RGBA * i + 1] = keyed[RGBA * i + 1] * matte;
        row[RGBA * i + 2] = keyed[RGBA * i + 2] * matte;
        row[RGBA * i + 3] = matte;
    }
}

static void show_grey(const float *restrict grey, int channels, size_t count, float *restrict row) {
    for (size_t i = 0; i < count; i++) {
        float value = grey[i * (size_t)channels];
        row[RGBA * i] = value;
        row[RGBA * i + 1] = value;
        row[RGBA * i + 2] = value;
        row[RGBA * i + 3] = 1;
    }
}

static void lay_over(const float *restrict keyed, float grey, size_t count, float *restrict row) {
    for (size_t i = 0; i < count; i++) {
        const float *pixel = keyed + RGBA * i;
        float behind = grey * (1 - pixel[3]);
        float red = pixel[0] * pixel[3], green = pixel[1] * pixel[3], blue = pixel[2] * pixel[3];
        row[RGBA * i] = red + behind;
        row[RGBA * i + 1] = green + behind;
        row[RGBA * i + 2] = blue + behind;
        row[RGBA * i + 3] = 1;
    }
}

static void lay_over_checker(const float *keyed, int width, int left, int top, const ck_checker *checker, float *row) {
    for (int done = 0; done < width;) {
        int column = (left + done) / checker->square;
        int count = least(width - done, (column + 1) * checker->square - left - done);
        int odd = (column + top / checker->square) & 1;
        lay_over(keyed + RGBA * done, odd ? checker->odd : checker->even, (size_t)count, row + RGBA * done);
        done += count;
    }
}

void ck_compose_row(enum ck_output output, const float *keyed, const float *hint, int width, int left, int top,
                    const ck_checker *checker, float *row) {
    size_t count = count_between(0, width);
    switch (output) {
    case CK_OUTPUT_PREMULTIPLIED:
        premultiply(keyed, count, row);
        break;
    case CK_OUTPUT_FOREGROUND:
        memcpy(row, keyed, count * RGBA * sizeof *row);
        break;
    case CK_OUTPUT_MATTE:
        show_grey(keyed + 3, RGBA, count, row);
        break;
    case CK_OUTPUT_HINT:
        show_grey(hint, 1, count, row);
        break;
    case CK_OUTPUT_CHECKER:
        lay_over_checker(keyed, width, left, top, checker, row);
        break;
    case CK_OUTPUT_PLATE:
        break;
    }
}

static void narrow(const float *restrict row, size_t count, float *restrict target, int channels) {
    for (size_t i = 0; i < count; i++)
        for (int channel = 0; channel < channels; channel++)
            target[i * (size_t)channels + (size_t)channel] = row[RGBA * i + (size_t)(channels == 1 ? 3 : channel)];
}

void ck_write_row(const ck_image *image, int y, int x1, int x2, const float *row) {
    span there = row_span(image, y, x1, x2);
    size_t count = count_between(there.begin, there.end);
    const float *from = row + RGBA * count_between(x1, there.begin);
    if (count == 0)
        return;
    float *target = pixel_at(image, there.begin, y);
    if (image->channels == RGBA)
        ck_stream(target, from, count * RGBA * sizeof *target);
    else
        narrow(from, count, target, image->channels);
}

void ck_clear(const ck_image *image, ck_box window) {
    ck_box part = ck_box_intersect(image->bounds, window);
    size_t size = count_between(part.x1, part.x2) * (size_t)image->channels * sizeof(float);
    for (int y = part.y1; y < part.y2; y++)
        memset(pixel_at(image, part.x1, y), 0, size);
}

#if defined(__SSE2__)
/* Whole lines of the cache from `from` to `to`, which is at the start of one. */
static void stream_lines(char *to, const char *from, size_t size) {
    for (size_t i = 0; i < size; i += LINE)
        for (int part = 0; part < LINE; part += 16)
            _mm_stream_si128((__m128i *)(void *)(to + i + part),
                             _mm_loadu_si128((const __m128i *)(const void *)(from + i + part)));
}

void ck_stream(void *to, const void *from, size_t size) {
    size_t head = (size_t)(-(uintptr_t)to & (LINE - 1));
    size_t lines = size < WORTH_STREAMING ? 0 : (size - head) / LINE * LINE;
    size_t begin = lines > 0 ? head : 0;
    memcpy(to, from, begin);
    stream_lines((char *)to + begin, (const char *)from + begin, lines);
    memcpy((char *)to + begin + lines, (const char *)from + begin + lines, size - begin - lines);
}
void ck_stream_end(void) {
    _mm_sfence();
}
#else
void ck_stream(void *to, const void *from, size_t size) {
    memcpy(to, from, size);
}

void ck_stream_end(void) {
}
#endif
