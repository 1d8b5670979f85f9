"""Train a pilot in a run folder, on any Gymnasium environment; killed and resumed, to the same numbers.

    train(FlyTrainConfig(preset="cpu", run=Path("runs/forest")))

A step is a step of an environment. At each checkpoint all environments begin anew from (seed, step), for an
environment cannot be written down; so do noise, memory and the episodes that are counted.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.data.runs.folder import Run
from wayscan.fly.agent import VMambaTD3Agent
from wayscan.fly.course import Course
from wayscan.fly.environment import is_one_simulator, make_environment
from wayscan.fly.evaluate import Deciding, Episodes, deciding, fly_episodes, several
from wayscan.fly.fleet import Fleet
from wayscan.fly.imitate import Teacher
from wayscan.fly.memory import FrameMemory
from wayscan.fly.run import Pilot
from wayscan.fly.train_config import FlyTrainConfig
from wayscan.train.best import Best
from wayscan.train.checkpoint import Checkpointer, load_weights, put_weights
from wayscan.train.config import TrainConfig
from wayscan.train.determinism import deterministic, generator
from wayscan.train.interruption import Interruption
from wayscan.train.logging import Window
from wayscan.train.outputs import Outputs
from wayscan.train.resume import Facts, check_same
from wayscan.train.session import failure_noted, leave, newest_state
from wayscan.train.task import Observer, Result, StepReport
from wayscan.world.splits import TUNING

Floats = NDArray[np.float32]


def train(config: FlyTrainConfig) -> int:
    """Train a pilot, or go on with it; the best weights come out as RUN/model."""
    training = Training(config)
    print(training.finish(training.fit()))
    return 0


class Training:
    """One run, ready to `fit`.

    Args:
        config: what to train, on what, and how.
        make: makes an environment; that of `config` if not given.
        observers: who may look on, and stop the run; they see a report of each update.
    """

    def __init__(
        self,
        config: FlyTrainConfig,
        make: Callable[[], Any] | None = None,
        observers: tuple[Observer, ...] = (),
    ) -> None:
        self.config = config = config.resolved()
        self.make = make or (lambda: make_environment(config.env_name, config.env_options))
        if config.envs > 1 and is_one_simulator(config.env_name):
            raise ValueError(f"envs is {config.envs}; expected 1: behind {config.env_name} is one simulator")
        self.observers = observers
        self.steps = -(-(config.max_timesteps or 1) // config.envs) * config.envs
        self.interval = -(-config.save_interval // config.envs) * config.envs
        self.best = Best(config.monitor, "higher", None)
        self.stop: str | None = None

    def fit(self) -> Result:
        """Train to the end. Ctrl-C and SIGTERM raise SystemExit(130) and SystemExit(143)."""
        config = self.config
        earlier = Run.open(config.run) if config.resume else None
        threads = config.threads or (earlier.about.get("threads") if earlier else None)
        with ExitStack() as stack:
            threads = stack.enter_context(deterministic(threads))
            self.interruption = stack.enter_context(Interruption())
            self.fleet = Fleet(self.make, config.envs, config.seed)
            stack.callback(self.fleet.close)
            run = self._enter(earlier, threads, stack)
            self._build(run)
            start = self._restore(run) if earlier else 0
            self._open(run, start, stack)
            with failure_noted(self.outputs):
                if start == 0:
                    self._save(0)
                    self.checkpointer.wait()
                self._fly(start)
                self.checkpointer.wait()
            state = "stopped" if self.stop else "finished"
            self.outputs.write_state(state, self.stop)
            return Result(config.run, state, self.outputs.step, self.best.as_dict(), self.stop)

    def finish(self, result: Result) -> str:
        """Write the best weights as RUN/model; what came out, in a line."""
        which = "last" if result.best is None else "best"
        step = load_weights(self.agent.networks, result.path, which)
        folder = Pilot(self.agent.networks.policy).save_pretrained(result.path / "model")
        best = result.best
        came = "not evaluated" if best is None else f"{best['metric']} {best['value']:.4g}"
        reason = f" ({result.reason})" if result.reason else ""
        return f"{result.state}{reason}: {came} at step {step}; the pilot is in {folder}"

    # ---- the story ----------------------------------------------------------------------------------------

    def _fly(self, start: int) -> None:
        config = self.config
        for step in range(start + config.envs, self.steps + 1, config.envs):
            if self.stop:
                return
            self._move(step - config.envs)
            self.outputs.arrive(step)
            with self.outputs.timed("learning"):
                self._learn(step)
            last = step == self.steps
            if last or _passes(step, config.log_every, config.envs):
                self._log()
            if last or (config.evaluate_every and _passes(step, config.evaluate_every, config.envs)):
                self._evaluate(step)
            planned = last or bool(self.stop) or step % self.interval == 0
            if planned:
                self._save(step)
            self.checkpointer.poll()
            self._mind_interruption(step, planned)

    def _move(self, done: int) -> None:
        """One action in each environment; `done` steps are behind."""
        agent, fleet = self.agent, self.fleet
        labels = self.teacher.labels() if self.teacher and self.teacher.teaches(done) else None
        actions, meant = self._actions(done, labels)
        low, high = agent.min_action, agent.max_action
        moved = fleet.step(low + (actions + 1) / 2 * (high - low))
        for lane in range(fleet.count):
            over = bool(moved.terminated[lane] or moved.truncated[lane])
            if moved.lost[lane]:
                agent.replay_buffer.cut(lane)
                self.course.begin(lane)
                self.outputs.say(f"step {done}: {fleet.last_words}; its transition is dropped")
            else:
                agent.replay_buffer.step(
                    lane, actions[lane], float(moved.rewards[lane]), *self._seen(lane),
                    terminated=bool(moved.terminated[lane]), truncated=bool(moved.truncated[lane]),
                    meant=None if meant is None else meant[lane],
                )  # fmt: skip
                self.course.paid(lane, float(moved.rewards[lane]))
            if over:
                self.course.ended(lane, moved.infos[lane])
            if over or moved.lost[lane]:
                self._set_level(done)
                fleet.renew(lane)
                self._begin(lane, done)

    def _actions(self, done: int, labels: Floats | None) -> tuple[Floats, Floats | None]:
        """(W, A) in [-1, 1]: what is done; what was meant, a teacher's labels or actions before noise."""
        agent, config = self.agent, self.config
        own = self.memory.act(self.fleet.frames, self.fleet.states, agent.td3.version)
        if agent.networks.frozen and (seen := self.memory.newest) is not None:
            agent.replay_buffer.note(seen)
        if labels is not None:
            assert self.teacher is not None
            return np.clip(self.teacher.actions(labels, own), -1, 1), labels
        early = agent.replay_buffer.steps < (config.learning_starts or 0)
        if early and config.first_actions == "random":
            rng = generator(config.seed, "random start", done)
            return rng.uniform(-1, 1, own.shape).astype(np.float32), None
        return np.clip(own + agent.ou_noise.sample(), -1, 1), own

    def _learn(self, step: int) -> None:
        """The updates that are due after `step` steps."""
        config, agent = self.config, self.agent
        agent.ou_noise.scale_sigma(step / self.steps)
        if agent.replay_buffer.size < max(config.learning_starts or 0, config.batch_size or 1):
            return
        due = step // config.train_freq - (step - config.envs) // config.train_freq
        teaches = self.teacher is not None and self.teacher.teaches(step - config.envs)
        for _ in range(due):
            if teaches:
                self._note(step, agent.imitate())
                continue
            if self.teacher is not None and agent.total_it == 0:
                agent.end_imitation()
            self._note(step, agent.train(step / self.steps))

    def _note(self, step: int, metrics: dict[str, float]) -> None:
        norms = {name.removeprefix("gradient_norm/"): value for name, value in metrics.items()
                 if name.startswith("gradient_norm/")}  # fmt: skip
        clipped = [value for name, value in metrics.items() if name.startswith("clipped/")]
        parts = {name: value for name, value in metrics.items() if "/" not in name}
        rates = {"actor": self.config.actor_lr or 0.0, "critic": self.config.critic_lr or 0.0}
        report = StepReport(
            step, metrics["critic_loss"], parts, norms, float(np.mean(clipped)), rates, (), False, ()
        )
        self.window.add(report)
        for observer in self.observers:
            self.stop = observer.after_step(report, self.agent.networks) or self.stop

    def _log(self) -> None:
        agent = self.agent
        self.outputs.write(
            {
                **self.window.flush(),
                **self.course.flush(),
                "updates": agent.total_it,
                "replay": agent.replay_buffer.size,
                "sigma": agent.ou_noise.sigma,
                "level": self.course.level(self.outputs.step),
                "lost": self.fleet.losses,
                "died": self.fleet.deaths,
            }
        )
        self.outputs.write_timing()

    def _evaluate(self, step: int) -> None:
        seeds = TUNING[: self.config.evaluate_episodes]
        with self.outputs.timed("evaluating"):
            flown = self._flown(deciding(self.agent.networks.policy), seeds, step)
        metrics = {f"validation/{name}": value for name, value in flown.metrics().items()}
        self.outputs.write(metrics)
        if self.best.update(step, metrics):
            self.checkpointer.save_best(step, self.agent.networks.state_dict(), self.best.as_dict() or {})
        self.outputs.write_state("running")
        for observer in self.observers:
            self.stop = observer.after_evaluation(step, metrics) or self.stop

    def _flown(self, decide: Deciding, seeds: Sequence[int], step: int) -> Episodes:
        options = {"curriculum": 1.0} if self.config.curriculum != "none" else None
        if not is_one_simulator(self.config.env_name):
            with several(self.make, seeds) as envs:
                return fly_episodes(decide, envs, seeds, options=options)
        self.agent.replay_buffer.on_checkpoint(step)  # the episode that is in the air is cut
        flown = fly_episodes(decide, self.fleet.envs, seeds, options=options)
        self._begin_all(step)
        return flown

    # ---- episodes -----------------------------------------------------------------------------------------

    def _begin(self, lane: int, step: int) -> None:
        """An episode begins in one environment, which has been reset."""
        self.agent.replay_buffer.begin(lane, *self._seen(lane))
        self.agent.ou_noise.reset(lane)
        self.memory.reset(lane)
        if self.teacher:
            self.teacher.draw(lane, step)

    def _begin_all(self, step: int) -> None:
        self._set_level(step)
        self.fleet.begin(step)
        self.course.begin()
        self.memory.reset()
        for lane in range(self.fleet.count):
            self._begin(lane, step)

    def _set_level(self, step: int) -> None:
        if self.config.curriculum != "none":
            self.fleet.options = {"curriculum": self.course.level(step)}

    def _seen(self, lane: int) -> tuple[Any, Floats]:
        frames = self.fleet.frames
        return (None if frames is None else frames[lane]), self.fleet.states[lane]

    # ---- saving and going on ------------------------------------------------------------------------------

    def _save(self, step: int) -> None:
        with self.outputs.timed("saving"):
            self.agent.replay_buffer.on_checkpoint(step)
            self.checkpointer.save(step, self._state(step))
            self.outputs.write_state("running")
        if step < self.steps:
            self._begin_all(step)

    def _state(self, step: int) -> dict[str, Any]:
        return {
            **self.agent.state_dict(), "step": step, "replay": self.agent.replay_buffer.state_dict(),
            "fleet": self.fleet.state_dict(), "course": self.course.state_dict(),
            "best": self.best.state_dict(), "window": self.window.state_dict(), "stop": self.stop,
        }  # fmt: skip

    def _restore(self, run: Run) -> int:
        """Bring everything to where the newest whole checkpoint was; return its step."""
        found = newest_state(run)
        if found is None:
            run.rewind(0)
            return 0
        state, path = found
        self.agent.load_state_dict(state, path)
        self.agent.replay_buffer.load_state_dict(state["replay"])
        self.fleet.load_state_dict(state["fleet"])
        self.course.load_state_dict(state["course"])
        self.best.load_state_dict(state["best"])
        self.window.load_state_dict(state["window"])
        self.stop = state["stop"]
        run.rewind(state["step"])
        if state["step"] < self.steps:
            self._begin_all(state["step"])
        return state["step"]

    # ---- setting up ---------------------------------------------------------------------------------------

    def _enter(self, earlier: Run | None, threads: int, stack: ExitStack) -> Run:
        config = self.config
        now = Facts(
            seed=config.seed, steps=self.steps, data=None, validation=None, frozen={}, threads=threads,
            processes=1, device=config.device,
        )  # fmt: skip
        if earlier:
            check_same(earlier, config, now)
        run = earlier or Run.create(config.run, config=config, **now._asdict())
        stack.enter_context(run.lock())
        return run

    def _build(self, run: Run) -> None:
        config, env = self.config, self.fleet.envs[0]
        reader = self.fleet.reader
        self.agent = VMambaTD3Agent(
            reader.state_dim, reader.image, env.action_space, config, lanes=config.envs,
            replay_folder=Path(run.path) / "replay", slack=self.interval,
        )  # fmt: skip
        if complaint := self.agent.config.complaint():
            print(f"wayscan: {complaint}", file=sys.stderr)
        if config.init is not None:
            weights = Pilot.from_pretrained(config.init, device=config.device).policy.state_dict()
            put_weights(self.agent.networks.policy, weights, Path(config.init))
            self.agent.end_imitation()
        self.memory = FrameMemory(self.agent.networks.policy, config.envs)
        self.course = Course(config.curriculum, config.envs, self.steps)
        self.window = Window()
        self.teacher = None
        if config.warm_start != "none":
            self.teacher = Teacher(config.warm_start, self.fleet, config.warm_start_steps, config.seed)

    def _open(self, run: Run, start: int, stack: ExitStack) -> None:
        config = self.config
        how = TrainConfig(
            steps=self.steps, batch_size=config.batch_size or 1, loggers=config.loggers,
            progress=config.progress,
        )  # fmt: skip
        self.outputs = Outputs(run, how, self.best, start=start, steps=self.steps, speaks=True)
        stack.callback(self.outputs.close)
        self.checkpointer = Checkpointer(run.checkpoints(), run.metrics)
        stack.callback(self.checkpointer.shut)

    # ---- leaving early ------------------------------------------------------------------------------------

    def _mind_interruption(self, step: int, saved: bool) -> None:
        if signal := self.interruption.signal:
            going_on = step if saved else step - step % self.interval
            leave(self.outputs, self.checkpointer, signal, step=step, going_on=going_on)


def _passes(step: int, every: int, stride: int) -> bool:
    """Whether a multiple of `every` lies in (step - stride, step]."""
    return step // every > (step - stride) // every
