"""Nuke's own classes, as far as they are needed: their inputs, and their knobs with kinds and defaults."""

from dataclasses import dataclass, field

from nukehost.controls import Spec


@dataclass(frozen=True)
class Stock:
    """A class: how many inputs it takes, and its knobs. `late`: knobs that come when file_type is exr; `title`: what
    its nodes are called, if not by the class."""

    knobs: dict[str, Spec] = field(default_factory=dict)
    least: int = 1
    most: int = 1
    late: dict[str, Spec] = field(default_factory=dict)
    title: str = ""


def _text(default: str = "") -> Spec:
    return Spec("EvalString_Knob", default)


def _string(default: str = "") -> Spec:
    return Spec("String_Knob", default)


def _number(default: float = 0) -> Spec:
    return Spec("Double_Knob", f"{default:g}")


def _whole(default: str = "0") -> Spec:
    return Spec("Int_Knob", default)


def _flag(default: bool = False) -> Spec:
    return Spec("Boolean_Knob", "true" if default else "false")


def _menu(*words: str, default: str = "") -> Spec:
    return Spec("Enumeration_Knob", f'"{default or words[0]}"', words)


def _mask(default: str) -> Spec:
    return Spec("ChannelMask_Knob", default)


def _channel(default: str = "none") -> Spec:
    return Spec("Channel_Knob", default)


def _format() -> Spec:
    return Spec("Format_Knob")


_BUTTON, _FILE = Spec("Script_Knob"), Spec("File_Knob")
_COLOR = Spec("AColor_Knob")
_PYTHON = Spec("PythonKnob")

NODE_KNOBS: dict[str, Spec] = {
    "name": _string(), "help": _string(), "label": Spec("Multiline_Eval_String_Knob"), "icon": _string(),
    "onCreate": _PYTHON, "onDestroy": _PYTHON, "knobChanged": _PYTHON, "updateUI": _PYTHON, "autolabel": _PYTHON,
    "tile_color": Spec("Unsigned_Knob"), "gl_color": Spec("Unsigned_Knob"), "note_font": _string(),
    "note_font_size": _number(11), "note_font_color": Spec("Unsigned_Knob"), "selected": _flag(), "xpos": _whole(),
    "ypos": _whole(), "hide_input": _flag(), "cached": _flag(), "indicators": _number(),
    "dope_sheet": _flag(), "bookmark": _flag(), "postage_stamp": _flag(), "postage_stamp_frame": _number(),
    "lifetimeStart": _number(), "lifetimeEnd": _number(), "useLifetime": _flag(), "panel": _string(),
    "disable": Spec("Disable_Knob", "false"),
}  # fmt: skip
"""What every node has."""

COSMETIC = frozenset(NODE_KNOBS) - {"disable"}

_AROUND_RENDER = {
    name: _PYTHON for name in ("beforeRender", "beforeFrameRender", "afterFrameRender", "afterRender", "renderProgress")
}
_EXR = {
    "datatype": _menu("16 bit half", "32 bit float"),
    "compression": _menu(
        "none", "Zip (1 scanline)", "Zip (16 scanlines)", "PIZ Wavelet (32 scanlines)", "RLE", "B44", "B44A", "DWAA",
        "DWAB", default="Zip (1 scanline)",
    ),
    "autocrop": _flag(),
    "interleave": _menu("channels, layers and views", "channels and layers", "channels"),
    "metadata": _menu(
        "no metadata", "default metadata", "default metadata and exr/*", "all metadata except input/*", "all metadata",
        default="default metadata",
    ),
    "standard_layer_name_format": _flag(),
    "write_full_layer_names": _flag(),
    "first_part": _menu("rgba"),
}  # fmt: skip
_TYPES = _menu("", "exr", "dpx", "jpeg", "png", "tiff", "mov")
_BBOXES = _menu("union", "intersection", "A", "B")
_OUTSIDE = ("hold", "loop", "bounce", "black")

ROOT: dict[str, Spec] = {
    "first_frame": _whole("1"), "last_frame": _whole("100"), "frame": _number(1), "fps": _number(24),
    "format": Spec("Format_Knob", "1920 1080 0 0 1920 1080 1 HD_1080"), "proxy": _flag(), "proxy_scale": _number(0.5),
    "proxy_type": _menu("format", "scale", default="scale"), "proxy_format": _format(), "project_directory": _FILE,
    "lock_range": _flag(), "views": _string(), "colorManagement": _menu("Nuke", "OCIO"),
    "OCIO_config": _menu("custom", "nuke-default", "aces_1.2", "fn-nuke_cg-config-v1.0.0_aces-v1.3_ocio-v2.1",
                         "fn-nuke_studio-config-v1.0.0_aces-v1.3_ocio-v2.1", default="nuke-default"),
    "customOCIOConfigPath": _FILE, "workingSpaceLUT": _string("linear"), "floatLut": _string("linear"),
    "onScriptLoad": _PYTHON, "onScriptSave": _PYTHON, "onScriptClose": _PYTHON, **_AROUND_RENDER,
}  # fmt: skip

CLASSES: dict[str, Stock] = {
    "Group": Stock({}, 0, 0),
    "Gizmo": Stock({}, 0, 0),
    "Input": Stock({"number": _whole()}, 0, 0),
    "Output": Stock(),
    "NoOp": Stock(),
    "Dot": Stock(),
    "BackdropNode": Stock({"bdwidth": _whole(), "bdheight": _whole(), "z_order": _number()}, 0, 0),
    "StickyNote": Stock({}, 0, 0),
    "Viewer": Stock({"frame_range": _string(), "viewerProcess": _string()}, 0, 10),
    "Assert": Stock({"expression": _number(1), "message": _text()}),
    "BlackOutside": Stock(),
    "Switch": Stock({"which": _number()}, 1, 100),
    "Remove": Stock(
        {
            "operation": _menu("remove", "keep"),
            "channels": _mask("all"),
            **{f"channels{number}": _mask("none") for number in (2, 3, 4)},
        }
    ),
    "Copy": Stock(
        {
            **{f"from{number}": _channel("rgba.alpha" if number == 0 else "none") for number in range(4)},
            **{f"to{number}": _channel("rgba.alpha" if number == 0 else "none") for number in range(4)},
            "channels": _mask("none"), "mix": _number(1), "maskChannelMask": _channel(), "metainput": _menu("B", "A"),
            "bbox": _BBOXES,
        },
        2, 3,
    ),
    "Premult": Stock({"channels": _mask("rgb"), "alpha": _channel("rgba.alpha"), "invert": _flag()}),
    "Unpremult": Stock({"channels": _mask("rgb"), "alpha": _channel("rgba.alpha"), "invert": _flag()}),
    "Expression": Stock(
        {
            **{f"temp_name{number}": _string() for number in range(4)},
            **{f"temp_expr{number}": _string() for number in range(4)},
            **{f"channel{number}": _mask(name) for number, name in enumerate(
                ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"))},
            **{f"expr{number}": _string() for number in range(4)},
            "mix": _number(1),
        },
        1, 2,
    ),
    "Crop": Stock(
        {
            "box": Spec("BBox_Knob"), "softness": _number(), "reformat": _flag(), "intersect": _flag(),
            "crop": _flag(True), "preset": _menu("format", "input"),
        }
    ),
    "Constant": Stock(
        {"channels": _mask("rgba"), "color": _COLOR, "format": _format(), "first": _whole("1"), "last": _whole("1")},
        0, 1,
    ),
    "Grade": Stock({"channels": _mask("rgb"), "white": _number(1), "multiply": _number(1), "add": _number()}, 1, 2),
    "TimeOffset": Stock({"time_offset": _whole()}),
    "FrameHold": Stock({"first_frame": _whole()}),
    "Merge2": Stock({"operation": _menu("over", "plus"), "bbox": _BBOXES}, 2, 3),
    "Read": Stock(
        {
            "file_type": _TYPES, "file": _FILE, "proxy": _FILE, "format": _format(), "first": _whole("1"),
            "last": _whole("1"), "before": _menu(*_OUTSIDE), "after": _menu(*_OUTSIDE),
            "frame_mode": _menu("expression", "start at", "offset"), "frame": _text(), "origset": _flag(),
            "origfirst": _whole("1"), "origlast": _whole("1"), "reload": _BUTTON, "auto_alpha": _flag(),
            "on_error": _menu("error", "black", "checkerboard", "nearest frame"), "raw": _flag(),
            "colorspace": _menu("default", "linear", "scene_linear"), "premultiplied": _flag(),
            "localizationPolicy": _menu("on", "from auto-localize path", "on demand", "off",
                                        default="from auto-localize path"),
        },
        0, 1,
        late={"edge_pixels": _menu("plate detect", "edge detect", "repeat", "black"), "offset_negative_display_window":
              _flag(True), "noprefix": _flag(), "doNotAttachPrefix": _flag()},
    ),
    "Write": Stock(
        {
            "file": _FILE, "proxy": _FILE, "file_type": _TYPES, "channels": _mask("rgb"), "raw": _flag(),
            "views": _string(), "colorspace": _menu("default", "linear", "scene_linear"), "Render": _BUTTON,
            "create_directories": _flag(), "render_order": _number(1), "use_limit": _flag(), "first": _whole("1"),
            "last": _whole("1"), "reading": _flag(), "checkHashOnRead": _flag(True), "reload": _BUTTON,
            "on_error": _menu("error", "black", "checkerboard", "nearest frame", "read input"),
            "premultiplied": _flag(), "transformType": _menu("colorspace", "display"), **_AROUND_RENDER,
        },
        late=_EXR,
    ),
}  # fmt: skip
"""The classes by name."""

LAYERS = {
    "rgba": ["red", "green", "blue", "alpha"], "rgb": ["red", "green", "blue"], "alpha": ["alpha"],
    "depth": ["Z"], "forward": ["u", "v"], "backward": ["u", "v"], "motion": ["u", "v"], "mask": ["a"],
}  # fmt: skip
"""Layers that every script has."""
