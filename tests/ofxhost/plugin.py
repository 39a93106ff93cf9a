"""A plug-in's binary, and the calls into it."""

import ctypes
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ofxhost import abi, names
from ofxhost.footprint import Footprint
from ofxhost.properties import PropertySet
from ofxhost.session import Action, Session

# A host scans its plug-ins and opens projects with these: they may leave nothing behind but memory.
QUIET = frozenset({abi.LOAD, abi.UNLOAD, abi.DESCRIBE, abi.DESCRIBE_IN_CONTEXT, abi.CREATE})
# What actions may answer that may answer more than OK and the default.
ANSWERS = {abi.RENDER: range(2000), abi.CHANGED: (abi.OK, abi.FAILED, abi.REPLY_DEFAULT)}


class Plugin:
    """One plug-in of a binary."""

    def __init__(self, session: Session, binary: Path, host: abi.OfxHost, index: int) -> None:
        """Load `binary` into this process."""
        self._session, self._host = session, host
        self.lock = threading.RLock()
        code = ctypes.CDLL(str(binary), mode=os.RTLD_LOCAL | os.RTLD_NOW)
        if hasattr(code, "OfxSetHost"):
            assert code.OfxSetHost(ctypes.byref(host)) == abi.OK, "OfxSetHost did not answer OK"
        count = code.OfxGetNumberOfPlugins()
        assert 0 <= index < count, f"{binary} has {count} plug-ins"
        code.OfxGetPlugin.restype = ctypes.POINTER(abi.OfxPlugin)
        self._plugin = code.OfxGetPlugin(index).contents
        self.identifier = str(self._plugin.identifier.decode())
        self.version = self._plugin.major, self._plugin.minor
        if (self._plugin.api, self._plugin.api_version) != (b"OfxImageEffectPluginAPI", 1):
            session.fault(f"{self.identifier} is for another API")

    def set_host(self) -> None:
        """Tell it who the host is."""
        self._plugin.set_host(ctypes.byref(self._host))

    def act(
        self,
        action: Action,
        handle: int | None = None,
        inside: Mapping[str, Any] | PropertySet | None = None,
        outside: Iterable[str] | None = None,
    ) -> tuple[int, PropertySet | None]:
        """Call it; inside: the inArgs; outside: the clips that outArgs are for. Return its status and the outArgs."""
        before = Footprint.take() if action.name in QUIET else None
        given = inside if inside is None or isinstance(inside, PropertySet) else self._arguments(action, inside)
        answers = None if outside is None else PropertySet(self._session, names.answers(action.name, outside))
        with self._session.acting(action):
            still = self._session.stillness()
            status = self._call(action.name, handle, given, answers)
            if before and still[0] == 1 and still == self._session.stillness():
                for growth in before.growth():
                    self._session.fault(growth)
            self._conclude(action, status)
        for properties in (given, answers):
            if properties is not None and properties is not inside:
                self._session.dismiss(properties)
        return status, answers

    def must(self, action: Action, handle: int | None = None, inside: Any = None) -> None:
        """Call it for something that has to succeed."""
        status, _ = self.act(action, handle, inside)
        self._session.check()
        assert status in (abi.OK, abi.REPLY_DEFAULT), f"{action.name} answered {status}"

    def _arguments(self, action: Action, values: Mapping[str, Any]) -> PropertySet:
        return PropertySet(self._session, names.arguments(action.name), values)

    def _call(self, name: str, handle: int | None, inside: Any, outside: Any) -> int:
        handles = (one.handle if one is not None else None for one in (inside, outside))
        return int(self._plugin.main_entry(name.encode(), handle, *handles))

    def _conclude(self, action: Action, status: int) -> None:
        for loan in list(action.images):
            self._session.fault(f"the image of clip {loan.clip.name} was not released")
            with self._session.lock:
                loan.end()
        if status not in ANSWERS.get(action.name, (abi.OK, abi.REPLY_DEFAULT)):
            self._session.fault(f"it answered {status}")
