"""The verbs of `wayscan forecast`. A function is a command; its parameters and the settings are its flags."""

import json as json_format
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from wayscan.data.fonts import Language
from wayscan.forecast.config import MODELS, ForecastConfig, ModelType
from wayscan.forecast.flags import with_data, with_settings

DONE, FAILED = 0, 1
BUNDLED = "forecast-sunspots"


@with_settings
def train(
    config: ForecastConfig, *, out: Path = Path("runs/forecast"), resume: bool = False,
    csv: Path | None = None, refresh: bool = False, json: bool = False,
) -> int:  # fmt: skip
    """Train one model in a run folder, and judge it.

    Args:
        out: the run folder.
        resume: go on with the run in it; its own settings hold, and no others are needed.
        csv: a file that stands in for a ticker that cannot be fetched.
        refresh: fetch a ticker although it is cached.
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.data.runs.folder import Run
    from wayscan.forecast.run import Forecaster
    from wayscan.forecast.train import DivergedError, config_of_run, train_run

    if resume:
        config = config_of_run(Run.open(out))
    series = _series(config, csv, refresh)
    _note_alias(config)
    try:
        with _progress(config) as after_epoch:
            run, network = train_run(series, config, out, resume=resume, after_epoch=after_epoch)
    except DivergedError as error:
        return _fail(error)
    Forecaster(config).take(network, series).save_pretrained(run.path / "model")
    return _report(_evaluate(network, series, config, config.model_type, run.path), json)


@with_settings
def compare(
    config: ForecastConfig, *, models: tuple[ModelType, ...] = MODELS, seeds: int = 3,
    out: Path = Path("mamba_vs_mingru.png"), csv: Path | None = None, refresh: bool = False,
    language: Language = "en", json: bool = False,
) -> int:  # fmt: skip
    """Train every model with every seed and the same budget; a table, and the seed's picture.

    Args:
        models: which.
        seeds: how many of each.
        out: where the picture goes.
        csv: a file that stands in for a ticker that cannot be fetched.
        refresh: fetch a ticker although it is cached.
        language: of the picture's labels.
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.forecast.compare import compare as run_all
    from wayscan.forecast.compare import summary
    from wayscan.forecast.series.source import say
    from wayscan.forecast.show import draw_comparison, font_settings
    from wayscan.forecast.tables import comparison_table

    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; expected 1 or more")
    font_settings(language)  # before minutes of work: is there a font?
    begun = time.perf_counter()
    series = _series(config, csv, refresh)
    comparison = run_all(series, config, models, seeds, progress=say)
    picture = draw_comparison(comparison, out, language)
    result = summary(comparison) | {"figure": str(picture), "seconds": time.perf_counter() - begun}
    if json:
        _print_json(result)
    else:
        print(comparison_table(result))
        print(f"\n{picture}")
    return DONE if all(comparison.of(model) for model in comparison.models) else FAILED


@with_data
def evaluate(
    chosen: dict[str, Any], model: str = BUNDLED, /, *, csv: Path | None = None, refresh: bool = False,
    json: bool = False,
) -> int:  # fmt: skip
    """Judge a trained model on the last part of a series, beside the baselines.

    Its own settings say which columns, windows and parts; the series is the one it was trained on, unless
    --data names another.

    Args:
        model: a run folder, a model folder, or the name of a model in the package.
        csv: a file that stands in for a ticker that cannot be fetched.
        refresh: fetch a ticker although it is cached.
        json: print one JSON object as the last line of standard output.
    """
    forecaster, series = _model_and_series(model, chosen, csv, refresh)
    return _report(_evaluate(forecaster.network, series, forecaster.config, model), json)


@with_data
def run(
    chosen: dict[str, Any], model: str = BUNDLED, /, *, horizon: int = 12, csv: Path | None = None,
    refresh: bool = False, json: bool = False,
) -> int:  # fmt: skip
    """Forecast the values that come after the last row of a series.

    Args:
        model: a run folder, a model folder, or the name of a model in the package.
        horizon: how many values.
        csv: a file that stands in for a ticker that cannot be fetched.
        refresh: fetch a ticker although it is cached.
        json: print one JSON object as the last line of standard output.
    """
    forecaster, series = _model_and_series(model, chosen, csv, refresh)
    values = forecaster.predict(horizon, past=series.values).tolist()
    if json:
        result = {"system": "forecast", "model": model, "data": series.table.about()}
        _print_json(result | {"synthetic": series.table.synthetic, "forecast": values})
    else:
        print(
            f"{series.table.name}, after {series.table.dates[-1]} ({series.levels[-1]:g} {series.table.unit})"
        )
        print("\n".join(f"{ahead:>4}  {value:.6g}" for ahead, value in enumerate(values, 1)))
    return DONE


@with_data
def show(
    chosen: dict[str, Any], model: str = BUNDLED, /, *, out: Path | None = None, horizon: int = 12,
    csv: Path | None = None, refresh: bool = False, language: Language = "en",
) -> int:  # fmt: skip
    """Draw a model's forecasts beside what came; of a run folder its curves as well.

    Args:
        model: a run folder, a model folder, or the name of a model in the package.
        out: where the picture goes; figures/forecast.png in a run folder, forecast.png otherwise.
        horizon: how many values after the last row.
        csv: a file that stands in for a ticker that cannot be fetched.
        refresh: fetch a ticker although it is cached.
        language: of the labels.
    """
    from wayscan.data.runs.folder import is_run
    from wayscan.forecast.evaluate import forecasts
    from wayscan.forecast.show import draw_forecast
    from wayscan.train.show import draw_curves

    forecaster, series = _model_and_series(model, chosen, csv, refresh)
    ahead = forecaster.predict(horizon if len(series.columns) == 1 else 1, past=series.values)
    figures = Path(model) / "figures" if is_run(Path(model)) else Path()
    judged = forecasts(forecaster.network, series, series.part(series.judged))
    out = out or figures / "forecast.png"
    print(draw_forecast(series, judged, ahead, forecaster.config.model_type, out, language))
    if is_run(Path(model)):
        print(draw_curves(model, figures / "curves.png", language))
    return DONE


def export(model: str = BUNDLED, /, *, out: Path = Path("forecast.onnx"), json: bool = False) -> int:
    """Write a model as an ONNX graph, and check it against NumPy with onnxruntime if that is installed.

    Args:
        model: a run folder, a model folder, or the name of a model in the package.
        out: the file.
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.forecast.export import export_onnx, largest_difference

    forecaster = _forecaster(model)
    path = export_onnx(forecaster.network, out)
    difference = largest_difference(forecaster.network, path, forecaster.config.seq_len)
    if json:
        _print_json({"system": "forecast", "model": model, "file": str(path), "difference": difference})
    else:
        checked = "not checked: no onnxruntime" if difference is None else f"{difference:.1e} from NumPy"
        print(f"{path} ({checked})")
    return DONE if difference is None or difference < 1e-4 else FAILED


VERBS: dict[str, Callable[..., int]] = {
    command.__name__: command for command in (train, compare, evaluate, run, show, export)
}


def _series(config: ForecastConfig, csv: Path | None, refresh: bool, scaling: Any = None) -> Any:
    """The series that the settings name, ready; what was done to it is told."""
    from wayscan.forecast.data import prepare, say_flattery
    from wayscan.forecast.series.source import load_series, say

    table = load_series(config, fallback=csv, refresh=refresh)
    for note in (f"SYNTHETIC data: {table.source}",) if table.synthetic else ():
        say(note)
    for note in table.notes:
        say(f"{table.name}: {note}")
    series = prepare(table, config, scaling)
    say_flattery(series)
    return series


def _forecaster(model: str) -> Any:
    from wayscan.forecast.run import Forecaster

    inside = Path(model) / "model"
    return Forecaster.from_pretrained(inside if inside.is_dir() else model)


def _model_and_series(model: str, chosen: dict[str, Any], csv: Path | None, refresh: bool) -> Any:
    """A trained model and the series to use it on: its own settings, but for those that the flags chose."""
    forecaster = _forecaster(model)
    forecaster.config = replace(forecaster.config, **chosen)
    return forecaster, _series(forecaster.config, csv, refresh, forecaster.scaling)


def _evaluate(
    network: Any, series: Any, config: ForecastConfig, model: str, folder: Path | None = None
) -> Mapping[str, Any]:
    from wayscan.forecast.evaluate import evaluation

    result = evaluation(network, series, model=model, seed=config.seed, season=config.season)
    return result if folder is None else result | {"run": str(folder)}


def _report(result: Mapping[str, Any], json: bool) -> int:
    from wayscan.forecast.tables import evaluation_table

    if json:
        _print_json(result)
    else:
        print(evaluation_table(result))
    return DONE


def _note_alias(config: ForecastConfig) -> None:
    from wayscan.forecast.series.source import say

    if config.model != config.model_type:
        say(
            f"{config.model_type!r} is the seed's name for a cell with a reset gate, which is a GRU: "
            f"{config.model}. minGRU itself is --model-type mingru"
        )


@contextmanager
def _progress(config: ForecastConfig) -> Iterator[Callable[[Any], None]]:
    """A bar over the epochs, on standard error if that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(config.model_type, total=config.n_epochs)

        def after_epoch(epoch: Any) -> None:
            text = f"{config.model_type}  validation {epoch.validation_loss:.4g}"
            bar.update(task, completed=epoch.epoch, description=text)

        yield after_epoch


def _print_json(value: object) -> None:
    print(json_format.dumps(value, ensure_ascii=False))


def _fail(error: Exception) -> int:
    print(f"wayscan: {error}", file=sys.stderr)
    return FAILED
