/* SPDX-License-Identifier: Apache-2.0 */
/* Replies and what comes over the lease, each described by a table of its fields, as docs/protocol.md has them. As
   strict as server/corridorkey_server/wire.py, so that no message means one thing here and another there. */
#include "messages.h"

#include <stddef.h>
#include <string.h>

/* Of a map of numbers. */
enum { NUMBERS = 32, NAME_LIMIT = 64 };
static const double number_limit = 1e18;

/* Not kept: such a field is only checked. */
#define NOWHERE SIZE_MAX

/* A field of a message. */
struct field {
    const char *name;
    int (*read)(ck_reader *reader, const struct field *field, void *to); /* 0, or -1; to: null for NOWHERE */
    size_t offset;                                                       /* where the value goes */
    uint64_t low, high; /* what a number is between; high: the most bytes of a text, low: the most texts of a list */
    int is_needed;
    const char *part; /* the number of a map that is kept */
};

/* A message, with its fields up to one without a name. */
struct message {
    const char *op;
    int number; /* in its enum; 0 of one that is not known, which ends a table */
    const struct field *fields;
};

typedef struct text {
    const uint8_t *bytes;
    uint32_t size;
} text;

static int is_word(const uint8_t *bytes, uint32_t size, const char *word) {
    return size == strlen(word) && !memcmp(bytes, word, size);
}

/* Read the next name of a map into names[count]: it is text, and none of those before it. */
static int read_name(ck_reader *reader, text *names, uint32_t count) {
    ck_value value;
    if (ck_read(reader, &value) || value.type != CK_TYPE_TEXT)
        return -1;
    for (uint32_t i = 0; i < count; i++)
        if (names[i].size == value.size && !memcmp(names[i].bytes, value.bytes, value.size))
            return -1;
    names[count] = (text){value.bytes, value.size};
    return 0;
}

static int read_whole(ck_reader *reader, const struct field *field, uint64_t *number) {
    ck_value value;
    if (ck_read(reader, &value) || value.type != CK_TYPE_UINT)
        return -1;
    *number = value.integer;
    return value.integer < field->low || value.integer > field->high ? -1 : 0;
}

static int read_u64(ck_reader *reader, const struct field *field, void *to) {
    uint64_t number;
    if (read_whole(reader, field, &number))
        return -1;
    if (to)
        memcpy(to, &number, sizeof number);
    return 0;
}

static int read_u32(ck_reader *reader, const struct field *field, void *to) {
    uint64_t number;
    if (read_whole(reader, field, &number))
        return -1;
    uint32_t narrow = (uint32_t)number;
    memcpy(to, &narrow, sizeof narrow);
    return 0;
}

static int read_flag(ck_reader *reader, const struct field *field, void *to) {
    (void)field;
    ck_value value;
    if (ck_read(reader, &value) || value.type != CK_TYPE_FLAG)
        return -1;
    int flag = (int)value.integer;
    if (to)
        memcpy(to, &flag, sizeof flag);
    return 0;
}

/* A finite number from `low` to `high`; a whole one is as good. */
static int read_between(ck_reader *reader, double low, double high, double *number) {
    ck_value value;
    if (ck_read(reader, &value))
        return -1;
    if (value.type == CK_TYPE_UINT)
        *number = (double)value.integer;
    else if (value.type == CK_TYPE_INT)
        *number = (double)value.negative;
    else if (value.type == CK_TYPE_FLOAT)
        *number = value.number;
    else
        return -1;
    return *number >= low && *number <= high ? 0 : -1; /* NaN is refused, too */
}

static int read_number(ck_reader *reader, const struct field *field, void *to) {
    double number;
    if (read_between(reader, (double)field->low, (double)field->high, &number))
        return -1;
    memcpy(to, &number, sizeof number);
    return 0;
}

static int read_bounded(ck_reader *reader, uint64_t limit, ck_value *value) {
    return ck_read(reader, value) || value->type != CK_TYPE_TEXT || value->size > limit ? -1 : 0;
}

static void end_text(char *to, const ck_value *value) {
    memcpy(to, value->bytes, value->size);
    to[value->size] = 0;
}

static int read_text(ck_reader *reader, const struct field *field, void *to) {
    ck_value value;
    if (read_bounded(reader, field->high, &value))
        return -1;
    if (to)
        end_text(to, &value);
    return 0;
}

static int read_token(ck_reader *reader, const struct field *field, void *to) {
    (void)field;
    ck_value value;
    if (ck_read(reader, &value) || value.type != CK_TYPE_BYTES || value.size != CK_TOKEN_SIZE)
        return -1;
    memcpy(to, value.bytes, CK_TOKEN_SIZE);
    return 0;
}

/* A list of at most `low` texts, which are kept one per line. */
static int read_texts(ck_reader *reader, const struct field *field, void *to) {
    ck_value list, value;
    char *end = to;
    if (ck_read(reader, &list) || list.type != CK_TYPE_LIST || list.size > field->low)
        return -1;
    for (uint32_t i = 0; i < list.size; i++) {
        if (read_bounded(reader, field->high, &value))
            return -1;
        if (!to)
            continue;
        if (i)
            *end++ = '\n';
        end_text(end, &value);
        end += value.size;
    }
    return 0;
}

/* A map of names to numbers, of which one is kept. */
static int read_numbers(ck_reader *reader, const struct field *field, void *to) {
    ck_value value;
    text names[NUMBERS];
    if (ck_read(reader, &value) || value.type != CK_TYPE_MAP || value.size > NUMBERS)
        return -1;
    for (uint32_t i = 0; i < value.size; i++) {
        double number;
        if (read_name(reader, names, i) || names[i].size < 1 || names[i].size > NAME_LIMIT)
            return -1;
        if (read_between(reader, -number_limit, number_limit, &number))
            return -1;
        if (is_word(names[i].bytes, names[i].size, field->part))
            memcpy(to, &number, sizeof number);
    }
    return 0;
}

static int read_facts(ck_reader *reader, const struct field *field, void *to) {
    (void)field;
    (void)to;
    ck_value value;
    return ck_read(reader, &value) || value.type != CK_TYPE_MAP ? -1 : ck_skip(reader, &value);
}

/* Read one of `count` words; its index, or -1. */
static int read_word(ck_reader *reader, const char *const *words, int count) {
    ck_value value;
    if (ck_read(reader, &value) || value.type != CK_TYPE_TEXT)
        return -1;
    for (int i = 0; i < count; i++)
        if (is_word(value.bytes, value.size, words[i]))
            return i;
    return -1;
}

static int read_code(ck_reader *reader, const struct field *field, void *to) {
    (void)field;
    int code = read_word(reader, ck_codes, CK_CODE_COUNT);
    memcpy(to, &code, sizeof code);
    return code < 0 ? -1 : 0;
}

static int read_screen(ck_reader *reader, const struct field *field, void *to) {
    static const char *const words[] = {"none", "green", "blue"};
    (void)field;
    int screen = read_word(reader, words, 3) - 1;
    memcpy(to, &screen, sizeof screen);
    return screen < -1 ? -1 : 0;
}

/* What the tables are made of. */
#define TO(member) offsetof(ck_reply, member)
#define NEEDED(name, reader, to, low, high) {name, reader, to, low, high, 1, NULL}
#define OPTIONAL(name, reader, to, low, high) {name, reader, to, low, high, 0, NULL}
#define TEXT(member, limit) NEEDED(#member, read_text, TO(member), 0, limit)
#define FLAG(name, to) NEEDED(name, read_flag, to, 0, 1)
#define NUMBERS_OF(name, part, to) {name, read_numbers, to, 0, 0, 0, part}
#define ID NEEDED("id", read_u64, TO(id), 0, UINT64_MAX)
#define SLOT NEEDED("slot", read_u32, TO(slot), 1, UINT32_MAX)
#define GEN(low) NEEDED("gen", read_u32, TO(gen), low, UINT32_MAX)
#define END {NULL, NULL, 0, 0, 0, 0, NULL}

static const struct field welcome[] = {
    ID,
    NEEDED("version", read_u32, TO(version), 0, UINT32_MAX),
    NEEDED("session", read_u64, TO(session), 0, UINT64_MAX),
    TEXT(boot, 32),
    NEEDED("pid", read_u64, TO(pid), 0, UINT64_MAX),
    OPTIONAL("features", read_texts, NOWHERE, 16, 32),
    NUMBERS_OF("limits", "slots", TO(slot_limit)),
    TEXT(device, 128),
    TEXT(model, 4096),
    TEXT(quality, 32),
    END,
};
static const struct field slot_ready[] = {
    ID,
    SLOT,
    GEN(0),
    NEEDED("width", read_u32, TO(layout.width), 1, CK_SIDE_LIMIT),
    NEEDED("height", read_u32, TO(layout.height), 1, CK_SIDE_LIMIT),
    FLAG("masks", TO(layout.masks)),
    FLAG("hint", TO(layout.hint)),
    NEEDED("size", read_u64, TO(size), 1, UINT64_MAX),
    FLAG("fresh", TO(fresh)),
    OPTIONAL("gone", read_u32, TO(gone), 0, UINT32_MAX),
    END,
};
static const struct field progress[] = {ID, TEXT(stage, 64), NEEDED("fraction", read_number, TO(fraction), 0, 1), END};
static const struct field result[] = {
    ID,
    SLOT,
    GEN(1),
    FLAG("empty", TO(empty)),
    FLAG("kept", TO(kept)),
    TEXT(model, 256),
    TEXT(quality, 32),
    TEXT(device, 128),
    OPTIONAL("notes", read_texts, TO(notes), 16, 1024),
    NUMBERS_OF("timings", "total", TO(total)),
    END,
};
static const struct field detected[] = {ID, SLOT, GEN(1), NEEDED("screen", read_screen, TO(screen), 0, 0), END};
static const struct field cancelled[] = {ID, END};
static const struct field superseded[] = {ID, NEEDED("by", read_u64, NOWHERE, 1, UINT64_MAX), END};
static const struct field busy[] = {ID, NEEDED("seconds", read_number, TO(seconds), 0, 3600), TEXT(reason, 256), END};
static const struct field state[] = {ID, OPTIONAL("facts", read_facts, NOWHERE, 0, 0), END};
static const struct field done[] = {ID, OPTIONAL("found", read_flag, NOWHERE, 0, 1), END};
static const struct field error[] = {
    ID,
    NEEDED("code", read_code, TO(code), 0, 0),
    TEXT(sentence, 2048),
    OPTIONAL("next", read_text, TO(next), 0, 1024),
    END,
};
static const struct message replies[] = {
    {"welcome", CK_OP_WELCOME, welcome},
    {"slot_ready", CK_OP_SLOT_READY, slot_ready},
    {"progress", CK_OP_PROGRESS, progress},
    {"result", CK_OP_RESULT, result},
    {"detected", CK_OP_DETECTED, detected},
    {"cancelled", CK_OP_CANCELLED, cancelled},
    {"superseded", CK_OP_SUPERSEDED, superseded},
    {"busy", CK_OP_BUSY, busy},
    {"state", CK_OP_STATE, state},
    {"done", CK_OP_DONE, done},
    {"error", CK_OP_ERROR, error},
    {NULL, CK_OP_UNKNOWN, NULL},
};

static const struct field opened[] = {
    NEEDED("token", read_token, offsetof(ck_lease_said, token), 0, 0),
    NEEDED("session", read_u64, offsetof(ck_lease_said, session), 1, UINT64_MAX),
    NEEDED("boot", read_text, NOWHERE, 0, 32),
    END,
};
static const struct field region[] = {
    NEEDED("slot", read_u32, offsetof(ck_lease_said, slot), 1, UINT32_MAX),
    NEEDED("size", read_u64, offsetof(ck_lease_said, size), 1, UINT64_MAX),
    END,
};
static const struct message lease_messages[] = {
    {"opened", CK_LEASE_OPENED, opened},
    {"region", CK_LEASE_REGION, region},
    {NULL, CK_LEASE_UNKNOWN, NULL},
};

static const struct message *find_message(const struct message *table, const ck_value *op) {
    while (table->op && !is_word(op->bytes, op->size, table->op))
        table++;
    return table;
}

/* Read over a whole message and find its name, which may stand anywhere in it. */
static int find_op(const uint8_t *data, size_t size, ck_value *op) {
    ck_reader reader;
    ck_value value;
    text names[CK_ENTRIES];
    ck_reader_init(&reader, data, size);
    if (ck_read(&reader, &value) || value.type != CK_TYPE_MAP)
        return -1;
    uint32_t count = value.size;
    for (uint32_t i = 0; i < count; i++) {
        if (read_name(&reader, names, i) || ck_read(&reader, &value) || ck_skip(&reader, &value))
            return -1;
        if (is_word(names[i].bytes, names[i].size, "op"))
            *op = value;
    }
    return reader.at == reader.end ? 0 : -1;
}

static int find_field(const struct field *fields, const ck_value *name) {
    int index = 0;
    while (fields[index].name && !is_word(name->bytes, name->size, fields[index].name))
        index++;
    return index;
}

/* Read a name and its value; sets the name's bit in `seen` if it is a field of the message. */
static int read_field(ck_reader *reader, const struct field *fields, void *to, uint32_t *seen) {
    ck_value value;
    if (ck_read(reader, &value))
        return -1;
    const struct field *field = &fields[find_field(fields, &value)];
    if (!field->name)
        return ck_read(reader, &value) ? -1 : ck_skip(reader, &value);
    *seen |= UINT32_C(1) << (field - fields);
    return field->read(reader, field, field->offset == NOWHERE ? NULL : (char *)to + field->offset);
}

/* Read the fields of a message that find_op has read over. */
static int read_fields(const uint8_t *data, size_t size, const struct field *fields, void *to) {
    ck_reader reader;
    ck_value head;
    uint32_t seen = 0;
    ck_reader_init(&reader, data, size);
    if (ck_read(&reader, &head))
        return -1;
    for (uint32_t i = 0; i < head.size; i++)
        if (read_field(&reader, fields, to, &seen))
            return -1;
    for (int i = 0; fields[i].name; i++)
        if (fields[i].is_needed && !(seen >> i & 1))
            return -1;
    return 0;
}

/* Read a message of a table into `to`; its number there, or -1. */
static int decode(const uint8_t *data, size_t size, const struct message *table, void *to) {
    ck_value op = {0};
    if (size > CK_MESSAGE_LIMIT || find_op(data, size, &op) || op.type != CK_TYPE_TEXT)
        return -1;
    const struct message *known = find_message(table, &op);
    return known->op && read_fields(data, size, known->fields, to) ? -1 : known->number;
}

int ck_decode_reply(const uint8_t *data, size_t size, ck_reply *reply) {
    memset(reply, 0, sizeof *reply);
    reply->slot_limit = CK_SLOTS;
    int op = decode(data, size, replies, reply);
    reply->op = op < 0 ? CK_OP_UNKNOWN : (enum ck_op)op;
    return op < 0 ? -1 : 0;
}

int ck_decode_lease(const uint8_t *data, size_t size, ck_lease_said *said) {
    memset(said, 0, sizeof *said);
    int op = decode(data, size, lease_messages, said);
    said->op = op < 0 ? CK_LEASE_UNKNOWN : (enum ck_lease_op)op;
    return op < 0 ? -1 : 0;
}
