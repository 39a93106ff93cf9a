/* SPDX-License-Identifier: Apache-2.0 */
/* Which working space `auto` means in a host, by the names of the parameter table. Knows no host but by name. */
#include "spaces.h"

#include <string.h>

#include "../include/corridorkey_params.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* Each by the beginning of its name. Resolve's Fusion page differs from its other pages. */
static const struct {
    const char *host, *space;
} known_hosts[] = {
    {"uk.co.thefoundry.nuke", "linear_rec709"},
    {"fr.inria.Natron", "linear_rec709"},
    {"com.blackmagicdesign.Fusion", "linear_rec709"},
    {"DaVinciResolve", "rec709_g24"},
    {"com.sonycreativesoftware.vegas", "rec709_g24"},
    {"com.vegascreativesoftware.vegas", "rec709_g24"},
    {"MLT", "rec709_g24"},
};

static int space_named(const char *word) {
    for (int space = 0; space < COUNT(ck_choices_working_space); space++)
        if (strcmp(ck_choices_working_space[space], word) == 0)
            return space;
    return -1;
}

static int begins_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

int ck_host_space(const char *host, const char *page) {
    if (!host)
        return -1;
    if (begins_with(host, "DaVinciResolve") && page && strcmp(page, "Fusion") == 0)
        return space_named("linear_rec709");
    for (int i = 0; i < COUNT(known_hosts); i++)
        if (begins_with(host, known_hosts[i].host))
            return space_named(known_hosts[i].space);
    return -1;
}

/* The output spaces are `same` and all that are linear. */
int ck_space_is_linear(int space) {
    for (int i = 1; i < COUNT(ck_choices_output_space); i++)
        if (space_named(ck_choices_output_space[i]) == space)
            return 1;
    return 0;
}

int ck_foreground_space(int working_space, int output_space) {
    int same = output_space <= 0 || output_space >= COUNT(ck_choices_output_space);
    return same ? working_space : space_named(ck_choices_output_space[output_space]);
}
