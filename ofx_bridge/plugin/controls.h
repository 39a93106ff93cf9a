/* SPDX-License-Identifier: Apache-2.0 */
/* What an artist sets: the parameter table as the host's controls, and their values at a time. */
#ifndef CK_CONTROLS_H
#define CK_CONTROLS_H

#include "../include/corridorkey.h"
#include "../include/corridorkey_params.h"
#include "ofx.h"

#define CK_BUTTON_DETECT "detect_screen"
#define CK_BUTTON_START "start_daemon"
#define CK_BUTTON_STATUS "status"
#define CK_BUTTON_DOCS "open_docs"

/* An instance's controls. */
typedef struct ck_controls {
    OfxParamHandle rows[CK_PARAM_COUNT]; /* as in the parameter table */
    OfxParamHandle status_text;
} ck_controls;

/* Values by the rows of the parameter table; a choice's is the index of its word. */
typedef struct ck_values {
    double row[CK_PARAM_COUNT];
} ck_values;

/* Define all controls. */
OfxStatus ck_controls_define(OfxImageEffectHandle effect);

/* Find an instance's controls. */
OfxStatus ck_controls_find(OfxImageEffectHandle effect, ck_controls *controls);

/* Read all values at `time`. CK_OK; CK_REFUSED with the sentence why. */
int ck_controls_read(const ck_controls *controls, OfxTime time, ck_values *values);

/* The value of the row `name`. */
double ck_value(const ck_values *values, const char *name);

/* The index of the word that the choice `name` has. */
int ck_choice(const ck_values *values, const char *name);

/* Whether the choice `name` has that word. */
int ck_is_choice(const ck_values *values, const char *name, const char *word);

/* Change what will be sent for the choice `name`; the host's control stays. */
void ck_set_choice(ck_values *values, const char *name, int index);

/* Give a choice the word of an index; only within InstanceChanged. */
void ck_choose(const ck_controls *controls, const char *name, int index);

/* Show a line to the artist; only within InstanceChanged. */
void ck_show_status(const ck_controls *controls, const char *text);

/* The `output` that applies now, for actions that know no time. */
int ck_output_now(const ck_controls *controls);

/* Set every value for the next ck_submit of `frame`: a daemon of another age may have other defaults. */
int ck_send_values(const ck_values *values, ck_frame *frame);

#endif
