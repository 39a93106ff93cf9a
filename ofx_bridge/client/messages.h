/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol's messages as C has them: requests to bytes, bytes to replies. See docs/protocol.md; knows no sockets. */
#ifndef CK_MESSAGES_H
#define CK_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#include "../include/corridorkey_params.h"
#include "msgpack.h"

enum {
    CK_DEVICE_ROOM = 129,
    CK_MODEL_ROOM = 4097,
    CK_WORD_ROOM = 65,
    CK_NOTES_ROOM = 16400, /* 16 notes of 1024 bytes, each but the last followed by a new line */
    CK_BOOT_ROOM = 33,
};

/* What has come over the lease. */
enum ck_lease_op { CK_LEASE_UNKNOWN, CK_LEASE_OPENED, CK_LEASE_REGION };

typedef struct ck_lease_said {
    enum ck_lease_op op;
    uint8_t token[CK_TOKEN_SIZE]; /* OPENED */
    uint64_t session;
    uint32_t slot; /* REGION */
    uint64_t size;
} ck_lease_said;

/* 0, or -1: no message of the protocol. A message that is not known is CK_LEASE_UNKNOWN. */
int ck_decode_lease(const uint8_t *data, size_t size, ck_lease_said *said);

/* A request for a slot, and what SLOT_READY says of one. */
typedef struct ck_layout {
    uint32_t width, height;
    int masks, hint;
} ck_layout;

/* Byte offsets of the planes by enum ck_plane, 0 where there is none, and bytes up to the end of the last one. */
typedef struct ck_offsets {
    uint64_t plane[4];
    uint64_t size;
} ck_offsets;

void ck_layout_offsets(const ck_layout *layout, ck_offsets *offsets);

/* A KEY. `params` is msgpack: `param_count` pairs of a name and a value, without the head of the map. */
typedef struct ck_key {
    uint64_t id;
    uint32_t slot, gen, width, height;
    const char *alpha; /* none, hint, source */
    const uint8_t *params;
    size_t params_size;
    uint32_t param_count;
    int priority;
    const char *node;
    int32_t frame;
    int inside, outside;
} ck_key;

/* Each writes one whole message, fields in the order of docs/protocol.md. */
void ck_encode_hello(ck_writer *to, uint64_t id, const uint8_t *token,
                     const char *client); /* token: null for a visit */
void ck_encode_slot(ck_writer *to, uint64_t id, const ck_layout *layout);
void ck_encode_slot_back(ck_writer *to, uint64_t id, uint32_t slot);
void ck_encode_key(ck_writer *to, const ck_key *key);
void ck_encode_detect(ck_writer *to, uint64_t id, uint32_t slot, uint32_t gen, const ck_layout *layout,
                      const char *working_space);
void ck_encode_cancel(ck_writer *to, uint64_t id, uint64_t target);
void ck_encode_status(ck_writer *to, uint64_t id);

enum ck_op {
    CK_OP_UNKNOWN, /* whole, but not known here: ignored */
    CK_OP_WELCOME,
    CK_OP_SLOT_READY,
    CK_OP_PROGRESS,
    CK_OP_RESULT,
    CK_OP_DETECTED,
    CK_OP_CANCELLED,
    CK_OP_SUPERSEDED,
    CK_OP_BUSY,
    CK_OP_STATE, /* its facts are not read */
    CK_OP_DONE,
    CK_OP_ERROR,
};

/* A reply; only the fields of its op mean anything. Text is ended by a zero. */
typedef struct ck_reply {
    enum ck_op op;
    uint64_t id;
    uint32_t version; /* WELCOME */
    uint64_t session, pid;
    char boot[CK_BOOT_ROOM];
    char device[CK_DEVICE_ROOM]; /* also RESULT */
    char model[CK_MODEL_ROOM];   /* also RESULT */
    char quality[CK_WORD_ROOM];  /* also RESULT */
    double slot_limit;           /* `slots` of the limits, CK_SLOTS if it is not told */
    uint32_t slot, gen;          /* SLOT_READY, RESULT, DETECTED */
    ck_layout layout;            /* SLOT_READY */
    uint64_t size;
    int fresh;
    uint32_t gone;
    char stage[CK_WORD_ROOM]; /* PROGRESS */
    double fraction;
    int empty, kept;           /* RESULT */
    double total;              /* seconds, of the timings */
    char notes[CK_NOTES_ROOM]; /* one per line */
    int screen;                /* DETECTED: index in ck_choices_screen, -1 for none */
    double seconds;            /* BUSY */
    char reason[257];
    int code; /* ERROR: enum ck_code */
    char sentence[2049];
    char next[1025]; /* ERROR; may be empty */
} ck_reply;

/* 0, or -1: no message of the protocol; a field is missing, not as its table says, or comes twice. Fields that are not
   known are ignored, whatever their value. */
int ck_decode_reply(const uint8_t *data, size_t size, ck_reply *reply);

#endif
