"""From published files, whole and broken, to safetensors and to a network."""

import io
import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from corridorkey_models import __version__, convert, download
from corridorkey_models.checkpoints import CHECKPOINTS, Installed, accept, hash_file, read_metadata, verify
from corridorkey_models.errors import CheckpointError, InputError, ResourceError
from corridorkey_models.greenformer import POSITIONS, GreenFormer
from small_checkpoint import SIZE, save_published, small_state_dict

GREEN = CHECKPOINTS["green"]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Every tensor of the network, in half precision."""
    return small_state_dict()


@pytest.fixture(scope="module")
def published(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as it is published."""
    return save_published(tmp_path_factory.mktemp("published") / "CorridorKey_v1.0.pth", state)


@pytest.fixture(scope="module")
def converted(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The published file, converted."""
    return convert.convert(published, tmp_path_factory.mktemp("models") / "green.safetensors", GREEN)


def _refused(path: Path, tmp_path: Path) -> str:
    """Return the words with which converting `path` is refused; nothing may have been written."""
    target = tmp_path / "out" / "green.safetensors"
    target.parent.mkdir()
    with pytest.raises(CheckpointError) as caught:
        convert.convert(path, target, GREEN)
    assert list(target.parent.iterdir()) == []
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_values_and_types_stay_as_published(converted: Installed, state: dict[str, Tensor]) -> None:
    """Every tensor arrives bit for bit, without the prefix of compiled networks."""
    tensors = load_file(converted.path)
    assert tensors.keys() == state.keys()
    assert all(torch.equal(tensors[name], state[name]) for name in state)
    assert tensors[POSITIONS].dtype == torch.float16


def test_provenance_is_recorded(converted: Installed, published: Path) -> None:
    """The converted file says what it was made from, under which licence and by which version."""
    assert converted.source == str(published)
    assert converted.sha256 == hash_file(published)
    assert converted.licence == GREEN.licence
    assert converted.converter == __version__
    assert converted.path.stat().st_mode & 0o777 == 0o644


def test_converted_file_verifies(converted: Installed) -> None:
    """The hash over the tensors that torch saw is the one over the file's bytes."""
    verify(converted)


def test_converting_again_gives_the_same_tensors(converted: Installed, tmp_path: Path) -> None:
    """A safetensors source is taken too, and its tensors keep their hash."""
    again = convert.convert(converted.path, tmp_path / "green.safetensors", GREEN)
    assert again.tensors_sha256 == converted.tensors_sha256
    assert again.sha256 == hash_file(converted.path)


def test_network_loads_strictly_and_ready(converted: Installed, state: dict[str, Tensor]) -> None:
    """The network holds the published values, in full precision, for predicting alone."""
    network, identity = convert.load_network(converted.path)
    assert identity == converted.tensors_sha256
    assert not network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name].to(tensor.dtype))
        assert tensor.dtype == (torch.int64 if name.endswith("tracked") else torch.float32)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_network_for_another_size_and_type(converted: Installed) -> None:
    """Positions are resized once, while loading, and weights take the type asked for."""
    network, _ = convert.load_network(converted.path, size=64, dtype=torch.bfloat16)
    positions = network.state_dict()[POSITIONS]
    assert positions.shape == (1, 256, 112)
    assert positions.dtype == torch.bfloat16


def test_network_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An artist who keys before pulling reads the command to run."""
    monkeypatch.setenv("CKEY_MODELS", str(tmp_path))
    with pytest.raises(CheckpointError, match="ckey pull blue"):
        convert.load_network("blue")


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_cut_network_is_refused(converted: Installed, tmp_path: Path, keep: int) -> None:
    """A converted file that lost its end is an error in words, not a traceback."""
    path = tmp_path / "green.safetensors"
    path.write_bytes(converted.path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="damaged"):
        convert.load_network(path)


def _altered(path: Path, converted: Installed, metadata: dict[str, str]) -> Path:
    """Save the converted tensors at `path`, one bias raised by one, with `metadata` in its header."""
    tensors = load_file(converted.path)
    tensors["refiner.final.bias"] += 1
    save_file(tensors, path, metadata)
    return path


def test_altered_weights_are_refused(converted: Installed, tmp_path: Path) -> None:
    """Weights that are no longer those of the header do not key under the name of the published ones."""
    path = _altered(tmp_path / "green.safetensors", converted, read_metadata(converted.path))
    with pytest.raises(CheckpointError, match=r"no longer those.*run `ckey pull green --overwrite`"):
        convert.load_network(path)


def test_other_weights_have_another_identity(converted: Installed, tmp_path: Path) -> None:
    """A file that states the source's sha256 but no hash of its tensors is known by its tensors."""
    path = _altered(tmp_path / "own.safetensors", converted, {"sha256": converted.sha256})
    _, identity = convert.load_network(path)
    assert identity not in (converted.sha256, converted.tensors_sha256)
    again = _altered(tmp_path / "copy.safetensors", converted, {"sha256": 64 * "0"})
    assert convert.load_network(again)[1] == identity


def test_keying_does_not_load_the_hub() -> None:
    """Whatever is wrong with the settings for downloads, installed weights load."""
    program = "import sys, corridorkey_models.convert; sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_pth_is_not_loaded_directly(published: Path) -> None:
    """A .pth is never read twice: it has to be converted."""
    with pytest.raises(CheckpointError, match="ckey pull green --from"):
        convert.load_network(published)


@pytest.mark.parametrize(
    "content,words",
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 400000000\n", "git-LFS pointer"),
        (b"<!DOCTYPE html><html>log in</html>", "no torch checkpoint"),
        (bytes(range(256)) * 64, "no torch checkpoint"),
        (b"PK\x03\x04" + bytes(1000), "cut short"),
        (b"\x80\x02" + bytes(1000), "damaged"),
        (b"\xff" * 7 + b"\x00{" + bytes(100), "damaged"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """Empty, pointer, web page, noise and stumps are each named."""
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    assert words in _refused(path, tmp_path)


def test_cut_download_is_refused(published: Path, tmp_path: Path) -> None:
    """A published file whose end is missing is named as cut short."""
    path = tmp_path / "file.pth"
    with published.open("rb") as file:
        path.write_bytes(file.read(1 << 20))
    assert "cut short" in _refused(path, tmp_path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path with a slip of the pen is an error in words."""
    assert "cannot be read" in _refused(tmp_path / "none.pth", tmp_path)


class _Harm:
    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return (open, (str(_Harm.target), "w"))  # type: ignore[return-value]

    target = Path()


def test_code_in_a_checkpoint_never_runs(tmp_path: Path) -> None:
    """A file that would act when unpickled is refused, and does not act."""
    _Harm.target = tmp_path / "harm"
    for number, content in enumerate((_saved({"state_dict": _Harm()}), pickle.dumps(_Harm(), protocol=2))):
        path = tmp_path / f"{number}.pth"
        path.write_bytes(content)
        folder = tmp_path / str(number)
        folder.mkdir()
        assert "more than tensors" in _refused(path, folder)
    assert not _Harm.target.exists()


def _saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": 3}, {"a": torch.zeros(3)}, torch.zeros(3)])
def test_other_networks_are_refused(tmp_path: Path, content: object) -> None:
    """A torch file of another kind is told apart by its first missing tensor."""
    path = tmp_path / "other.pth"
    path.write_bytes(_saved(content))
    assert "is not a CorridorKey checkpoint" in _refused(path, tmp_path)


@pytest.mark.parametrize(
    "name,tensor,words",
    [
        ("refiner.final.bias", None, "lacks refiner.final.bias;"),
        ("head.weight", torch.zeros(3), "unknown tensor head.weight;"),
        ("refiner.final.bias", torch.zeros(5), "another shape or type of refiner.final.bias;"),
        ("refiner.final.bias", torch.zeros(4, dtype=torch.int64), "another shape or type"),
        ("refiner.final.bias", torch.zeros(4, dtype=torch.float64), "another shape or type"),
        (POSITIONS, torch.zeros(1, 65, 112), f"another shape or type of {POSITIONS}"),
        (POSITIONS, torch.zeros(1, 100, 112), f"another shape or type of {POSITIONS}"),
    ],
)
def test_every_tensor_is_checked(state: dict[str, Tensor], name: str, tensor: Tensor | None, words: str) -> None:
    """One tensor missing, too many, or of another shape or type is enough, and is named."""
    others = {key: value for key, value in state.items() if key != name}
    changed = others if tensor is None else {**others, name: tensor}
    with pytest.raises(CheckpointError, match=words):
        convert.check_tensors(changed, Path("file.pth"))


def test_size_is_read_from_the_positions(state: dict[str, Tensor]) -> None:
    """The square that a checkpoint was made for is known from its position embeddings."""
    assert convert.check_tensors(state, Path("file.pth")) == SIZE
    with torch.device("meta"):
        assert convert.check_tensors(GreenFormer(2048).state_dict(), Path("file.pth")) == 2048


@contextmanager
def _small_disk() -> Iterator[None]:
    """No file may grow above 1 MB: what a full disk looks like to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_leaves_nothing(published: Path, tmp_path: Path) -> None:
    """When the disk takes no more, the error says so and no part of a file stays."""
    with _small_disk(), pytest.raises(ResourceError, match="free 1 GB"):
        convert.convert(published, tmp_path / "green.safetensors", GREEN)
    assert list(tmp_path.iterdir()) == []


def test_pull_wants_the_terms_accepted(published: Path, tmp_path: Path) -> None:
    """Whoever calls, nothing is installed before the terms are accepted."""
    with pytest.raises(InputError, match="--accept-license"):
        download.pull(GREEN, source=published, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_pull_stopped_on_the_way_leaves_the_folder_as_it_was(published: Path, tmp_path: Path) -> None:
    """Ctrl-C while hashing: no file, no folder, no record of a hash stays."""
    accept(GREEN, tmp_path)

    def stop(stage: str, fraction: float) -> None:
        raise KeyboardInterrupt(f"{stage} {fraction}")

    with pytest.raises(KeyboardInterrupt):
        download.pull(GREEN, source=published, folder=tmp_path, watch=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "licences.json"]


def test_safetensors_of_another_network_is_refused(tmp_path: Path) -> None:
    """A safetensors file is checked as strictly as a .pth."""
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    assert "lacks" in _refused(path, tmp_path)
