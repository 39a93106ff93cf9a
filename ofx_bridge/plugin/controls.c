/* SPDX-License-Identifier: Apache-2.0 */
/* See controls.h. Reading only; what the host is told of the controls is in panel.c. */
#include "controls.h"

#include <math.h>
#include <string.h>

#include "../client/sentence.h"
#include "host.h"

/* The row of a name, the first one for a name that the table does not have: the caller's mistake, found by any test. */
static int row_of(const char *name) {
    for (int row = 0; row < CK_PARAM_COUNT; row++)
        if (strcmp(ck_params[row].name, name) == 0)
            return row;
    return 0;
}

OfxStatus ck_controls_find(OfxImageEffectHandle effect, ck_controls *controls) {
    OfxParamSetHandle set = NULL;
    if (ck_this_host.effects->getParamSet(effect, &set) != kOfxStatOK)
        return kOfxStatErrBadHandle;
    for (int row = 0; row < CK_PARAM_COUNT; row++)
        if (ck_this_host.params->paramGetHandle(set, ck_params[row].name, &controls->rows[row], NULL) != kOfxStatOK)
            return kOfxStatFailed;
    if (ck_this_host.params->paramGetHandle(set, "status_text", &controls->status_text, NULL) != kOfxStatOK)
        controls->status_text = NULL;
    return kOfxStatOK;
}

static int read_row(OfxParamHandle param, enum ck_kind kind, OfxTime time, double *value) {
    if (kind == CK_KIND_FLOAT)
        return ck_this_host.params->paramGetValueAtTime(param, time, value);
    int whole = 0;
    OfxStatus status = ck_this_host.params->paramGetValueAtTime(param, time, &whole);
    *value = whole;
    return status;
}

/* What indexes a table has to lie within it; numbers are checked by the daemon, which says what is wrong with them. */
static int is_usable(const ck_param *row, double value) {
    if (row->kind == CK_KIND_CHOICE)
        return value >= 0 && value < row->choice_count;
    return isfinite(value);
}

int ck_controls_read(const ck_controls *controls, OfxTime time, ck_values *values) {
    for (int row = 0; row < CK_PARAM_COUNT; row++) {
        const ck_param *param = &ck_params[row];
        if (read_row(controls->rows[row], param->kind, time, &values->row[row]) != kOfxStatOK ||
            !is_usable(param, values->row[row]))
            return ck_fail(CK_REFUSED, "the host has no usable value for %s; set it again.", param->label);
    }
    return CK_OK;
}

double ck_value(const ck_values *values, const char *name) {
    return values->row[row_of(name)];
}

int ck_choice(const ck_values *values, const char *name) {
    return (int)ck_value(values, name);
}

int ck_is_choice(const ck_values *values, const char *name, const char *word) {
    return strcmp(ck_params[row_of(name)].choices[ck_choice(values, name)], word) == 0;
}

void ck_set_choice(ck_values *values, const char *name, int index) {
    values->row[row_of(name)] = index;
}

void ck_choose(const ck_controls *controls, const char *name, int index) {
    (void)ck_this_host.params->paramSetValue(controls->rows[row_of(name)], index);
}

void ck_show_status(const ck_controls *controls, const char *text) {
    if (controls->status_text)
        (void)ck_this_host.params->paramSetValue(controls->status_text, text);
}

int ck_output_now(const ck_controls *controls) {
    int row = row_of("output"), index = 0;
    OfxStatus status = ck_this_host.params->paramGetValue(controls->rows[row], &index);
    return status == kOfxStatOK && is_usable(&ck_params[row], index) ? index : (int)ck_params[row].default_value;
}

static int send_row(const ck_param *row, double value, ck_frame *frame) {
    if (row->kind == CK_KIND_BOOL)
        return ck_flag(frame, row->name, value != 0);
    if (row->kind == CK_KIND_FLOAT)
        return ck_number(frame, row->name, value);
    return ck_word(frame, row->name, row->choices[(int)value]);
}

int ck_send_values(const ck_values *values, ck_frame *frame) {
    int status = CK_OK;
    for (int row = 0; row < CK_PARAM_COUNT && status == CK_OK; row++)
        status = send_row(&ck_params[row], values->row[row], frame);
    return status;
}
