/* SPDX-License-Identifier: Apache-2.0 */
/* The part of msgpack that the protocol uses, written into and read out of memory. Allocates nothing, trusts nothing. */
#ifndef CK_MSGPACK_H
#define CK_MSGPACK_H

#include <stddef.h>
#include <stdint.h>

enum { CK_ENTRIES = 1024 }; /* of a list or map, at most */

/* Writes into `data`; what does not fit makes it `full`, and nothing more is written. */
typedef struct ck_writer {
    uint8_t *data;
    size_t size, room;
    int full;
} ck_writer;

void ck_writer_init(ck_writer *writer, void *data, size_t room);
/* Each in the shortest form, as the golden bytes have them; floats are always 8 bytes. */
void ck_write_map(ck_writer *writer, uint32_t count);
void ck_write_list(ck_writer *writer, uint32_t count);
void ck_write_text(ck_writer *writer, const char *text); /* ended by a zero, UTF-8 */
void ck_write_bytes(ck_writer *writer, const void *bytes, uint32_t size);
void ck_write_uint(ck_writer *writer, uint64_t value);
void ck_write_int(ck_writer *writer, int64_t value);
void ck_write_float(ck_writer *writer, double value);
void ck_write_flag(ck_writer *writer, int value);
/* Append what was written elsewhere. */
void ck_write_raw(ck_writer *writer, const void *bytes, size_t size);

enum ck_type {
    CK_TYPE_NIL,
    CK_TYPE_FLAG,  /* integer is 0 or 1 */
    CK_TYPE_UINT,  /* integer */
    CK_TYPE_INT,   /* below 0: negative */
    CK_TYPE_FLOAT, /* number */
    CK_TYPE_TEXT,  /* bytes, size: valid UTF-8, not ended by a zero */
    CK_TYPE_BYTES, /* bytes, size */
    CK_TYPE_LIST,  /* size: entries that follow */
    CK_TYPE_MAP,   /* size: pairs that follow */
};

typedef struct ck_value {
    enum ck_type type;
    uint64_t integer;
    int64_t negative;
    double number;
    const uint8_t *bytes;
    uint32_t size;
} ck_value;

typedef struct ck_reader {
    const uint8_t *at, *end;
} ck_reader;

void ck_reader_init(ck_reader *reader, const void *data, size_t size);

/* Read the next value; of a list or map its head. 0, or -1: cut short, an extension type, a type byte that is not
   used, text that is no UTF-8, or a list or map of more than CK_ENTRIES. */
int ck_read(ck_reader *reader, ck_value *value);

/* Read over the rest of a value whose head is `value`; 0, or -1 as ck_read, and for more than 16 levels or a
   name in a map that is no text. */
int ck_skip(ck_reader *reader, const ck_value *value);

#endif
