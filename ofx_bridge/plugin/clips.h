/* SPDX-License-Identifier: Apache-2.0 */
/* The clips of the effect, and their images as pixels.h takes them. */
#ifndef CK_CLIPS_H
#define CK_CLIPS_H

#include "ofx.h"
#include "pixels.h"
#include "window.h"

/* In the order of a host's input pins; the output last. */
enum ck_clip {
    CK_CLIP_SOURCE,
    CK_CLIP_HINT,
    CK_CLIP_INSIDE,
    CK_CLIP_OUTSIDE,
    CK_CLIP_OUTPUT,
};
enum { CK_CLIP_COUNT = 5 };

extern const char *const ck_clip_names[CK_CLIP_COUNT];

/* An image of a clip; all 0 if there is none. One with empty bounds is black and transparent, but it is there. */
typedef struct ck_picture {
    ck_image image;
    OfxPropertySetHandle handle; /* null if there is none */
    int is_wired;                /* whether there is an image, be it one that the host cannot hand out */
    int is_premultiplied;
    double pixel_aspect;
} ck_picture;

/* Define all clips. */
OfxStatus ck_clips_define(OfxImageEffectHandle effect);

/* Find an instance's clips; one that the host does not have is null. */
void ck_clips_find(OfxImageEffectHandle effect, OfxImageClipHandle clips[CK_CLIP_COUNT]);

/* Whether the host says that something is wired; see also ck_host.connects_all. */
int ck_clip_is_connected(OfxImageClipHandle clip);

/* The premultiplication of what a clip holds, empty if the host does not tell. 1 if it does. */
int ck_clip_premultiplication(OfxImageClipHandle clip, char *text, size_t size);

/* Where a clip has pixels, in canonical coordinates. 1, or 0 if the host does not tell. */
int ck_clip_region(OfxImageClipHandle clip, OfxTime time, ck_region_d *region);

/* Take the image of a clip; it is given back in any case. CK_OK, with no handle where there is no image. CK_REFUSED
   with the sentence why: nothing that we can read. */
int ck_picture_take(OfxImageClipHandle clip, enum ck_clip which, OfxTime time, ck_picture *picture);

/* Give an image back to the host; one that is not there is ignored. */
void ck_picture_give(ck_picture *picture);

#endif
