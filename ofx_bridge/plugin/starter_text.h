/* SPDX-License-Identifier: Apache-2.0 */
/* Text that the starters of all systems treat alike: what a program says, and which variables are the host's own. */
#ifndef CK_STARTER_TEXT_H
#define CK_STARTER_TEXT_H

#include <stddef.h>

#include "../client/sentence.h"

#define CK_COMMAND_FILE "Contents/Resources/ckey.path" /* within a bundle: one line, an absolute path */

/* What a program says, of which the last line is kept; begins as zeros. */
typedef struct ck_words {
    char line[CK_SENTENCE_ROOM]; /* being said */
    char last[CK_SENTENCE_ROOM]; /* whole, and not empty */
    size_t size;                 /* of `line` */
} ck_words;

/* Hear more of it; what a line has beyond the room is dropped. */
void ck_words_add(ck_words *words, const char *bytes, size_t size);

/* The last line that is not empty, whether it was ended or not; empty if there is none. */
const char *ck_words_last(ck_words *words);

/* Fail with CK_REFUSED and what `ckey start` said last. */
int ck_words_fail(ck_words *words);

/* Whether a variable of the environment, "NAME=value", is there for the host's own libraries only. */
int ck_is_hosts_own(const char *variable);

/* Cut a text at the end of its first line. */
void ck_cut_line(char *text);

#endif
