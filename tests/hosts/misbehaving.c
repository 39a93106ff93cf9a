/* SPDX-License-Identifier: Apache-2.0 */
/* An OFX effect that inverts a picture, and does one thing wrong: the one that the environment variable MISBEHAVE
   names. Without it, it does everything right. The test host has to tell the difference. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "misbehaving.h"

Host *host;
const Properties *props;
const Effects *effects;
const Params *params;
const Messages *messages;
const Progress *progress;
int has_sticky, wirings;
Handle first_instance, old_effect, old_image;

int wrong(const char *what) {
    const char *chosen = getenv("MISBEHAVE");
    return chosen && strcmp(chosen, what) == 0;
}

static void *linger(void *nothing) {
    pause();
    return nothing;
}

/* Something that a scan of plug-ins must not do. */
static void leave_traces(const char *action) {
    const char *during = getenv("MISBEHAVE_DURING");
    if (!during || strcmp(action, during) != 0) {
        return;
    }
    pthread_t thread;
    if (wrong("socket") && socket(AF_UNIX, SOCK_STREAM, 0) < 0) {
        abort();
    }
    if (wrong("thread") && pthread_create(&thread, 0, linger, 0) != 0) {
        abort();
    }
    if (wrong("process")) {
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        if (child < 0 || waitpid(child, 0, 0) != child) {
            abort();
        }
    }
}

static int load(void) {
    first_instance = old_effect = old_image = 0;
    wirings = 0;
    props = host->fetch(host->properties, "OfxPropertySuite", 1);
    effects = host->fetch(host->properties, "OfxImageEffectSuite", 1);
    params = host->fetch(host->properties, "OfxParameterSuite", 1);
    messages = host->fetch(host->properties, "OfxMessageSuite", 2);
    has_sticky = messages && messages->stick;
    if (!messages) {
        messages = host->fetch(host->properties, "OfxMessageSuite", 1);
    }
    progress = host->fetch(host->properties, "OfxProgressSuite", 1);
    return props && effects && params && messages && progress ? 0 : 4;
}

static int describe(Handle effect) {
    Handle set, clip;
    effects->get_properties(effect, &set);
    props->set_string(set, "OfxPropLabel", 0, "Invert");
    props->set_string(set, "OfxImageEffectPropSupportedContexts", 0, "OfxImageEffectContextFilter");
    props->set_string(set, "OfxImageEffectPropSupportedContexts", 1, "OfxImageEffectContextGeneral");
    props->set_string(set, "OfxImageEffectPropSupportedPixelDepths", 0, "OfxBitDepthFloat");
    props->set_string(set, "OfxImageEffectPluginRenderThreadSafety", 0, "OfxImageEffectRenderFullySafe");
    props->set_string(set, "OfxImageEffectPropClipPreferencesSlaveParam", 0, "mode");
    props->set_int(set, "OfxImageEffectPropSupportsTiles", 0, 0);
    if (wrong("unknown property")) {
        props->set_string(set, "OfxImageClipPropPreMultiplication_Output", 0, "OfxImageOpaque");
    }
    if (wrong("wrong type")) {
        props->set_string(set, "OfxImageEffectPropSupportsTiles", 0, "no");
    }
    if (wrong("wrong index")) {
        props->set_string(set, "OfxImageEffectPropSupportedContexts", 5, "OfxImageEffectContextPaint");
    }
    if (wrong("read only")) {
        props->set_string(set, "OfxPropType", 0, "mine");
    }
    if (wrong("clip in describe")) {
        effects->define_clip(effect, "Source", &clip);
    }
    return 0;
}

static void define_clip(Handle effect, const char *name, int is_optional) {
    Handle set;
    if (effects->define_clip(effect, name, &set) != 0) {
        return;
    }
    props->set_string(set, "OfxImageEffectPropSupportedComponents", 0, "OfxImageComponentRGBA");
    if (is_optional) {
        props->set_string(set, "OfxImageEffectPropSupportedComponents", 1, "OfxImageComponentAlpha");
        props->set_int(set, "OfxImageClipPropOptional", 0, !wrong("filter clip"));
    }
}

static Handle define(Handle set, const char *type, const char *name) {
    Handle param = 0;
    params->define(set, type, name, &param);
    return param;
}

static void set_range(Handle param, double low, double high, double initial) {
    props->set_double(param, "OfxParamPropMin", 0, low);
    props->set_double(param, "OfxParamPropMax", 0, high);
    props->set_double(param, "OfxParamPropDisplayMin", 0, low);
    props->set_double(param, "OfxParamPropDisplayMax", 0, high);
    props->set_double(param, "OfxParamPropDefault", 0, initial);
}

static void define_params(Handle set) {
    Handle amount = define(set, "OfxParamTypeDouble", "amount");
    if (!wrong("no range")) {
        set_range(amount, 0, 4, wrong("default") ? 5 : 1);
    }
    Handle flag = define(set, "OfxParamTypeBoolean", "flag");
    if (!wrong("animates")) {
        props->set_int(flag, "OfxParamPropAnimates", 0, 0);
    }
    Handle mode = define(set, "OfxParamTypeChoice", "mode");
    props->set_string(mode, "OfxParamPropChoiceOption", 0, "Invert");
    props->set_string(mode, "OfxParamPropChoiceOption", 1, "Source");
    props->set_string(mode, "OfxParamPropChoiceOption", 2, "Fail");
    define(set, "OfxParamTypeString", "note");
    define(set, "OfxParamTypePushButton", "button");
    define(set, "OfxParamTypePushButton", "look");
    if (wrong("duplicate parameter")) {
        define(set, "OfxParamTypeDouble", "amount");
    }
    if (wrong("crashing type")) {
        define(set, "OfxParamTypeInteger2D", "size");
    }
    if (wrong("hidden")) {
        props->set_int(flag, "OfxParamPropSecret", 0, 1);
    }
}

static int describe_in_context(Handle effect) {
    Handle set;
    define_clip(effect, "Source", 0);
    define_clip(effect, "AlphaHint", 1);
    define_clip(effect, "Output", 0);
    if (wrong("duplicate clip")) {
        define_clip(effect, "Source", 0);
    }
    effects->get_params(effect, &set);
    define_params(set);
    return 0;
}

Handle find_param(Handle effect, const char *name) {
    Handle set, param;
    return effects->get_params(effect, &set) == 0 && params->get(set, name, &param, 0) == 0 ? param : 0;
}

Handle find_clip(Handle effect, const char *name) {
    Handle clip;
    return effects->get_clip(effect, name, &clip, 0) == 0 ? clip : 0;
}

static int create(Handle effect) {
    Handle image, set;
    if (!first_instance) {
        first_instance = effect;
    }
    if (wrong("set in create")) {
        params->set(find_param(effect, "amount"), 2.0);
    }
    if (wrong("image in create")) {
        effects->get_image(find_clip(effect, "Source"), 1, 0, &image);
    }
    if (wrong("hidden")) {
        params->get_properties(find_param(effect, "flag"), &set);
        props->set_int(set, "OfxParamPropSecret", 0, 0);
    }
    if (wrong("dead effect") && old_effect) {
        effects->get_params(old_effect, &set);
    }
    return 0;
}

static int destroy(Handle effect) {
    old_effect = effect;
    first_instance = first_instance == effect ? 0 : first_instance;
    return 0;
}

static int is_identity(Handle effect, Handle in, Handle out) {
    double time = 0;
    props->get_double(in, "OfxPropTime", 0, &time);
    if (!is_mode(effect, time, 1)) {
        return 14;
    }
    props->set_string(out, "OfxPropName", 0, "Source");
    props->set_double(out, "OfxPropTime", 0, time);
    return 0;
}

static int preferences(Handle out) {
    if (wrong("filter components")) {
        props->set_string(out, "OfxImageClipPropComponents_Output", 0, "OfxImageComponentAlpha");
    }
    props->set_string(out, "OfxImageEffectPropPreMultiplication", 0, "OfxImageAlphaUnPremultiplied");
    return 0;
}

static int ask_interests(Handle effect, Handle out) {
    Rect region;
    double *side[4] = {&region.x1, &region.y1, &region.x2, &region.y2};
    if (effects->get_region(find_clip(effect, "Source"), 1, &region) != 0) {
        return 14;
    }
    for (int index = 0; index < 4; index++) {
        props->set_double(out, "OfxImageClipPropRoI_Source", index, *side[index]);
    }
    return 0;
}

static int act(const char *action, Handle effect, Handle in, Handle out) {
    if (strcmp(action, "OfxImageEffectActionIsIdentity") == 0) {
        return is_identity(effect, in, out);
    }
    if (strcmp(action, "OfxImageEffectActionGetClipPreferences") == 0) {
        return preferences(out);
    }
    if (strcmp(action, "OfxImageEffectActionGetRegionsOfInterest") == 0) {
        return ask_interests(effect, out);
    }
    if (strcmp(action, "OfxImageEffectActionRender") == 0) {
        return render(effect, in);
    }
    return strcmp(action, "OfxActionInstanceChanged") == 0 ? changed(effect, in) : 14;
}

static int main_entry(const char *action, const void *handle, Handle in, Handle out) {
    Handle effect = (Handle)(intptr_t)handle;
    leave_traces(action);
    if (strcmp(action, "OfxActionLoad") == 0) {
        return load();
    }
    if (strcmp(action, "OfxActionDescribe") == 0) {
        return describe(effect);
    }
    if (strcmp(action, "OfxImageEffectActionDescribeInContext") == 0) {
        return describe_in_context(effect);
    }
    if (strcmp(action, "OfxActionCreateInstance") == 0) {
        return create(effect);
    }
    return strcmp(action, "OfxActionDestroyInstance") == 0 ? destroy(effect) : act(action, effect, in, out);
}

static void set_host(Host *given) {
    host = given;
}

int OfxGetNumberOfPlugins(void);
Plugin *OfxGetPlugin(int index);

int OfxGetNumberOfPlugins(void) {
    return 1;
}

Plugin *OfxGetPlugin(int index) {
    static Plugin plugin = {"OfxImageEffectPluginAPI", 1, "corridorkey.test.invert", 1, 0, set_host, main_entry};
    return index == 0 ? &plugin : 0;
}
