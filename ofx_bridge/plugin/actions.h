/* SPDX-License-Identifier: Apache-2.0 */
/* What the host may ask of the effect: a function for each action, called by entry.c. */
#ifndef CK_ACTIONS_H
#define CK_ACTIONS_H

#include "instance.h"

/* Of the effect as a whole. */
OfxStatus ck_describe_effect(OfxImageEffectHandle effect);
OfxStatus ck_describe_in_context(OfxImageEffectHandle effect);

/* Of an instance; `in` and `out` are what the host gives along, null with some hosts. */
OfxStatus ck_get_clip_preferences(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out);
OfxStatus ck_get_regions_of_interest(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out);
OfxStatus ck_is_identity(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out);
OfxStatus ck_instance_changed(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out);
OfxStatus ck_render(ck_instance *instance, OfxPropertySetHandle in, OfxPropertySetHandle out);

#endif
