"""Effects as they describe themselves, and what may be wrong with that."""

from collections.abc import Iterator, Mapping
from typing import Any

from ofxhost import abi, names, params
from ofxhost.clips import ClipDescriptor
from ofxhost.params import ParamSet
from ofxhost.properties import PropertySet
from ofxhost.session import Session

_CONTEXTS = frozenset({abi.FILTER, abi.GENERAL, abi.GENERATOR, abi.TRANSITION, abi.PAINT, abi.RETIMER})
_SAFETY = frozenset(f"OfxImageEffectRender{one}" for one in ("Unsafe", "InstanceSafe", "FullySafe"))


class Descriptor:
    """An effect as it describes itself: in general, or in one context."""

    def __init__(self, session: Session, context: str | None, told: Mapping[str, Any]) -> None:
        """Begin with what is known."""
        self.session, self.context = session, context
        self.properties = PropertySet(session, names.EFFECT_DESCRIPTOR, told)
        self.param_set = ParamSet(session, self)
        self.clips: dict[str, ClipDescriptor] = {}
        self.handle = 0
        session.admit(self)

    def close(self) -> None:
        """Let all handles be dead."""
        self.param_set.close()
        for properties in (self.properties, *(clip.properties for clip in self.clips.values())):
            self.session.dismiss(properties)
        self.session.dismiss(self)

    def faults(self) -> Iterator[str]:
        """Say what is wrong with it."""
        yield from self._faults_in_context() if self.context else self._general_faults()

    def _general_faults(self) -> Iterator[str]:
        contexts = self.properties.all("OfxImageEffectPropSupportedContexts")
        if not contexts or set(contexts) - _CONTEXTS or len(set(contexts)) < len(contexts):
            yield f"the contexts are {contexts}"
        if abi.FLOAT not in self.properties.all("OfxImageEffectPropSupportedPixelDepths"):
            yield "float is none of the depths"
        if not self.properties.get("OfxPropLabel"):
            yield "there is no label"
        if self.properties.get("OfxImageEffectPluginRenderThreadSafety") not in _SAFETY:
            yield "it does not say how far it is safe to render in threads"

    def _faults_in_context(self) -> Iterator[str]:
        yield from params.faults(self.param_set.params)
        slaves = self.properties.all("OfxImageEffectPropClipPreferencesSlaveParam")
        for name in set(slaves) - set(self.param_set.params):
            yield f"the clip preferences depend on {name}, which is no parameter"
        for name in set(self.param_set.properties.all("OfxPluginPropParamPageOrder")) - set(self.param_set.params):
            yield f"the order of pages has {name}, which is no parameter"
        for name in {"Output"} | ({"Source"} if self.context == abi.FILTER else set()):
            if name not in self.clips:
                yield f"there is no clip {name}"
        for clip in self.clips.values():
            yield from self._faults_of_clip(clip)

    def _faults_of_clip(self, clip: ClipDescriptor) -> Iterator[str]:
        taken = clip.properties.all("OfxImageEffectPropSupportedComponents")
        if not set(taken) & set(self.session.mode.components):
            yield f"clip {clip.name} takes {taken}, none of which this host has"
        if self.context == abi.FILTER and clip.name not in ("Source", "Output") and not clip.is_optional:
            yield f"clip {clip.name} of a Filter is not optional"
        if clip.properties.get("OfxImageClipPropIsMask", 0) and taken != [abi.ALPHA]:
            yield f"clip {clip.name} is a mask, which takes nothing but alpha"
