/* SPDX-License-Identifier: Apache-2.0 */
/* The calls on a frame: its memory, its parameters, its request and what came of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "failures.h"
#include "session.h"

static int misused(const char *what) {
    return ck_fail(CK_MISUSED, "%s; this is a fault of the plug-in, please report it.", what);
}

static int check_size(int width, int height, int planes) {
    if (width < 1 || height < 1 || width > CK_SIDE_LIMIT || height > CK_SIDE_LIMIT)
        return ck_fail(CK_MISUSED, "a picture of %dx%d cannot be keyed; each side has 1 to %d pixels.", width, height,
                       CK_SIDE_LIMIT);
    return (planes & ~(CK_WITH_MASKS | CK_WITH_HINT)) == 0 ? CK_OK : misused("a plane was asked for that is not known");
}

static ck_frame *make_frame(ck_client *client, int width, int height, int planes) {
    ck_frame *frame = calloc(1, sizeof *frame);
    if (frame == NULL)
        return NULL;
    frame->client = client;
    frame->since = ck_now();
    frame->layout =
        (ck_layout){(uint32_t)width, (uint32_t)height, (planes & CK_WITH_MASKS) != 0, (planes & CK_WITH_HINT) != 0};
    ck_layout_offsets(&frame->layout, &frame->offsets);
    return frame;
}

static void append_frame(ck_client *client, ck_frame *frame) {
    ck_frame **end = &client->frames;
    while (*end != NULL)
        end = &(*end)->next;
    *end = frame;
}

int ck_slot(ck_client *client, int width, int height, int planes, ck_frame **frame) {
    *frame = NULL;
    int status = ck_session_check_process(client);
    if (status == CK_OK)
        status = check_size(width, height, planes);
    if (status != CK_OK)
        return status;
    ck_frame *made = make_frame(client, width, height, planes);
    if (made == NULL)
        return ck_fail_no_memory();
    ck_mutex_lock(&client->mutex);
    status = ck_session_connect(client);
    if (status == CK_OK) {
        append_frame(client, made);
        ck_session_ask_for_slots(client);
        *frame = made;
    }
    ck_mutex_unlock(&client->mutex);
    if (status != CK_OK)
        free(made);
    return status;
}

/* What ck_poll says of a frame at the moment. */
static int status_of(const ck_frame *frame) {
    if (frame->state != CK_FRAME_OURS && frame->state != CK_FRAME_ENDED)
        return CK_WAITING;
    return frame->outcome < 0 ? ck_fail(frame->outcome, "%s", frame->sentence) : frame->outcome;
}

static int wait_for(ck_client *client, ck_frame *frame, double until) {
    for (;;) {
        ck_session_receive(client);
        ck_session_map(client, frame);
        ck_session_look_after(client, frame);
        int status = status_of(frame);
        if (status != CK_WAITING || ck_now() >= until)
            return status;
        ck_session_wait(client, until);
    }
}

int ck_poll(ck_frame *frame, int wait_ms, double *progress) {
    ck_client *client = frame->client;
    int status = ck_session_check_process(client);
    if (status != CK_OK)
        return status;
    ck_mutex_lock(&client->mutex);
    status = wait_for(client, frame, ck_now() + wait_ms / 1000.0);
    if (progress != NULL)
        *progress = frame->fraction;
    ck_mutex_unlock(&client->mutex);
    return status;
}

float *ck_plane(ck_frame *frame, int plane) {
    int is_there = plane == CK_PLANE_IN || plane == CK_PLANE_OUT || (plane == CK_PLANE_MASK && frame->layout.masks) ||
                   (plane == CK_PLANE_HINT && frame->layout.hint);
    if (frame->mapping == NULL || !is_there)
        return NULL;
    return (float *)((char *)frame->mapping->memory + frame->offsets.plane[plane]);
}

/* The entry of a parameter, made if it is not there; null if its name or word is too long, or there are too many. */
static ck_param_value *param_of(ck_frame *frame, const char *name, const char *word) {
    int index = 0;
    while (index < frame->param_count && strcmp(frame->params[index].name, name) != 0)
        index++;
    if (index == CK_PARAM_LIMIT || strlen(name) >= CK_PARAM_ROOM || strlen(word) >= CK_PARAM_ROOM)
        return NULL;
    if (index == frame->param_count)
        frame->param_count++;
    ck_param_value *param = &frame->params[index];
    ck_copy_text(name, param->name, sizeof param->name);
    ck_copy_text(word, param->word, sizeof param->word);
    return param;
}

static int set_param(ck_frame *frame, const char *name, const char *word, double number, enum ck_kind kind) {
    int status = ck_session_check_process(frame->client);
    if (status != CK_OK)
        return status;
    ck_mutex_lock(&frame->client->mutex);
    ck_param_value *param = param_of(frame, name, word);
    if (param != NULL) {
        param->number = number;
        param->kind = kind;
    }
    ck_mutex_unlock(&frame->client->mutex);
    return param != NULL ? CK_OK : misused("a parameter's name is too long, or there are too many");
}

int ck_flag(ck_frame *frame, const char *name, int value) {
    return set_param(frame, name, "", value, CK_KIND_BOOL);
}

int ck_number(ck_frame *frame, const char *name, double value) {
    return isfinite(value) ? set_param(frame, name, "", value, CK_KIND_FLOAT)
                           : ck_fail(CK_MISUSED, "%s is no number; set it anew.", name);
}

int ck_word(ck_frame *frame, const char *name, const char *word) {
    return set_param(frame, name, word, 0, CK_KIND_CHOICE);
}

/* Send a request for what lies in the frame's planes. */
static int send_errand(ck_frame *frame, const ck_errand *errand) {
    ck_client *client = frame->client;
    if (frame->state == CK_FRAME_ENDED && frame->outcome < 0)
        return ck_fail(frame->outcome, "%s", frame->sentence);
    if (frame->state != CK_FRAME_OURS)
        return misused("a frame was submitted that is not the plug-in's at the moment");
    if (frame->slot == 0)
        return ck_fail_ended();
    frame->errand = *errand;
    frame->state = CK_FRAME_AWAY;
    frame->id = ck_link_id(client->link);
    frame->gen++;
    frame->since = ck_now();
    frame->fraction = 0;
    frame->notes[0] = 0;
    ck_copy_text("queue", frame->stage, sizeof frame->stage);
    memset(frame->facts, 0, sizeof frame->facts);
    ck_session_send_request(client, frame);
    return CK_OK;
}

static int submit(ck_frame *frame, const ck_errand *errand) {
    int status = ck_session_check_process(frame->client);
    if (status != CK_OK)
        return status;
    ck_mutex_lock(&frame->client->mutex);
    status = send_errand(frame, errand);
    ck_mutex_unlock(&frame->client->mutex);
    return status;
}

static int is_possible(const ck_frame *frame, int contents, int priority) {
    int masks = contents & (CK_HAS_INSIDE | CK_HAS_OUTSIDE), alpha = contents & (CK_HAS_HINT | CK_HAS_ALPHA);
    int is_known = (contents & ~(CK_HAS_HINT | CK_HAS_ALPHA | CK_HAS_INSIDE | CK_HAS_OUTSIDE)) == 0;
    return is_known && (masks == 0 || frame->layout.masks) && alpha != (CK_HAS_HINT | CK_HAS_ALPHA) && priority >= 0 &&
           priority < CK_PRIORITY_COUNT;
}

int ck_submit(ck_frame *frame, int contents, int priority, const char *node, int number) {
    if (!is_possible(frame, contents, priority) || strlen(node) >= CK_NODE_ROOM)
        return misused("a frame was submitted with contents that do not go together");
    ck_errand errand = {.contents = contents, .priority = priority, .number = number};
    ck_copy_text(node, errand.node, sizeof errand.node);
    return submit(frame, &errand);
}

int ck_detect(ck_frame *frame, const char *working_space) {
    ck_errand errand = {.is_detect = 1};
    ck_copy_text(working_space, errand.space, sizeof errand.space);
    return submit(frame, &errand);
}

static void send_cancel(ck_client *client, const ck_frame *frame) {
    uint8_t data[128];
    ck_writer message;
    ck_writer_init(&message, data, sizeof data);
    ck_encode_cancel(&message, ck_link_id(client->link), frame->id);
    ck_session_send(client, &message);
}

static void cancel(ck_client *client, ck_frame *frame) {
    if (frame->state == CK_FRAME_OURS || frame->state == CK_FRAME_ENDED)
        return;
    if (frame->state == CK_FRAME_AWAY && frame->again == 0) {
        send_cancel(client, frame);
        return;
    }
    /* A busy daemon has given the frame back already. */
    if (frame->state == CK_FRAME_AWAY) {
        ck_session_end(frame, CK_CANCELLED);
        frame->state = CK_FRAME_OURS;
        frame->again = 0;
        return;
    }
    /* Memory that comes too late is given back when it comes. */
    if (frame->state == CK_FRAME_GRANTED)
        ck_session_give_back(client, frame);
    ck_session_end(frame, CK_CANCELLED);
}

int ck_cancel(ck_frame *frame) {
    int status = ck_session_check_process(frame->client);
    if (status != CK_OK)
        return status;
    ck_mutex_lock(&frame->client->mutex);
    cancel(frame->client, frame);
    ck_mutex_unlock(&frame->client->mutex);
    return CK_OK;
}

static void release(ck_client *client, ck_frame *frame) {
    cancel(client, frame);
    /* A frame that is still on its way goes back with its slot, and nobody hears of it. */
    if (frame->state == CK_FRAME_OURS || frame->state == CK_FRAME_AWAY)
        ck_session_give_back(client, frame);
    ck_session_forget(client, frame);
}

void ck_release(ck_frame *frame) {
    if (frame == NULL || ck_session_check_process(frame->client) != CK_OK)
        return;
    ck_client *client = frame->client;
    ck_mutex_lock(&client->mutex);
    release(client, frame);
    ck_session_receive(client);
    ck_session_ask_for_slots(client);
    ck_condition_wake_all(&client->changed);
    ck_mutex_unlock(&client->mutex);
}

double ck_fact(const ck_frame *frame, int fact) {
    return fact >= 0 && fact <= CK_FACT_CODE ? frame->facts[fact] : 0;
}

int ck_notes(const ck_frame *frame, char *text, int size) {
    return ck_copy_text(frame->notes, text, size > 0 ? (size_t)size : 0);
}

int ck_stage(const ck_frame *frame, char *text, int size) {
    ck_mutex *mutex = &frame->client->mutex;
    if (ck_session_check_process(frame->client) != CK_OK)
        return ck_copy_text("", text, size > 0 ? (size_t)size : 0);
    ck_mutex_lock(mutex);
    int length = ck_copy_text(frame->stage, text, size > 0 ? (size_t)size : 0);
    ck_mutex_unlock(mutex);
    return length;
}
