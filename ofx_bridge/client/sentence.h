/* SPDX-License-Identifier: Apache-2.0 */
/* Why a call failed: one sentence for the artist, kept for each thread. */
#ifndef CK_SENTENCE_H
#define CK_SENTENCE_H

#include <stddef.h>

enum { CK_SENTENCE_ROOM = 3200 }; /* the longest sentence and next step of the protocol, with what joins them */

#if defined(__GNUC__)
#define CK_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CK_PRINTF(text, first)
#endif

/* Remember why, and return `status`: return ck_fail(CK_DOWN, "no daemon runs; ..."). Whole UTF-8 characters are kept. */
int ck_fail(int status, const char *format, ...) CK_PRINTF(2, 3);

/* The sentence of this thread's last failure, empty if there was none. */
const char *ck_last_sentence(void);

/* Copy `from` into `text` of `size` bytes, cut between characters and ended by a zero; returns the length of `from`. */
int ck_copy_text(const char *from, char *text, size_t size);

#endif
