"""The suite of effects, clips and images."""

from collections.abc import Callable
from ctypes import c_double, c_void_p
from typing import Any

from ofxhost import abi
from ofxhost.clips import Clip, ClipDescriptor
from ofxhost.descriptors import Descriptor
from ofxhost.effects import Effect
from ofxhost.properties import PropertySet
from ofxhost.session import Refusal, Session, put, word


class EffectSuite:
    """OfxImageEffectSuite 1, without memory for images."""

    def __init__(self, session: Session) -> None:
        """Work on the effects of `session`."""
        self._session = session

    def get_property_set(self, effect: int, answer: int) -> None:
        """Give an effect's properties."""
        put(c_void_p, answer, self._effect(effect).properties.handle)

    def get_param_set(self, effect: int, answer: int) -> None:
        """Give an effect's parameters."""
        put(c_void_p, answer, self._effect(effect).param_set.handle)

    def clip_define(self, effect: int, raw: bytes, answer: int) -> None:
        """Add a clip to a descriptor."""
        descriptor, name = self._session.resolve(effect, Descriptor), word(raw)
        if descriptor.context is None:
            raise Refusal(abi.FAILED, f"clip {name} is defined outside of DescribeInContext")
        if name in descriptor.clips:
            raise Refusal(abi.EXISTS, f"clip {name} is defined twice")
        descriptor.clips[name] = ClipDescriptor.define(self._session, name)
        put(c_void_p, answer, descriptor.clips[name].properties.handle)

    def clip_get_handle(self, effect: int, raw: bytes, answer: int, properties: int | None) -> None:
        """Give a clip of an instance."""
        found, name = self._session.resolve(effect, Effect), word(raw)
        if name not in found.clips:
            raise Refusal(abi.BAD_HANDLE, f"there is no clip {name}")
        put(c_void_p, answer, found.clips[name].handle)
        if properties:
            put(c_void_p, properties, found.clips[name].properties.handle)

    def clip_get_property_set(self, clip: int, answer: int) -> None:
        """Give a clip's properties."""
        put(c_void_p, answer, self._session.resolve(clip, Clip).properties.handle)

    def clip_get_image(self, clip: int, time: float, _region: int | None, answer: int) -> None:
        """Lend an image of a clip."""
        found = self._session.resolve(clip, Clip)
        put(c_void_p, answer, None)
        put(c_void_p, answer, found.fetch(time, self._session.action()).properties.handle)

    def clip_release_image(self, image: int) -> None:
        """Take an image back."""
        loan = self._session.resolve(image, PropertySet).loan
        if loan is None:
            raise Refusal(abi.BAD_HANDLE, "the handle of an image is another property set's")
        loan.end()

    def clip_get_region_of_definition(self, clip: int, _time: float, answer: int) -> None:
        """Tell where a clip has content."""
        region = self._session.resolve(clip, Clip).region_of_definition()
        if not answer:
            raise Refusal(abi.VALUE, "a null pointer stands where the answer goes")
        (c_double * 4).from_address(answer)[:] = list(region)

    def abort(self, effect: int) -> int:
        """Tell whether the host wants no more of this render."""
        found = self._session.resolve(effect, Effect)
        action = self._session.running(found)
        if action is None or action.owner is not found:
            return 0
        action.abort_calls += 1
        frame = action.job.frame
        is_late = frame.abort_after is not None and action.abort_calls > frame.abort_after
        is_over = is_late or (frame.abort is not None and frame.abort.is_set())
        action.was_aborted |= is_over
        return int(is_over)

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Return all functions by name."""
        memory = {name: self._no_memory for name in abi.EFFECT_LAYOUT if name.startswith("image_memory")}
        return {name: memory.get(name) or getattr(self, name) for name in abi.EFFECT_LAYOUT}

    def _effect(self, handle: int) -> Any:
        return self._session.resolve(handle, Descriptor, Effect)

    @staticmethod
    def _no_memory(*_arguments: Any) -> None:
        raise Refusal(abi.MEMORY)
