"""Movies: the right frame in the right colours."""

import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.movies import Movie
from corridorkey_server.footage.sequence import check_covers, open_sequence

av = pytest.importorskip("av")

BARS = np.array(
    [[0.75 * (bar >> shift & 1) for shift in (1, 2, 0)] for bar in range(8)] + [[0.1, 0.6, 0.15], [1, 1, 1]]
)
PRORES_4444 = {"codec": "prores_ks", "pixels": "yuv444p10le", "options": {"profile": "4"}}
PRORES_ALPHA = {"codec": "prores_ks", "pixels": "yuva444p10le", "options": {"profile": "4", "alpha_bits": "16"}}
H264 = {"codec": "libx264", "pixels": "yuv420p", "options": {"crf": "1", "preset": "fast"}}
BT709, BT601 = 1, 5


def bars(width, height):
    """Ten colour bars, [height, width, 3]."""
    return np.repeat(np.repeat(BARS[None], width // 10, axis=1), height, axis=0)


def encode(path, pictures, clip, tags=(), matrix=BT709, times=None):
    """Encode [height, width, 3 or 4] pictures in limited range; tags are matrix, primaries, transfer."""
    with av.open(str(path), "w") as container:
        container.metadata.update(clip.get("metadata", {}))
        stream = container.add_stream(clip["codec"], rate=24, options=clip["options"])
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], clip["pixels"]
        for name, value in zip(("colorspace", "color_primaries", "color_trc"), tags, strict=False):
            setattr(stream.codec_context, name, value)
        if tags:
            stream.codec_context.color_range = 1
        for index, picture in enumerate(pictures):
            kind = {3: "rgb48le", 4: "rgba64le"}[picture.shape[2]]
            frame = av.VideoFrame.from_ndarray(np.rint(picture * 65535).astype(np.uint16), format=kind)
            frame = frame.reformat(format=clip["pixels"], src_color_range=2, dst_color_range=1, dst_colorspace=matrix)
            frame.pts = index if times is None else times[index]
            for name, value in zip(("colorspace", "color_primaries", "color_trc"), tags, strict=False):
                setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def greys(count, size=(48, 64)):
    """Pictures whose brightness tells their number, and whose noise keeps the encoder busy."""
    noise = np.random.default_rng(0).random((*size, 3)) * 0.1
    return [noise + 0.9 * index / count for index in range(count)]


def error(movie, expected):
    """Largest error away from the bars' edges, where chroma is subsampled."""
    width = expected.shape[1] // 10
    inside = [x for x in range(expected.shape[1]) if width // 4 < x % width < 3 * width // 4]
    return np.abs(movie.read(1).pixels[:, inside, :3] - expected[:, inside]).max()


def test_prores_4444_keeps_10_bits(tmp_path):
    """Colour bars come back within .003, which 8 bits cannot do for every value."""
    movie = Movie(encode(tmp_path / "a.mov", [bars(320, 64)], PRORES_4444, (1, 1, 1)))
    assert error(movie, bars(320, 64)) < 0.003
    ramp = np.repeat(np.linspace(0.2, 0.8, 640)[None, :, None], 32, axis=0).repeat(3, axis=2)
    read = Movie(encode(tmp_path / "b.mov", [ramp], PRORES_4444, (1, 1, 1))).read(1)
    assert len(np.unique(read.pixels[16, :, 1])) > 400


@pytest.mark.parametrize(
    ("height", "tags", "matrix"), [(720, (1, 1, 1), BT709), (720, (), BT709), (480, (), BT601), (480, (1, 1, 1), BT709)]
)
def test_h264_has_the_right_matrix(tmp_path, height, tags, matrix):
    """A tagged movie follows its tag, an untagged one is BT.709 from 720 lines on; the wrong matrix is off by .1."""
    movie = Movie(encode(tmp_path / "a.mp4", [bars(640, height)], H264, tags, matrix))
    assert error(movie, bars(640, height)) < 0.02
    reason = movie.read(1).space_reason
    assert ("assumed" in reason) == (not tags)
    assert tags or f"matrix BT.{709 if matrix == BT709 else 601} assumed from {height} lines" in reason


@pytest.mark.parametrize(
    ("tags", "space", "reason"),
    [
        ((1, 1, 1), "rec709_g24", "transfer tag BT.709"),
        ((1, 1, 13), "srgb", "transfer tag sRGB"),
        ((), "rec709_g24", "movie without a transfer tag, assumed; matrix"),
        ((9, 9, 16), None, "transfer tag PQ"),
        ((9, 9, 18), None, "transfer tag HLG"),
        ((9, 9, 1), None, "primaries tag BT.2020"),
        ((1, 1, 4), None, "transfer tag gamma 2.2"),
    ],
)
def test_working_space(tmp_path, tags, space, reason):
    """The transfer tag decides; what is high dynamic range or of wide gamut is never taken for Rec.709."""
    image = Movie(encode(tmp_path / "a.mp4", greys(1), H264, tags)).read(1)
    assert image.working_space == space
    assert image.space_reason.startswith(reason)


def test_rgb_movie_is_exact(tmp_path):
    """A movie of RGB has no matrix to assume, and every 16-bit level comes back."""
    picture = np.random.default_rng(1).integers(0, 65536, (48, 64, 3)) / 65535
    clip = {"codec": "png", "pixels": "rgb48be", "options": {}}
    image = Movie(encode(tmp_path / "a.mov", [picture], clip)).read(1)
    assert np.array_equal(np.rint(image.pixels * 65535), np.rint(picture * 65535))
    assert image.space_reason == "movie without a transfer tag, assumed"


def test_alpha_of_prores_4444_is_kept(tmp_path):
    """Alpha comes as A, straight: colour under an alpha of 0 stays."""
    picture = np.full((64, 96, 4), 0.5)
    picture[:, :48, 3] = 0
    image = Movie(encode(tmp_path / "a.mov", [picture], PRORES_ALPHA, (1, 1, 1))).read(1)
    assert image.channels == ("R", "G", "B", "A")
    assert np.abs(image.pixels - picture).max() < 0.003


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("a.mov", PRORES_4444),
        ("a.mp4", H264 | {"options": {"g": "12", "bf": "3"}}),
        ("a.mp4", H264 | {"options": {"g": "10", "bf": "3", "x264-params": "open-gop=1"}}),
        ("a.mkv", H264 | {"options": {"g": "12"}}),
        ("a.avi", {"codec": "mjpeg", "pixels": "yuvj420p", "options": {}}),
    ],
)
def test_any_order_gives_the_frames_of_the_sequence(tmp_path, name, clip):
    """Jumping about gives bit for bit what playing gives, and each frame is the one of its number."""
    count = 40
    path = encode(tmp_path / name, greys(count), clip)
    movie = Movie(path)
    played = [movie.read(number).pixels for number in range(1, count + 1)]
    assert movie.length == count
    levels = [frame.mean() for frame in played]
    assert np.allclose(levels, np.array([g.mean() for g in greys(count)]), atol=0.01)
    jumping = Movie(path)
    for number in np.random.default_rng(2).permutation(count) + 1:
        assert np.array_equal(jumping.read(int(number)).pixels, played[number - 1]), number


def test_irregular_movie(tmp_path):
    """A screen recording whose frames last differently long is numbered by its frames, not by its clock."""
    times = [0, 1, 5, 6, 7, 20, 21, 40]
    movie = Movie(encode(tmp_path / "a.mkv", greys(8), H264, times=times))
    backwards = [movie.read(number).pixels.mean() for number in range(8, 0, -1)]
    assert np.allclose(backwards[::-1], [g.mean() for g in greys(8)], atol=0.01)


def test_threads_share_a_movie(tmp_path):
    """Several threads that ask at once each get their frame."""
    path = encode(tmp_path / "a.mp4", greys(20), H264)
    alone, shared = Movie(path), Movie(path)
    with ThreadPoolExecutor(4) as pool:
        frames = list(pool.map(lambda number: shared.read(number).pixels, range(1, 21)))
    assert all(np.array_equal(frame, alone.read(number).pixels) for number, frame in enumerate(frames, 1))


def test_time_code_and_rate(tmp_path):
    """Each frame has the time code of its number, ready for an EXR header."""
    path = encode(tmp_path / "a.mov", greys(30), PRORES_4444 | {"metadata": {"timecode": "01:00:00:00"}})
    metadata = Movie(path).read(26).metadata
    code = metadata["timeCode"]
    assert (code.hours, code.minutes, code.seconds, code.frame) == (1, 0, 1, 1)
    assert metadata["framesPerSecond"] == Fraction(24)


def test_phone_held_upright(tmp_path):
    """A movie whose container turns it by 90 degrees clockwise is read as it is seen."""
    picture = bars(640, 480)
    path = encode(tmp_path / "a.mp4", [picture], H264, matrix=BT601)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    image = Movie(path).read(1)
    assert (image.data_window.width, image.data_window.height) == (480, 640)
    assert np.abs(image.pixels - np.rot90(picture, -1)).mean() < 0.02


def test_sequence_of_a_movie(tmp_path):
    """A movie is a sequence from frame 1, alone in its folder or by name, and pairs by number."""
    encode(tmp_path / "clip_v003.mov", greys(6), PRORES_4444)
    plate = open_sequence(tmp_path, (2, 3, 9))
    assert (plate.frames, plate.missing, plate.name, plate.is_movie) == ((2, 3), (9,), "clip_v003", True)
    assert plate.path(2) == tmp_path / "clip_v003.mov"
    hint = open_sequence(tmp_path / "clip_v003.mov")
    check_covers(plate, hint)
    assert np.array_equal(plate.read(3).pixels, hint.read(3).pixels)
    assert plate.fingerprint(3) == hint.fingerprint(3) != hint.fingerprint(4)
    assert hint.describe() == "clip_v003.mov 1-6 (6 frames)"
    with pytest.raises(InputError, match="no layer 'fg'"):
        open_sequence(tmp_path, layer="fg")


def test_damaged_movies_are_refused(tmp_path):
    """Random bytes, half a file and sound alone are refused with a sentence; so is a frame that is not there."""
    path = encode(tmp_path / "a.mov", greys(6), PRORES_4444)
    with pytest.raises(InputError, match="has no frame 7; it has 1-6"):
        Movie(path).read(7)
    for damaged in (b"", np.random.default_rng(1).bytes(5000), path.read_bytes()[:20000]):
        (tmp_path / "b.mov").write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read as a movie"):
            Movie(tmp_path / "b.mov")
    with av.open(str(tmp_path / "c.mov"), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=48000)
        silence = av.AudioFrame(format="s16", layout="stereo", samples=1024)
        silence.sample_rate = 48000
        container.mux(sound.encode(silence))
    with pytest.raises(InputError, match="no picture"):
        Movie(tmp_path / "c.mov")


def test_end_that_never_arrived(tmp_path):
    """A movie cut short in a copy gives the frames that are there, and a sentence for the others."""
    path = encode(tmp_path / "a.mkv", greys(30, (240, 320)), H264 | {"options": {"g": "1", "crf": "1"}})
    whole = Movie(path)
    third = whole.read(3).pixels
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    cut = Movie(path)
    assert 10 < cut.length < 20
    assert np.array_equal(cut.read(3).pixels, third)
    with pytest.raises(InputError, match="cannot be read as a movie: frame 30 is missing"):
        whole.read(30)


def test_without_pyav_the_sentence_says_what_to_install(tmp_path):
    """Everything but movies works without PyAV."""
    program = (
        "import sys; sys.modules['av'] = None\n"
        "from corridorkey_models.errors import InputError\n"
        "from corridorkey_server.footage.sequence import open_sequence\n"
        "try:\n"
        "    open_sequence(sys.argv[1])\n"
        "except InputError as error:\n"
        "    assert 'install corridorkey-comp[movies]' in str(error)\n"
        "    assert 'torch' not in sys.modules\n"
        "else:\n"
        "    raise SystemExit(1)\n"
    )
    (tmp_path / "a.mov").write_bytes(b"")
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.mov")], check=True)
