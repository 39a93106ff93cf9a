/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels between a host's images and the rows of a slot. Knows no host: pointers, boxes and strides only.

   A host's image has its origin at the bottom: y rises. A slot's rows run from the top. The flip is the caller's, who
   walks the rows; a row is `x2 - x1` pixels of R, G, B, A. Nothing outside an image's own bounds is ever touched. */
#ifndef CK_PIXELS_H
#define CK_PIXELS_H

#include <stddef.h>

/* Pixels x1 <= x < x2, y1 <= y < y2. */
typedef struct ck_box {
    int x1, y1, x2, y2;
} ck_box;

/* A host's image of float32. */
typedef struct ck_image {
    void *data;          /* the pixel at bounds.x1, bounds.y1 */
    ptrdiff_t row_bytes; /* from a row to the one above; may be negative, and more than the pixels take */
    ck_box bounds;
    int channels; /* 4: RGBA, 3: RGB, 1: alpha */
} ck_image;

ck_box ck_box_intersect(ck_box one, ck_box other); /* empty: all 0 */
int ck_box_is_empty(ck_box box);

/* Let go of what lies outside `box`: it is read as 0, and nothing is copied. */
void ck_image_cut(ck_image *image, ck_box box);

/* How many pixels of a row are best read, composed and written at a time: they stay in the nearest cache, and a whole
   frame takes little longer than a plain copy of it. */
enum { CK_PIECE = 256 };

/* Where the piece that begins at x ends in a row that ends at x2. */
int ck_piece_end(int x, int x2);

/* Write pixels x1 to x2 of the image's row y into `row`, 0 outside its bounds; inside, a missing alpha is 1 and missing
   colour 0. */
void ck_read_row(const ck_image *image, int y, int x1, int x2, float *row);

/* Divide RGB by A where A is neither 0 nor 1; A is kept. */
void ck_unpremultiply_row(float *row, int width);

/* Which channel of an image holds a hint or a mask: the choices of `hint_channel` in their order. The same choice of
   channel, down to the last bit, as models/corridorkey_models/hint.py makes. */
enum ck_hint_channel {
    CK_HINT_AUTO, /* alpha if there is one, else luminance; see ck_hint_resolve */
    CK_HINT_ALPHA,
    CK_HINT_RED,
    CK_HINT_GREEN,
    CK_HINT_BLUE,
    CK_HINT_LUMINANCE,
};

/* What CK_HINT_AUTO is for an image of which `window` counts: red for a grey picture with a solid alpha that
   is not white all over, as painting programs save mattes. An image of one channel has that one, whatever is asked.
   interrupted: called before each row with `state`; not 0 ends the search. May be null. */
enum ck_hint_channel ck_hint_resolve(const ck_image *image, ck_box window, enum ck_hint_channel wanted,
                                     int (*interrupted)(void *state), void *state);

/* Write the channel of pixels x1 to x2 of row y into target[0], target[step], ...; 0 outside the image's bounds.
   channel: resolved. Alpha of an image without one is 1 inside: refuse it before, as hint.py does. */
void ck_read_channel(const ck_image *image, int y, int x1, int x2, enum ck_hint_channel channel, float *target,
                     int step);

/* What an output shows: the choices of `output` in their order. */
enum ck_output {
    CK_OUTPUT_PREMULTIPLIED, /* foreground times matte; A the matte */
    CK_OUTPUT_FOREGROUND,    /* straight foreground; A the matte */
    CK_OUTPUT_MATTE,         /* the matte in R, G, B; A 1 */
    CK_OUTPUT_HINT,          /* the hint as it was used in R, G, B; A 1 */
    CK_OUTPUT_CHECKER,       /* over a checkerboard; A 1 */
    CK_OUTPUT_PLATE,         /* not made here */
};

/* Squares for CK_OUTPUT_CHECKER: two greys, encoded as the foreground is, as models/corridorkey_models/view.py has
   them: 64 pixels at a width of 1920, at least 4. */
typedef struct ck_checker {
    float even, odd;
    int square;
} ck_checker;

/* linear: whether the foreground is in a linear space. */
ck_checker ck_checker_make(int frame_width, int linear);

/* Write what `output` shows of one row.
   keyed: R, G, B, A of the out plane. hint: the hint plane's row, for CK_OUTPUT_HINT only.
   left, top: where the row begins in the frame, from its top left corner. */
void ck_compose_row(enum ck_output output, const float *keyed, const float *hint, int width, int left, int top,
                    const ck_checker *checker, float *row);

/* Write a row of R, G, B, A into the image's row y from x1 on; what is outside its bounds is left out. Streams: call
   ck_stream_end when all is written. */
void ck_write_row(const ck_image *image, int y, int x1, int x2, const float *row);

/* Make the part of the image within `window` transparent black. */
void ck_clear(const ck_image *image, ck_box window);

/* Copy past the cache where the machine can, for memory that nobody reads soon; any alignment. Others may see it late,
   until ck_stream_end. */
void ck_stream(void *to, const void *from, size_t size);

/* Have all that this thread streamed seen by others; once a frame, as it waits for the memory. */
void ck_stream_end(void);

#endif
