"""The host: loads a plug-in, has it describe itself, and makes instances."""

from pathlib import Path
from types import TracebackType
from typing import Any

from ofxhost import abi, names
from ofxhost.abi import OfxHost
from ofxhost.descriptors import Descriptor
from ofxhost.effects import Effect
from ofxhost.modes import STRICT, Mode
from ofxhost.plugin import Plugin
from ofxhost.properties import PropertySet
from ofxhost.session import Action, Message, Progress, Session
from ofxhost.suites import Suites

# A plug-in may go on to use a host that has gone; it shall be told so instead of calling freed memory.
_ever: list["Host"] = []


class Host:
    """A host of one plug-in, from `with` to its end."""

    def __init__(self, binary: Path, mode: Mode = STRICT, index: int = 0) -> None:
        """Be ready to load the plug-in `index` of `binary`."""
        self.mode = mode
        self.session = Session(mode)
        self.effects: list[Effect] = []
        self.contexts: dict[str, Descriptor] = {}
        self._binary, self._index = binary, index
        self._descriptors: list[Descriptor] = []
        self._suites = Suites(self.session)
        self._properties = PropertySet(self.session, names.HOST, _told(mode))
        self._fetch = abi.FetchSuite(self._fetch_suite)
        self._struct = OfxHost(self._properties.handle, self._fetch)
        _ever.append(self)

    @property
    def faults(self) -> list[str]:
        """All rules that the plug-in broke."""
        return self.session.faults

    @property
    def messages(self) -> list[Message]:
        """All that the plug-in said."""
        return self.session.messages

    @property
    def progress(self) -> list[Progress]:
        """All bars of progress."""
        return self.session.progress

    def check(self) -> None:
        """Raise AssertionError with the faults that were not raised before."""
        self.session.check()

    def __enter__(self) -> "Host":
        """Load and describe."""
        self.plugin = Plugin(self.session, self._binary, self._struct, self._index)
        try:
            self._load()
            if self.mode.loads_twice:
                self._unload()
                self._load()
        except AssertionError:
            self._unload()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Destroy and unload; raise what was not raised before, unless something else is on its way."""
        for effect in self.effects:
            effect.destroy()
        self.effects.clear()
        self._unload()
        if error is None:
            self.check()

    def create(self, context: str | None = None) -> Effect:
        """Return a fresh instance; in the context that the host prefers if none is asked for."""
        context = context or next(one for one in self.mode.contexts if one in self.contexts)
        effect = Effect(self.session, self.plugin, self.general, self.contexts[context])
        self.effects.append(effect)
        effect.begin()
        return effect

    def destroy(self, effect: Effect) -> None:
        """End an instance."""
        self.effects.remove(effect)
        effect.destroy()
        self.check()

    def _load(self) -> None:
        self.plugin.set_host()
        self.plugin.must(Action(abi.LOAD))
        self.general = self._described(None)
        taken = self.general.properties.all("OfxImageEffectPropSupportedContexts")
        contexts = [one for one in self.mode.contexts if one in taken]
        assert contexts, f"{self.mode.label} knows none of the contexts {taken}"
        self.contexts = {one: self._described(one) for one in contexts}

    def _described(self, context: str | None) -> Descriptor:
        file = str(self._binary.parents[2]) if len(self._binary.parents) > 2 else str(self._binary.parent)
        told = {"OfxPropType": "OfxTypeImageEffect", "OfxPluginPropFilePath": file}
        descriptor = Descriptor(
            self.session, context, {**told, **(self.general.properties.copied() if context else {})}
        )
        action = Action(abi.DESCRIBE_IN_CONTEXT if context else abi.DESCRIBE, descriptor)
        inside: Any = {"OfxImageEffectPropContext": context} if context else None
        if context and self.mode.host_as_context:
            inside = self._properties
        self.plugin.must(action, descriptor.handle, inside)
        for sentence in descriptor.faults():
            self.session.fault(f"{action.name}: {sentence}")
        self.session.check()
        return descriptor

    def _unload(self) -> None:
        self.plugin.act(Action(abi.UNLOAD))
        for descriptor in self._descriptors:
            descriptor.close()
        self._descriptors.clear()

    def _fetch_suite(self, host: int | None, name: bytes, version: int) -> int | None:
        if host != self._properties.handle:
            self.session.fault("fetchSuite was called with another host's handle")
        return self._suites.address(name, version)


def _told(mode: Mode) -> dict[str, Any]:
    """Return what a host says about itself."""
    return {
        "OfxPropType": "OfxTypeImageEffectHost",
        "OfxPropName": mode.name,
        "OfxPropLabel": mode.label,
        "OfxPropVersion": (1, 0, 0),
        "OfxPropVersionLabel": "1.0",
        "OfxPropAPIVersion": mode.api,
        "OfxPropHostOSHandle": 0,
        "OfxImageEffectHostPropIsBackground": int(mode.background),
        "OfxImageEffectHostPropNativeOrigin": "OfxImageEffectHostPropNativeOriginBottomLeft",
        "OfxImageEffectPropSupportsOverlays": 0,
        "OfxImageEffectPropSupportsMultiResolution": int(mode.multi_resolution),
        "OfxImageEffectPropSupportsTiles": int(mode.tiles),
        "OfxImageEffectPropTemporalClipAccess": 0,
        "OfxImageEffectPropSupportedComponents": mode.components,
        "OfxImageEffectPropSupportedContexts": mode.contexts,
        "OfxImageEffectPropSupportedPixelDepths": mode.depths,
        "OfxImageEffectPropMultipleClipDepths": 0,
        "OfxImageEffectPropSupportsMultipleClipPARs": 0,
        "OfxImageEffectPropSetableFrameRate": 0,
        "OfxImageEffectPropSetableFielding": 0,
        "OfxImageEffectPropRenderQualityDraft": 0,
        "OfxImageEffectInstancePropSequentialRender": 0,
        "OfxParamHostPropSupportsCustomInteract": 0,
        "OfxParamHostPropSupportsStringAnimation": 0,
        "OfxParamHostPropSupportsChoiceAnimation": 1,
        "OfxParamHostPropSupportsBooleanAnimation": 1,
        "OfxParamHostPropSupportsCustomAnimation": 0,
        "OfxParamHostPropMaxParameters": -1,
        "OfxParamHostPropMaxPages": 0,
        "OfxParamHostPropPageRowColumnCount": (0, 0),
    }
