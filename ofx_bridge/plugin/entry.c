/* SPDX-License-Identifier: Apache-2.0 */
/* What the host calls: the only exported functions, and the way from the name of an action to the function for it. */
#include <string.h>

#include "actions.h"
#include "daemon.h"
#include "host.h"
#include "notices.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT OfxStatus OfxSetHost(const OfxHost *host);
EXPORT int OfxGetNumberOfPlugins(void);
EXPORT OfxPlugin *OfxGetPlugin(int nth);

typedef OfxStatus (*effect_action)(OfxImageEffectHandle effect);
typedef OfxStatus (*instance_action)(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out);

static const struct {
    const char *name;
    effect_action run;
} effect_actions[] = {
    {kOfxActionDescribe, ck_describe_effect},
    {kOfxImageEffectActionDescribeInContext, ck_describe_in_context},
    {kOfxActionCreateInstance, ck_instance_create},
};

static const struct {
    const char *name;
    instance_action run;
} instance_actions[] = {
    {kOfxImageEffectActionRender, ck_render},
    {kOfxImageEffectActionIsIdentity, ck_is_identity},
    {kOfxImageEffectActionGetRegionsOfInterest, ck_get_regions_of_interest},
    {kOfxImageEffectActionGetClipPreferences, ck_get_clip_preferences},
    {kOfxActionInstanceChanged, ck_instance_changed},
};

static OfxStatus unload(void) {
    ck_daemon_end();
    ck_notices_forget();
    ck_host_unload();
    return kOfxStatOK;
}

static OfxStatus destroy(OfxImageEffectHandle effect) {
    ck_instance *instance = ck_instance_of(effect);
    if (!instance)
        return kOfxStatErrBadHandle;
    ck_instance_destroy(instance);
    return kOfxStatOK;
}

static OfxStatus run(const char *action, OfxImageEffectHandle effect, OfxPropertySetHandle in,
                     OfxPropertySetHandle out) {
    for (size_t index = 0; index < sizeof effect_actions / sizeof *effect_actions; index++)
        if (strcmp(effect_actions[index].name, action) == 0)
            return effect_actions[index].run(effect);
    for (size_t index = 0; index < sizeof instance_actions / sizeof *instance_actions; index++) {
        if (strcmp(instance_actions[index].name, action) != 0)
            continue;
        ck_instance *instance = ck_instance_of(effect);
        return instance ? instance_actions[index].run(instance, in, out) : kOfxStatErrBadHandle;
    }
    return strcmp(action, kOfxActionDestroyInstance) == 0 ? destroy(effect) : kOfxStatReplyDefault;
}

/* Hosts load, unload and load again; whatever else they ask needs the suites. */
static OfxStatus main_entry(const char *action, const void *handle, OfxPropertySetHandle in, OfxPropertySetHandle out) {
    if (!action)
        return kOfxStatReplyDefault;
    if (strcmp(action, kOfxActionLoad) == 0)
        return ck_host_load();
    if (strcmp(action, kOfxActionUnload) == 0)
        return unload();
    if (!ck_this_host.properties)
        return kOfxStatErrMissingHostFeature;
    return run(action, (OfxImageEffectHandle)handle, in, out);
}

static void set_host(OfxHost *host) {
    (void)ck_host_set(host);
}

static OfxPlugin plugin = {
    .pluginApi = kOfxImageEffectPluginApi,
    .apiVersion = 1,
    .pluginIdentifier = "corridorkey.comp",
    .pluginVersionMajor = 1,
    .pluginVersionMinor = 0,
    .setHost = set_host,
    .mainEntry = main_entry,
};

EXPORT OfxStatus OfxSetHost(const OfxHost *host) {
    return ck_host_set(host) == 0 ? kOfxStatOK : kOfxStatFailed;
}

EXPORT int OfxGetNumberOfPlugins(void) {
    return 1;
}

EXPORT OfxPlugin *OfxGetPlugin(int nth) {
    return nth == 0 ? &plugin : NULL;
}
