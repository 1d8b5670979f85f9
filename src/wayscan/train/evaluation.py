"""The loss over a validation set, the same for any number of processes and data workers."""

from collections.abc import Sequence

import torch

from wayscan.train.determinism import seed_everything
from wayscan.train.learner import Learner
from wayscan.train.loader import in_order
from wayscan.train.task import TrainingSet


@torch.no_grad()
def validate(learner: Learner, records: TrainingSet) -> dict[str, float]:
    """The mean loss and parts over all `records`: {"validation/loss": ..., "validation/<part>": ...}.

    The model is used in the mode it is in; each record has the same randomness in every evaluation.
    """
    processes, config = learner.processes, learner.config
    batches = in_order(
        records,
        seed=config.seed,
        batch_size=max(1, config.batch_size // processes.count),
        rank=processes.rank,
        processes=processes.count,
        workers=config.workers,
    )
    sums: dict[str, float] = {}
    items = 0.0
    for number, batch in enumerate(batches):
        seed_everything(config.seed, "validation", number * processes.count + processes.rank)
        batch = learner.moved(batch)
        with learner.autocast():
            outcome = learner.task(learner.model, batch.data)
        count = learner.weigh(batch)
        items += count
        for name, value in {"loss": outcome.loss, **outcome.parts}.items():
            sums[name] = sums.get(name, 0.0) + float(value) * count
    return _means(processes.gather((sums, items)))


def _means(shares: Sequence[tuple[dict[str, float], float]]) -> dict[str, float]:
    items = sum(count for _, count in shares)
    names = dict.fromkeys(name for sums, _ in shares for name in sums)
    return {f"validation/{name}": sum(sums.get(name, 0.0) for sums, _ in shares) / items for name in names}
