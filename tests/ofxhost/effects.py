"""Instances of effects, that a test edits and renders."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ofxhost import abi, names
from ofxhost.clips import Clip, canonical, pixels
from ofxhost.descriptors import Descriptor
from ofxhost.images import Box, Frame, Image, Job, Picture, Pixels, shown
from ofxhost.params import Param, ParamSet
from ofxhost.plugin import Plugin
from ofxhost.properties import PropertySet
from ofxhost.session import Action, Message, Session

Pictures = Mapping[str, Picture]
Region = tuple[float, ...]  # x1, y1, x2, y2 in canonical coordinates

USER, PLUGIN = "OfxChangeUserEdited", "OfxChangePluginEdited"
_PARAM, _CLIP = "OfxTypeParameter", "OfxTypeClip"
_MOST_EDITS = 64


@dataclass(frozen=True, eq=False)
class Result:
    """What came of a render: pixels over `box`, top row first; what was not written is not a number.

    identity: the clip that stands for the output, if the plug-in said so. seconds: that the Render action took.
    """

    status: int
    pixels: Pixels
    box: Box
    messages: list[Message] = field(default_factory=list)
    abort_calls: int = 0
    was_aborted: bool = False
    identity: str | None = None
    seconds: float = 0.0


class Effect:
    """An instance."""

    def __init__(self, session: Session, plugin: Plugin, general: Descriptor, descriptor: Descriptor) -> None:
        """Make it known to the host; `begin` makes it known to the plug-in."""
        self.session, self.plugin, self.descriptor, self._general = session, plugin, descriptor, general
        self.persistent: Message | None = None
        self.job = Job()
        self._lock = threading.RLock()
        self._wired: dict[str, Any] = {}
        self._preferences: dict[str, Any] = {}
        told = {
            "OfxPropType": "OfxTypeImageEffectInstance",
            "OfxImageEffectPropContext": descriptor.context,
            "OfxPropIsInteractive": int(not session.mode.background),
            "OfxImageEffectPropProjectOffset": (0.0, 0.0),
            "OfxImageEffectPropPixelAspectRatio": 1.0,
            "OfxImageEffectInstancePropEffectDuration": 100.0,
            "OfxImageEffectPropFrameRate": 24.0,
            "OfxImageEffectPropResolvePage": session.mode.page,
        }
        live = {"OfxImageEffectPropProjectSize": self._extent, "OfxImageEffectPropProjectExtent": self._extent}
        self.properties = PropertySet(session, names.EFFECT, told, live)
        self.clips = {name: Clip(session, self, clip) for name, clip in descriptor.clips.items()}
        self.param_set = ParamSet(session, self)
        self.params: dict[str, Param] = self.param_set.params
        for name, param in descriptor.param_set.params.items():
            self.params[name] = Param(session, self, param)
        self.handle = 0
        session.admit(self)

    def begin(self) -> None:
        """Create the instance."""
        self.plugin.must(Action(abi.CREATE, self, Job()), self.handle)
        self.preferences()

    def destroy(self) -> None:
        """End the instance."""
        self.plugin.act(Action(abi.DESTROY, self, Job()), self.handle)
        self.param_set.close()
        for clip in self.clips.values():
            clip.close()
        self.session.dismiss(self.properties)
        self.session.dismiss(self)

    def set(self, name: str, value: Any, time: float | None = None) -> None:
        """Set a parameter as a user does, from a key at `time` on if there is one."""
        param = self.params[name]
        param.set(param.native(value), time)
        self._change(_PARAM, name, self.job)
        self.session.check()

    def value(self, name: str, time: float = 1.0) -> Any:
        """Return what a parameter shows."""
        return self.params[name].readable(time)

    def press(self, name: str, pictures: Pictures | None = None, **asked: Any) -> list[Message]:
        """Press a button; return what the plug-in says."""
        assert self.params[name].type == "OfxParamTypePushButton", f"{name} is no button"
        job = self._job(pictures, Frame(**asked)) if pictures is not None else self.job
        self._wire(job)
        before = len(self.session.messages)
        with self._furnished(job, None) as furnished:
            self._change(_PARAM, name, furnished)
        self.session.check()
        return self.session.messages[before:]

    def render(self, pictures: Pictures, **asked: Any) -> Result:
        """Render a frame as hosts do, with all questions before; `asked` is what Frame has."""
        job = self._job(pictures, Frame(**asked))
        self._wire(job)
        with self._turn():
            result = self._render(job)
        self.session.check()
        return result

    @contextmanager
    def rendering(self, pictures: Pictures, **asked: Any) -> Iterator[Callable[[], Result]]:
        """Give what renders a frame again and again, for a clock: the Render action alone, over the same images.

        Its results share their pixels. What is wrong with the images is told at the end, pixels left out are not.
        """
        job = self._job(pictures, Frame(**asked))
        self._wire(job)
        box = self._output_box(job)
        output = Image.poisoned(box, self.output_components(), self.session.mode)
        with self._turn(), self._furnished(job, output) as furnished, self._sequence(furnished):
            yield lambda: self._act_render(furnished, box)
        self.session.check()

    def render_range(self, frames: Sequence[Pictures], **asked: Any) -> list[Result]:
        """Render frames at times 1, 2, ..., as many at once as the host does."""
        with ThreadPoolExecutor(self.session.mode.frames_at_once) as pool:
            jobs = [pool.submit(self.render, one, time=1.0 + at, **asked) for at, one in enumerate(frames)]
            return [job.result() for job in jobs]

    def preferences(self) -> dict[str, Any]:
        """Ask for the clip preferences; return what the plug-in set."""
        _, answers = self._ask(abi.CLIP_PREFERENCES, self.job, None)
        self._preferences = {name: answers.get(name) for name in answers.was_set}
        for sentence in self._preference_faults():
            self.session.fault(sentence)
        self.session.check()
        return dict(self._preferences)

    def preference(self, name: str, default: Any) -> Any:
        """Return a clip preference that holds."""
        return self._preferences.get(name, default)

    def identity(self, pictures: Pictures, **asked: Any) -> str | None:
        """Return the clip that stands for the output, None if it has to be rendered."""
        job = self._job(pictures, Frame(**asked))
        self._wire(job)
        found = self._identity(job, self._output_box(job))
        self.session.check()
        return found

    def region_of_definition(self, pictures: Pictures, **asked: Any) -> Region:
        """Return where the output has content."""
        job = self._job(pictures, Frame(**asked))
        self._wire(job)
        found = self._region(job)
        self.session.check()
        return found

    def regions_of_interest(self, pictures: Pictures, region: Region | None = None, **asked: Any) -> dict[str, Region]:
        """Return which regions of its clips the plug-in needs for `region` of the output, or all of it."""
        job = self._job(pictures, Frame(**asked))
        self._wire(job)
        found = self._interests(job, region or self._region(job))
        self.session.check()
        return found

    def current(self) -> Job:
        """Return what this thread's action works on, or the last that was wired."""
        action = self.session.action()
        return action.job if action and action.owner is self else self.job

    def output_components(self) -> str:
        """Return what the output's images have."""
        taken = self.clips["Output"].descriptor.properties.all("OfxImageEffectPropSupportedComponents")
        return str(self.preference("OfxImageClipPropComponents_Output", taken[0]))

    def _extent(self) -> tuple[float, float]:
        job = self.current()
        if job.frame.extent:
            return job.frame.extent
        plate = job.pictures.get("Source")
        if plate is None:
            return (1920.0, 1080.0)
        region = canonical(plate.region, job.frame.scale, plate.aspect)
        return region[2], region[3]

    def _ask(self, name: str, job: Job, inside: Mapping[str, Any] | None) -> tuple[int, PropertySet]:
        status, answers = self.plugin.act(Action(name, self, job), self.handle, inside, list(self.clips))
        assert answers is not None
        return status, answers

    def _job(self, pictures: Pictures, frame: Frame) -> Job:
        """Return what a host makes of a test's wish."""
        mode = self.session.mode
        strange = set(pictures) - set(self.clips)
        assert not strange, f"there are no clips {strange}"
        wired = {name: one for name, one in pictures.items() if mode.wired is None or name in mode.wired}
        if not mode.multi_resolution:
            boxes = {(*one.at, *one.pixels.shape[:2], one.region) for one in wired.values()}
            assert len(boxes) <= 1, f"images of {mode.label} are all of one size"
            assert all(one.box == one.region and one.at == (0, 0) for one in wired.values()), "they begin at 0, 0"
        return Job(wired, frame)

    def _wire(self, job: Job) -> None:
        """Tell the plug-in what is wired to its clips, if that is another than before."""
        wired = {name: (one.components, one.premult, one.aspect) for name, one in job.pictures.items()}
        with self._lock:
            self.job = job
            before, self._wired = self._wired, wired
            if before == wired:
                return
            for name in self.clips:
                if before.get(name) != wired.get(name):
                    self._change(_CLIP, name, job)
            self.preferences()

    def _change(self, type_: str, name: str, job: Job) -> None:
        """Tell the plug-in that a user changed something, and of each change that it makes in answer."""
        slaves = self._general.properties.all("OfxImageEffectPropClipPreferencesSlaveParam")
        pending, touched = [(type_, name, USER)], [name]
        while pending and len(touched) < _MOST_EDITS:
            type_, name, reason = pending.pop(0)
            edited = self._tell_change(type_, name, reason, job)
            pending += [(_PARAM, one, PLUGIN) for one in dict.fromkeys(edited)]
            touched += edited
        if pending:
            self.session.fault("its edits answer each other without end")
        if set(slaves) & set(touched):
            self.preferences()

    def _tell_change(self, type_: str, name: str, reason: str, job: Job) -> list[str]:
        why = {"OfxPropChangeReason": reason}
        what = {"OfxPropType": type_, "OfxPropName": name, "OfxPropTime": job.frame.time}
        action = Action(abi.CHANGED, self, job)
        self.plugin.act(Action(abi.BEGIN_CHANGED, self, job), self.handle, why)
        self.plugin.act(action, self.handle, {**why, **what, "OfxImageEffectPropRenderScale": job.frame.scale})
        self.plugin.act(Action(abi.END_CHANGED, self, job), self.handle, why)
        return action.edited

    def _turn(self) -> AbstractContextManager[Any]:
        """Return what keeps renders apart that the plug-in cannot do at once."""
        safety = self._general.properties.get("OfxImageEffectPluginRenderThreadSafety", "OfxImageEffectRenderUnsafe")
        if safety == "OfxImageEffectRenderFullySafe":
            return nullcontext()
        return self._lock if safety == "OfxImageEffectRenderInstanceSafe" else self.plugin.lock

    def _region(self, job: Job) -> Region:
        inside = {"OfxPropTime": job.frame.time, "OfxImageEffectPropRenderScale": job.frame.scale}
        status, answers = self._ask(abi.REGION_OF_DEFINITION, job, inside)
        if status == abi.OK:
            return tuple(answers.all("OfxImageEffectPropRegionOfDefinition"))
        given = [(job.pictures[name], clip) for name, clip in self.clips.items() if name in job.pictures]
        regions = [
            canonical(picture.region, job.frame.scale, picture.aspect)
            for picture, clip in given
            if clip.name == "Source" or not clip.descriptor.is_optional
        ]
        assert regions, "nothing is wired that says how large the output is"
        low, high = np.min(regions, axis=0), np.max(regions, axis=0)
        return (*map(float, low[:2]), *map(float, high[2:]))

    def _output_box(self, job: Job) -> Box:
        return job.frame.bounds or pixels(self._region(job), job.frame.scale, self._aspect(job))

    @staticmethod
    def _aspect(job: Job) -> float:
        return job.pictures["Source"].aspect if "Source" in job.pictures else 1.0

    def _interests(self, job: Job, region: Region) -> dict[str, Region]:
        inside = {"OfxPropTime": job.frame.time, "OfxImageEffectPropRenderScale": job.frame.scale}
        _, answers = self._ask(abi.REGIONS_OF_INTEREST, job, {**inside, "OfxImageEffectPropRegionOfInterest": region})
        return {name.partition("_")[2]: tuple(answers.all(name)) for name in answers.was_set}

    def _question(self, job: Job, window: Box) -> dict[str, Any]:
        return {
            "OfxPropTime": job.frame.time,
            "OfxImageEffectPropFieldToRender": "OfxFieldNone",
            "OfxImageEffectPropRenderWindow": window,
            "OfxImageEffectPropRenderScale": job.frame.scale,
        }

    def _identity(self, job: Job, box: Box) -> str | None:
        status, answers = self._ask(abi.IS_IDENTITY, job, self._question(job, job.frame.window or box))
        if status != abi.OK:
            return None
        name = str(answers.get("OfxPropName", ""))
        if name and name not in self.clips:
            self.session.fault(f"IsIdentity names {name}, which is no clip")
        return name or None

    def _render(self, job: Job) -> Result:
        region = self._region(job)
        box = job.frame.bounds or pixels(region, job.frame.scale, self._aspect(job))
        self._interests(job, region)
        self._ask(abi.FRAMES_NEEDED, job, {"OfxPropTime": job.frame.time})
        identity = self._identity(job, box)
        if identity:
            seen = shown(job.pictures.get(identity), self.output_components(), box)
            return Result(abi.OK, seen, box, identity=identity)
        with self._furnished(job, Image.poisoned(box, self.output_components(), self.session.mode)) as furnished:
            return self._render_furnished(furnished, box)

    def _render_furnished(self, job: Job, box: Box) -> Result:
        with self._sequence(job):
            result = self._act_render(job, box)
        if not result.was_aborted:
            written = (0, 0, 0, 0) if "Output" in job.frame.misled else job.frame.window or box
            for sentence in job.images["Output"].faults(written):
                self.session.fault(f"{abi.RENDER}: {sentence}")
        return replace(result, pixels=result.pixels.copy())

    @contextmanager
    def _sequence(self, job: Job) -> Iterator[None]:
        frame = job.frame
        sequence = {
            **self._told(frame),
            "OfxImageEffectPropFrameRange": (frame.time, frame.time),
            "OfxImageEffectPropFrameStep": 1.0,
            "OfxPropIsInteractive": int(frame.interactive),
            "OfxImageEffectPropRenderScale": frame.scale,
        }
        self.plugin.act(Action(abi.BEGIN_SEQUENCE, self, job), self.handle, sequence)
        yield
        self.plugin.act(Action(abi.END_SEQUENCE, self, job), self.handle, sequence)

    def _act_render(self, job: Job, box: Box) -> Result:
        """Call the action alone; its result shares the output's pixels."""
        action, question = Action(abi.RENDER, self, job), self._question(job, job.frame.window or box)
        begun = time.perf_counter()
        status, _ = self.plugin.act(action, self.handle, {**question, **self._told(job.frame)})
        seconds = time.perf_counter() - begun
        seen = action.messages, action.abort_calls, action.was_aborted
        return Result(status, job.images["Output"].pixels, box, *seen, seconds=seconds)

    @staticmethod
    def _told(frame: Frame) -> dict[str, Any]:
        return {
            "OfxImageEffectPropSequentialRenderStatus": 0,
            "OfxImageEffectPropInteractiveRenderStatus": int(frame.interactive),
            "OfxImageEffectPropRenderQualityDraft": 0,
        }

    @contextmanager
    def _furnished(self, job: Job, output: Image | None) -> Iterator[Job]:
        """Give `job` with an image for each clip that has one; see afterwards what was done to them."""
        images = self._images(job)
        if output:
            images["Output"] = output
        for image in images.values():
            self.session.shade.cover(image, on=True)
        try:
            yield replace(job, images=images)
        finally:
            for image in images.values():
                self.session.shade.cover(image, on=False)
        for name, image in images.items():
            if not image.has_intact_canaries():
                self.session.fault(f"memory around the image of clip {name} was written")
            if image is not output and not image.is_unchanged():
                self.session.fault(f"the image of clip {name} was written")

    def _images(self, job: Job) -> dict[str, Image]:
        mode, images = self.session.mode, {}
        for name, clip in self.clips.items():
            picture = job.pictures.get(name)
            if picture is None and mode.black_if_unwired and "Source" in job.pictures and name != "Output":
                plate = job.pictures["Source"]
                picture = Picture(np.zeros((*plate.pixels.shape[:2], 4), np.float32), plate.at)
            if picture is not None:
                images[name] = Image.like(picture, clip.suited(picture), mode)
        return images

    def _preference_faults(self) -> Iterator[str]:
        """Say which clip preferences this host cannot follow."""
        components = self.output_components()
        if components not in self.clips["Output"].descriptor.properties.all("OfxImageEffectPropSupportedComponents"):
            yield f"the preferences want {components} of Output, which it does not support"
        if self.descriptor.context == abi.FILTER and components != self.clips["Source"].components():
            yield "the preferences want other components of Output than of Source, in a Filter"
        for name, value in self._preferences.items():
            if name.startswith("OfxImageClipPropDepth_") and value != abi.FLOAT:
                yield f"the preferences want the depth {value}, of which there is one only"
        premult = self.preference("OfxImageEffectPropPreMultiplication", abi.OPAQUE)
        if premult not in (abi.OPAQUE, abi.PREMULTIPLIED, abi.UNPREMULTIPLIED):
            yield f"the preferences have the premultiplication {premult}"
