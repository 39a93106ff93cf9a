"""The suite of parameters."""

from collections.abc import Callable
from ctypes import c_double, c_int, c_uint, c_void_p, string_at
from typing import Any

from ofxhost import abi
from ofxhost.descriptors import Descriptor
from ofxhost.params import Param, ParamDescriptor, ParamSet, Value
from ofxhost.session import Refusal, Session, put, word

_REFUSED = ("get_derivative", "get_integral", "get_key_index", "delete_key", "delete_all_keys", "copy")


class ParameterSuite:
    """OfxParameterSuite 1, with keys that only a test sets, and without what a keyer has no use for."""

    def __init__(self, session: Session) -> None:
        """Work on the parameters of `session`."""
        self._session = session

    def define(self, params: int, type_: bytes, name: bytes, answer: int | None) -> None:
        """Add a parameter to a descriptor."""
        found = self._session.resolve(params, ParamSet)
        if not isinstance(found.owner, Descriptor) or found.owner.context is None:
            raise Refusal(abi.FAILED, f"parameter {word(name)} is defined outside of DescribeInContext")
        param = found.define(word(type_), word(name))
        if answer:
            put(c_void_p, answer, param.properties.handle)

    def get_handle(self, params: int, raw: bytes, answer: int, properties: int | None) -> None:
        """Give a parameter."""
        found, name = self._session.resolve(params, ParamSet), word(raw)
        if name not in found.params:
            raise Refusal(abi.UNKNOWN, f"there is no parameter {name}")
        put(c_void_p, answer, found.params[name].handle)
        if properties:
            put(c_void_p, properties, found.params[name].properties.handle)

    def set_get_property_set(self, params: int, answer: int) -> None:
        """Give the properties of all parameters together."""
        put(c_void_p, answer, self._session.resolve(params, ParamSet).properties.handle)

    def get_property_set(self, param: int, answer: int) -> None:
        """Give a parameter's properties."""
        put(c_void_p, answer, self._session.resolve(param, Param, ParamDescriptor).properties.handle)

    def get_value(self, param: int, *rest: Any) -> None:
        """Tell a value, of whatever time it is."""
        found, action = self._session.resolve(param, Param), self._session.action()
        if action and action.name in abi.ON_RENDER_THREADS:
            self._session.fault(f"paramGetValue of {found.name}, where paramGetValueAtTime belongs")
        self._answer(found, found.at(action.job.frame.time if action else 1.0), rest[:4])

    def get_value_at_time(self, param: int, time: float, *rest: Any) -> None:
        """Tell the value at a time."""
        found = self._session.resolve(param, Param)
        self._answer(found, found.at(time), rest[:4])

    def set_value(self, param: int, *rest: Any) -> None:
        """Take a value."""
        self._set(param, rest, None)

    def set_value_at_time(self, param: int, time: float, *rest: Any) -> None:
        """Take a value for a time."""
        self._set(param, rest, time)

    def get_num_keys(self, param: int, answer: int) -> None:
        """Tell how many keys a parameter has."""
        put(c_uint, answer, len(self._session.resolve(param, Param).keys))

    def get_key_time(self, param: int, index: int, answer: int) -> None:
        """Tell when a key is."""
        times = sorted(self._session.resolve(param, Param).keys)
        if index >= len(times):
            raise Refusal(abi.BAD_INDEX, f"there is no key {index}")
        put(c_double, answer, times[index])

    def edit_begin(self, params: int, _name: bytes) -> None:
        """Begin a group of edits."""
        self._session.resolve(params, ParamSet)

    def edit_end(self, params: int) -> None:
        """End a group of edits."""
        self._session.resolve(params, ParamSet)

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Return all functions by name."""
        return {name: self._refuse if name in _REFUSED else getattr(self, name) for name in abi.PARAMETER_LAYOUT}

    @staticmethod
    def _refuse(*_arguments: Any) -> None:
        raise Refusal(abi.UNSUPPORTED)

    def _answer(self, param: Param, value: Value, pointers: tuple[int | None, ...]) -> None:
        letter, _ = param.descriptor.shape
        if not letter:
            raise Refusal(abi.UNSUPPORTED, f"{param.name} has no value")
        for one, pointer in zip(value, pointers, strict=False):
            if letter == "S":
                self._session.lend(one, pointer)
            else:
                put(c_int if letter == "I" else c_double, pointer, one)

    def _set(self, handle: int, rest: tuple[Any, ...], time: float | None) -> None:
        param, action = self._session.resolve(handle, Param), self._session.action()
        if action is None or action.name != abi.CHANGED:
            raise Refusal(abi.FAILED, f"parameter {param.name} was set outside of InstanceChanged")
        if action.owner is not param.owner:
            raise Refusal(abi.BAD_HANDLE, f"parameter {param.name} of another instance was set")
        value = _taken(param, rest)
        limits = param.limits()
        if limits and param.clamp(value) != value:
            raise Refusal(
                abi.VALUE, f"parameter {param.name} was set to {value[0]}, outside {limits[0]} to {limits[1]}"
            )
        param.set(value, time)
        action.edited.append(param.name)


def _taken(param: Param, rest: tuple[Any, ...]) -> Value:
    letter, size = param.descriptor.shape
    if letter == "D":
        return rest[4 : 4 + size]
    if letter == "I":
        return tuple(c_int(one or 0).value for one in rest[:size])
    if not letter or not rest[0]:
        raise Refusal(abi.VALUE, f"{param.name} was set to a null pointer, or has no value")
    return (word(string_at(rest[0])),)
