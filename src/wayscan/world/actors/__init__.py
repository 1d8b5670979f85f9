"""Those who move: walkers and, beside them, cars."""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Crowd": ".crowd",
        "car_size": ".car",
        "car_solids": ".car",
        "Outfit": ".figure",
        "walker_solids": ".figure",
        "walkers_solids": ".figure",
    },
)
