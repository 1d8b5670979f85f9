"""Forecast sunspots: with the bundled model, and with one that is trained here, beside the last value.

python examples/forecast_sunspots.py
"""

import numpy as np

from wayscan.forecast import Forecaster
from wayscan.forecast.series.packaged import packaged

years = packaged("sunspots")
counts = years.column("sunspots")

bundled = Forecaster.from_pretrained("forecast-sunspots")
print("the next eleven years:", np.round(bundled.predict(11)).astype(int))

# A stream: one year in, a forecast of the next out. The last 62 years are those that nothing was chosen on.
bundled.reset()
forecasts = [bundled.step(count) for count in counts[:-1]]
ours = np.array([each.value for each in forecasts])[-62:]
print(f"RMSE of the last 62 years, streaming: {np.sqrt(np.mean((ours - counts[-62:]) ** 2)):.1f}")
print(f"repeating the last value:             {np.sqrt(np.mean((counts[-63:-1] - counts[-62:]) ** 2)):.1f}")

own = Forecaster(model_type="mingru", n_epochs=20).fit(counts[:-62])
print("trained here, the year after:", np.round(own.predict(1)), "came:", counts[-62])
