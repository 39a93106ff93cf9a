"""Names of the models that can be asked for, beside the path of a converted checkpoint."""

from pathlib import Path
from stat import S_ISREG

from corridorkey_models.errors import InputError

CORRIDORKEY = "corridorkey"
"""CorridorKey's network, with the checkpoint of the screen's color."""

PROCEDURAL = "procedural"
"""The embedded keyer, which needs no weights."""


def full_name(model: str) -> str:
    """Return a model's name as it is understood in any folder: a path is made absolute.

    Raises:
        InputError: it is no name of a model, and there is no such file.
    """
    if model in (CORRIDORKEY, PROCEDURAL):
        return model
    try:
        path = Path(model).expanduser().absolute()
        # The name goes through messages, which hold UTF-8.
        found = S_ISREG(path.stat().st_mode) and bool(str(path).encode())
    except (OSError, RuntimeError, ValueError):
        found = False
    if not found:
        raise InputError(f"there is no model {model!r}; give corridorkey, procedural or a checkpoint file.")
    return str(path)
