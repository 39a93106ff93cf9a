/* SPDX-License-Identifier: Apache-2.0 */
/* The buttons: all that may change a control, or take a moment outside a render. Each answers in the status line and
   with a message. */
#include <stdio.h>
#include <string.h>

#include "../client/sentence.h"
#include "../client/system.h"
#include "actions.h"
#include "daemon.h"
#include "host.h"
#include "progress.h"
#include "shot.h"
#include "starter.h"

enum { STARTER_SLICE_MS = 100, PATH_ROOM = 4096 };

static const double patience_seconds = 30, dialog_seconds = 0.1;

/* What a press of a button comes with. */
struct press {
    ck_instance *instance;
    OfxTime time;
    double scale_x, scale_y;
};

/* How long a button waits. */
typedef struct patience {
    ck_progress progress;
    double since, shown; /* ck_now() of its begin, and of the last look at the dialog */
    int is_over;
} patience;

static void patience_begin(patience *waiting, OfxImageEffectHandle effect, const char *label) {
    memset(waiting, 0, sizeof *waiting);
    waiting->since = waiting->shown = ck_now();
    ck_progress_begin(&waiting->progress, effect, label);
}

/* Asked at every row of a picture; the dialog is drawn now and then only. Once over it stays over. */
static int is_over(void *state) {
    patience *waiting = state;
    double now = ck_now(), part = (now - waiting->since) / patience_seconds;
    if (waiting->is_over || part >= 1)
        return waiting->is_over = 1;
    if (now - waiting->shown < dialog_seconds)
        return 0;
    waiting->shown = now;
    return waiting->is_over = ck_progress_update(&waiting->progress, part);
}

static void answer(const struct press *press, const char *sentence) {
    ck_show_status(&press->instance->controls, sentence);
    ck_tell(press->instance->effect, sentence);
}

static void answer_failure(const struct press *press, const char *sentence) {
    ck_show_status(&press->instance->controls, sentence);
    if (sentence[0])
        ck_tell_failure(press->instance->effect, sentence);
}

/* Nothing to say to the artist who stopped it. */
static const char *stopped_sentence(const patience *waiting) {
    return ck_now() - waiting->since >= patience_seconds
               ? "the daemon was not ready within 30 seconds; see `ckey ps` in a terminal, then try again."
               : "";
}

static void show_daemon(const struct press *press) {
    ck_client *client = NULL;
    char about[1024], used[CK_USED_ROOM], line[sizeof about + sizeof used + 16];
    if (ck_daemon(&client) != CK_OK || ck_describe(client, about, sizeof about) < 0) {
        answer_failure(press, ck_last_sentence());
        return;
    }
    ck_notice_used(&press->instance->notices, used, sizeof used);
    snprintf(line, sizeof line, "%s%s%s", about, used[0] ? "; " : "", used);
    answer(press, line);
}

static int ask_screen(ck_shot *shot) {
    int status = ck_controls_read(&shot->instance->controls, shot->time, &shot->values);
    if (status == CK_OK)
        status = ck_shot_look(shot);
    if (status == CK_OK && ck_box_is_empty(shot->window))
        status = ck_fail(CK_REFUSED, "there is no plate at this frame; wire Source or go to a frame that has one.");
    if (status == CK_OK)
        status = ck_shot_find_space(shot);
    if (status == CK_OK)
        status = ck_shot_open(shot);
    if (status == CK_OK)
        status = ck_shot_fill(shot);
    if (status != CK_OK)
        return status;
    status = ck_detect(shot->frame, ck_choices_working_space[ck_choice(&shot->values, "working_space")]);
    return status == CK_OK ? ck_shot_wait(shot) : status;
}

static void choose_screen(const struct press *press, int screen) {
    char line[64];
    if (screen < 0 || screen >= (int)(sizeof ck_choices_screen / sizeof *ck_choices_screen)) {
        answer_failure(press, "no screen was found in the plate; choose Screen by hand.");
        return;
    }
    ck_choose(&press->instance->controls, "screen", screen);
    snprintf(line, sizeof line, "the screen is %s.", ck_choices_screen[screen]);
    ck_show_status(&press->instance->controls, line);
}

static void detect_screen(const struct press *press) {
    patience waiting;
    ck_shot shot = {
        .instance = press->instance,
        .time = press->time,
        .scale_x = press->scale_x,
        .scale_y = press->scale_y,
        .is_stopped = is_over,
        .state = &waiting,
    };
    char why[CK_SENTENCE_ROOM];
    patience_begin(&waiting, press->instance->effect, "Looking at the screen");
    int status = ask_screen(&shot);
    ck_copy_text(status == CK_CANCELLED ? stopped_sentence(&waiting) : ck_last_sentence(), why, sizeof why);
    int screen = status == CK_OK ? (int)ck_fact(shot.frame, CK_FACT_SCREEN) : -1;
    ck_shot_end(&shot);
    ck_progress_end(&waiting.progress);
    if (status == CK_OK)
        choose_screen(press, screen);
    else
        answer_failure(press, why);
}

/* why: the sentence, where it is not CK_OK. */
static int run_starter(const struct press *press, const char *path, char *why, size_t room) {
    patience waiting;
    ck_starter *starter = NULL;
    int status = ck_starter_begin(path, &starter);
    if (status != CK_OK) {
        ck_copy_text(ck_last_sentence(), why, room);
        return status;
    }
    patience_begin(&waiting, press->instance->effect, "Starting the CorridorKey daemon");
    while ((status = ck_starter_poll(starter, STARTER_SLICE_MS)) == CK_WAITING && !is_over(&waiting))
        continue;
    ck_copy_text(status == CK_WAITING ? stopped_sentence(&waiting) : ck_last_sentence(), why, room);
    ck_starter_end(starter);
    ck_progress_end(&waiting.progress);
    return status;
}

static void start_daemon(const struct press *press) {
    char path[PATH_ROOM], why[CK_SENTENCE_ROOM];
    const char *bundle = ck_this_host.bundle;
    ck_client *client = NULL;
    if (ck_find_command(bundle[0] ? bundle : NULL, path, sizeof path) != 0) {
        answer_failure(press, "ckey was not found; run `ckey start` in a terminal.");
        return;
    }
    if (run_starter(press, path, why, sizeof why) != CK_OK) {
        answer_failure(press, why);
        return;
    }
    if (ck_daemon(&client) == CK_OK)
        ck_retry(client);
    show_daemon(press);
}

static void open_docs(const struct press *press) {
    static const char page[] = "/Contents/Resources/CorridorKey.txt";
    char path[sizeof ck_this_host.bundle + sizeof page];
    if (!ck_this_host.bundle[0]) {
        answer_failure(press, "the host does not tell where the plug-in is; open Contents/Resources in its folder.");
        return;
    }
    snprintf(path, sizeof path, "%s%s", ck_this_host.bundle, page);
    if (ck_show_file(path) != 0)
        answer_failure(press, ck_last_sentence());
}

static const struct {
    const char *name;
    void (*press)(const struct press *press);
} buttons[] = {
    {CK_BUTTON_DETECT, detect_screen},
    {CK_BUTTON_START, start_daemon},
    {CK_BUTTON_STATUS, show_daemon},
    {CK_BUTTON_DOCS, open_docs},
};

/* Names that are no button's are other controls, clips and what hosts add of their own. */
OfxStatus ck_instance_changed(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out) {
    char name[64];
    struct press press = {
        .instance = instance,
        .time = ck_get_double(in, kOfxPropTime, 0, 0),
        .scale_x = ck_get_double(in, kOfxImageEffectPropRenderScale, 0, 1),
        .scale_y = ck_get_double(in, kOfxImageEffectPropRenderScale, 1, 1),
    };
    (void)out;
    if (!ck_is_text(in, kOfxPropChangeReason, kOfxChangeUserEdited))
        return kOfxStatReplyDefault;
    ck_get_text(in, kOfxPropName, 0, name, sizeof name);
    for (size_t index = 0; index < sizeof buttons / sizeof *buttons; index++) {
        if (strcmp(buttons[index].name, name) != 0)
            continue;
        buttons[index].press(&press);
        return kOfxStatOK;
    }
    return kOfxStatReplyDefault;
}
