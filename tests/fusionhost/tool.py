"""A tool in a comp: an instance of a fuse, and what a person can do with it."""

import threading
import time as clock
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionhost import names
from fusionhost.calls import Call, Request, Result
from fusionhost.controls import Control, Value, entry_faults
from fusionhost.images import Picture
from fusionhost.lua_state import plain

if TYPE_CHECKING:
    from fusionhost.host import Fusion

Problem = tuple[None, str] | None


class Tool:
    """An instance of a fuse."""

    def __init__(self, fusion: "Fusion", path: Path, attributes: Mapping[str, Any], name: str) -> None:
        """Run the fuse with `self`, and its Create."""
        self.attributes, self.name = attributes, name
        self._fusion, self._path = fusion, path
        self._controls: dict[str, Control] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, str] = {}  # of labels, as they were set last
        self._opened: dict[str, bool] = {}
        self._notifying: set[str] = set()
        self._state: Any = None
        with fusion.lock:
            self._start()

    @property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """The attributes of each input by its id."""
        return {one.id: one.describe() for one in self._controls.values()}

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """The attributes of each output by its id."""
        return {id_: dict(attributes) for id_, attributes in self._outputs.items()}

    @property
    def status(self) -> str:
        """What the label StatusLine says."""
        return self._texts.get("StatusLine") or str(self._controls["StatusLine"].attributes["LINKS_Name"])

    @property
    def nests(self) -> dict[str, bool]:
        """Whether each nest is open, by its label."""
        return dict(self._opened)

    def nest(self, id_: str) -> tuple[str, ...]:
        """Return the labels of the nests around an input, the outermost first."""
        return self._controls[id_].nest

    def get(self, id_: str) -> Value | None:
        """Return the value of an input: of a combo the number of its entry."""
        return self._controls[id_].value

    def set(self, id_: str, value: Value) -> None:
        """Set an input, as a person does; a combo by number or by label."""
        control = self._controls[id_]
        with self._fusion.lock:
            control.value = control.taken(value)
            self._notify(control, 0.0)

    def force(self, id_: str, value: float) -> None:
        """Give an input a value as a comp of another version has it, whatever the control offers."""
        self._controls[id_].value = value

    def press(self, id_: str) -> None:
        """Press a button."""
        control = self._controls[id_]
        if control.kind != "ButtonControl" or not control.is_watched:
            raise ValueError(f"{id_} is no button that the tool hears of")
        with self._fusion.lock:
            control.value = 1.0
            self._notify(control, 0.0)
            control.value = 0.0

    def reload(self) -> None:
        """Run the fuse anew, as the button Reload does; values stay."""
        kept = {one.id: one.value for one in self._controls.values()}
        with self._fusion.lock:
            self._start(kept)

    def remove(self) -> None:
        """Delete it from the comp."""
        with self._fusion.lock:
            self._call("OnRemoveFromFlow")
            self.close()

    def close(self) -> None:
        """Let go of its Lua side."""
        self._state = None

    def process(
        self,
        pictures: Mapping[str, Picture | None],
        time: float = 0.0,
        abort: threading.Event | None = None,
        *,
        precalc: bool = False,
        rendering: bool = False,
    ) -> Result:
        """Render a frame: PreCalcProcess, and unless only that is wanted, Process. Any thread may.

        A picture of None is something wired that has no image.
        """
        request = Request(pictures, time, abort, rendering)
        for id_ in pictures:
            if not self._controls[id_].is_image:
                raise ValueError(f"{id_} takes no image")
        with self._fusion.lock:
            return self._process(request, only_precalc=precalc)

    # What the fuse does -----------------------------------------------------------------------------------------------

    def _start(self, kept: Mapping[str, Value | None] | None = None) -> None:
        """Run the fuse and its Create; inputs begin with the values in `kept`."""
        self._controls, self._outputs, self._texts, self._opened = {}, {}, {}, {}
        self._nests: list[str] = []
        self._creating = True
        self._state, problem = self._fusion.main.create(str(self._path), self._bridge(), self.name)
        if problem is None:
            self._call("Create", needed=True)
        else:
            self._fault(problem)
        self._creating = False
        for id_, value in (kept or {}).items():
            if id_ in self._controls:
                self._controls[id_].value = value
        self._check_created()
        for control in list(self._controls.values()):
            if control.attributes.get("INP_InitialNotify", True):
                self._notify(control, 0.0)

    def _check_created(self) -> None:
        """Note what Create left wrong."""
        if self._nests:
            self._fault("Create: a control nest is not ended")
        for what, ids in (("inputs", self._controls), ("outputs", self._outputs)):
            numbers = [one["LINK_Main"] for one in getattr(self, what).values() if "LINK_Main" in one]
            if len(set(numbers)) != len(numbers):
                self._fault(f"Create: two {what} with the same LINK_Main among {', '.join(ids)}")
        functions = ["Process"] if self.attributes.get("REG_NoPreCalcProcess") else ["Process", "PreCalcProcess"]
        for function in functions:
            if not self._has(function):
                self._fault(f"the fuse has no {function}")
        watched = any(one.is_watched for one in self._controls.values())
        if watched and not self._has("NotifyChanged"):
            self._fault("INP_DoNotifyChanged without NotifyChanged")

    def _bridge(self) -> Any:
        """Return what fusion.lua calls."""
        return self._fusion.state.table(
            {
                "register": lambda id_, *_: None if id_ == self.attributes["id"] else self._refuse("another id"),
                "status": lambda: self._fusion.call.request.status if self._fusion.call else "OK",
                "add_input": self._add_input, "add_output": self._add_output, "value": self._value,
                "set_attributes": self._set_attributes, "set_source": self._set_source,
                "set_output": self._set_output, "set_progress": self._set_progress,
                "is_wired": self._is_wired,
                "begin_nest": self._begin_nest, "end_nest": self._end_nest, "add_page": str, "remove_page": str,
            }
        )  # fmt: skip

    def _fault(self, text: str) -> None:
        """Note what the fuse did wrong."""
        self._fusion.blame(text)

    def _refuse(self, text: str) -> Problem:
        """Note a fault that is an error in Lua too."""
        return None, self._fusion.blame(text)

    def _has(self, function: str) -> bool:
        """Whether the fuse defines that function."""
        return bool(self._fusion.main.has(self._state, function))

    def _call(self, function: str, *, needed: bool = False) -> None:
        """Call a function without arguments if the fuse has it."""
        if self._has(function):
            problem = self._fusion.main.call(self._state, function)
            if problem is not None:
                self._fault(f"{function}: {problem}")
        elif needed:
            self._fault(f"the fuse has no {function}")

    def _notify(self, control: Control, time: float) -> None:
        """Tell the fuse that an input changed, unless it is just being told."""
        if control.is_watched and control.id not in self._notifying and self._has("NotifyChanged"):
            self._notifying.add(control.id)
            problem = self._fusion.main.notify(self._state, control.id, control.value, time)
            self._notifying.remove(control.id)
            self._fusion.end()
            if problem is not None:
                self._fault(f"NotifyChanged: {problem}")

    def _is_new(self, id_: str) -> bool:
        """Whether no input or output has that id yet."""
        return id_ not in self._controls and id_ not in self._outputs

    def _add_input(self, label: str, id_: str, attributes: Any) -> Problem:
        """AddInput."""
        if not self._creating or not self._is_new(id_):
            return self._refuse(f"AddInput {id_}: {'its id is taken' if self._creating else 'outside of Create'}")
        given = plain(attributes)
        control = Control.of(label, id_, given, tuple(self._nests))
        self._controls[id_] = control
        for text in (*entry_faults(given), *control.faults()):
            self._fault(f"AddInput {id_}: {text}")
        return None

    def _add_output(self, label: str, id_: str, attributes: Any) -> Problem:
        """AddOutput."""
        if not self._creating or not self._is_new(id_):
            return self._refuse(f"AddOutput {id_}: {'its id is taken' if self._creating else 'outside of Create'}")
        given = {"LINKS_Name": label, **plain(attributes)}
        self._outputs[id_] = given
        for text in names.mistakes(given, names.OUTPUT):
            self._fault(f"AddOutput {id_}: {text}")
        if given.get("LINKID_DataType") not in names.DATA_TYPES or not names.IDENTIFIER.fullmatch(id_):
            self._fault(f"AddOutput {id_}: its LINKID_DataType or id")
        return None

    def _begin_nest(self, label: str, _id: str, is_open: object, *_: object) -> Problem:
        """BeginControlNest."""
        if not self._creating:
            return self._refuse("BeginControlNest outside of Create")
        if not isinstance(is_open, bool):
            return self._refuse(f"BeginControlNest of {label}: open is {is_open!r}")
        self._opened[label] = is_open
        self._nests.append(label)
        return None

    def _end_nest(self) -> None:
        """EndControlNest."""
        if self._nests:
            self._nests.pop()
        else:
            self._fault("EndControlNest without BeginControlNest")

    def _set_attributes(self, id_: str, attributes: Any) -> None:
        """SetAttrs of an input."""
        given = plain(attributes)
        for text in names.mistakes(given, names.INPUT):
            self._fault(f"SetAttrs of {id_}: {text}")
        self._controls[id_].attributes.update(given)
        if "LINKS_Name" in given:
            self._texts[id_] = given["LINKS_Name"]

    def _set_source(self, id_: str, value: Value, time: float | None) -> Problem:
        """SetSource of an input."""
        control = self._controls[id_]
        try:
            control.value = control.taken(value)
        except ValueError as error:
            return self._refuse(f"SetSource: {error}")
        if control.is_text:
            self._texts[id_] = str(value)
        if self._fusion.call is None:
            self._notify(control, time or 0.0)
        return None

    # A frame ----------------------------------------------------------------------------------------------------------

    def _process(self, request: Request, *, only_precalc: bool) -> Result:
        """Render a frame; nobody else is in this state meanwhile."""
        if self._state is None:
            raise ValueError(f"{self.name} is gone")
        for control in self._controls.values():
            needed = control.is_image and control.attributes.get("INP_Required", True)
            if needed and control.id not in request.pictures:
                missing = f"{self.name} cannot get Parameter for {control.id} at time {request.time:g}"
                return Result(dict.fromkeys(self._outputs), error=missing)
        began = len(self._fusion.lines)
        planned, error, _ = self._run(replace(request, precalc=True))
        promised = tuple(planned.outputs)
        if error is None and len(promised) < len(self._outputs) and (promised or not self._lacks(request)):
            self._fault(f"PreCalcProcess set {len(promised)} of {len(self._outputs)} outputs")
        if only_precalc or error is not None:
            return Result(dict.fromkeys(self._outputs), self._fusion.lines[began:], error=error, promised=promised)
        call, error, seconds = self._run(request)
        self._compare(planned, call)
        shown = {id_: call.outputs[id_].shown() if id_ in call.outputs else None for id_ in self._outputs}
        lines, seconds = self._fusion.lines[began:], seconds - call.filling
        return Result(shown, lines, call.progress, seconds, error, promised, tuple(call.outputs), call.jobs)

    def _lacks(self, request: Request) -> bool:
        """Whether a needed input is wired to something without an image, by which there may be nothing to promise."""
        inputs = (self._controls[id_] for id_, picture in request.pictures.items() if picture is None)
        return any(one.attributes.get("INP_Required", True) for one in inputs)

    def _run(self, request: Request) -> tuple[Call, str | None, float]:
        """Call Process or PreCalcProcess; returns the text of an error too, and how many seconds it took."""
        call = self._fusion.begin(request)
        function = "PreCalcProcess" if request.precalc else "Process"
        if request.precalc and self.attributes.get("REG_NoPreCalcProcess"):
            function = "Process"
        began = clock.perf_counter()
        try:
            error = self._fusion.main.process(self._state, function, self._fusion.state.table(call.record))
            return call, error, clock.perf_counter() - began
        finally:
            self._fusion.end()

    def _compare(self, planned: Call, call: Call) -> None:
        """Note where outputs are not all there, or not as they were planned."""
        if 0 < len(call.outputs) < len(self._outputs):
            self._fault(f"Process set {', '.join(call.outputs)} and no other output")
        for id_, image in call.outputs.items():
            if id_ in planned.outputs and planned.outputs[id_].format != image.format:
                self._fault(f"{id_} is {image.format}, PreCalcProcess said {planned.outputs[id_].format}")

    def _value(self, id_: str, serial: int) -> tuple[str, object] | None:
        """GetValue of an input."""
        call = self._fusion.call
        if call is None or call.serial != serial:
            return "problem", self._fusion.blame(f"GetValue of {id_} with a request that is over")
        control = self._controls[id_]
        if not control.is_image:
            return "value", control.value
        record = call.input_record(id_)
        return None if record is None else ("image", self._fusion.state.table(record))

    def _is_wired(self, id_: str) -> bool:
        """Whether something leads to an input, whether or not it has an image."""
        return self._fusion.call is not None and id_ in self._fusion.call.request.pictures

    def _set_output(self, id_: str, serial: int, number: int) -> Problem:
        """Set of an output."""
        call = self._fusion.call
        if call is None or call.serial != serial:
            return self._refuse(f"Set of {id_} with a request that is over")
        problem = call.set_output(id_, number)
        return None if problem is None else self._refuse(problem)

    def _set_progress(self, part: float) -> Problem:
        """SetProgress."""
        if self._fusion.call is None or not 0 <= part <= 1:
            return self._refuse(f"SetProgress of {part}")
        if self._fusion.kind.raises_abort and self._fusion.call.request.status != "OK":
            return None, "Render aborted by user"
        self._fusion.call.progress.append(float(part))
        return None
