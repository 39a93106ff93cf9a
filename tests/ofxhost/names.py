"""Which properties exist on each kind of property set, of which type and size, and which of them a plug-in may set.

A table is words "name:type": S string, I int, D double, P pointer; a number says how many values there are (1 if there
is none), * that there may be any number; + in front that a plug-in may set it. What is in no table here is unknown to
OFX, and a plug-in that uses it is wrong whatever the host answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spec:
    """One property: its type, its number of values (0: any number), and whether a plug-in may set it."""

    type: str
    size: int
    is_settable: bool


@dataclass(frozen=True)
class Kind:
    """A kind of property set: what sentences call it, and its properties."""

    label: str
    specs: dict[str, Spec]


def _spec(word: str) -> tuple[str, Spec]:
    name, _, kind = word.removeprefix("+").partition(":")
    size = 0 if kind[1:] == "*" else int(kind[1:] or 1)
    return name, Spec(kind[0], size, word.startswith("+"))


def kind(label: str, *tables: str) -> Kind:
    """Return a kind of property set that has what `tables` say."""
    return Kind(label, dict(_spec(word) for table in tables for word in table.split()))


_GPU = """
    OfxImageEffectPropOpenGLRenderSupported:S OfxImageEffectPropCudaRenderSupported:S
    OfxImageEffectPropCudaStreamSupported:S OfxImageEffectPropMetalRenderSupported:S
    OfxImageEffectPropOpenCLRenderSupported:S OfxImageEffectPropCPURenderSupported:S
"""

HOST = kind(
    "host",
    """
    OfxPropType:S OfxPropName:S OfxPropLabel:S OfxPropVersion:I* OfxPropVersionLabel:S OfxPropAPIVersion:I*
    OfxPropHostOSHandle:P OfxImageEffectHostPropIsBackground:I OfxImageEffectHostPropNativeOrigin:S
    OfxImageEffectPropSupportsOverlays:I OfxImageEffectPropSupportsMultiResolution:I OfxImageEffectPropSupportsTiles:I
    OfxImageEffectPropTemporalClipAccess:I OfxImageEffectPropSupportedComponents:S*
    OfxImageEffectPropSupportedContexts:S* OfxImageEffectPropSupportedPixelDepths:S*
    OfxImageEffectPropMultipleClipDepths:I OfxImageEffectPropSupportsMultipleClipPARs:I
    OfxImageEffectPropSetableFrameRate:I OfxImageEffectPropSetableFielding:I OfxImageEffectPropRenderQualityDraft:I
    OfxImageEffectInstancePropSequentialRender:I OfxParamHostPropSupportsCustomInteract:I
    OfxParamHostPropSupportsStringAnimation:I OfxParamHostPropSupportsChoiceAnimation:I
    OfxParamHostPropSupportsBooleanAnimation:I OfxParamHostPropSupportsCustomAnimation:I
    OfxParamHostPropSupportsStrChoice:I OfxParamHostPropSupportsStrChoiceAnimation:I OfxParamHostPropMaxParameters:I
    OfxParamHostPropMaxPages:I OfxParamHostPropPageRowColumnCount:I2 OfxImageEffectPropColourManagementStyle:S
    OfxImageEffectPropColourManagementAvailableConfigs:S*
    """,
    _GPU,
)

_GPU_CHOICE = " ".join(f"+{word}" for word in _GPU.split())

EFFECT_DESCRIPTOR = kind(
    "effect descriptor",
    """
    OfxPropType:S OfxPluginPropFilePath:S +OfxPropLabel:S +OfxPropShortLabel:S +OfxPropLongLabel:S +OfxPropVersion:I*
    +OfxPropVersionLabel:S +OfxPropPluginDescription:S +OfxPropIcon:S2 +OfxImageEffectPropSupportedContexts:S*
    +OfxImageEffectPluginPropGrouping:S +OfxImageEffectPluginPropSingleInstance:I
    +OfxImageEffectPluginRenderThreadSafety:S +OfxImageEffectPluginPropHostFrameThreading:I
    +OfxImageEffectPluginPropOverlayInteractV1:P +OfxImageEffectPluginPropFieldRenderTwiceAlways:I
    +OfxImageEffectPropSupportsMultiResolution:I +OfxImageEffectPropSupportsTiles:I
    +OfxImageEffectPropTemporalClipAccess:I +OfxImageEffectPropSupportedPixelDepths:S*
    +OfxImageEffectPropMultipleClipDepths:I +OfxImageEffectPropSupportsMultipleClipPARs:I
    +OfxImageEffectPropClipPreferencesSlaveParam:S* +OfxImageEffectPropNoSpatialAwareness:S
    +OfxImageEffectInstancePropSequentialRender:I +OfxImageEffectPropColourManagementStyle:S
    +OfxImageEffectPropColourManagementAvailableConfigs:S*
    """,
    _GPU_CHOICE,
)

EFFECT = kind(
    "effect instance",
    """
    OfxPropType:S OfxImageEffectPropContext:S +OfxPropInstanceData:P OfxPropIsInteractive:I
    OfxImageEffectPropProjectSize:D2 OfxImageEffectPropProjectOffset:D2 OfxImageEffectPropProjectExtent:D2
    OfxImageEffectPropPixelAspectRatio:D OfxImageEffectInstancePropEffectDuration:D OfxImageEffectPropFrameRate:D
    +OfxImageEffectInstancePropSequentialRender:I +OfxImageEffectPropSupportsTiles:I OfxImageEffectPropResolvePage:S
    OfxImageEffectPropSrcFilePath:S OfxImageEffectPropSrcFrame:I OfxImageEffectPropEyeToRender:S
    OfxImageEffectPropOCIOConfig:S OfxImageEffectPropOCIODisplay:S OfxImageEffectPropOCIOView:S
    OfxImageEffectPropColourManagementStyle:S OfxImageEffectPropDisplayColourspace:S
    """,
)

_CLIP = """
    OfxPropType:S OfxPropName:S {0}OfxPropLabel:S {0}OfxPropShortLabel:S {0}OfxPropLongLabel:S
    {0}OfxImageEffectPropSupportedComponents:S* {0}OfxImageEffectPropTemporalClipAccess:I
    {0}OfxImageClipPropOptional:I {0}OfxImageClipPropFieldExtraction:S {0}OfxImageClipPropIsMask:I
    {0}OfxImageEffectPropSupportsTiles:I
"""
CLIP_DESCRIPTOR = kind("clip descriptor", _CLIP.format("+"))
CLIP = kind(
    "clip",
    _CLIP.format(""),
    """
    OfxImageEffectPropPixelDepth:S OfxImageEffectPropComponents:S OfxImageClipPropUnmappedPixelDepth:S
    OfxImageClipPropUnmappedComponents:S OfxImageEffectPropPreMultiplication:S OfxImagePropPixelAspectRatio:D
    OfxImageEffectPropFrameRate:D OfxImageEffectPropFrameRange:D2 OfxImageClipPropFieldOrder:S
    OfxImageClipPropConnected:I OfxImageEffectPropUnmappedFrameRange:D2 OfxImageEffectPropUnmappedFrameRate:D
    OfxImageClipPropContinuousSamples:I OfxImageClipPropColourspace:S kOfxImageClipPropThumbnail:I
    """,
)
IMAGE = kind(
    "image",
    """
    OfxPropType:S OfxImageEffectPropPixelDepth:S OfxImageEffectPropComponents:S OfxImageEffectPropPreMultiplication:S
    OfxImageEffectPropRenderScale:D2 OfxImagePropPixelAspectRatio:D OfxImagePropData:P OfxImagePropBounds:I4
    OfxImagePropRegionOfDefinition:I4 OfxImagePropRowBytes:I OfxImagePropField:S OfxImagePropUniqueIdentifier:S
    """,
)
PARAM_SET = kind("parameter set", "OfxPropType:S +OfxPluginPropParamPageOrder:S*")

_PARAM = """
    OfxPropType:S OfxPropName:S OfxParamPropType:S +OfxPropLabel:S +OfxPropShortLabel:S +OfxPropLongLabel:S
    +OfxParamPropHint:S +OfxParamPropSecret:I +OfxParamPropEnabled:I +OfxParamPropDataPtr:P {0}OfxParamPropScriptName:S
    {0}OfxParamPropParent:S {0}OfxPropIcon:S2
"""
_VALUE = """
    {0}OfxParamPropAnimates:I OfxParamPropIsAnimating:I OfxParamPropIsAutoKeying:I {0}OfxParamPropPersistant:I
    +OfxParamPropEvaluateOnChange:I {0}OfxParamPropPluginMayWrite:I {0}OfxParamPropCacheInvalidation:S
    {0}OfxParamPropCanUndo:I +OfxParamPropDefault:{1}
"""
_RANGE = "+OfxParamPropMin:{0} +OfxParamPropMax:{0} +OfxParamPropDisplayMin:{0} +OfxParamPropDisplayMax:{0} "
_DOUBLE = "{0}OfxParamPropIncrement:D {0}OfxParamPropDigits:I {0}OfxParamPropDoubleType:S "
_OWN = {
    "OfxParamTypeInteger": _RANGE.format("I"),
    "OfxParamTypeDouble": _RANGE.format("D") + _DOUBLE + "{0}OfxParamPropShowTimeMarker:I",
    "OfxParamTypeDouble2D": _RANGE.format("D2") + _DOUBLE,
    "OfxParamTypeDouble3D": _RANGE.format("D3") + _DOUBLE,
    "OfxParamTypeInteger2D": _RANGE.format("I2"),
    "OfxParamTypeInteger3D": _RANGE.format("I3"),
    "OfxParamTypeChoice": "{0}OfxParamPropChoiceOption:S* {0}OfxParamPropChoiceOrder:I*",
    "OfxParamTypeStrChoice": "{0}OfxParamPropChoiceOption:S* {0}OfxParamPropChoiceEnum:S*",
    "OfxParamTypeString": "{0}OfxParamPropStringMode:S {0}OfxParamPropStringFilePathExists:I",
    "OfxParamTypeGroup": "{0}OfxParamPropGroupOpen:I",
    "OfxParamTypePage": "{0}OfxParamPropPageChild:S*",
}


def param(type_name: str, values: str, *, described: bool) -> Kind:
    """Return the kind of a parameter; values: type and number of its values ("D3"), empty for one that has none."""
    mark = "+" if described else ""
    tables = [_PARAM, _VALUE if values else "", _OWN.get(type_name, "")]
    label = type_name.removeprefix("OfxParamType") + (" parameter descriptor" if described else " parameter")
    return kind(label, *(table.format(mark, values) for table in tables))


_RENDER = """
    OfxPropTime:D OfxImageEffectPropFieldToRender:S OfxImageEffectPropRenderWindow:I4 OfxImageEffectPropRenderScale:D2
"""
_STATUS = """
    OfxImageEffectPropSequentialRenderStatus:I OfxImageEffectPropInteractiveRenderStatus:I
    OfxImageEffectPropRenderQualityDraft:I OfxImageEffectPropCudaEnabled:I OfxImageEffectPropCudaStream:P
    OfxImageEffectPropOpenCLEnabled:I OfxImageEffectPropOpenCLCommandQueue:P OfxImageEffectPropMetalEnabled:I
    OfxImageEffectPropMetalCommandQueue:P OfxImageEffectPropOpenGLEnabled:I
"""
_SEQUENCE = """
    OfxImageEffectPropFrameRange:D2 OfxImageEffectPropFrameStep:D OfxPropIsInteractive:I
    OfxImageEffectPropRenderScale:D2
"""
_INSIDE = {
    "OfxImageEffectActionDescribeInContext": "OfxImageEffectPropContext:S",
    "OfxActionBeginInstanceChanged": "OfxPropChangeReason:S",
    "OfxActionEndInstanceChanged": "OfxPropChangeReason:S",
    "OfxActionInstanceChanged": """
        OfxPropType:S OfxPropName:S OfxPropChangeReason:S OfxPropTime:D OfxImageEffectPropRenderScale:D2
    """,
    "OfxImageEffectActionGetRegionOfDefinition": "OfxPropTime:D OfxImageEffectPropRenderScale:D2",
    "OfxImageEffectActionGetRegionsOfInterest": """
        OfxPropTime:D OfxImageEffectPropRenderScale:D2 OfxImageEffectPropRegionOfInterest:D4
    """,
    "OfxImageEffectActionGetFramesNeeded": "OfxPropTime:D",
    "OfxImageEffectActionIsIdentity": _RENDER,
    "OfxImageEffectActionRender": _RENDER + _STATUS + "OfxImageEffectPropThumbnailRender:I",
    "OfxImageEffectActionBeginSequenceRender": _SEQUENCE + _STATUS,
    "OfxImageEffectActionEndSequenceRender": _SEQUENCE + _STATUS,
}
_OUTSIDE = {
    "OfxImageEffectActionGetRegionOfDefinition": "+OfxImageEffectPropRegionOfDefinition:D4",
    "OfxImageEffectActionIsIdentity": "+OfxPropName:S +OfxPropTime:D",
    "OfxImageEffectActionGetClipPreferences": """
        +OfxImageEffectPropPreMultiplication:S +OfxImageEffectFrameVarying:I +OfxImageClipPropContinuousSamples:I
        +OfxImageEffectPropFrameRate:D +OfxImageClipPropFieldOrder:S
    """,
}
_OUTSIDE_PER_CLIP = {
    "OfxImageEffectActionGetRegionsOfInterest": "+OfxImageClipPropRoI_{0}:D4",
    "OfxImageEffectActionGetFramesNeeded": "+OfxImageClipPropFrameRange_{0}:D*",
    "OfxImageEffectActionGetClipPreferences": """
        +OfxImageClipPropComponents_{0}:S +OfxImageClipPropDepth_{0}:S +OfxImageClipPropPAR_{0}:D
        +OfxImageClipPropPreferredColourspaces_{0}:S*
    """,
}


def arguments(action: str) -> Kind:
    """Return the kind of an action's inArgs."""
    return kind(f"inArgs of {action}", _INSIDE.get(action, ""))


def answers(action: str, clips: Iterable[str]) -> Kind:
    """Return the kind of an action's outArgs, for an effect that has `clips`."""
    each = [_OUTSIDE_PER_CLIP.get(action, "").format(clip) for clip in clips]
    return kind(f"outArgs of {action}", _OUTSIDE.get(action, ""), *each)
