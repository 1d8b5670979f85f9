"""A browser plays the videos that we write, to their end."""

import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from wayscan.data.video import write_video

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
]
PAGE = """<video id="video" muted src="/video"></video><script>
const tell = words => fetch("/" + encodeURIComponent(words));
video.addEventListener("ended", () => tell(`ended ${video.videoWidth}x${video.videoHeight}`));
video.addEventListener("error", () => tell("error " + video.error.message));
video.play().catch(reason => tell("refused " + reason));
</script>"""


class Stage(ThreadingHTTPServer):
    """Serves the page and the video, and hears what the page says."""

    def __init__(self, video: Path) -> None:
        self.video, self.told, self.words = video.read_bytes(), threading.Event(), ""
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Stage

    def do_GET(self) -> None:
        content, kind = PAGE.encode(), "text/html"
        if self.path == "/video":
            content, kind = self.server.video, "video/mp4"
        elif self.path not in ("/", "/favicon.ico"):
            self.server.words = self.path[1:].replace("%20", " ")
            self.server.told.set()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt install chromium)")
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_browser_plays_to_the_end(suffix, tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (20, 90, 121, 3), dtype=np.uint8)  # an odd width too
    path = tmp_path / f"clip{suffix}"
    write_video(path, frames, 20)
    with Stage(path) as stage:
        threading.Thread(target=stage.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{stage.server_address[1]}/"
        command = [str(CHROMIUM), *QUIET, f"--user-data-dir={tmp_path / 'profile'}", url]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert stage.told.wait(60), "the page said nothing within a minute"
        finally:
            browser.kill()
            browser.wait()
            stage.shutdown()
    assert stage.words == "ended 122x90"
