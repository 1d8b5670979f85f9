"""`wayscan track run --select` in a real window on a virtual screen: a drag and Enter, or Escape."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

from wayscan.data.video import write_video

pytest.importorskip("tkinter", reason="this Python has no tkinter")
pytestmark = pytest.mark.skipif(
    not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="no Xvfb and xdotool"
)

SCREEN = (400, 300)
PICTURE = (640, 480)  # larger than the screen, so that it is shown at 0.85 × 300 / 480
SCALE = 0.85 * SCREEN[1] / PICTURE[1]
TARGET = (200, 160, 80, 96)


@pytest.fixture
def screen():
    """A screen that is nobody's; its name."""
    ours, theirs = os.pipe()
    server = subprocess.Popen(
        [
            "Xvfb",
            "-displayfd",
            str(theirs),
            "-screen",
            "0",
            f"{SCREEN[0]}x{SCREEN[1]}x24",
            "-nolisten",
            "tcp",
        ],
        pass_fds=[theirs],
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    with os.fdopen(ours) as told:
        number = told.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.fixture
def video(tmp_path):
    frames = np.full((3, PICTURE[1], PICTURE[0], 3), 90, np.uint8)
    x, y, w, h = TARGET
    frames[:, y : y + h, x : x + w] = np.random.default_rng(0).integers(0, 255, (h, w, 3))
    write_video(tmp_path / "clip.mp4", frames, 25)
    return tmp_path / "clip.mp4"


class Person:
    """Somebody before that screen, who calls `wayscan` and has a mouse and a keyboard."""

    def __init__(self, screen):
        self.environment = {**os.environ, "DISPLAY": screen}

    @contextmanager
    def calling(self, *words):
        command = [sys.executable, "-c", "from wayscan import cli; raise SystemExit(cli.main())"]
        with subprocess.Popen(
            [*command, *map(str, words)], env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as called:  # fmt: skip
            try:
                yield called
            finally:
                called.kill()

    def does(self, *words):
        done = subprocess.run(
            ["xdotool", *map(str, words)], env=self.environment, capture_output=True, text=True
        )
        return done.stdout if done.returncode == 0 else ""

    def sees(self, title, called, seconds=60):
        """The window's left upper corner, once it is there."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and called.poll() is None:
            if window := self.does("search", "--onlyvisible", "--name", title).split():
                place = self.does("getwindowgeometry", "--shell", window[-1])
                found = dict(line.split("=") for line in place.splitlines())
                return int(found["X"]), int(found["Y"])
            time.sleep(0.1)
        called.kill()
        raise AssertionError(f"no window {title!r}: {called.communicate()}")


def test_a_drag_in_the_window_is_what_is_followed(screen, video, tmp_path):
    person = Person(screen)
    with person.calling("track", "run", video, "--select", "--out", tmp_path / "out", "--json") as following:
        left, top = person.sees("drag a box around the target", following)
        x, y, w, h = (round(SCALE * value) for value in TARGET)
        person.does("mousemove", left + x, top + y, "sleep", 0.2, "mousedown", 1, "sleep", 0.2)
        person.does("mousemove", left + x + w // 2, top + y + h // 2, "sleep", 0.2)
        person.does("mousemove", left + x + w, top + y + h, "sleep", 0.2, "mouseup", 1, "key", "Return")
        out, error = following.communicate(timeout=120)
    assert following.returncode == 0, error
    assert json.loads(out)["frames"] == 3
    first = (tmp_path / "out" / "boxes.csv").read_text().splitlines()[1].split(",")
    assert [float(value) for value in first[2:6]] == pytest.approx(TARGET, abs=1 / SCALE)


def test_escape_gives_up(screen, video, tmp_path):
    person = Person(screen)
    with person.calling("track", "run", video, "--select", "--out", tmp_path / "out") as following:
        left, top = person.sees("drag a box around the target", following)
        person.does("mousemove", left + 30, top + 30, "sleep", 0.2, "key", "Escape")
        out, error = following.communicate(timeout=120)
    assert (following.returncode, out) == (2, "")
    assert "no box was selected; drag one and press Enter, or give --box x,y,w,h" in error
    assert not (tmp_path / "out" / "boxes.csv").exists()
