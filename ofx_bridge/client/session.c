/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "failures.h"

#define DOWN_REMEMBERED 2.0 /* seconds */
#define SILENCE 2.0         /* seconds without a word after which the daemon is asked about a frame */
#define PATIENCE 3.0        /* seconds that it has to say anything then */
#define MEMORY 30.0         /* seconds that a frame waits for memory, and for a descriptor that was promised */
#define SLICE 0.1           /* seconds after which a thread that waits looks after its frame */

void ck_mapping_release(ck_mapping *mapping) {
    if (mapping == NULL || --mapping->references > 0)
        return;
    ck_region_unmap(mapping->memory, mapping->size);
    free(mapping);
}

static ck_mapping **find_mapping(ck_client *client, uint32_t slot) {
    for (int index = 0; index < CK_MAPPINGS; index++)
        if (client->mappings[index] != NULL && client->mappings[index]->slot == slot)
            return &client->mappings[index];
    return NULL;
}

void ck_session_drop_memory(ck_client *client, uint32_t slot) {
    ck_arrival arrival;
    ck_mapping **found = find_mapping(client, slot);
    if (found != NULL) {
        ck_mapping_release(*found);
        *found = NULL;
    }
    if (ck_link_take_region(client->link, slot, &arrival))
        ck_region_close(&arrival.region);
}

int ck_session_check_process(const ck_client *client) {
    if (client->process == ck_process())
        return CK_OK;
    return ck_fail(CK_MISUSED,
                   "a client of the CorridorKey daemon was used in a forked process; this is a fault of the "
                   "plug-in, please report it.");
}

/* Connect without the mutex, so that other threads go on. */
static int connect_now(ck_client *client, ck_link **link) {
    client->connecting = 1;
    ck_mutex_unlock(&client->mutex);
    int status = ck_link_open(client->name, 0, client->connect_seconds, link);
    ck_mutex_lock(&client->mutex);
    client->connecting = 0;
    ck_condition_wake_all(&client->changed);
    return status;
}

static void remember_down(ck_client *client, int status) {
    client->down_until = ck_now() + DOWN_REMEMBERED;
    client->down_status = status;
    ck_copy_text(ck_last_sentence(), client->down_sentence, sizeof client->down_sentence);
}

int ck_session_connect(ck_client *client) {
    ck_link *link = NULL;
    while (client->connecting)
        ck_condition_wait(&client->changed, &client->mutex, ck_now() + client->connect_seconds);
    ck_session_receive(client);
    if (client->link != NULL)
        return CK_OK;
    if (ck_now() < client->down_until)
        return ck_fail(client->down_status, "%s", client->down_sentence);
    int status = connect_now(client, &link);
    if (status != CK_OK) {
        remember_down(client, status);
        return status;
    }
    client->link = link;
    client->slot_limit = link->reply.slot_limit < CK_MAPPINGS ? (uint32_t)link->reply.slot_limit : CK_MAPPINGS;
    client->heard = ck_now();
    client->broken = 0;
    return CK_OK;
}

/* A thread may be waiting for the link's sockets: it closes them when it is back. */
static void leave_link(ck_client *client) {
    ck_link *link = client->link;
    client->link = NULL;
    if (client->reading && client->left == NULL)
        client->left = link;
    else
        ck_link_close(link);
}

void ck_session_end(ck_frame *frame, int status) {
    frame->state = CK_FRAME_ENDED;
    frame->id = 0;
    frame->outcome = status;
    ck_copy_text(ck_last_sentence(), frame->sentence, sizeof frame->sentence);
}

/* What is the caller's stays so: a result that has come is as good as ever. So is what was said already. */
static void lose_frame(ck_frame *frame, int status) {
    frame->slot = 0;
    if (frame->state != CK_FRAME_OURS && frame->state != CK_FRAME_ENDED)
        ck_session_end(frame, status);
}

void ck_session_lose(ck_client *client, int status) {
    leave_link(client);
    for (int index = 0; index < CK_MAPPINGS; index++) {
        ck_mapping_release(client->mappings[index]);
        client->mappings[index] = NULL;
    }
    for (ck_frame *frame = client->frames; frame != NULL; frame = frame->next)
        lose_frame(frame, status);
    ck_condition_wake_all(&client->changed);
}

void ck_session_send(ck_client *client, const ck_writer *message) {
    if (client->link != NULL && !client->broken && ck_link_send(client->link, message) != 0)
        client->broken = 1;
}

static uint32_t slots_in_use(const ck_client *client) {
    uint32_t count = 0;
    for (const ck_frame *frame = client->frames; frame != NULL; frame = frame->next)
        count += frame->state == CK_FRAME_OURS ? frame->slot != 0
                                               : frame->state != CK_FRAME_QUEUED && frame->state != CK_FRAME_ENDED;
    return count;
}

static void ask_for_slot(ck_client *client, ck_frame *frame) {
    uint8_t data[256];
    ck_writer message;
    ck_writer_init(&message, data, sizeof data);
    frame->state = CK_FRAME_ASKING;
    frame->id = ck_link_id(client->link);
    frame->again = 0;
    ck_encode_slot(&message, frame->id, &frame->layout);
    ck_session_send(client, &message);
}

void ck_session_ask_for_slots(ck_client *client) {
    ck_frame *frame = client->frames;
    while (frame != NULL && client->link != NULL && slots_in_use(client) < client->slot_limit) {
        if (frame->state == CK_FRAME_QUEUED) {
            frame->since = ck_now();
            ask_for_slot(client, frame);
        }
        frame = frame->next;
    }
}

static void write_params(ck_writer *to, const ck_frame *frame) {
    for (int index = 0; index < frame->param_count; index++) {
        const ck_param_value *param = &frame->params[index];
        ck_write_text(to, param->name);
        if (param->kind == CK_KIND_CHOICE)
            ck_write_text(to, param->word);
        else if (param->kind == CK_KIND_BOOL)
            ck_write_flag(to, param->number != 0);
        else
            ck_write_float(to, param->number);
    }
}

static void write_key(ck_writer *to, const ck_frame *frame) {
    uint8_t data[CK_REQUEST_ROOM - 1024];
    const ck_errand *errand = &frame->errand;
    ck_writer params;
    ck_writer_init(&params, data, sizeof data);
    write_params(&params, frame);
    ck_key key = {.id = frame->id, .slot = frame->slot, .gen = frame->gen};
    key.width = frame->layout.width;
    key.height = frame->layout.height;
    key.alpha = errand->contents & CK_HAS_HINT ? "hint" : errand->contents & CK_HAS_ALPHA ? "source" : "none";
    key.params = data;
    key.params_size = params.size;
    key.param_count = (uint32_t)frame->param_count;
    key.priority = errand->priority;
    key.node = errand->node;
    key.frame = errand->number;
    key.inside = (errand->contents & CK_HAS_INSIDE) != 0;
    key.outside = (errand->contents & CK_HAS_OUTSIDE) != 0;
    ck_encode_key(to, &key);
}

void ck_session_send_request(ck_client *client, ck_frame *frame) {
    uint8_t data[CK_REQUEST_ROOM];
    ck_writer message;
    ck_writer_init(&message, data, sizeof data);
    frame->again = 0;
    if (frame->errand.is_detect)
        ck_encode_detect(&message, frame->id, frame->slot, frame->gen, &frame->layout, frame->errand.space);
    else
        write_key(&message, frame);
    ck_session_send(client, &message);
}

void ck_session_send_slot_back(ck_client *client, uint32_t slot) {
    uint8_t data[128];
    ck_writer message;
    if (client->link == NULL)
        return;
    ck_writer_init(&message, data, sizeof data);
    ck_encode_slot_back(&message, ck_link_id(client->link), slot);
    ck_session_send(client, &message);
}

void ck_session_give_back(ck_client *client, ck_frame *frame) {
    if (frame->slot != 0)
        ck_session_send_slot_back(client, frame->slot);
    frame->state = CK_FRAME_ENDED;
    frame->slot = 0;
    ck_mapping_release(frame->mapping);
    frame->mapping = NULL;
}

void ck_session_forget(ck_client *client, ck_frame *frame) {
    ck_frame **link = &client->frames;
    while (*link != frame)
        link = &(*link)->next;
    *link = frame->next;
    ck_mapping_release(frame->mapping);
    free(frame);
}

/* A KEY that is sent again is not keyed twice, and is answered if its answer was lost. */
static void ask_after(ck_client *client, ck_frame *frame) {
    uint8_t data[128];
    ck_writer message;
    frame->asked = ck_now();
    if (frame->state == CK_FRAME_AWAY && !frame->errand.is_detect) {
        ck_session_send_request(client, frame);
        return;
    }
    ck_writer_init(&message, data, sizeof data);
    ck_encode_status(&message, ck_link_id(client->link));
    ck_session_send(client, &message);
}

static void send_again(ck_client *client, ck_frame *frame) {
    if (ck_now() < frame->again)
        return;
    if (frame->state == CK_FRAME_PAUSED)
        ask_for_slot(client, frame);
    else
        ck_session_send_request(client, frame);
}

/* Find out whether a daemon of which nothing was heard is there. */
static void check_silence(ck_client *client, ck_frame *frame) {
    double now = ck_now(), heard = client->heard > frame->since ? client->heard : frame->since;
    if (frame->asked <= heard) {
        if (now - heard > SILENCE)
            ask_after(client, frame);
    } else if (now - frame->asked > PATIENCE) {
        ck_session_lose(client, ck_fail_silent());
    }
}

static void give_up_memory(ck_client *client, ck_frame *frame) {
    const char *reason = frame->stage[0] ? frame->stage : "the daemon gives none";
    ck_fail(CK_REFUSED, "there is no memory for a frame: %s; try again when other work is done.", reason);
    if (frame->state == CK_FRAME_GRANTED)
        ck_session_send_slot_back(client, frame->slot);
    frame->facts[CK_FACT_CODE] = CK_CODE_RESOURCE;
    ck_session_end(frame, CK_REFUSED);
}

void ck_session_look_after(ck_client *client, ck_frame *frame) {
    int has_asked =
        frame->state == CK_FRAME_ASKING || frame->state == CK_FRAME_PAUSED || frame->state == CK_FRAME_GRANTED;
    if (client->link == NULL || frame->state == CK_FRAME_OURS || frame->state == CK_FRAME_ENDED)
        return;
    if (has_asked && ck_now() - frame->since > MEMORY)
        give_up_memory(client, frame);
    else if (frame->again > 0)
        send_again(client, frame);
    else
        check_silence(client, frame);
}

/* Refer to the memory of a frame's slot if the session has it; 1 if so. A daemon that hands out less than it says is
   none that can be understood. */
static int use_mapping(ck_client *client, ck_frame *frame) {
    ck_mapping **found = find_mapping(client, frame->slot);
    if (found == NULL)
        return 0;
    if ((*found)->size < frame->offsets.size) {
        ck_session_lose(client, ck_link_stranger());
        return 1;
    }
    frame->mapping = *found;
    frame->mapping->references++;
    frame->state = CK_FRAME_OURS;
    frame->outcome = CK_OK;
    return 1;
}

/* Keep mapped memory for the frame and for later ones of its slot; 0, or -1 if there is no room. */
static int keep_mapping(ck_client *client, const ck_arrival *arrival, void *memory) {
    int index = 0;
    while (index < CK_MAPPINGS && client->mappings[index] != NULL)
        index++;
    ck_mapping *mapping = index < CK_MAPPINGS && memory != NULL ? malloc(sizeof *mapping) : NULL;
    if (mapping == NULL)
        return -1;
    *mapping = (ck_mapping){arrival->slot, memory, arrival->size, 1};
    client->mappings[index] = mapping;
    return 0;
}

/* The slot goes back, and its region is kept: the daemon hands a slot out again without another one. */
static void refuse_memory(ck_client *client, ck_frame *frame, ck_arrival *arrival) {
    ck_link_keep_region(client->link, arrival);
    ck_fail(CK_NO_MEMORY, "the memory for a frame of %ux%u cannot be mapped; close something and try again.",
            (unsigned)frame->layout.width, (unsigned)frame->layout.height);
    ck_session_end(frame, CK_NO_MEMORY);
    ck_session_send_slot_back(client, frame->slot);
}

/* Mapping takes long, so that it is done without the mutex; the daemon may be lost meanwhile. */
void ck_session_map(ck_client *client, ck_frame *frame) {
    ck_arrival arrival;
    if (frame->state != CK_FRAME_GRANTED || use_mapping(client, frame))
        return;
    if (client->link == NULL || !ck_link_take_region(client->link, frame->slot, &arrival))
        return;
    ck_mutex_unlock(&client->mutex);
    void *memory = ck_region_map(&arrival.region, arrival.size);
    ck_mutex_lock(&client->mutex);
    int is_lost = frame->state != CK_FRAME_GRANTED, is_kept = !is_lost && keep_mapping(client, &arrival, memory) == 0;
    if (memory != NULL && !is_kept)
        ck_region_unmap(memory, arrival.size);
    if (!is_lost && !is_kept) {
        refuse_memory(client, frame, &arrival);
        return;
    }
    ck_region_close(&arrival.region);
    if (is_kept)
        use_mapping(client, frame);
}

void ck_session_wait(ck_client *client, double until) {
    double slice = ck_now() + SLICE;
    if (until > slice)
        until = slice;
    if (client->reading || client->link == NULL) {
        ck_condition_wait(&client->changed, &client->mutex, until);
        return;
    }
    ck_link *link = client->link;
    client->reading = 1;
    ck_mutex_unlock(&client->mutex);
    ck_link_wait(link, until);
    ck_mutex_lock(&client->mutex);
    client->reading = 0;
    ck_link *left = client->left;
    client->left = NULL;
    ck_link_close(left);
    ck_session_receive(client);
    ck_condition_wake_all(&client->changed);
}
