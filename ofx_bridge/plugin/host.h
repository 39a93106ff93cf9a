/* SPDX-License-Identifier: Apache-2.0 */
/* The host that loaded us: its suites, its name, what is peculiar about it, and its property sets.

   Filled at Load, the bundle's folder at Describe, both before any instance lives; only read after that. */
#ifndef CK_HOST_H
#define CK_HOST_H

#include <stddef.h>

#include "ofx.h"

typedef struct ck_host {
    const OfxPropertySuiteV1 *properties;
    const OfxImageEffectSuiteV1 *effects;
    const OfxParameterSuiteV1 *params;
    const OfxMessageSuiteV1 *messages;      /* null if the host has none */
    const OfxMessageSuiteV2 *persistent;    /* null if the host has none that works */
    const OfxProgressSuiteV1 *progress;     /* null if the host has none */
    const OfxProgressSuiteV2 *progress_two; /* null if the host has none */
    char name[128];                         /* as the host calls itself to programs */
    char title[128];                        /* as it calls itself to people, and its version */
    char bundle[4096];                      /* folder of the bundle; empty if the host does not tell */
    int is_background;                      /* nobody looks: no dialogs, and time to wait */
    int knows_rgb;                          /* images of three channels */
    int one_size;                           /* all images have the bounds of the frame */

    /* Quirks; each is set for the hosts that its comment names. */
    int connects_all;   /* Resolve: every clip says that it is connected; what is not wired comes as black */
    int offsets_format; /* Natron: the format's lower left corner comes as the project's offset */
    int pixel_regions;  /* Catalyst: regions of definition come in pixels */
} ck_host;

/* The host; valid between Load and Unload. */
extern ck_host ck_this_host;

/* Remember what to ask at Load. Null is refused: 0, or -1. */
int ck_host_set(const OfxHost *host);

/* Fetch the suites and look at the host. */
OfxStatus ck_host_load(void);

/* Forget the suites. */
void ck_host_unload(void);

/* Read a property. A host that does not have it, or has another type, gives `otherwise`. */
int ck_get_int(OfxPropertySetHandle set, const char *name, int index, int otherwise);
double ck_get_double(OfxPropertySetHandle set, const char *name, int index, double otherwise);
void *ck_get_pointer(OfxPropertySetHandle set, const char *name);

/* Copy a text property, whose memory is the host's until the next call; empty if there is none. 1 if there is. */
int ck_get_text(OfxPropertySetHandle set, const char *name, int index, char *text, size_t size);

/* Whether a text property is `word`. */
int ck_is_text(OfxPropertySetHandle set, const char *name, const char *word);

/* Write a property. That the host does not know it is no error: older hosts lack what newer ones ask for. */
void ck_set_int(OfxPropertySetHandle set, const char *name, int value);
void ck_set_double(OfxPropertySetHandle set, const char *name, int index, double value);
void ck_set_text(OfxPropertySetHandle set, const char *name, int index, const char *value);

/* The properties of an effect, null if the host has none for it. */
OfxPropertySetHandle ck_effect_properties(OfxImageEffectHandle effect);

#endif
