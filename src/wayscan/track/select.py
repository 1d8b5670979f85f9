"""Choosing the first box with the mouse, in a window of the standard library's."""

from collections.abc import Callable
from typing import Any

from wayscan.data.footage import Image

Corners = tuple[float, float, float, float]
HELP = "drag a box around the target, Enter accepts, Escape gives up"
NO_WINDOW = "--select needs a window, but {}; give --box x,y,w,h instead"
LEAST = 3  # pixels on the screen; anything smaller is a click


class RubberBand:
    """The rectangle that the mouse spans on a picture shown at `scale` screen pixels a pixel."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.corners: Corners | None = None

    def press(self, x: float, y: float) -> None:
        self.corners = (x, y, x, y)

    def drag(self, x: float, y: float) -> None:
        if self.corners is not None:
            self.corners = (*self.corners[:2], x, y)

    @property
    def box(self) -> Corners | None:
        """x, y, w, h in pixels of the picture; None while there is nothing to speak of.

        >>> band = RubberBand(scale=2.0)
        >>> band.press(40, 60)
        >>> band.drag(20, 20)
        >>> band.box
        (10.0, 10.0, 10.0, 20.0)
        """
        if self.corners is None:
            return None
        x1, y1, x2, y2 = self.corners
        if min(abs(x2 - x1), abs(y2 - y1)) < LEAST:
            return None
        left, top = min(x1, x2) / self.scale, min(y1, y2) / self.scale
        return left, top, abs(x2 - x1) / self.scale, abs(y2 - y1) / self.scale


def select_box(image: Image) -> Corners:
    """Show a picture and let a person span the box; a ValueError where that cannot be or was given up."""
    try:
        import tkinter
    except ImportError as fault:
        raise ValueError(NO_WINDOW.format("this Python has no tkinter")) from fault
    try:
        root = tkinter.Tk()
    except tkinter.TclError as fault:
        raise ValueError(NO_WINDOW.format(f"there is no display ({str(fault).splitlines()[0]})")) from fault
    try:
        return _ask(tkinter, root, image)
    finally:
        root.destroy()


def _ask(tkinter: Any, root: Any, image: Image) -> Corners:
    root.title(HELP)
    scale = min(1.0, 0.9 * root.winfo_screenwidth() / image.shape[1],
                0.85 * root.winfo_screenheight() / image.shape[0])  # fmt: skip
    shown = _scaled(image, scale)
    height, width = shown.shape[:2]
    picture = tkinter.PhotoImage(master=root, data=b"P6 %d %d 255\n" % (width, height) + shown.tobytes())
    canvas = tkinter.Canvas(root, width=width, height=height, highlightthickness=0, cursor="crosshair")
    canvas.pack()
    canvas.create_image(0, 0, anchor="nw", image=picture)
    outline = canvas.create_rectangle(0, 0, 0, 0, outline="#28dc5a", width=2)
    band = RubberBand(scale)

    def moved(change: Callable[[float, float], None]) -> Callable[[Any], None]:
        def on_mouse(event: Any) -> None:
            change(min(max(event.x, 0), width), min(max(event.y, 0), height))
            canvas.coords(outline, *(band.corners or (0, 0, 0, 0)))

        return on_mouse

    accepted: list[Corners] = []

    def accept(event: Any) -> None:
        if band.box is not None:
            accepted.append(band.box)
            root.quit()

    canvas.bind("<ButtonPress-1>", moved(band.press))
    canvas.bind("<B1-Motion>", moved(band.drag))
    root.bind("<Return>", accept)
    root.bind("<Escape>", lambda event: root.quit())
    root.protocol("WM_DELETE_WINDOW", root.quit)
    root.mainloop()
    if not accepted:
        raise ValueError("no box was selected; drag one and press Enter, or give --box x,y,w,h")
    return accepted[0]


def _scaled(image: Image, scale: float) -> Image:
    if scale == 1:
        return image
    import cv2

    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
