"""The verbs from the shell: what is written, what is said, and what is refused in one line."""

import json

import cv2
import numpy as np
import pytest
import torch

from wayscan import cli
from wayscan.data.formats.got10k import write_split
from wayscan.data.records import Clip
from wayscan.data.video import write_video
from wayscan.track.config import LoopConfig, preset
from wayscan.track.model import TrackModel
from wayscan.track.run import Tracker
from wayscan.track.train_config import TrackTrainConfig


@pytest.fixture(autouse=True)
def tracking(monkeypatch):
    monkeypatch.setitem(cli.SYSTEMS, "track", "Follow a target.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, a video, a folder of images, and sequences in GOT-10k's and OTB's layouts."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("track")
    config = preset("nano", width=32, depth=1, stem_width=16, dense_width=8)
    Tracker(TrackModel(config), LoopConfig(lost_score=0, found_score=0)).save_pretrained(place / "model")
    frames = np.random.default_rng(0).integers(0, 255, (6, 80, 120, 3), dtype=np.uint8)
    boxes = np.array([[20.0 + k, 30, 20, 20] for k in range(6)])
    write_video(place / "clip.mp4", frames, 25)
    write_split([Clip(name=f"s{k}", frames=frames, boxes=boxes) for k in range(2)], place / "got", "val")
    (place / "otb" / "Ball" / "img").mkdir(parents=True)
    for k, frame in enumerate(frames):
        cv2.imwrite(str(place / "otb" / "Ball" / "img" / f"{k + 1:04d}.jpg"), frame)
    lines = ["\t".join(str(int(value)) for value in box) for box in boxes]
    (place / "otb" / "Ball" / "groundtruth_rect.txt").write_text("\n".join(lines))
    return place


def wayscan(capsys, *words):
    code = cli.main([str(word) for word in words])
    out, error = capsys.readouterr()
    return code, out, error


def spoken(out):
    """The JSON object, which must be all of standard output."""
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.mark.parametrize("source", ["clip.mp4", "otb/Ball/img"])
def test_run(capsys, folder, tmp_path, source):
    words = ("--box", "20,30,20,20", "--model", folder / "model", "--out", tmp_path, "--json")
    code, out, _ = wayscan(capsys, "track", "run", folder / source, *words)
    assert code == 0
    assert spoken(out)["frames"] == 6
    assert {path.name for path in tmp_path.iterdir()} == {"boxes.csv", "tracked.mp4", "summary.json"}
    code, out, _ = wayscan(capsys, "track", "show", tmp_path)
    assert (code, out) == (0, f"{tmp_path / 'course.png'}\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "expected either --box x,y,w,h or --select"),
        (("--box", "1,2,3,4", "--select"), "expected either"),
        (("--box", "1,2,3"), "expected four numbers"),
        (("--box", "a,b,c,d"), "expected four numbers"),
        (("--box", "500,30,20,20"), "shows less than one pixel of the 120 x 80 frame"),
        (("--box", "10,10,0,20"), "w, h > 0"),
        (("--box", "nan,10,20,20"), "finite"),
        (("--box", "20,30,20,20", "--frames", "0"), "expected 1 or more"),
        (("--box", "20,30,20,20", "--model", "track-nanu"), "did you mean track-nano"),
    ],
)
def test_run_refuses_in_one_line(capsys, folder, tmp_path, words, complaint):
    given = () if "--model" in words else ("--model", folder / "model")
    code, out, error = wayscan(
        capsys, "track", "run", folder / "clip.mp4", *words, *given, "--out", tmp_path / "out"
    )
    said = [line for line in error.splitlines() if line.startswith("wayscan: ")]
    assert (code, out, len(said)) == (2, "", 1)
    assert complaint in said[0]
    assert not (tmp_path / "out").exists()


def test_run_says_what_is_no_video(capsys, folder, tmp_path):
    (tmp_path / "empty.mp4").touch()
    for name, complaint in (("empty.mp4", "is empty"), ("none.mp4", "does not exist")):
        code, _, error = wayscan(
            capsys, "track", "run", tmp_path / name, "--box", "1,1,9,9", "--model", folder / "model"
        )
        assert code == 2
        assert complaint in error


@pytest.mark.parametrize(("data", "count"), [("got", 2), ("otb", 1)])
def test_evaluate_files(capsys, folder, tmp_path, data, count):
    words = ("--model", folder / "model", "--data", folder / data, "--against", "kcf", "--json")
    code, out, _ = wayscan(
        capsys, "track", "evaluate", *words, "--out", tmp_path, "--submit", "got10k", "--starts", 2
    )
    said = spoken(out)
    assert code == 0
    assert said["n"] == count
    assert said["synthetic"] is False
    assert set(said["peers"]) == {"kcf"}
    assert (tmp_path / "got10k.zip").is_file()


def test_evaluate_sprites(capsys, folder):
    words = ("--model", folder / "model", "--count", 1, "--purpose", "tuning", "--json")
    code, out, _ = wayscan(capsys, "track", "evaluate", *words)
    said = spoken(out)
    assert code == 0
    assert said["synthetic"] is True
    assert "tuning seed 100000" in said["data"]
    assert 0 <= said["baselines"]["static box"]["ao"] < 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--against", "goturn"), "expected some of csrt, kcf, mil"),
        (("--data", "no/such/folder"), "do"),
        (("--starts", "0"), "expected 1"),
        (("--count", "0"), "1 or more"),
    ],
)
def test_evaluate_refuses(capsys, folder, words, complaint):
    code, out, error = wayscan(capsys, "track", "evaluate", "--model", folder / "model", *words)
    assert (code, out) == (2, "")
    assert complaint in error


def test_a_broken_line_is_named(capsys, folder, tmp_path):
    (tmp_path / "Ball" / "img").mkdir(parents=True)
    for path in (folder / "otb" / "Ball" / "img").iterdir():
        (tmp_path / "Ball" / "img" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "Ball" / "groundtruth_rect.txt").write_text("20,30,20,20\n21,30,20\n")
    code, _, error = wayscan(capsys, "track", "evaluate", "--model", folder / "model", "--data", tmp_path)
    assert code == 2
    assert "groundtruth_rect.txt, line 2" in error


def test_every_checkpoint_of_a_run(capsys, folder, tmp_path):
    """A run as training leaves it, with two checkpoints and the best weights, but without a model yet."""
    from wayscan.data.runs.folder import Run
    from wayscan.train.checkpoint import Checkpointer

    run = Run.create(tmp_path / "run", config=TrackTrainConfig(preset="nano"))
    model = TrackModel(TrackTrainConfig(preset="nano").network())
    with run.lock():
        checkpointer = Checkpointer(run.checkpoints())
        average = {"updates": 1, "average": {name: p.detach() for name, p in model.named_parameters()}}
        for step in (10, 20):
            checkpointer.save(step, {"step": step, "model": model.state_dict(), "average": average})
        checkpointer.save_best(20, model.state_dict(), {"metric": "iou"})
        checkpointer.close()
    words = ("--model", run.path, "--data", folder / "otb", "--json")
    code, out, _ = wayscan(capsys, "track", "evaluate", *words, "--checkpoints", "all")
    said = spoken(out)
    assert code == 0
    assert said["model"] == "best"
    assert set(said["checkpoints"]) == {"step_0000000010", "step_0000000020"}
    code, _, error = wayscan(capsys, "track", "evaluate", *words)
    assert code == 2
    assert "--checkpoints all" in error


def test_help_of_every_verb(capsys):
    for verb in ("train", "run", "evaluate", "show", "export", "convert"):
        with pytest.raises(SystemExit) as ended:
            cli.main(["track", verb, "--help"])
        assert ended.value.code == 0
    assert "--box" in capsys.readouterr().out
