"""Choosing a box with the mouse, in a stand-in for the window."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from wayscan.track.select import RubberBand, select_box

IMAGE = np.zeros((100, 200, 3), dtype=np.uint8)


class Window:
    """As much of tkinter as is used; its main loop plays what a person does."""

    def __init__(self, person, screen=(1920, 1080)):
        self.person, self.screen, self.bound, self.closed = person, screen, {}, False
        self.tk = ModuleType("tkinter")
        self.tk.TclError = type("TclError", (Exception,), {})
        self.tk.Tk = lambda: self
        self.tk.PhotoImage = lambda master, data: data
        self.tk.Canvas = lambda root, **options: self
        self.pack = self.create_image = self.title = self.protocol = self.coords = lambda *a, **k: None

    def create_rectangle(self, *a, **k):
        return 1

    def winfo_screenwidth(self):
        return self.screen[0]

    def winfo_screenheight(self):
        return self.screen[1]

    def bind(self, name, call):
        self.bound[name] = call

    def mainloop(self):
        for name, *place in self.person:
            x, y = place or (0, 0)
            self.bound[name](SimpleNamespace(x=x, y=y))

    def quit(self):
        self.closed = True

    def destroy(self):
        self.closed = True


DRAG = (("<ButtonPress-1>", 40, 20), ("<B1-Motion>", 60, 30), ("<B1-Motion>", 90, 70))


@pytest.fixture
def window(monkeypatch):
    def open_window(*person, **options):
        stand_in = Window(person, **options)
        monkeypatch.setitem(sys.modules, "tkinter", stand_in.tk)
        return stand_in

    return open_window


def test_a_drag_and_enter_give_the_box(window):
    shown = window(*DRAG, ("<Return>",))
    assert select_box(IMAGE) == (40, 20, 50, 50)
    assert shown.closed


def test_a_large_picture_is_shown_smaller(window):
    window(*DRAG, ("<Return>",), screen=(111.2, 1080))  # half of 200 pixels is nine tenths of this screen
    assert select_box(IMAGE) == pytest.approx((79.94, 39.97, 99.93, 59.95), abs=0.1)


def test_outside_of_the_picture_counts_as_its_edge(window):
    window(("<ButtonPress-1>", 150, 50), ("<B1-Motion>", 900, 700), ("<Return>",))
    assert select_box(IMAGE) == (150, 50, 50, 50)


@pytest.mark.parametrize("person", [(*DRAG, ("<Escape>",)), (DRAG[0], ("<Return>",), ("<Escape>",))])
def test_giving_up_and_mere_clicks_are_no_box(window, person):
    window(*person)
    with pytest.raises(ValueError, match="no box was selected"):
        select_box(IMAGE)


def test_without_a_display_one_line_says_what_to_do(window):
    stand_in = window()

    def fail():
        raise stand_in.tk.TclError("no display name and no $DISPLAY environment variable\nmore")

    stand_in.tk.Tk = fail
    with pytest.raises(ValueError, match=r"no display .* give --box x,y,w,h") as refusal:
        select_box(IMAGE)
    assert "\n" not in str(refusal.value)


def test_without_tkinter(monkeypatch):
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(ValueError, match="no tkinter; give --box"):
        select_box(IMAGE)


def test_a_drag_to_the_upper_left():
    band = RubberBand(1.0)
    band.drag(5, 5)
    assert band.box is None
    band.press(50, 60)
    band.drag(20, 10)
    assert band.box == (20, 10, 30, 50)
