/* SPDX-License-Identifier: Apache-2.0 */
/* The display window of a frame from what a host tells of it. Knows no host: numbers in, a box out. */
#include "window.h"

#include <stdint.h>
#include <stdlib.h>

#include "../include/corridorkey_params.h"

enum {
    ALIKE = 2,     /* pixels between a region of definition and its image: hosts round outwards, or not */
    FAR = 1 << 24, /* pixels from the origin: what lies beyond is infinite or a mistake */
    LARGEST_SCALE = 8,
};

static int is_scale(double scale) {
    return scale > 0 && scale <= LARGEST_SCALE;
}

/* Round to the nearest pixel; 0 if there is none. */
static int to_pixel(double value, int *pixel) {
    if (!(value > -FAR && value < FAR))
        return 0;
    int whole = (int)(value + 0.5);
    *pixel = whole > value + 0.5 ? whole - 1 : whole;
    return 1;
}

/* A region in pixels; 0 if they cannot be told. */
static int to_box(const ck_geometry *geometry, const ck_region_d *region, ck_box *box) {
    double across = geometry->scale_x / (geometry->pixel_aspect > 0 ? geometry->pixel_aspect : 1);
    double up = geometry->scale_y;
    return to_pixel(region->x1 * across, &box->x1) && to_pixel(region->y1 * up, &box->y1) &&
           to_pixel(region->x2 * across, &box->x2) && to_pixel(region->y2 * up, &box->y2);
}

static int64_t distance(int one, int other) {
    return llabs((int64_t)one - other);
}

static int are_alike(ck_box one, ck_box other) {
    return distance(one.x1, other.x1) <= ALIKE && distance(one.y1, other.y1) <= ALIKE &&
           distance(one.x2, other.x2) <= ALIKE && distance(one.y2, other.y2) <= ALIKE;
}

static ck_box unite(ck_box one, ck_box other) {
    if (ck_box_is_empty(one) || ck_box_is_empty(other))
        return ck_box_is_empty(one) ? other : one;
    ck_box both = one;
    both.x1 = other.x1 < one.x1 ? other.x1 : one.x1;
    both.y1 = other.y1 < one.y1 ? other.y1 : one.y1;
    both.x2 = other.x2 > one.x2 ? other.x2 : one.x2;
    both.y2 = other.y2 > one.y2 ? other.y2 : one.y2;
    return both;
}

static int is_frame(ck_box box) {
    return !ck_box_is_empty(box) && distance(box.x1, box.x2) <= CK_SIDE_LIMIT &&
           distance(box.y1, box.y2) <= CK_SIDE_LIMIT;
}

/* Whether images are where the host's numbers say. */
static int fits_together(const ck_geometry *geometry) {
    ck_box defined;
    if (geometry->one_size || !is_scale(geometry->scale_x) || !is_scale(geometry->scale_y))
        return 0;
    return !geometry->defined ||
           (to_box(geometry, geometry->defined, &defined) && are_alike(defined, geometry->bounds));
}

ck_box ck_display_window(const ck_geometry *geometry) {
    const ck_region_d *region = geometry->extent ? geometry->extent : geometry->defined;
    ck_box window;
    if (!region || !fits_together(geometry) || !to_box(geometry, region, &window))
        return geometry->bounds;
    if (geometry->overscan)
        window = unite(window, geometry->bounds);
    return is_frame(window) ? window : geometry->bounds;
}
