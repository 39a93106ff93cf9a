/* SPDX-License-Identifier: Apache-2.0 */
/* What a program says, and which variables are the host's own. Starts nothing and knows no system. */
#include "starter_text.h"

#include <string.h>

#include "../include/corridorkey.h"

#define SPEAKER "ckey: "

/* A name that ends with a _ stands for all that begin so. */
static const char *const hosts_own[] = {
    "DYLD_", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "QT_PLUGIN_PATH",
};

static int is_named(const char *variable, const char *name) {
    size_t length = strlen(name);
    return strncmp(variable, name, length) == 0 && (name[length - 1] == '_' || variable[length] == '=');
}

int ck_is_hosts_own(const char *variable) {
    for (size_t i = 0; i < sizeof hosts_own / sizeof *hosts_own; i++)
        if (is_named(variable, hosts_own[i]))
            return 1;
    return 0;
}

static void end_line(ck_words *words) {
    if (words->size == 0)
        return;
    memcpy(words->last, words->line, words->size);
    words->last[words->size] = 0;
    words->size = 0;
}

void ck_words_add(ck_words *words, const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            end_line(words);
        else if (bytes[i] != 0 && words->size < sizeof words->line - 1)
            words->line[words->size++] = bytes[i];
    }
}

const char *ck_words_last(ck_words *words) {
    end_line(words);
    return words->last;
}

int ck_words_fail(ck_words *words) {
    const char *last = ck_words_last(words);
    if (*last == 0)
        return ck_fail(CK_REFUSED, "`ckey start` failed and said nothing; run it in a terminal.");
    return ck_fail(CK_REFUSED, "%s", last + (strncmp(last, SPEAKER, strlen(SPEAKER)) == 0 ? strlen(SPEAKER) : 0));
}

void ck_cut_line(char *text) {
    text[strcspn(text, "\r\n")] = 0;
}
