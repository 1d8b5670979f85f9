"""Where series come from: the package, CSV files, Yahoo, a generator; all give a Table."""
