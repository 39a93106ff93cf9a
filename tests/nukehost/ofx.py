"""The OFX plug-in as a node: described and rendered by the plug-in itself, in the OFX host's Nuke mode."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nukehost.channels import RGBA
from nukehost.controls import Spec
from nukehost.errors import NukeError
from nukehost.graph import Context, Op
from nukehost.pictures import Picture
from nukehost.stock import Stock
from ofxhost import GENERAL, NUKE, UNPREMULTIPLIED, Effect, Host
from ofxhost import Picture as Clip

if TYPE_CHECKING:
    from nukehost.engine import PictureEngine
    from nukehost.host import NukeHost

_KINDS = {
    "OfxParamTypeInteger": "Int_Knob", "OfxParamTypeDouble": "Double_Knob", "OfxParamTypeBoolean": "Boolean_Knob",
    "OfxParamTypeChoice": "Enumeration_Knob", "OfxParamTypeString": "EvalString_Knob",
    "OfxParamTypePushButton": "Script_Knob",
}  # fmt: skip
_NUMBERS = ("Int_Knob", "Double_Knob", "Boolean_Knob", "Enumeration_Knob")


class OfxClass:
    """The class of the plug-in's node."""

    name = "OFXcorridorkey.comp_v1"

    def __init__(self, host: "NukeHost", binary: Path) -> None:
        """Load and describe."""
        self.nuke, self._stack = host, ExitStack()
        self._host = self._stack.enter_context(Host(binary, NUKE))
        self._effects: dict[int, Effect] = {}
        self.clips = [name for name in self._host.contexts[GENERAL].clips if name != "Output"]
        title = str(self._host.general.properties.get("OfxPropLabel", ""))
        self.stock = Stock(self._knobs(), 1, len(self.clips), title=title)

    def close(self) -> None:
        """Unload."""
        self._stack.close()

    def _knobs(self) -> dict[str, Spec]:
        found = {}
        for name, param in self._host.contexts[GENERAL].param_set.params.items():
            if param.type in _KINDS:
                menu = tuple(str(one) for one in param.properties.all("OfxParamPropChoiceOption"))
                found[name] = Spec(_KINDS[param.type], _default(param), menu)
        return found

    def make(self, engine: "PictureEngine", op: Op, context: Context) -> Picture:
        """Render a frame; NukeError with what the plug-in says if it fails."""
        effect = self._effects.get(id(op)) or self._effects.setdefault(id(op), self._host.create(GENERAL))
        self._set(effect, op, context)
        plate = engine.input(op, 0, context)
        pictures = {name: engine.input(op, index, context) for index, name in enumerate(self.clips) if op.input(index)}
        frame = plate.format
        result = effect.render(
            {name: _clip(one) for name, one in pictures.items()},
            time=context.frame,
            scale=(context.scale, context.scale),
            extent=(frame.width / context.scale, frame.height / context.scale),
        )
        if result.status:
            said = [*result.messages, *([effect.persistent] if effect.persistent else [])]
            raise NukeError(f"{op.full_name}: {said[-1].text if said else 'failed'}")
        planes = {name: result.pixels[..., index] for index, name in enumerate(RGBA)}
        box = result.box
        return Picture(frame, (box[0], box[1], box[2], box[3]), plate.over(box).planes | planes, plate.metadata)

    @staticmethod
    def _set(effect: Effect, op: Op, context: Context) -> None:
        for name, control in op.controls.items():
            if name in effect.params and control.kind in _NUMBERS:
                value: Any = op.value(name, context)
                if control.kind == "Enumeration_Knob":
                    value = control.shown(value)
                elif control.kind == "Boolean_Knob":
                    value = bool(value)
                if effect.value(name, context.frame) != value:
                    effect.set(name, value)


def _default(param: Any) -> str:
    return "" if not param.default or param.shape[0] == "S" else str(param.default[0])


def _clip(picture: Picture) -> Clip:
    pixels = np.dstack([picture.read(name, picture.box) for name in RGBA])
    return Clip(pixels, at=picture.box[:2], premult=UNPREMULTIPLIED, aspect=picture.format.aspect)
