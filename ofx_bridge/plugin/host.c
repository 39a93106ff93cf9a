/* SPDX-License-Identifier: Apache-2.0 */
/* See host.h. Whatever differs by a host's name is decided here, but for its working space, which is in spaces.c. */
#include "host.h"

#include <stdio.h>
#include <string.h>

#include "../client/sentence.h"

ck_host ck_this_host;

/* A copy: a host may free what it gave to OfxSetHost. */
static OfxHost given;

int ck_host_set(const OfxHost *host) {
    if (!host || !host->fetchSuite)
        return -1;
    given = *host;
    return 0;
}

static const void *suite(const char *name, int version) {
    return given.fetchSuite(given.host, name, version);
}

static int is_named(const char *prefix) {
    return strncmp(ck_this_host.name, prefix, strlen(prefix)) == 0;
}

static int lists_rgb(void) {
    char word[64];
    int count = 0;
    (void)ck_this_host.properties->propGetDimension(given.host, kOfxImageEffectPropSupportedComponents, &count);
    for (int index = 0; index < count; index++)
        if (ck_get_text(given.host, kOfxImageEffectPropSupportedComponents, index, word, sizeof word) &&
            strcmp(word, kOfxImageComponentRGB) == 0)
            return 1;
    return 0;
}

static void look_at_title(void) {
    char label[64], version[32];
    if (!ck_get_text(given.host, kOfxPropLabel, 0, label, sizeof label))
        ck_copy_text(ck_this_host.name[0] ? ck_this_host.name : "the host", label, sizeof label);
    int has_version = ck_get_text(given.host, kOfxPropVersionLabel, 0, version, sizeof version);
    snprintf(ck_this_host.title, sizeof ck_this_host.title, "%s%s%s", label, has_version ? " " : "", version);
}

static void look_at_quirks(void) {
    int is_resolve = is_named("DaVinciResolve");
    ck_this_host.connects_all = is_resolve;
    ck_this_host.offsets_format = is_named("fr.inria.Natron");
    ck_this_host.pixel_regions = is_named("com.sony.Catalyst");
    const OfxMessageSuiteV2 *persistent = ck_this_host.persistent;
    /* Resolve: setting is null and clearing is garbage, which cannot be told from a function. */
    if (persistent && (is_resolve || !persistent->setPersistentMessage || !persistent->clearPersistentMessage))
        ck_this_host.persistent = NULL;
}

/* Without Message suite 1 its part in suite 2 serves. */
static const OfxMessageSuiteV1 *find_messages(void) {
    const OfxMessageSuiteV1 *one = suite(kOfxMessageSuite, 1);
    return one ? one : suite(kOfxMessageSuite, 2);
}

OfxStatus ck_host_load(void) {
    if (!given.fetchSuite)
        return kOfxStatErrMissingHostFeature;
    memset(&ck_this_host, 0, sizeof ck_this_host);
    ck_this_host.properties = suite(kOfxPropertySuite, 1);
    ck_this_host.effects = suite(kOfxImageEffectSuite, 1);
    ck_this_host.params = suite(kOfxParameterSuite, 1);
    if (!ck_this_host.properties || !ck_this_host.effects || !ck_this_host.params)
        return kOfxStatErrMissingHostFeature;
    ck_this_host.messages = find_messages();
    ck_this_host.persistent = suite(kOfxMessageSuite, 2);
    ck_this_host.progress = suite(kOfxProgressSuite, 1);
    ck_this_host.progress_two = suite(kOfxProgressSuite, 2);
    ck_get_text(given.host, kOfxPropName, 0, ck_this_host.name, sizeof ck_this_host.name);
    look_at_title();
    ck_this_host.is_background = ck_get_int(given.host, kOfxImageEffectHostPropIsBackground, 0, 0) != 0;
    ck_this_host.knows_rgb = lists_rgb();
    ck_this_host.one_size = ck_get_int(given.host, kOfxImageEffectPropSupportsMultiResolution, 0, 1) == 0;
    look_at_quirks();
    return kOfxStatOK;
}

void ck_host_unload(void) {
    memset(&ck_this_host, 0, sizeof ck_this_host);
}

int ck_get_int(OfxPropertySetHandle set, const char *name, int index, int otherwise) {
    int value = 0;
    return set && ck_this_host.properties->propGetInt(set, name, index, &value) == kOfxStatOK ? value : otherwise;
}

double ck_get_double(OfxPropertySetHandle set, const char *name, int index, double otherwise) {
    double value = 0;
    return set && ck_this_host.properties->propGetDouble(set, name, index, &value) == kOfxStatOK ? value : otherwise;
}

void *ck_get_pointer(OfxPropertySetHandle set, const char *name) {
    void *value = NULL;
    return set && ck_this_host.properties->propGetPointer(set, name, 0, &value) == kOfxStatOK ? value : NULL;
}

int ck_get_text(OfxPropertySetHandle set, const char *name, int index, char *text, size_t size) {
    char *value = NULL;
    int is_there = set && ck_this_host.properties->propGetString(set, name, index, &value) == kOfxStatOK && value;
    ck_copy_text(is_there ? value : "", text, size);
    return is_there;
}

int ck_is_text(OfxPropertySetHandle set, const char *name, const char *word) {
    char text[64];
    return ck_get_text(set, name, 0, text, sizeof text) && strcmp(text, word) == 0;
}

void ck_set_int(OfxPropertySetHandle set, const char *name, int value) {
    (void)ck_this_host.properties->propSetInt(set, name, 0, value);
}

void ck_set_double(OfxPropertySetHandle set, const char *name, int index, double value) {
    (void)ck_this_host.properties->propSetDouble(set, name, index, value);
}

void ck_set_text(OfxPropertySetHandle set, const char *name, int index, const char *value) {
    (void)ck_this_host.properties->propSetString(set, name, index, value);
}

OfxPropertySetHandle ck_effect_properties(OfxImageEffectHandle effect) {
    OfxPropertySetHandle set = NULL;
    return ck_this_host.effects->getPropertySet(effect, &set) == kOfxStatOK ? set : NULL;
}
