"""The binary interface of OFX: structs, statuses, names of actions, and the order of the functions in each suite.

A variadic function is declared with a fixed signature, (handle, 4 pointers, 4 doubles): on SysV x86-64 whole numbers
and pointers travel in one set of registers and floats in another, so that signature catches every call of OFX.
That holds on Linux x86-64, where these tests run, and not on Windows or on Apple's arm64.
"""

import ctypes
from collections.abc import Callable, Iterator, Mapping
from typing import Any

POINTER, STRING, INT, DOUBLE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_double

OK, FAILED, FATAL, UNKNOWN, MISSING_FEATURE, UNSUPPORTED, EXISTS = 0, 1, 2, 3, 4, 5, 6
MEMORY, BAD_HANDLE, BAD_INDEX, VALUE, REPLY_YES, REPLY_NO, REPLY_DEFAULT = 8, 9, 10, 11, 12, 13, 14

LOAD, UNLOAD, DESCRIBE = "OfxActionLoad", "OfxActionUnload", "OfxActionDescribe"
DESCRIBE_IN_CONTEXT = "OfxImageEffectActionDescribeInContext"
CREATE, DESTROY = "OfxActionCreateInstance", "OfxActionDestroyInstance"
BEGIN_CHANGED, CHANGED = "OfxActionBeginInstanceChanged", "OfxActionInstanceChanged"
END_CHANGED = "OfxActionEndInstanceChanged"
CLIP_PREFERENCES = "OfxImageEffectActionGetClipPreferences"
REGION_OF_DEFINITION = "OfxImageEffectActionGetRegionOfDefinition"
REGIONS_OF_INTEREST = "OfxImageEffectActionGetRegionsOfInterest"
FRAMES_NEEDED = "OfxImageEffectActionGetFramesNeeded"
IS_IDENTITY = "OfxImageEffectActionIsIdentity"
BEGIN_SEQUENCE, RENDER = "OfxImageEffectActionBeginSequenceRender", "OfxImageEffectActionRender"
END_SEQUENCE = "OfxImageEffectActionEndSequenceRender"

ON_RENDER_THREADS = frozenset({
    REGION_OF_DEFINITION, REGIONS_OF_INTEREST, FRAMES_NEEDED, IS_IDENTITY, BEGIN_SEQUENCE, RENDER, END_SEQUENCE,
})  # fmt: skip

FILTER, GENERAL = "OfxImageEffectContextFilter", "OfxImageEffectContextGeneral"
GENERATOR, TRANSITION = "OfxImageEffectContextGenerator", "OfxImageEffectContextTransition"
PAINT, RETIMER = "OfxImageEffectContextPaint", "OfxImageEffectContextRetimer"

RGBA, RGB, ALPHA, NO_COMPONENTS = (
    "OfxImageComponentRGBA", "OfxImageComponentRGB", "OfxImageComponentAlpha", "OfxImageComponentNone",
)  # fmt: skip
CHANNELS = {RGBA: 4, RGB: 3, ALPHA: 1}
OPAQUE, PREMULTIPLIED, UNPREMULTIPLIED = (
    "OfxImageOpaque", "OfxImageAlphaPremultiplied", "OfxImageAlphaUnPremultiplied",
)  # fmt: skip
BYTE, SHORT, HALF, FLOAT, NO_DEPTH = (f"OfxBitDepth{name}" for name in ("Byte", "Short", "Half", "Float", "None"))

PROPERTY_SUITE, EFFECT_SUITE = ("OfxPropertySuite", 1), ("OfxImageEffectSuite", 1)
PARAMETER_SUITE = ("OfxParameterSuite", 1)
MESSAGE_V1, MESSAGE_V2 = ("OfxMessageSuite", 1), ("OfxMessageSuite", 2)
PROGRESS_V1, PROGRESS_V2 = ("OfxProgressSuite", 1), ("OfxProgressSuite", 2)

_ANY = (POINTER,) * 4 + (DOUBLE,) * 4
_SAY = (POINTER, STRING, STRING, STRING, POINTER, POINTER)
_ONE, _MANY = (POINTER, STRING, INT), (POINTER, STRING, INT, POINTER)
_VALUES = {"pointer": POINTER, "string": STRING, "double": DOUBLE, "int": INT}

Layout = Mapping[str, tuple[Any, ...]]

PROPERTY_LAYOUT: Layout = {
    **{f"set_{kind}": (*_ONE, value) for kind, value in _VALUES.items()},
    **{f"set_{kind}_n": _MANY for kind in _VALUES},
    **{f"get_{kind}": (*_ONE, POINTER) for kind in _VALUES},
    **{f"get_{kind}_n": _MANY for kind in _VALUES},
    "reset": (POINTER, STRING),
    "get_dimension": (POINTER, STRING, POINTER),
}
EFFECT_LAYOUT: Layout = {
    "get_property_set": (POINTER, POINTER),
    "get_param_set": (POINTER, POINTER),
    "clip_define": (POINTER, STRING, POINTER),
    "clip_get_handle": (POINTER, STRING, POINTER, POINTER),
    "clip_get_property_set": (POINTER, POINTER),
    "clip_get_image": (POINTER, DOUBLE, POINTER, POINTER),
    "clip_release_image": (POINTER,),
    "clip_get_region_of_definition": (POINTER, DOUBLE, POINTER),
    "abort": (POINTER,),
    "image_memory_alloc": (POINTER, ctypes.c_size_t, POINTER),
    "image_memory_free": (POINTER,),
    "image_memory_lock": (POINTER, POINTER),
    "image_memory_unlock": (POINTER,),
}
PARAMETER_LAYOUT: Layout = {
    "define": (POINTER, STRING, STRING, POINTER),
    "get_handle": (POINTER, STRING, POINTER, POINTER),
    "set_get_property_set": (POINTER, POINTER),
    "get_property_set": (POINTER, POINTER),
    "get_value": (POINTER, *_ANY),
    "get_value_at_time": (POINTER, DOUBLE, *_ANY),
    "get_derivative": (POINTER,),
    "get_integral": (POINTER,),
    "set_value": (POINTER, *_ANY),
    "set_value_at_time": (POINTER, DOUBLE, *_ANY),
    "get_num_keys": (POINTER, POINTER),
    "get_key_time": (POINTER, ctypes.c_uint, POINTER),
    "get_key_index": (POINTER,),
    "delete_key": (POINTER,),
    "delete_all_keys": (POINTER,),
    "copy": (POINTER,),
    "edit_begin": (POINTER, STRING),
    "edit_end": (POINTER,),
}
MESSAGE_LAYOUT: Layout = {"message": _SAY, "set_persistent_message": _SAY, "clear_persistent_message": (POINTER,)}
PROGRESS_V1_LAYOUT: Layout = {"start": (POINTER, STRING), "update": (POINTER, DOUBLE), "end": (POINTER,)}
PROGRESS_V2_LAYOUT: Layout = {**PROGRESS_V1_LAYOUT, "start": (POINTER, STRING, STRING)}

FetchSuite = ctypes.CFUNCTYPE(POINTER, POINTER, STRING, INT)
SetHost = ctypes.CFUNCTYPE(None, POINTER)
MainEntry = ctypes.CFUNCTYPE(INT, STRING, POINTER, POINTER, POINTER)


class OfxHost(ctypes.Structure):
    """What a plug-in gets to know its host by."""

    _fields_ = (("host", POINTER), ("fetch_suite", FetchSuite))


class OfxPlugin(ctypes.Structure):
    """What a host gets to know a plug-in by."""

    _fields_ = (
        ("api", STRING),
        ("api_version", INT),
        ("identifier", STRING),
        ("major", ctypes.c_uint),
        ("minor", ctypes.c_uint),
        ("set_host", SetHost),
        ("main_entry", MainEntry),
    )


class Suite:
    """A table of function pointers as a plug-in sees it, kept alive with all that it points to."""

    def __init__(self, layout: Layout, functions: Mapping[str, Callable[..., int] | None]) -> None:
        """Lay out `functions` by name in the order of `layout`; None becomes a null pointer."""
        self._callbacks = list(_callbacks(layout, functions))
        self._table = (POINTER * len(self._callbacks))(*(ctypes.cast(one, POINTER) for one in self._callbacks))
        self.address = ctypes.addressof(self._table)


def _callbacks(layout: Layout, functions: Mapping[str, Callable[..., int] | None]) -> Iterator[Any]:
    for name, types in layout.items():
        kind = ctypes.CFUNCTYPE(INT, *types)
        function = functions[name]
        yield kind(function) if function else kind()
