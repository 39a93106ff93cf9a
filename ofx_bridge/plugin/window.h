/* SPDX-License-Identifier: Apache-2.0 */
/* What the network sees of a host's picture: the display window in pixels. Pure. */
#ifndef CK_WINDOW_H
#define CK_WINDOW_H

#include "pixels.h"

/* A box in a host's canonical coordinates: square pixels at full size, y rises. */
typedef struct ck_region_d {
    double x1, y1, x2, y2;
} ck_region_d;

/* What a host tells of a frame. */
typedef struct ck_geometry {
    const ck_region_d *extent;  /* of the project; null if the host does not tell, or an empty one */
    const ck_region_d *defined; /* the plate's region of definition; null if the host does not tell */
    double scale_x, scale_y;    /* of the render: 0.5 for a proxy of half the size */
    double pixel_aspect;        /* of the plate; 0 or less counts as 1 */
    ck_box bounds;              /* of the plate's image, in pixels */
    int overscan;               /* key all of the plate, not only what lies in the project's frame */
    int one_size;               /* the host knows images of one size only: the plate's bounds are the frame */
} ck_geometry;

/* The display window in pixels: the project's extent, with overscan the union of it and the plate.
   Falls back on the plate's bounds where the host's numbers do not fit together: a region of definition that, scaled,
   is not where the image is (Fusion's scale while scrubbing, Resolve's proxies), an infinite or absurdly large one. */
ck_box ck_display_window(const ck_geometry *geometry);

#endif
