"""Paths as people give them."""

import os
import stat
from pathlib import Path

import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.paths import check_name, given_path, mode, printable


def test_home_is_resolved(monkeypatch):
    """~ is the home folder, in the middle of a name it is itself."""
    monkeypatch.setenv("HOME", "/home/zoe")
    assert given_path("~/a.exr") == Path("/home/zoe/a.exr")
    assert given_path("a~b.exr") == Path("a~b.exr")


def test_other_scripts_are_fine():
    """Any UTF-8 name passes; one with a lost byte or a NUL is told so that the sentence can be printed."""
    check_name(Path("Grüße/緑.exr"))
    for name, shown in ((os.fsdecode(b"caf\xe9.exr"), r"caf\\udce9\.exr"), ("a\0b", r"a\\0b")):
        with pytest.raises(InputError, match=shown) as refused:
            check_name(Path(name))
        assert str(refused.value).isprintable()


def test_printable_leaves_what_can_be_printed():
    """Only what no terminal takes is spelled out."""
    assert printable("Grüße 緑") == "Grüße 緑"


def test_mode_tells_files_from_folders(tmp_path):
    """A file, a folder and nothing are told apart; below a file there is nothing."""
    (tmp_path / "a").touch()
    assert stat.S_ISDIR(mode(tmp_path))
    assert stat.S_ISREG(mode(tmp_path / "a"))
    assert mode(tmp_path / "b") == mode(tmp_path / "a" / "b") == 0
    with pytest.raises(InputError, match="cannot be read: file name too long"):
        mode(tmp_path / ("x" * 300))
