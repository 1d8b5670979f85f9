"""Training that can be killed at any moment and goes on to the same numbers."""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Batch": ".task",
        "Checkpointer": ".checkpoint",
        "ExponentialAverage": ".average",
        "Interruption": ".interruption",
        "Observer": ".task",
        "OptimConfig": ".config",
        "Outcome": ".task",
        "Processes": ".distributed",
        "RecordStream": ".loader",
        "Resumable": ".task",
        "Result": ".task",
        "StepReport": ".task",
        "Task": ".task",
        "TrainConfig": ".config",
        "Learner": ".learner",
        "Trainer": ".loop",
        "TrainingFailedError": ".task",
        "TrainingSet": ".task",
        "adamw": ".optim",
        "deterministic": ".determinism",
        "draw_curves": ".show",
        "generator": ".determinism",
        "learning_rate_factor": ".optim",
        "load_weights": ".checkpoint",
        "parameter_groups": ".optim",
        "seed_everything": ".determinism",
        "seed_of": ".determinism",
        "weights_hash": ".modules",
    },
)
