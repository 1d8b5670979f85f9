"""VMamba-TD3: from depth images and states to continuous control.

Rooms: config and train_config (networks, presets, a training); encoders, streams and model, which are the
networks; observations, actions, memory and run, by which a pilot flies; replay, exploration, shift and agent,
by which it learns; fleet, imitate, course and train, which are the training; evaluate.

Letters: B batch, K frames, C H W image, D_s state, D_v and D_sf features of image and state, D_h hidden,
A action, W environments side by side.
"""

from typing import TYPE_CHECKING

from wayscan.lazy import lazy_names

if TYPE_CHECKING:
    from wayscan.fly.actions import Command as Command
    from wayscan.fly.agent import VMambaTD3Agent as VMambaTD3Agent
    from wayscan.fly.agent import make_agent as make_agent
    from wayscan.fly.config import PilotConfig as PilotConfig
    from wayscan.fly.model import Policy as Policy
    from wayscan.fly.onnx import OnnxPilot as OnnxPilot
    from wayscan.fly.replay import SequenceReplay as SequenceReplay
    from wayscan.fly.run import Pilot as Pilot
    from wayscan.fly.show import show_pilot as show_pilot
    from wayscan.fly.show import visualize_attention_weights as visualize_attention_weights
    from wayscan.fly.show import visualize_feature_evolution as visualize_feature_evolution
    from wayscan.fly.train_config import PRESETS as PRESETS
    from wayscan.fly.train_config import FlyTrainConfig as FlyTrainConfig
    from wayscan.fly.train_config import get_config as get_config
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Command": ".actions",
            "FlyTrainConfig": ".train_config",
            "OnnxPilot": ".onnx",
            "PRESETS": ".train_config",
            "Pilot": ".run",
            "PilotConfig": ".config",
            "Policy": ".model",
            "SequenceReplay": ".replay",
            "VMambaTD3Agent": ".agent",
            "get_config": ".train_config",
            "make_agent": ".agent",
            "show_pilot": ".show",
            "visualize_attention_weights": ".show",
            "visualize_feature_evolution": ".show",
        },
    )
