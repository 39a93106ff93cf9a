/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the host of the controls: the parameter table in groups, the buttons and the status line. Some hosts get wrong
   what they are not told, so all are told everything: every range, every digit, whether a value animates. */
#include <string.h>

#include "../client/sentence.h"
#include "controls.h"
#include "host.h"

enum { MEMBERS = 9, WIDE = 1000 };

struct group {
    const char *name, *label;
    int is_open;
    const char *members[MEMBERS];
};

/* Group names are permanent, as they are kept in projects. A row that no group names goes into the last one. */
static const struct group groups[] = {
    {"screen_group", "Screen", 1, {"screen", "working_space", "quality"}},
    {"hint_group", "Hint", 1, {"hint_source", "hint_channel", "hint_invert", "hint_erode", "hint_blur"}},
    {"matte_group",
     "Matte",
     0,
     {"refiner_scale", "despeckle", "despeckle_size", "matte_black", "matte_white", "matte_gamma", "matte_grow",
      "matte_blur"}},
    {"foreground_group", "Foreground", 0, {"despill", "foreground_source", "highlight_restore", "gamut_restore"}},
    {"output_group", "Output", 1, {"overscan", "output", "output_space"}},
};
enum { GROUPS = sizeof groups / sizeof *groups };

typedef struct button {
    const char *name, *label, *hint;
    const char *parent; /* null: below all groups */
} button;

static const button buttons[] = {
    {CK_BUTTON_DETECT, "Detect Screen", "Looks at the plate at this frame and sets Screen to its colour.",
     "screen_group"},
    {CK_BUTTON_START, "Start Daemon", "Starts the CorridorKey daemon, which holds the model for all hosts.", NULL},
    {CK_BUTTON_STATUS, "Status", "Tells what the daemon runs on and what the last frame was keyed with.", NULL},
    {CK_BUTTON_DOCS, "Open Docs", "Shows the page that explains these controls.", NULL},
};

/* Where controls go: the set that defines them, and the page that lists them for hosts that show pages. */
struct panel {
    OfxParamSetHandle set;
    OfxPropertySetHandle page;
    int listed;
};

static OfxPropertySetHandle define(OfxParamSetHandle set, const char *type, const char *name, const char *label) {
    OfxPropertySetHandle made = NULL;
    if (ck_this_host.params->paramDefine(set, type, name, &made) != kOfxStatOK || !made)
        return NULL;
    ck_set_text(made, kOfxPropLabel, 0, label);
    return made;
}

/* Define a control that the page lists. */
static OfxPropertySetHandle place(struct panel *panel, const char *type, const char *name, const char *label,
                                  const char *parent) {
    OfxPropertySetHandle made = define(panel->set, type, name, label);
    if (!made)
        return NULL;
    if (parent)
        ck_set_text(made, kOfxParamPropParent, 0, parent);
    if (panel->page)
        ck_set_text(panel->page, kOfxParamPropPageChild, panel->listed++, name);
    return made;
}

static void describe_float(OfxPropertySetHandle made, const ck_param *row) {
    int is_wide = row->high > WIDE, is_fine = row->high - row->low <= 10;
    ck_set_double(made, kOfxParamPropDefault, 0, row->default_value);
    ck_set_double(made, kOfxParamPropMin, 0, row->low);
    ck_set_double(made, kOfxParamPropMax, 0, row->high);
    ck_set_double(made, kOfxParamPropDisplayMin, 0, row->low);
    /* A slider over all of a wide range cannot be aimed. */
    ck_set_double(made, kOfxParamPropDisplayMax, 0, is_wide ? 5 * row->default_value : row->high);
    ck_set_int(made, kOfxParamPropDigits, is_fine ? 3 : 1);
    ck_set_double(made, kOfxParamPropIncrement, 0, is_fine ? 0.01 : is_wide ? 10 : 0.5);
    ck_set_text(made, kOfxParamPropDoubleType, 0, kOfxParamDoubleTypePlain);
}

static void describe_choice(OfxPropertySetHandle made, const ck_param *row) {
    for (int index = 0; index < row->choice_count; index++)
        ck_set_text(made, kOfxParamPropChoiceOption, index, row->labels[index]);
    ck_set_int(made, kOfxParamPropDefault, (int)row->default_value);
}

static OfxStatus define_row(struct panel *panel, const ck_param *row, const char *parent) {
    static const char *const types[] = {
        [CK_KIND_BOOL] = kOfxParamTypeBoolean,
        [CK_KIND_FLOAT] = kOfxParamTypeDouble,
        [CK_KIND_CHOICE] = kOfxParamTypeChoice,
    };
    OfxPropertySetHandle made = place(panel, types[row->kind], row->name, row->label, parent);
    if (!made)
        return kOfxStatFailed;
    ck_set_text(made, kOfxParamPropHint, 0, row->tooltip);
    ck_set_int(made, kOfxParamPropAnimates, row->kind == CK_KIND_FLOAT);
    if (row->kind == CK_KIND_FLOAT)
        describe_float(made, row);
    if (row->kind == CK_KIND_CHOICE)
        describe_choice(made, row);
    if (row->kind == CK_KIND_BOOL)
        ck_set_int(made, kOfxParamPropDefault, row->default_value != 0);
    return kOfxStatOK;
}

static int is_same(const char *one, const char *other) {
    return one == other || (one && other && strcmp(one, other) == 0);
}

static OfxStatus define_buttons(struct panel *panel, const char *parent) {
    for (size_t index = 0; index < sizeof buttons / sizeof *buttons; index++) {
        const button *each = &buttons[index];
        if (!is_same(each->parent, parent))
            continue;
        OfxPropertySetHandle made = place(panel, kOfxParamTypePushButton, each->name, each->label, parent);
        if (!made)
            return kOfxStatFailed;
        ck_set_text(made, kOfxParamPropHint, 0, each->hint);
    }
    return kOfxStatOK;
}

static const struct group *group_of(const char *row) {
    for (int index = 0; index < GROUPS; index++)
        for (int member = 0; member < MEMBERS && groups[index].members[member]; member++)
            if (strcmp(groups[index].members[member], row) == 0)
                return &groups[index];
    return &groups[GROUPS - 1];
}

static OfxStatus define_group(struct panel *panel, const struct group *group) {
    OfxPropertySetHandle made = define(panel->set, kOfxParamTypeGroup, group->name, group->label);
    if (!made)
        return kOfxStatFailed;
    ck_set_int(made, kOfxParamPropGroupOpen, group->is_open);
    for (int row = 0; row < CK_PARAM_COUNT; row++)
        if (group_of(ck_params[row].name) == group && define_row(panel, &ck_params[row], group->name) != kOfxStatOK)
            return kOfxStatFailed;
    return define_buttons(panel, group->name);
}

/* A disabled line of text and no label: Nuke never shows a label anew. */
static OfxStatus define_status(struct panel *panel) {
    OfxPropertySetHandle made = place(panel, kOfxParamTypeString, "status_text", "State", NULL);
    if (!made)
        return kOfxStatFailed;
    ck_set_text(made, kOfxParamPropHint, 0, "What the last button had to say.");
    ck_set_text(made, kOfxParamPropStringMode, 0, kOfxParamStringIsSingleLine);
    ck_set_text(made, kOfxParamPropDefault, 0, "");
    ck_set_int(made, kOfxParamPropAnimates, 0);
    ck_set_int(made, kOfxParamPropEnabled, 0);
    ck_set_int(made, kOfxParamPropPersistant, 0);
    ck_set_int(made, kOfxParamPropEvaluateOnChange, 0);
    return kOfxStatOK;
}

OfxStatus ck_controls_define(OfxImageEffectHandle effect) {
    struct panel panel = {NULL, NULL, 0};
    if (ck_this_host.effects->getParamSet(effect, &panel.set) != kOfxStatOK)
        return kOfxStatErrBadHandle;
    panel.page = define(panel.set, kOfxParamTypePage, "controls", "Controls");
    for (int index = 0; index < GROUPS; index++)
        if (define_group(&panel, &groups[index]) != kOfxStatOK)
            return kOfxStatFailed;
    return define_buttons(&panel, NULL) == kOfxStatOK ? define_status(&panel) : kOfxStatFailed;
}
