"""What an evaluation says and leaves: JSON, intervals, result files, figures."""

import io
import json
import zipfile

import numpy as np
import pytest

from wayscan.data.records import Clip
from wayscan.track.evaluate import BASELINE, Answer, Journey, StaticBox, evaluate
from wayscan.track.report import Evaluation
from wayscan.track.show import draw
from wayscan.track.submit import write_submission


def clip(name, speed, frames=12):
    boxes = np.array([[20.0 + speed * k, 30, 20, 20] for k in range(frames)])
    return Clip(name=name, frames=np.zeros((frames, 80, 160, 3), np.uint8), boxes=boxes)


CLIPS = [clip("slow", 0.5), clip("fast", 6.0), clip("middle", 2.0)]


class Late:
    """Half a box behind."""

    def start(self, frame, box):
        self.box = np.asarray(box, dtype=np.float64)
        return Answer(self.box, 1.0, False)

    def step(self, frame):
        self.box = self.box + np.array([2.0, 0, 0, 0])
        return Answer(self.box, 0.7, False)


def evaluation(clips=CLIPS):
    results = evaluate(clips, {"late": Late, BASELINE: StaticBox})
    return Evaluation(
        model="late", data="three clips", synthetic=True, seed=0, seconds=1.0,
        result=results["late"], baselines={BASELINE: results[BASELINE]},
    )  # fmt: skip


def test_json_has_the_agreed_keys():
    spoken = evaluation().to_json()
    keys = (
        "system", "model", "data", "synthetic", "n", "seed", "metrics", "intervals", "baselines", "peers",
        "references", "seconds",
    )  # fmt: skip
    assert tuple(spoken) == keys
    assert {"auc", "ao", "sr50", "sr75", "precision", "norm_precision", "fps"} <= set(spoken["metrics"])
    assert spoken["n"] == 3
    assert spoken["metrics"]["auroc"] is None or 0 <= spoken["metrics"]["auroc"] <= 1
    json.dumps(spoken, allow_nan=False)
    assert set(spoken["baselines"]) == {"static box"}


def test_intervals_hold_the_value_and_the_spread_of_the_clips():
    result = evaluation().result
    for name, (low, high) in result.intervals.items():
        assert low <= result.metrics[name] <= high, name
    each = [result.clips[name]["auc"] for name in result.clips]
    low, high = result.intervals["auc"]
    assert min(each) - 1e-9 <= low < high <= max(each) + 1e-9
    alone = evaluation(CLIPS[:1]).result
    assert alone.intervals["ao"] == pytest.approx((alone.metrics["ao"],) * 2)


def test_metrics_over_clips_are_those_of_the_toolkits():
    """AO over all frames, AUC over sequences."""
    long = [clip("long", 0.0, frames=30), clip("short", 6.0, frames=5)]
    result = evaluate(long, {"static": StaticBox})["static"]
    frames = {"long": 29, "short": 4}
    joined = sum(result.clips[name]["ao"] * count for name, count in frames.items()) / 33
    assert result.metrics["ao"] == pytest.approx(joined)
    assert result.metrics["auc"] == pytest.approx(np.mean([result.clips[name]["auc"] for name in frames]))


def test_a_truth_of_one_box_gives_result_files_but_no_metrics(tmp_path):
    boxes = np.full((6, 4), np.nan)
    boxes[0] = (20, 30, 20, 20)
    hidden = Clip(
        name="hidden", frames=np.zeros((6, 80, 160, 3), np.uint8), boxes=boxes, absent=np.zeros(6, bool)
    )
    result = evaluate([hidden], {"late": Late})["late"]
    assert result.metrics == {}
    assert result.journeys["hidden"].boxes.shape == (6, 4)
    both = evaluate([hidden, CLIPS[0]], {"late": Late})["late"]
    assert set(both.clips) == {"slow"}
    assert set(both.journeys) == {"hidden", "slow"}


JOURNEYS = {
    "GOT-10k_Test_000001": Journey(
        boxes=np.array([[1.0, 2, 3, 4], [1.23456, 2, 3, 4.5]]),
        scores=np.ones(2), lost=np.zeros(2, bool), times=np.array([0.01, 0.02]),
    )
}  # fmt: skip
FIRST = "GOT-10k_Test_000001"


def test_got10k_zip(tmp_path):
    packed = write_submission(JOURNEYS, "got10k", tmp_path)
    with zipfile.ZipFile(packed) as archive:
        assert sorted(archive.namelist()) == [f"{FIRST}/{FIRST}_001.txt", f"{FIRST}/{FIRST}_time.txt"]
        boxes = archive.read(f"{FIRST}/{FIRST}_001.txt").decode()
        times = archive.read(f"{FIRST}/{FIRST}_time.txt").decode()
    assert boxes == "1.000,2.000,3.000,4.000\n1.235,2.000,3.000,4.500\n"
    assert [float(line) for line in times.splitlines()] == [0.01, 0.02]


@pytest.mark.parametrize(("benchmark", "separator"), [("lasot", "\t"), ("otb", "\t"), ("trackingnet", ",")])
def test_one_file_a_sequence(tmp_path, benchmark, separator):
    written = write_submission(JOURNEYS, benchmark, tmp_path)
    text = (tmp_path / benchmark / f"{FIRST}.txt").read_text()
    assert text.splitlines()[0] == separator.join(["1.000", "2.000", "3.000", "4.000"])
    assert written.suffix == (".zip" if benchmark == "trackingnet" else "")


def test_an_unknown_benchmark_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected one of got10k, lasot"):
        write_submission(JOURNEYS, "uav123", tmp_path)


def test_figures_and_files_of_an_evaluation(tmp_path):
    names = {path.name for path in evaluation().keep(tmp_path, "otb")}
    assert names == {"report.json", "curves.png", "sequences.png", "otb"}
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("curves.png", "sequences.png"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["trackers"]) == ["late", BASELINE]
    assert len(report["trackers"]["late"]["curves"]["success"]) == 21


def test_the_course_of_a_run(tmp_path):
    lines = ["frame,time,x,y,w,h,score,lost"]
    lines += [f"{k},{k / 30:.3f},1,2,{10 + k},{20},{0.9 if k < 6 else 0.1},{int(k > 8)}" for k in range(20)]
    (tmp_path / "boxes.csv").write_text("\n".join(lines) + "\n")
    (path,) = draw(tmp_path, tmp_path)
    assert path.stat().st_size > 10_000
    (tmp_path / "boxes.csv").write_text(lines[0] + "\n")
    with pytest.raises(ValueError, match="no line below its head"):
        draw(tmp_path, tmp_path)


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds neither report\.json"):
        draw(tmp_path, tmp_path)


def test_a_table_for_people():
    from rich.console import Console

    console = Console(width=140, record=True, file=io.StringIO())
    console.print(evaluation().table())
    text = console.export_text()
    assert "late" in text
    assert "static box" in text
    assert "95 % interval" in text
