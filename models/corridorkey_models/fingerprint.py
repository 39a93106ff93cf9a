"""Names what a keyed frame was made with, so that a host can tell whether it still holds. Knows no files."""

import hashlib

from .params import PARAMS, Params, Stage, Value


def settings_text(params: Params) -> str:
    """Return all parameters that a keyed frame follows from, as one line of name=value.

    Nuke's node writes the same line from its knobs, in Tcl, and compares: names, their order and how values are
    written are permanent.

    >>> settings_text(Params(despill=1 / 3, despeckle=True)).split()[8:12]
    ['refiner_scale=1', 'despill=0.333333', 'despeckle=1', 'despeckle_size=400']
    """
    kept = (param.name for param in PARAMS if param.stage is not Stage.VIEW)
    return " ".join(f"{name}={_word(getattr(params, name))}" for name in kept)


def settings_hash(text: str) -> str:
    """Return 16 hexadecimal digits that stand for a text of `settings_text`."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _word(value: Value) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, bool) else f"{value:.6g}"
