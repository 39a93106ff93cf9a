/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the last sentence of each thread in that thread's own memory. Knows no language and no log. */
#include "sentence.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last[CK_SENTENCE_ROOM];

int ck_fail(int status, const char *format, ...) {
    /* Longer than what is kept by one character, so that the cut falls between two; and apart from it, as a new
       sentence may quote the last one. */
    char words[CK_SENTENCE_ROOM + 4];
    va_list values;
    va_start(values, format);
    if (vsnprintf(words, sizeof words, format, values) < 0)
        words[0] = 0;
    va_end(values);
    ck_copy_text(words, last, sizeof last);
    return status;
}

const char *ck_last_sentence(void) {
    return last;
}

int ck_copy_text(const char *from, char *text, size_t size) {
    size_t length = strlen(from);
    if (size) {
        size_t cut = length < size ? length : size - 1;
        while (cut && ((unsigned char)from[cut] & 0xc0) == 0x80)
            cut--;
        memcpy(text, from, cut);
        text[cut] = 0;
    }
    return length < INT_MAX ? (int)length : INT_MAX;
}
