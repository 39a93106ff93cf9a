/* SPDX-License-Identifier: Apache-2.0 */
/* msgpack, without extension types. Knows no messages: what a value may be is for those to say who read it.

   In many places a size is given as a step: the 0th is 1 byte, the next ones 2, 4 and 8, as msgpack's codes go. */
#include "msgpack.h"

#include <string.h>

enum { LEVELS = 16, REFUSED = -1, NO_NUMBER = -1 };

void ck_writer_init(ck_writer *writer, void *data, size_t room) {
    *writer = (ck_writer){data, 0, room, 0};
}

void ck_write_raw(ck_writer *writer, const void *bytes, size_t size) {
    if (writer->full || size > writer->room - writer->size) {
        writer->full = 1;
    } else if (size) {
        memcpy(writer->data + writer->size, bytes, size);
        writer->size += size;
    }
}

static void write_code(ck_writer *writer, uint32_t code) {
    uint8_t byte = (uint8_t)code;
    ck_write_raw(writer, &byte, 1);
}

static int step_of(uint64_t number) {
    return number <= UINT8_MAX ? 0 : number <= UINT16_MAX ? 1 : number <= UINT32_MAX ? 2 : 3;
}

/* Write a code and a number of 1 << step bytes, big-endian. */
static void write_number(ck_writer *writer, int code, uint64_t number, int step) {
    uint8_t bytes[9] = {(uint8_t)code};
    int width = 1 << step;
    for (int i = 1; i <= width; i++)
        bytes[i] = (uint8_t)(number >> 8 * (width - i));
    ck_write_raw(writer, bytes, (size_t)width + 1);
}

/* Lists and maps: their sizes are within the code, of 2 bytes or of 4. */
static void write_head(ck_writer *writer, uint32_t within, int code, uint32_t count) {
    if (count < 16)
        write_code(writer, within | count);
    else
        write_number(writer, code + (count > UINT16_MAX), count, count > UINT16_MAX ? 2 : 1);
}

void ck_write_map(ck_writer *writer, uint32_t count) {
    write_head(writer, 0x80, 0xde, count);
}

void ck_write_list(ck_writer *writer, uint32_t count) {
    write_head(writer, 0x90, 0xdc, count);
}

void ck_write_text(ck_writer *writer, const char *text) {
    size_t size = strlen(text);
    int step = step_of(size);
    if (size < 32)
        write_code(writer, 0xa0 | (uint32_t)size);
    else if (step < 3)
        write_number(writer, 0xd9 + step, size, step);
    else
        writer->full = 1;
    ck_write_raw(writer, text, size);
}

void ck_write_bytes(ck_writer *writer, const void *bytes, uint32_t size) {
    write_number(writer, 0xc4 + step_of(size), size, step_of(size));
    ck_write_raw(writer, bytes, size);
}

void ck_write_uint(ck_writer *writer, uint64_t value) {
    if (value < 0x80)
        write_code(writer, (uint32_t)value);
    else
        write_number(writer, 0xcc + step_of(value), value, step_of(value));
}

void ck_write_int(ck_writer *writer, int64_t value) {
    /* One bit more than the number itself, for the sign. */
    int step = step_of((uint64_t)~value << 1 | 1);
    if (value >= 0)
        ck_write_uint(writer, (uint64_t)value);
    else if (value >= -32)
        write_code(writer, (uint8_t)value);
    else
        write_number(writer, 0xd0 + step, (uint64_t)value, step);
}

void ck_write_float(ck_writer *writer, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    write_number(writer, 0xcb, bits, 3);
}

void ck_write_flag(ck_writer *writer, int value) {
    write_code(writer, value ? 0xc3 : 0xc2);
}

void ck_reader_init(ck_reader *reader, const void *data, size_t size) {
    reader->at = data;
    reader->end = reader->at + size;
}

static int take(ck_reader *reader, uint64_t size, const uint8_t **bytes) {
    if (size > (uint64_t)(reader->end - reader->at))
        return -1;
    *bytes = reader->at;
    reader->at += size;
    return 0;
}

static int take_number(ck_reader *reader, int step, uint64_t *number) {
    const uint8_t *bytes;
    if (take(reader, 1u << step, &bytes))
        return -1;
    *number = 0;
    for (int i = 0; i < 1 << step; i++)
        *number = *number << 8 | bytes[i];
    return 0;
}

/* Bytes of the first character; 0 if it is cut short, longer than it need be, or no character. */
static size_t character_size(const uint8_t *at, size_t left) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (size < 2)
        return size;
    if (size > left)
        return 0;
    uint32_t point = at[0] & 0x7fu >> size;
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        point = point << 6 | (at[i] & 0x3fu);
    }
    int surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[size] || point > 0x10ffff || surrogate ? 0 : size;
}

static int is_utf8(const uint8_t *bytes, size_t size) {
    size_t step;
    for (; size; bytes += step, size -= step) {
        step = character_size(bytes, size);
        if (!step)
            return 0;
    }
    return 1;
}

static void set_signed(ck_value *value, uint64_t bits, int step) {
    uint64_t sign = UINT64_C(1) << (8 * (1 << step) - 1);
    if (bits & sign) {
        value->type = CK_TYPE_INT;
        value->negative = -(int64_t)(sign - (bits & (sign - 1)) - 1) - 1;
    } else {
        value->type = CK_TYPE_UINT;
        value->integer = bits;
    }
}

static void set_float(ck_value *value, uint64_t bits, int step) {
    if (step == 2) {
        uint32_t low = (uint32_t)bits;
        float number;
        memcpy(&number, &low, sizeof number);
        value->number = number;
    } else {
        memcpy(&value->number, &bits, sizeof bits);
    }
}

/* Read what belongs to the head of a value of this type: its number is the value, or a size. */
static int read_rest(ck_reader *reader, ck_value *value, uint64_t number, int step) {
    switch (value->type) {
    case CK_TYPE_NIL:
        return 0;
    case CK_TYPE_FLAG:
    case CK_TYPE_UINT:
        value->integer = number;
        return 0;
    case CK_TYPE_INT:
        set_signed(value, number, step);
        return 0;
    case CK_TYPE_FLOAT:
        set_float(value, number, step);
        return 0;
    case CK_TYPE_LIST:
    case CK_TYPE_MAP:
        value->size = (uint32_t)number;
        return number > CK_ENTRIES ? -1 : 0;
    case CK_TYPE_TEXT:
    case CK_TYPE_BYTES:
        value->size = (uint32_t)number;
        if (take(reader, number, &value->bytes))
            return -1;
        return value->type == CK_TYPE_BYTES || is_utf8(value->bytes, value->size) ? 0 : -1;
    }
    return -1;
}

/* The codes from 0xc0 to 0xdf. */
static int read_wide(ck_reader *reader, uint8_t code, ck_value *value) {
    static const struct {
        int type, step;
    } codes[32] = {
        {CK_TYPE_NIL, NO_NUMBER}, {REFUSED, NO_NUMBER}, {CK_TYPE_FLAG, NO_NUMBER}, {CK_TYPE_FLAG, NO_NUMBER},
        {CK_TYPE_BYTES, 0},       {CK_TYPE_BYTES, 1},   {CK_TYPE_BYTES, 2},        {REFUSED, NO_NUMBER},
        {REFUSED, NO_NUMBER},     {REFUSED, NO_NUMBER}, {CK_TYPE_FLOAT, 2},        {CK_TYPE_FLOAT, 3},
        {CK_TYPE_UINT, 0},        {CK_TYPE_UINT, 1},    {CK_TYPE_UINT, 2},         {CK_TYPE_UINT, 3},
        {CK_TYPE_INT, 0},         {CK_TYPE_INT, 1},     {CK_TYPE_INT, 2},          {CK_TYPE_INT, 3},
        {REFUSED, NO_NUMBER},     {REFUSED, NO_NUMBER}, {REFUSED, NO_NUMBER},      {REFUSED, NO_NUMBER},
        {REFUSED, NO_NUMBER},     {CK_TYPE_TEXT, 0},    {CK_TYPE_TEXT, 1},         {CK_TYPE_TEXT, 2},
        {CK_TYPE_LIST, 1},        {CK_TYPE_LIST, 2},    {CK_TYPE_MAP, 1},          {CK_TYPE_MAP, 2},
    };
    int type = codes[code & 31].type, step = codes[code & 31].step;
    uint64_t number = code & 1; /* of a flag */
    if (type == REFUSED || (step != NO_NUMBER && take_number(reader, step, &number)))
        return -1;
    value->type = (enum ck_type)type;
    return read_rest(reader, value, number, step);
}

/* A code that holds its number. */
static int read_short(ck_reader *reader, enum ck_type type, uint64_t number, ck_value *value) {
    value->type = type;
    return read_rest(reader, value, number, 0);
}

int ck_read(ck_reader *reader, ck_value *value) {
    const uint8_t *code;
    *value = (ck_value){0};
    if (take(reader, 1, &code))
        return -1;
    if (*code < 0x80)
        return read_short(reader, CK_TYPE_UINT, *code, value);
    if (*code < 0x90)
        return read_short(reader, CK_TYPE_MAP, *code & 15, value);
    if (*code < 0xa0)
        return read_short(reader, CK_TYPE_LIST, *code & 15, value);
    if (*code < 0xc0)
        return read_short(reader, CK_TYPE_TEXT, *code & 31, value);
    if (*code < 0xe0)
        return read_wide(reader, *code, value);
    return read_short(reader, CK_TYPE_INT, *code, value);
}

static int skip(ck_reader *reader, const ck_value *value, int levels) {
    int is_map = value->type == CK_TYPE_MAP;
    if (!is_map && value->type != CK_TYPE_LIST)
        return 0;
    if (!levels)
        return -1;
    for (uint32_t i = 0; i < value->size << is_map; i++) {
        ck_value entry;
        int is_name = is_map && i % 2 == 0;
        if (ck_read(reader, &entry) || (is_name && entry.type != CK_TYPE_TEXT) || skip(reader, &entry, levels - 1))
            return -1;
    }
    return 0;
}

int ck_skip(ck_reader *reader, const ck_value *value) {
    return skip(reader, value, LEVELS);
}
