"""What a daemon is started with."""

import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corridorkey_models.errors import InputError
from corridorkey_models.params import QUALITIES
from corridorkey_server.model_names import full_name
from corridorkey_server.settings import GIB, Settings, add_options, read_options


def read(*words: str) -> Settings:
    """Return what the options say."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_options(parser.parse_args(words))


def test_without_options_everything_has_its_default() -> None:
    """What `ckey serve` runs with is what the class says."""
    assert read() == Settings()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("0.5", 0.5),
        ("90s", 90),
        ("5m", 300),
        ("1.5h", 5400),
        ("999999999h", 999_999_999),
        ("never", -1),
        ("-1", -1),
    ],
)
def test_a_time_has_the_unit_that_it_names(text: str, seconds: float) -> None:
    """Without a unit it is seconds; -1 and never are the same."""
    assert read("--keep-alive", text).keep_alive == seconds


def test_memory_is_given_in_gib() -> None:
    """Half a GiB is half of 2**30 bytes."""
    assert read("--slot-memory", "0.5").slot_memory == GIB // 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--keep-alive", "soon"), "--keep-alive is 'soon'; give seconds, a time as 90s, 5m or 1h, or never."),
        (("--keep-alive", "5d"), "--keep-alive is '5d'"),
        (("--keep-alive", "inf"), "--keep-alive is 'inf'"),
        (("--keep-alive=-2",), "--keep-alive is '-2'"),
        (("--slot-memory", "much"), "--slot-memory is 'much'; give a number of GiB above 0"),
        (("--slot-memory", "0"), "--slot-memory is '0'"),
        (("--slot-memory", "nan"), "--slot-memory is 'nan'"),
        (("--slot-memory", "1e300"), "--slot-memory is '1e300'"),
        (("--slot-memory", "1e9"), "--slot-memory is '1e9'"),
        (("--quality", "best"), "there is no quality 'best'; choose one of"),
        (("--device", "abacus"), "there is no device 'abacus'; give auto"),
        (("--device", "cuda:"), "there is no device 'cuda:'"),
        (("--model", "no/such/file"), "there is no model 'no/such/file'; give corridorkey"),
        (("--model", "~nobody-of-that-name/x"), "there is no model"),
        (("--model", "a\0b"), "there is no model"),
    ],
)
def test_what_cannot_be_is_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    """Each is refused with its cause and what to give instead."""
    with pytest.raises(InputError, match=r"^(--|there is)") as caught:
        read(*words)
    assert sentence in str(caught.value)


@given(
    device=st.sampled_from(["auto", "cpu", "cuda", "cuda:11", "mps"]),
    quality=st.sampled_from(list(QUALITIES)),
    keep_alive=st.integers(-1, 999_999_999_000).map(lambda thousandths: max(-1.0, thousandths / 1000)),
    slot_memory=st.integers(0, 2**45),
)
def test_what_is_passed_on_is_what_was_read(device: str, quality: str, keep_alive: float, slot_memory: int) -> None:
    """A daemon that is started with `Settings.options` has those settings."""
    settings = Settings(device, "procedural", quality, -1.0 if keep_alive < 0 else keep_alive, slot_memory)
    assert read(*settings.options()) == settings


def test_a_models_path_is_understood_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is made absolute, as the daemon runs elsewhere; names of models stay."""
    (tmp_path / "mine.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert full_name("mine.safetensors") == full_name("~/mine.safetensors") == str(tmp_path / "mine.safetensors")
    assert [full_name(name) for name in ("corridorkey", "procedural")] == ["corridorkey", "procedural"]


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    """A model is one file."""
    with pytest.raises(InputError, match="there is no model"):
        full_name(str(tmp_path))
