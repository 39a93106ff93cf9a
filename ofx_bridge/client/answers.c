/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says, taken up: each answer goes to the frame whose request it names. */
#include "failures.h"
#include "session.h"

#define SHORTEST 0.02 /* seconds between two tries */

static ck_frame *find_frame(const ck_client *client, uint64_t id) {
    ck_frame *frame = client->frames;
    while (frame != NULL && (frame->id != id || frame->id == 0))
        frame = frame->next;
    return frame;
}

/* A region came for which there was no descriptor; without it the session is of no use. */
static void lose_full(ck_client *client) {
    ck_fail(CK_NO_MEMORY, "this program has too many files open to take the memory of a frame; close something and try "
                          "again.");
    ck_session_lose(client, CK_NO_MEMORY);
}

/* Whether a slot is what was asked for: its memory will be written to. */
static int is_as_asked(const ck_frame *frame, const ck_reply *reply) {
    const ck_layout *asked = &frame->layout, *given = &reply->layout;
    return given->width == asked->width && given->height == asked->height && given->masks == asked->masks &&
           given->hint == asked->hint && reply->size >= frame->offsets.size;
}

static void take_slot(ck_client *client, ck_frame *frame, const ck_reply *reply) {
    ck_session_drop_memory(client, reply->gone);
    if (frame == NULL || frame->state != CK_FRAME_ASKING) {
        /* Whoever asked gave up; the memory is mapped when it is handed out again. */
        ck_session_send_slot_back(client, reply->slot);
        return;
    }
    if (!is_as_asked(frame, reply)) {
        ck_session_lose(client, ck_link_stranger());
        return;
    }
    frame->state = CK_FRAME_GRANTED;
    frame->since = ck_now();
    frame->id = 0;
    frame->slot = reply->slot;
    frame->gen = reply->gen;
}

static void take_progress(ck_frame *frame, const ck_reply *reply) {
    ck_copy_text(reply->stage, frame->stage, sizeof frame->stage);
    frame->fraction = reply->fraction;
}

static void take_result(ck_frame *frame, const ck_reply *reply) {
    frame->facts[CK_FACT_EMPTY] = reply->empty;
    frame->facts[CK_FACT_KEPT] = reply->kept;
    frame->facts[CK_FACT_SECONDS] = reply->total;
    frame->fraction = 1;
    ck_copy_text(reply->notes, frame->notes, sizeof frame->notes);
}

/* Remember the answer to a frame's request; what was away is the caller's again. */
static void answer(ck_frame *frame, int outcome) {
    frame->id = 0;
    frame->outcome = outcome;
    frame->state = frame->state == CK_FRAME_AWAY ? CK_FRAME_OURS : CK_FRAME_ENDED;
    if (outcome < 0)
        ck_copy_text(ck_last_sentence(), frame->sentence, sizeof frame->sentence);
}

static void take_error(ck_frame *frame, const ck_reply *reply) {
    frame->facts[CK_FACT_CODE] = reply->code;
    answer(frame, ck_fail_refused(CK_REFUSED, reply));
}

static void take_busy(ck_frame *frame, const ck_reply *reply) {
    frame->again = ck_now() + (reply->seconds > SHORTEST ? reply->seconds : SHORTEST);
    if (frame->state == CK_FRAME_ASKING)
        frame->state = CK_FRAME_PAUSED;
    ck_copy_text(reply->reason, frame->stage, sizeof frame->stage);
}

/* What is said of a frame that is keyed or looked at. */
static void take_keyed(ck_frame *frame, const ck_reply *reply) {
    switch (reply->op) {
    case CK_OP_PROGRESS:
        take_progress(frame, reply);
        break;
    case CK_OP_RESULT:
        take_result(frame, reply);
        answer(frame, CK_OK);
        break;
    case CK_OP_DETECTED:
        frame->facts[CK_FACT_SCREEN] = reply->screen;
        answer(frame, CK_OK);
        break;
    case CK_OP_CANCELLED:
    case CK_OP_SUPERSEDED:
        answer(frame, CK_CANCELLED);
        break;
    default:
        break;
    }
}

static void take(ck_client *client, const ck_reply *reply) {
    ck_frame *frame = find_frame(client, reply->id);
    if (reply->op == CK_OP_SLOT_READY)
        take_slot(client, frame, reply);
    else if (frame != NULL && reply->op == CK_OP_ERROR)
        take_error(frame, reply);
    else if (frame != NULL && reply->op == CK_OP_BUSY)
        take_busy(frame, reply);
    else if (frame != NULL && frame->state == CK_FRAME_AWAY)
        take_keyed(frame, reply);
}

void ck_session_receive(ck_client *client) {
    int changed = 0;
    while (client->link != NULL) {
        enum ck_received got = ck_link_receive(client->link);
        if (got == CK_RECEIVED_GONE || (got == CK_RECEIVED_NOTHING && client->broken))
            ck_session_lose(client, ck_fail_ended());
        if (got == CK_RECEIVED_FULL)
            lose_full(client);
        if (got != CK_RECEIVED_SOME)
            break;
        client->heard = ck_now();
        take(client, &client->link->reply);
        changed = 1;
    }
    if (!changed)
        return;
    ck_session_ask_for_slots(client);
    ck_condition_wake_all(&client->changed);
}
