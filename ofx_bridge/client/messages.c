/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, written field by field in the order of docs/protocol.md, and where a slot's planes lie. Checks no values:
   what a request may hold is for its caller to know, and for the daemon to check. */
#include "messages.h"

#include "../include/corridorkey.h"

static uint64_t plane_size(const ck_layout *layout, uint32_t channels) {
    uint64_t size = (uint64_t)layout->width * layout->height * channels * sizeof(float);
    return (size + CK_PAGE - 1) / CK_PAGE * CK_PAGE;
}

void ck_layout_offsets(const ck_layout *layout, ck_offsets *offsets) {
    uint64_t in = CK_PAGE, out = in + plane_size(layout, 4), mask = out + plane_size(layout, 4);
    uint64_t hint = layout->masks ? mask + plane_size(layout, 2) : mask;
    offsets->plane[CK_PLANE_IN] = in;
    offsets->plane[CK_PLANE_OUT] = out;
    offsets->plane[CK_PLANE_MASK] = layout->masks ? mask : 0;
    offsets->plane[CK_PLANE_HINT] = layout->hint ? hint : 0;
    offsets->size = layout->hint ? hint + plane_size(layout, 1) : hint;
}

static void put_number(ck_writer *to, const char *name, uint64_t value) {
    ck_write_text(to, name);
    ck_write_uint(to, value);
}

static void put_text(ck_writer *to, const char *name, const char *value) {
    ck_write_text(to, name);
    ck_write_text(to, value);
}

static void put_flag(ck_writer *to, const char *name, int value) {
    ck_write_text(to, name);
    ck_write_flag(to, value);
}

/* Begin a message of `fields` fields besides its name and number. */
static void begin(ck_writer *to, const char *op, uint64_t id, uint32_t fields) {
    ck_write_map(to, fields + 2);
    put_text(to, "op", op);
    put_number(to, "id", id);
}

void ck_encode_hello(ck_writer *to, uint64_t id, const uint8_t *token, const char *client) {
    begin(to, "hello", id, 5);
    put_number(to, "oldest", CK_PROTOCOL_OLDEST);
    put_number(to, "newest", CK_PROTOCOL_VERSION);
    ck_write_text(to, "token");
    ck_write_bytes(to, token, token ? CK_TOKEN_SIZE : 0);
    put_text(to, "client", client);
    ck_write_text(to, "features");
    ck_write_list(to, 0);
}

void ck_encode_slot(ck_writer *to, uint64_t id, const ck_layout *layout) {
    begin(to, "slot", id, 4);
    put_number(to, "width", layout->width);
    put_number(to, "height", layout->height);
    put_flag(to, "masks", layout->masks);
    put_flag(to, "hint", layout->hint);
}

void ck_encode_slot_back(ck_writer *to, uint64_t id, uint32_t slot) {
    begin(to, "slot_back", id, 1);
    put_number(to, "slot", slot);
}

void ck_encode_key(ck_writer *to, const ck_key *key) {
    begin(to, "key", key->id, 11);
    put_number(to, "slot", key->slot);
    put_number(to, "gen", key->gen);
    put_number(to, "width", key->width);
    put_number(to, "height", key->height);
    put_text(to, "alpha", key->alpha);
    ck_write_text(to, "params");
    ck_write_map(to, key->param_count);
    ck_write_raw(to, key->params, key->params_size);
    put_text(to, "priority", ck_priorities[key->priority]);
    put_text(to, "node", key->node);
    ck_write_text(to, "frame");
    ck_write_int(to, key->frame);
    put_flag(to, "inside", key->inside);
    put_flag(to, "outside", key->outside);
}

void ck_encode_detect(ck_writer *to, uint64_t id, uint32_t slot, uint32_t gen, const ck_layout *layout,
                      const char *working_space) {
    begin(to, "detect", id, 5);
    put_number(to, "slot", slot);
    put_number(to, "gen", gen);
    put_number(to, "width", layout->width);
    put_number(to, "height", layout->height);
    put_text(to, "working_space", working_space);
}

void ck_encode_cancel(ck_writer *to, uint64_t id, uint64_t target) {
    begin(to, "cancel", id, 1);
    put_number(to, "target", target);
}

void ck_encode_status(ck_writer *to, uint64_t id) {
    begin(to, "status", id, 0);
}
