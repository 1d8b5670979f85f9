"""Following a person: the task, its rules, an expert that sees everything, and agents to compare with.

    pursuit = Pursuit(draw_task(rng, "distracted"))
    while pursuit.status == "running":
        pursuit.step(Expert()(pursuit))  # m/s, m/s, rad/s
    pursuit.outcome()

Needs NumPy and numba alone; `wayscan.world.envs.follow` makes a gymnasium environment of it, and
`wayscan.world.follows` a data set.

What FOLLOW_VERSION 1 makes, on 200 judging seeds of each split (the expert drives):

- Episodes last 270 to 273 steps of 0.1 s on average; half of the targets' ways are short, so that they arrive
  and stay. The target walks 22 m at 0.6 / 0.9 / 1.2 m/s (5 / 50 / 95 %), stands on 11 % of the steps and
  takes 2 turns of more than 45 degrees within a second.
- `distracted` and `ambiguous` have 4.5 others on average; the expert's view shows less than half of the
  target in 1.1 % of the steps. No two people are ever nearer than 0.5 m.
- Success of the expert is 1.00, 0.98 and 1.00 (single, distracted, ambiguous), of driving straight on and of
  standing still 0. benchmarks/world_follow.py measures it.
"""

from wayscan.lazy import lazy_names

# Part of a result's name: any change of what a seed gives or how it is judged needs a new one.
FOLLOW_VERSION = 1

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Expert": ".expert",
        "FollowSpec": ".tasks",
        "Pursuit": ".pursuit",
        "Rules": ".rules",
        "Task": ".tasks",
        "draw_task": ".tasks",
        "instruct": ".instructions",
        "judge": ".rules",
        "scores": ".rules",
    },
)
