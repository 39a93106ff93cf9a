"""The rule by which a user's programs find each other, as the table says that every language follows."""

import json
import sys
from pathlib import Path

import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.rendezvous import find_folder

CASES = json.loads(Path(__file__).with_name("runtime_folder.json").read_text(encoding="utf-8"))["cases"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the table's paths begin with a slash")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_folder_is_as_the_table_says(case: dict) -> None:
    """Each case gives its folder, or is refused with its words."""
    asked = case["environ"], case["uid"], case["existing"].__contains__
    if "error" in case:
        with pytest.raises(InputError, match=case["error"]):
            find_folder(*asked)
    else:
        assert find_folder(*asked) == case["folder"]


def test_table_is_whole() -> None:
    """Each case has its own name, what is asked and exactly one outcome, so that a reader in C can rely on it."""
    assert len({case["name"] for case in CASES}) == len(CASES)
    for case in CASES:
        assert case.keys() - {"folder", "error"} == {"name", "environ", "uid", "existing"}, case["name"]
        assert len(case.keys() & {"folder", "error"}) == 1, case["name"]
