"""The names that a fuse may use, each with the type of its value."""

import re
from collections.abc import Iterator, Mapping

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

TEXT, NUMBER, FLAG, ANY = (str,), (int, float), (bool,), (object,)
Types = Mapping[str, tuple[type, ...]]


def _all(types: tuple[type, ...], names: str) -> dict[str, tuple[type, ...]]:
    """Give every one of `names` the same types."""
    return dict.fromkeys(names.split(), types)


REGISTRATION: Types = {
    **_all(
        TEXT,
        "REGS_Name REGS_Category REGS_OpIconString REGS_OpDescription REGS_Company REGS_URL REGS_HelpTopic REGS_IconID",
    ),
    **_all(
        FLAG,
        "REG_OpNoMask REG_NoBlendCtrls REG_NoObjMatCtrls REG_NoMotionBlurCtrls REG_NoCommonCtrls REG_NoAutoProxy "
        "REG_SupportsDoD REG_NoPreCalcProcess REG_TimeVariant REG_Unpredictable REG_Fuse_NoEdit REG_Fuse_NoReload "
        "REG_Source_GlobalCtrls REG_Source_SizeCtrls REG_Source_AspectCtrls REG_Source_DepthCtrls",
    ),
    **_all(NUMBER, "REG_Version"),
    **_all(ANY, "REG_Fuse_TilePic"),
}

INPUT: Types = {
    **_all(TEXT, "LINKID_DataType LINKID_LegacyID LINKS_Name INPID_InputControl INPS_DefaultText INPS_StatusText"),
    **_all(TEXT, "ICS_ControlPage"),
    **_all(
        NUMBER,
        "LINK_Main INP_Default INP_MinScale INP_MaxScale INP_MinAllowed INP_MaxAllowed INP_Priority ICD_Center "
        "IC_ControlPage TEC_Lines",
    ),
    **_all(
        FLAG,
        "INP_Required INP_SendRequest INP_AcceptsDoD INP_AcceptsMasks INP_External INP_Passive INP_InteractivePassive "
        "INP_DoNotifyChanged INP_InitialNotify INP_Integer INP_DelayDefault LINK_Visible IC_Visible LBLC_MultiLine "
        "FC_IsSaver",
    ),
}

OUTPUT: Types = {**_all(TEXT, "LINKID_DataType LINKS_Name"), **_all(NUMBER, "LINK_Main")}

# What the entries of a control without a name hold.
ENTRIES = {"ComboControl": "CCS_AddString", "ComboIDControl": "CCS_AddString", "MultiButtonControl": "MBTNC_AddButton"}

DATA_TYPES = frozenset({"Image", "Number", "Point", "Text", "FuID", "Gradient"})
CONTROLS = frozenset(
    {
        "SliderControl", "ScrewControl", "CheckboxControl", "ComboControl", "ComboIDControl", "MultiButtonControl",
        "ButtonControl", "FileControl", "TextEditControl", "LabelControl", "SeparatorControl", "RangeControl",
        "ColorControl", "OffsetControl",
    }
)  # fmt: skip


def is_of(value: object, types: tuple[type, ...]) -> bool:
    """Whether `value` is of one of `types`; for Lua true is no number."""
    return isinstance(value, types) and (not isinstance(value, bool) or bool in types or object in types)


def mistakes(attributes: Mapping[str, object], known: Types) -> Iterator[str]:
    """Say which of `attributes` Fusion does not know, or knows as something else."""
    for name, value in attributes.items():
        if name not in known:
            yield f"unknown attribute {name}"
        elif not is_of(value, known[name]):
            yield f"attribute {name} is {value!r}"
