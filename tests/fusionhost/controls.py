"""Inputs of a tool: what they say of themselves, and their values."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fusionhost import names

Value = float | str


@dataclass
class Control:
    """One input. `entries` are those of a combo; `nest` the labels of the nests around it; an image has no value."""

    id: str
    attributes: dict[str, Any]
    entries: list[str]
    nest: tuple[str, ...] = ()
    value: Value | None = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the default."""
        default = self.attributes.get("INP_Default", 0.0)
        text = self.attributes.get("INPS_DefaultText", "")
        self.value = None if self.is_image else text if self.is_text else float(default)

    @classmethod
    def of(cls, label: str, id_: str, given: dict[Any, Any], nest: tuple[str, ...]) -> "Control":
        """Make one of what AddInput got."""
        attributes = {name: value for name, value in given.items() if isinstance(name, str)}
        entries = [value for name, value in given.items() if not isinstance(name, str)]
        texts = [text for one in entries if isinstance(one, dict) for text in one.values()]
        return cls(id_, {"LINKS_Name": label, **attributes}, texts, nest)

    @property
    def is_image(self) -> bool:
        """Whether an image comes in here."""
        return self.attributes.get("LINKID_DataType") == "Image"

    @property
    def is_text(self) -> bool:
        """Whether its value is text."""
        return self.attributes.get("LINKID_DataType") in ("Text", "FuID")

    @property
    def kind(self) -> str:
        """The control that shows it, nothing if none does."""
        return str(self.attributes.get("INPID_InputControl", ""))

    @property
    def is_watched(self) -> bool:
        """Whether the tool hears of changes."""
        return bool(self.attributes.get("INP_DoNotifyChanged"))

    def describe(self) -> dict[str, Any]:
        """Return its attributes; the entries of a combo as a list under the attribute that each of them has."""
        entries = {names.ENTRIES[self.kind]: self.entries} if self.kind in names.ENTRIES else {}
        return {**self.attributes, **entries}

    def taken(self, value: Value) -> Value:
        """Return `value` as it is kept; raises ValueError if it cannot be."""
        if self.is_image or self.is_text != isinstance(value, str):
            if self.is_image or value not in self.entries:
                raise ValueError(f"{self.id} does not take {value!r}")
            value = self.entries.index(str(value))
        if isinstance(value, str):
            return value
        if self.entries and value not in range(len(self.entries)):
            raise ValueError(f"{self.id} has no entry {value}")
        least, most = (self.attributes.get(f"INP_{end}Allowed") for end in ("Min", "Max"))
        if (least is not None and value < least) or (most is not None and value > most):
            raise ValueError(f"{self.id} is not allowed to be {value}")
        return float(value)

    def faults(self) -> Iterator[str]:
        """Say what is wrong with it from the start."""
        if not names.IDENTIFIER.fullmatch(self.id):
            yield "its id is no identifier"
        yield from names.mistakes(self.attributes, names.INPUT)
        if self.attributes.get("LINKID_DataType") not in names.DATA_TYPES:
            yield f"unknown LINKID_DataType {self.attributes.get('LINKID_DataType')}"
        if self.kind and self.kind not in names.CONTROLS:
            yield f"unknown INPID_InputControl {self.kind}"
        yield from self._default_faults()

    def _default_faults(self) -> Iterator[str]:
        """Say where its default is not one of its values."""
        if self.value is None or self.is_text:
            return
        try:
            self.taken(self.value)
        except ValueError as error:
            yield f"its default: {error}"


def entry_faults(given: dict[Any, Any]) -> Iterator[str]:
    """Say what is wrong with the entries without a name of what AddInput got."""
    wanted = names.ENTRIES.get(str(given.get("INPID_InputControl")))
    entries = [value for name, value in given.items() if not isinstance(name, str)]
    if wanted in ("CCS_AddString",) and not entries:
        yield "a combo without entries"
    for one in entries:
        if not isinstance(one, dict) or list(one) != [wanted] or not isinstance(one[wanted], str):
            yield f"unknown entry {one!r}"
