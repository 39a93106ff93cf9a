/* SPDX-License-Identifier: Apache-2.0 */
/* What this plug-in uses of OpenFX 1.5: types in the order of the ABI, and the words of actions and properties.

   Written from the published facts of the interface; https://openfx.readthedocs.io explains every word. What is not
   used is left out, but for suite entries, whose order is the ABI. */
#ifndef CK_OFX_H
#define CK_OFX_H

#include <stddef.h>

typedef int OfxStatus;
typedef double OfxTime;
typedef struct OfxPropertySet *OfxPropertySetHandle;
typedef struct OfxImageEffect *OfxImageEffectHandle;
typedef struct OfxImageClip *OfxImageClipHandle;
typedef struct OfxImageMemory *OfxImageMemoryHandle;
typedef struct OfxParam *OfxParamHandle;
typedef struct OfxParamSet *OfxParamSetHandle;

typedef struct OfxRectD {
    double x1, y1, x2, y2;
} OfxRectD;

typedef struct OfxRangeD {
    double min, max;
} OfxRangeD;

typedef struct OfxHost {
    OfxPropertySetHandle host;
    const void *(*fetchSuite)(OfxPropertySetHandle host, const char *name, int version);
} OfxHost;

typedef struct OfxPlugin {
    const char *pluginApi;
    int apiVersion;
    const char *pluginIdentifier;
    unsigned int pluginVersionMajor;
    unsigned int pluginVersionMinor;
    void (*setHost)(OfxHost *host);
    OfxStatus (*mainEntry)(const char *action, const void *handle, OfxPropertySetHandle in, OfxPropertySetHandle out);
} OfxPlugin;

enum {
    kOfxStatOK = 0,
    kOfxStatFailed = 1,
    kOfxStatErrMissingHostFeature = 4,
    kOfxStatErrMemory = 8,
    kOfxStatErrBadHandle = 9,
    kOfxStatReplyNo = 13,
    kOfxStatReplyDefault = 14,
};

typedef struct OfxPropertySuiteV1 {
    OfxStatus (*propSetPointer)(OfxPropertySetHandle set, const char *name, int index, void *value);
    OfxStatus (*propSetString)(OfxPropertySetHandle set, const char *name, int index, const char *value);
    OfxStatus (*propSetDouble)(OfxPropertySetHandle set, const char *name, int index, double value);
    OfxStatus (*propSetInt)(OfxPropertySetHandle set, const char *name, int index, int value);
    OfxStatus (*propSetPointerN)(OfxPropertySetHandle set, const char *name, int count, void *const *values);
    OfxStatus (*propSetStringN)(OfxPropertySetHandle set, const char *name, int count, const char *const *values);
    OfxStatus (*propSetDoubleN)(OfxPropertySetHandle set, const char *name, int count, const double *values);
    OfxStatus (*propSetIntN)(OfxPropertySetHandle set, const char *name, int count, const int *values);
    OfxStatus (*propGetPointer)(OfxPropertySetHandle set, const char *name, int index, void **value);
    OfxStatus (*propGetString)(OfxPropertySetHandle set, const char *name, int index, char **value);
    OfxStatus (*propGetDouble)(OfxPropertySetHandle set, const char *name, int index, double *value);
    OfxStatus (*propGetInt)(OfxPropertySetHandle set, const char *name, int index, int *value);
    OfxStatus (*propGetPointerN)(OfxPropertySetHandle set, const char *name, int count, void **values);
    OfxStatus (*propGetStringN)(OfxPropertySetHandle set, const char *name, int count, char **values);
    OfxStatus (*propGetDoubleN)(OfxPropertySetHandle set, const char *name, int count, double *values);
    OfxStatus (*propGetIntN)(OfxPropertySetHandle set, const char *name, int count, int *values);
    OfxStatus (*propReset)(OfxPropertySetHandle set, const char *name);
    OfxStatus (*propGetDimension)(OfxPropertySetHandle set, const char *name, int *count);
} OfxPropertySuiteV1;

typedef struct OfxImageEffectSuiteV1 {
    OfxStatus (*getPropertySet)(OfxImageEffectHandle effect, OfxPropertySetHandle *set);
    OfxStatus (*getParamSet)(OfxImageEffectHandle effect, OfxParamSetHandle *set);
    OfxStatus (*clipDefine)(OfxImageEffectHandle effect, const char *name, OfxPropertySetHandle *set);
    OfxStatus (*clipGetHandle)(OfxImageEffectHandle effect, const char *name, OfxImageClipHandle *clip,
                               OfxPropertySetHandle *set);
    OfxStatus (*clipGetPropertySet)(OfxImageClipHandle clip, OfxPropertySetHandle *set);
    OfxStatus (*clipGetImage)(OfxImageClipHandle clip, OfxTime time, const OfxRectD *region,
                              OfxPropertySetHandle *image);
    OfxStatus (*clipReleaseImage)(OfxPropertySetHandle image);
    OfxStatus (*clipGetRegionOfDefinition)(OfxImageClipHandle clip, OfxTime time, OfxRectD *region);
    int (*abort)(OfxImageEffectHandle effect);
    OfxStatus (*imageMemoryAlloc)(OfxImageEffectHandle effect, size_t size, OfxImageMemoryHandle *memory);
    OfxStatus (*imageMemoryFree)(OfxImageMemoryHandle memory);
    OfxStatus (*imageMemoryLock)(OfxImageMemoryHandle memory, void **data);
    OfxStatus (*imageMemoryUnlock)(OfxImageMemoryHandle memory);
} OfxImageEffectSuiteV1;

typedef struct OfxParameterSuiteV1 {
    OfxStatus (*paramDefine)(OfxParamSetHandle params, const char *type, const char *name, OfxPropertySetHandle *set);
    OfxStatus (*paramGetHandle)(OfxParamSetHandle params, const char *name, OfxParamHandle *param,
                                OfxPropertySetHandle *set);
    OfxStatus (*paramSetGetPropertySet)(OfxParamSetHandle params, OfxPropertySetHandle *set);
    OfxStatus (*paramGetPropertySet)(OfxParamHandle param, OfxPropertySetHandle *set);
    OfxStatus (*paramGetValue)(OfxParamHandle param, ...);
    OfxStatus (*paramGetValueAtTime)(OfxParamHandle param, OfxTime time, ...);
    OfxStatus (*paramGetDerivative)(OfxParamHandle param, OfxTime time, ...);
    OfxStatus (*paramGetIntegral)(OfxParamHandle param, OfxTime from, OfxTime to, ...);
    OfxStatus (*paramSetValue)(OfxParamHandle param, ...);
    OfxStatus (*paramSetValueAtTime)(OfxParamHandle param, OfxTime time, ...);
    OfxStatus (*paramGetNumKeys)(OfxParamHandle param, unsigned int *count);
    OfxStatus (*paramGetKeyTime)(OfxParamHandle param, unsigned int index, OfxTime *time);
    OfxStatus (*paramGetKeyIndex)(OfxParamHandle param, OfxTime time, int direction, int *index);
    OfxStatus (*paramDeleteKey)(OfxParamHandle param, OfxTime time);
    OfxStatus (*paramDeleteAllKeys)(OfxParamHandle param);
    OfxStatus (*paramCopy)(OfxParamHandle to, OfxParamHandle from, OfxTime offset, const OfxRangeD *range);
    OfxStatus (*paramEditBegin)(OfxParamSetHandle params, const char *name);
    OfxStatus (*paramEditEnd)(OfxParamSetHandle params);
} OfxParameterSuiteV1;

typedef struct OfxMessageSuiteV1 {
    OfxStatus (*message)(void *handle, const char *type, const char *id, const char *format, ...);
} OfxMessageSuiteV1;

typedef struct OfxMessageSuiteV2 {
    OfxStatus (*message)(void *handle, const char *type, const char *id, const char *format, ...);
    OfxStatus (*setPersistentMessage)(void *handle, const char *type, const char *id, const char *format, ...);
    OfxStatus (*clearPersistentMessage)(void *handle);
} OfxMessageSuiteV2;

typedef struct OfxProgressSuiteV1 {
    OfxStatus (*progressStart)(void *effect, const char *label);
    OfxStatus (*progressUpdate)(void *effect, double progress);
    OfxStatus (*progressEnd)(void *effect);
} OfxProgressSuiteV1;

typedef struct OfxProgressSuiteV2 {
    OfxStatus (*progressStart)(void *effect, const char *message, const char *id);
    OfxStatus (*progressUpdate)(void *effect, double progress);
    OfxStatus (*progressEnd)(void *effect);
} OfxProgressSuiteV2;

#define kOfxImageEffectPluginApi "OfxImageEffectPluginAPI"
#define kOfxPropertySuite "OfxPropertySuite"
#define kOfxImageEffectSuite "OfxImageEffectSuite"
#define kOfxParameterSuite "OfxParameterSuite"
#define kOfxMessageSuite "OfxMessageSuite"
#define kOfxProgressSuite "OfxProgressSuite"

#define kOfxActionLoad "OfxActionLoad"
#define kOfxActionUnload "OfxActionUnload"
#define kOfxActionDescribe "OfxActionDescribe"
#define kOfxActionCreateInstance "OfxActionCreateInstance"
#define kOfxActionDestroyInstance "OfxActionDestroyInstance"
#define kOfxActionInstanceChanged "OfxActionInstanceChanged"
#define kOfxImageEffectActionDescribeInContext "OfxImageEffectActionDescribeInContext"
#define kOfxImageEffectActionGetClipPreferences "OfxImageEffectActionGetClipPreferences"
#define kOfxImageEffectActionGetRegionsOfInterest "OfxImageEffectActionGetRegionsOfInterest"
#define kOfxImageEffectActionIsIdentity "OfxImageEffectActionIsIdentity"
#define kOfxImageEffectActionRender "OfxImageEffectActionRender"

#define kOfxImageEffectContextFilter "OfxImageEffectContextFilter"
#define kOfxImageEffectContextGeneral "OfxImageEffectContextGeneral"
#define kOfxBitDepthFloat "OfxBitDepthFloat"
#define kOfxImageComponentAlpha "OfxImageComponentAlpha"
#define kOfxImageComponentRGB "OfxImageComponentRGB"
#define kOfxImageComponentRGBA "OfxImageComponentRGBA"
#define kOfxImageOpaque "OfxImageOpaque"
#define kOfxImagePreMultiplied "OfxImageAlphaPremultiplied"
#define kOfxImageUnPreMultiplied "OfxImageAlphaUnPremultiplied"
#define kOfxImageFieldLower "OfxFieldLower"
#define kOfxImageFieldUpper "OfxFieldUpper"
#define kOfxImageEffectRenderFullySafe "OfxImageEffectRenderFullySafe"
#define kOfxChangeUserEdited "OfxChangeUserEdited"
#define kOfxMessageError "OfxMessageError"
#define kOfxMessageMessage "OfxMessageMessage"
#define kOfxMessageLog "OfxMessageLog"

#define kOfxPropName "OfxPropName"
#define kOfxPropLabel "OfxPropLabel"
#define kOfxPropPluginDescription "OfxPropPluginDescription"
#define kOfxPropVersionLabel "OfxPropVersionLabel"
#define kOfxPropTime "OfxPropTime"
#define kOfxPropIsInteractive "OfxPropIsInteractive"
#define kOfxPropInstanceData "OfxPropInstanceData"
#define kOfxPropChangeReason "OfxPropChangeReason"
#define kOfxPluginPropFilePath "OfxPluginPropFilePath"

#define kOfxImageEffectHostPropIsBackground "OfxImageEffectHostPropIsBackground"
#define kOfxImageEffectPropSupportedContexts "OfxImageEffectPropSupportedContexts"
#define kOfxImageEffectPropSupportedPixelDepths "OfxImageEffectPropSupportedPixelDepths"
#define kOfxImageEffectPropSupportedComponents "OfxImageEffectPropSupportedComponents"
#define kOfxImageEffectPropSupportsTiles "OfxImageEffectPropSupportsTiles"
#define kOfxImageEffectPropSupportsMultiResolution "OfxImageEffectPropSupportsMultiResolution"
#define kOfxImageEffectPropSupportsMultipleClipDepths "OfxImageEffectPropMultipleClipDepths"
#define kOfxImageEffectPropSupportsMultipleClipPARs "OfxImageEffectPropSupportsMultipleClipPARs"
#define kOfxImageEffectPropTemporalClipAccess "OfxImageEffectPropTemporalClipAccess"
#define kOfxImageEffectPropClipPreferencesSlaveParam "OfxImageEffectPropClipPreferencesSlaveParam"
#define kOfxImageEffectPluginPropGrouping "OfxImageEffectPluginPropGrouping"
#define kOfxImageEffectPluginPropSingleInstance "OfxImageEffectPluginPropSingleInstance"
#define kOfxImageEffectPluginPropHostFrameThreading "OfxImageEffectPluginPropHostFrameThreading"
#define kOfxImageEffectPluginRenderThreadSafety "OfxImageEffectPluginRenderThreadSafety"
#define kOfxImageEffectPropRenderWindow "OfxImageEffectPropRenderWindow"
#define kOfxImageEffectPropRenderScale "OfxImageEffectPropRenderScale"
#define kOfxImageEffectPropFieldToRender "OfxImageEffectPropFieldToRender"
#define kOfxImageEffectPropProjectExtent "OfxImageEffectPropProjectExtent"
#define kOfxImageEffectPropProjectOffset "OfxImageEffectPropProjectOffset"
#define kOfxImageEffectPropComponents "OfxImageEffectPropComponents"
#define kOfxImageEffectPropPixelDepth "OfxImageEffectPropPixelDepth"
#define kOfxImageEffectPropPreMultiplication "OfxImageEffectPropPreMultiplication"
#define kOfxImageEffectFrameVarying "OfxImageEffectFrameVarying"
#define kOfxImageEffectPropResolvePage "OfxImageEffectPropResolvePage" /* Resolve's own: Edit, Color or Fusion */

#define kOfxImageClipPropOptional "OfxImageClipPropOptional"
#define kOfxImageClipPropConnected "OfxImageClipPropConnected"
#define kOfxImageClipPropComponents_ "OfxImageClipPropComponents_" /* and the clip's name */
#define kOfxImageClipPropRoI_ "OfxImageClipPropRoI_"               /* and the clip's name */
#define kOfxImagePropData "OfxImagePropData"
#define kOfxImagePropBounds "OfxImagePropBounds"
#define kOfxImagePropRowBytes "OfxImagePropRowBytes"
#define kOfxImagePropPixelAspectRatio "OfxImagePropPixelAspectRatio"

#define kOfxParamTypeBoolean "OfxParamTypeBoolean"
#define kOfxParamTypeChoice "OfxParamTypeChoice"
#define kOfxParamTypeDouble "OfxParamTypeDouble"
#define kOfxParamTypeGroup "OfxParamTypeGroup"
#define kOfxParamTypePage "OfxParamTypePage"
#define kOfxParamTypePushButton "OfxParamTypePushButton"
#define kOfxParamTypeString "OfxParamTypeString"
#define kOfxParamPropAnimates "OfxParamPropAnimates"
#define kOfxParamPropChoiceOption "OfxParamPropChoiceOption"
#define kOfxParamPropDefault "OfxParamPropDefault"
#define kOfxParamPropDigits "OfxParamPropDigits"
#define kOfxParamPropDisplayMax "OfxParamPropDisplayMax"
#define kOfxParamPropDisplayMin "OfxParamPropDisplayMin"
#define kOfxParamPropDoubleType "OfxParamPropDoubleType"
#define kOfxParamDoubleTypePlain "OfxParamDoubleTypePlain"
#define kOfxParamPropEnabled "OfxParamPropEnabled"
#define kOfxParamPropEvaluateOnChange "OfxParamPropEvaluateOnChange"
#define kOfxParamPropGroupOpen "OfxParamPropGroupOpen"
#define kOfxParamPropHint "OfxParamPropHint"
#define kOfxParamPropIncrement "OfxParamPropIncrement"
#define kOfxParamPropMax "OfxParamPropMax"
#define kOfxParamPropMin "OfxParamPropMin"
#define kOfxParamPropPageChild "OfxParamPropPageChild"
#define kOfxParamPropParent "OfxParamPropParent"
#define kOfxParamPropPersistant "OfxParamPropPersistant"
#define kOfxParamPropStringMode "OfxParamPropStringMode"
#define kOfxParamStringIsSingleLine "OfxParamStringIsSingleLine"

#endif
