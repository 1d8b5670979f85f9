"""How a pilot is trained, and what each preset says where nothing is asked. Needs no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args

from wayscan.data.runs.settings import MAY_CHANGE, build_settings
from wayscan.fly.config import Encoder, PilotConfig, Temporal
from wayscan.names import expect_one_of
from wayscan.train.config import Logger

Preset = Literal["seed", "light", "standard", "heavy", "advanced", "nano", "cpu"]
Algorithm = Literal["vmamba_td3", "cnn_td3", "lstm_td3", "gru_td3", "mingru_td3", "mlp_td3"]
Option = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class FlyTrainConfig:
    """One training of a pilot; what is None is what the preset says. Names are the seed's."""

    run: Path = field(default=Path("runs/fly"), metadata=MAY_CHANGE)
    """The run folder."""
    resume: bool = field(default=False, metadata=MAY_CHANGE)
    """Go on in the run folder, to the same numbers as a run that never stopped."""
    preset: Preset = "seed"
    """Network and schedule; `seed` is the seed's defaults, `cpu` is what a CPU can train."""

    env_name: str = "wayscan/Forest-v0"
    """Any Gymnasium environment with a Box action and image + state, or state only."""
    env_options: dict[str, Option] = field(default_factory=dict)
    """What the environment is made with: --env-options image 128 density 4.8."""
    algorithm_name: Algorithm | None = None
    """ENCODER_td3: the seed's way to say which encoder."""
    encoder: Encoder | None = None
    """What sees; `vmamba` if nothing is said."""

    vmamba_patch_size: int | None = None
    """16 is for images of 128 pixels; 4 is the layout that papers call H / 4."""
    vmamba_hidden_dim: int | None = None
    vmamba_num_vss_blocks: tuple[int, ...] | None = None
    vmamba_drop_path_rate: float | None = None
    vmamba_layer_scale_init: float | None = None
    """Initial scale of each block's branches; 0 leaves it out."""
    vmamba_ssm_d_state: int | None = None
    vmamba_ssm_ratio: float | None = None
    vmamba_mlp_ratio: float | None = None
    temporal: Temporal | None = None
    """Over the frames: the seed's SS2D (mamba), a causal Mamba (lean), nothing (none); a cnn sees them as
    channels of one image (stack) if nothing is said."""
    vmamba_temporal_layers: int | None = None
    vmamba_num_heads: int | None = None
    feature_dim: int | None = None
    state_feature_dim: int | None = None
    hidden_dim: int | None = None
    seq_len: int | None = None
    """K, frames that a decision sees."""

    actor_lr: float | None = None
    critic_lr: float | None = None
    gamma: float | None = None
    tau: float | None = None
    policy_noise: float | None = None
    """Standard deviation of the noise on target actions."""
    noise_clip: float | None = None
    """Its bound. The seed's 0.2 is one standard deviation, so that a third of the samples is cut; Fujimoto
    2018 has 0.5."""
    policy_freq: int | None = None
    """Updates of the critic for one of the actor."""
    batch_size: int | None = None
    buffer_size: int | None = None
    """Steps that the replay holds."""
    learning_starts: int | None = None
    grad_clip: float | None = None
    """Longest gradient of each module."""

    exploration: Literal["ou", "gaussian"] = "ou"
    ou_theta: float | None = None
    ou_sigma: float | None = None
    """Initial standard deviation of the noise on actions, of either kind."""
    ou_sigma_min: float | None = None
    """Where it ends, at max_timesteps."""
    first_actions: Literal["random", "actor"] | None = None
    """Until learning starts: uniform ones, or the untrained actor's."""
    random_shift: int = 0
    """Pixels by which training images are shifted at random."""
    policy_starts: int = 0
    """Updates of the critic before the actor begins to move: for an actor that is warm."""

    init: str | None = None
    """Begin as this pilot: a folder, a training run, a bundled model, or a hub id. Networks must be alike."""
    behaviour_weight: float = 0.0
    """Hold the actor to what it meant before (TD3+BC, Fujimoto 2021): this weight on the squared difference
    from the replay's actions before noise, the critic's value being divided by its mean size."""
    warm_start: Literal["none", "expert", "potential"] = "none"
    """Imitate this pilot of Forest-v0 (DAgger) before TD3 begins."""
    warm_start_steps: int = 20_000
    """Environment steps of the imitation, counted in max_timesteps."""
    freeze_encoder: bool = False
    """In TD3, what sees a frame stays as `init` or the imitation left it, in all networks."""
    curriculum: Literal["none", "linear", "success"] = "none"
    """Raise the environment's reset option "curriculum" from 0 to 1: over the first half, or by success."""

    max_timesteps: int | None = None
    """Environment steps, of all environments together."""
    envs: int = 1
    """Environments that are flown side by side."""
    train_freq: int = 1
    """Environment steps for each update."""
    evaluate_every: int = 10_000
    """Environment steps between evaluations; 0 evaluates at the end only."""
    evaluate_episodes: int = 20
    """On the first seeds of the tuning split."""
    monitor: str = "validation/return"
    """The metric that decides what is best, higher being better: validation/success, …"""
    save_interval: int = 2_000
    """Environment steps between checkpoints; environments begin anew at each."""
    log_every: int = 200

    gradient_checkpointing: bool = False
    """Recompute the encoders' activations in the backward pass to save memory."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """What torch.autocast computes in; weights and scans stay in fp32."""
    device: str = "cpu"
    threads: int | None = None
    """Torch's threads; sums differ with it."""
    seed: int = 0
    loggers: tuple[Logger, ...] = field(default=(), metadata=MAY_CHANGE)
    progress: bool = field(default=True, metadata=MAY_CHANGE)
    """A progress bar, on standard error."""

    def __post_init__(self) -> None:
        expect_one_of("preset", self.preset, get_args(Preset))
        for name, names in (("algorithm_name", Algorithm), ("encoder", Encoder), ("temporal", Temporal)):
            if (value := getattr(self, name)) is not None:
                expect_one_of(name, value, get_args(names))
        said = self.algorithm_name and self.algorithm_name.removesuffix("_td3")
        if said and self.encoder and said != self.encoder:
            raise ValueError(
                f"algorithm_name is {self.algorithm_name!r} but encoder is {self.encoder!r}; give one of them"
            )
        for name in ("max_timesteps", "batch_size", "buffer_size", "policy_freq", "envs", "train_freq",
                     "save_interval", "log_every", "evaluate_episodes", "threads", "seq_len", "actor_lr",
                     "critic_lr", "tau", "grad_clip"):  # fmt: skip
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ValueError(f"{name} is {value}; expected a number above 0")
        for name in ("learning_starts", "evaluate_every", "random_shift", "policy_starts",
                     "warm_start_steps", "behaviour_weight", "policy_noise", "noise_clip", "ou_sigma",
                     "ou_sigma_min"):  # fmt: skip
            if (value := getattr(self, name)) is not None and not value >= 0:
                raise ValueError(f"{name} is {value}; expected 0 or more")
        if self.freeze_encoder and self.init is None and self.warm_start == "none":
            raise ValueError("freeze_encoder is on; expected init or warm_start, or it stays untrained")
        for name in ("gamma", "tau"):
            if (value := getattr(self, name)) is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; expected a number in [0, 1]")

    def resolved(self) -> "FlyTrainConfig":
        """With all that the preset says filled in."""
        said = PRESETS[self.preset]
        filled = {name: value for name, value in said.items() if getattr(self, name) is None}
        encoder = self.encoder or (self.algorithm_name or "vmamba_td3").removesuffix("_td3")
        if encoder == "cnn" and self.temporal is None:
            filled["temporal"] = "stack"
        resolved = replace(self, **filled, encoder=encoder, algorithm_name=f"{encoder}_td3")
        if resolved.temporal == "stack" and self.freeze_encoder:
            raise ValueError(
                "freeze_encoder is on and frames are stacked, so that nothing sees a frame alone; expected "
                "temporal mamba, lean or none"
            )
        least = max(resolved.learning_starts or 0, resolved.batch_size or 1)
        if (resolved.buffer_size or 0) < least:
            raise ValueError(
                f"buffer_size is {resolved.buffer_size}; expected at least {least}, the larger of "
                f"learning_starts and batch_size, or learning never starts"
            )
        return resolved

    def network(
        self,
        image: tuple[int, int, int] | None,
        state_dim: int,
        low: tuple[float, ...],
        high: tuple[float, ...],
    ) -> PilotConfig:
        """The networks for what an environment shows and takes."""
        resolved = self.resolved()
        shared = {each.name for each in fields(PilotConfig)} & {each.name for each in fields(self)}
        return PilotConfig(
            image=image,
            state_dim=state_dim,
            action_low=low,
            action_high=high,
            **{name: getattr(resolved, name) for name in shared},
        )


def get_config(preset: Preset = "seed", **changes: Any) -> SimpleNamespace:
    """The settings as a namespace that may be changed, as the seed's scripts do, for `make_agent`.

    >>> args = get_config()
    >>> args.vmamba_hidden_dim, args.vmamba_num_vss_blocks, args.max_timesteps
    (64, (2, 2, 4, 2), 200000)
    """
    return SimpleNamespace(**_shallow(settings_of({"preset": preset, **changes}).resolved()))


def settings_of(args: Any) -> FlyTrainConfig:
    """A config from a config, a mapping or a namespace; a name that is not known is refused."""
    if isinstance(args, FlyTrainConfig):
        return args
    given = dict(args) if isinstance(args, Mapping) else dict(vars(args))
    return build_settings(FlyTrainConfig, given, "args")


def _shallow(config: FlyTrainConfig) -> dict[str, Any]:
    return {each.name: getattr(config, each.name) for each in fields(config)}


_NETWORK = asdict(PilotConfig())
_SEED: Mapping[str, Any] = {
    **{name: value for name, value in _NETWORK.items()
       if name not in ("image", "state_dim", "action_low", "action_high", "encoder")},
    "actor_lr": 5e-4, "critic_lr": 1e-3, "gamma": 0.99, "tau": 0.005, "policy_noise": 0.2, "noise_clip": 0.2,
    "policy_freq": 2, "ou_theta": 0.15, "ou_sigma": 0.2, "ou_sigma_min": 0.01, "max_timesteps": 200_000,
    "buffer_size": 20_000, "batch_size": 128, "learning_starts": 2_000, "grad_clip": 10.0,
    "first_actions": "actor",
}  # fmt: skip
_SMALL: Mapping[str, Any] = {
    **_SEED, "vmamba_patch_size": 8, "vmamba_drop_path_rate": 0.0, "vmamba_layer_scale_init": 0.0,
    "noise_clip": 0.5, "first_actions": "random",
}  # fmt: skip
PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    "seed": _SEED,
    "light": {**_SEED, "max_timesteps": 100_000},
    "standard": {
        **_SEED, "vmamba_hidden_dim": 96, "vmamba_num_vss_blocks": (2, 2, 6, 2), "feature_dim": 256,
        "state_feature_dim": 256, "hidden_dim": 512, "batch_size": 64, "max_timesteps": 500_000,
        "actor_lr": 3e-4, "critic_lr": 5e-4,
    },
    "heavy": {
        **_SEED, "vmamba_hidden_dim": 128, "vmamba_num_vss_blocks": (2, 2, 9, 2), "feature_dim": 512,
        "state_feature_dim": 512, "hidden_dim": 1024, "batch_size": 32, "seq_len": 8,
        "vmamba_temporal_layers": 2, "max_timesteps": 1_000_000, "actor_lr": 1e-4, "critic_lr": 2e-4,
    },
    "advanced": {
        **_SEED, "vmamba_hidden_dim": 96, "vmamba_num_vss_blocks": (2, 2, 6, 2), "vmamba_temporal_layers": 2,
        "feature_dim": 256, "hidden_dim": 512,
    },
    "nano": {**_SMALL, "vmamba_hidden_dim": 24},
    "cpu": {
        **_SMALL, "vmamba_hidden_dim": 16, "vmamba_num_vss_blocks": (1, 1, 1, 1), "vmamba_ssm_ratio": 1.0,
        "vmamba_mlp_ratio": 2.0, "vmamba_ssm_d_state": 4, "feature_dim": 64, "state_feature_dim": 64,
        "hidden_dim": 128, "seq_len": 2, "temporal": "lean", "actor_lr": 3e-4, "critic_lr": 3e-4,
        "max_timesteps": 100_000,
    },
}  # fmt: skip
