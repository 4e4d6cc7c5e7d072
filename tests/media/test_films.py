"""Films show the colours that were put in, whichever tool decodes them."""

import av
import cv2
import numpy as np
import pytest

from models_backend.media import films

COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (200, 80, 60), (30, 60, 140), (128, 128, 128),
                    (250, 250, 250), (5, 5, 5), (0, 255, 255)], np.uint8)  # fmt: skip
SIDE = 24


def patches(height, width):
    """A row of coloured squares, cut to size."""
    strip = np.concatenate([np.broadcast_to(colour, (height, SIDE, 3)) for colour in COLOURS], 1)
    return np.ascontiguousarray(strip[:, :width])


def middles(picture):
    return picture[SIDE // 2, SIDE // 2 :: SIDE].astype(int)


def through_av(path):
    with av.open(str(path)) as film:
        frame = list(film.decode(video=0))[2]
        tags = (int(frame.colorspace), int(frame.color_range))
        stated = {1: "ITU709", 5: "ITU601"}[tags[0]]
        told = frame.reformat(format="rgb24", src_colorspace=stated, src_color_range=tags[1]).to_ndarray()
        return tags, frame.to_ndarray(format="rgb24"), told


def through_cv2(path):
    film = cv2.VideoCapture(str(path))
    frames = [film.read()[1] for _ in range(3)]
    return frames[2][..., ::-1]


@pytest.mark.parametrize("cut", [(0, 0), (1, 1), (3, 7)])
@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
def test_players_are_told_bt709_and_show_the_same_colours(tmp_path, name, cut):
    frame = patches(SIDE + cut[0], len(COLOURS) * SIDE - cut[1])
    path = films.write_film(tmp_path / name, [frame] * 5, 5)
    tags, plain, told = through_av(path)
    assert tags == (1, 1) and plain.shape[0] % 2 == plain.shape[1] % 2 == 0
    for seen in (plain, told, through_cv2(path)):
        assert abs(middles(seen) - COLOURS.astype(int)).max() <= 3


@pytest.mark.parametrize("size", [(SIDE, len(COLOURS) * SIDE), (720, 1280)])
def test_without_pyav_the_key_frames_say_bt601(tmp_path, monkeypatch, size):
    monkeypatch.setattr(films, "_codec", lambda kind: None)
    frame = np.broadcast_to(np.array((200, 80, 60), np.uint8), (*size, 3)) if size[0] > SIDE else patches(*size)
    path = films.write_film(tmp_path / "film.webm", [frame] * 5, 5)
    tags, plain, told = through_av(path)
    assert tags == (5, 1)
    for seen in (plain, told, through_cv2(path)):
        assert abs(seen[12, 12::24].astype(int) - frame[12, 12::24]).max() <= 8


def test_other_bytes_of_a_film_stay_as_they_are(tmp_path):
    sync, size = b"\x49\x83\x42", (216, 24)
    frame = b"\x82" + sync + ((215 << 16 | 23) << 4).to_bytes(5, "big")
    data = b"begin" + sync + bytes(9) + frame + b"\x82" + sync + b"other size" + b"end"
    (tmp_path / "film").write_bytes(data)
    films._tell_bt601(tmp_path / "film", size)
    changed = (tmp_path / "film").read_bytes()
    assert [i for i, (a, b) in enumerate(zip(data, changed)) if a != b] == [data.index(frame) + 4] and len(changed) == len(data)
