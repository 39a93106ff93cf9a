/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of a host on its way through the daemon: its images, what the network sees of them, its memory. */
#ifndef CK_SHOT_H
#define CK_SHOT_H

#include "instance.h"

typedef struct ck_shot {
    /* Given by who asks. */
    ck_instance *instance;
    OfxTime time;
    double scale_x, scale_y;        /* of the render */
    int (*is_stopped)(void *state); /* whether nobody wants it any more; asked often */
    void *state;
    int priority;
    ck_box target; /* what is to be written of the output */
    ck_values values;

    /* Found on the way. */
    ck_picture pictures[CK_CLIP_COUNT];
    enum ck_hint_channel channels[CK_CLIP_COUNT]; /* of hint and masks */
    ck_box window;                                /* what the network sees; empty if there is no plate */
    int contents;                                 /* CK_HAS_... */
    ck_frame *frame;
} ck_shot;

/* The steps, in this order. Each gives CK_OK; CK_CANCELLED if it was stopped; else the sentence why. */
int ck_shot_look(ck_shot *shot);        /* take the plate, find the window */
int ck_shot_find_space(ck_shot *shot);  /* set working_space if it is auto */
int ck_shot_find_mattes(ck_shot *shot); /* take hint and masks */
int ck_shot_open(ck_shot *shot);        /* get memory */
int ck_shot_fill(ck_shot *shot);        /* copy the images into it */
int ck_shot_submit(ck_shot *shot);      /* have it keyed */
int ck_shot_wait(ck_shot *shot);        /* for the memory, or for the answer */
int ck_shot_trim(ck_shot *shot); /* nothing was photographed beside the plate, whatever was made of the black there */

/* Give everything back that was taken. */
void ck_shot_end(ck_shot *shot);

#endif
