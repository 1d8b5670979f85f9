"""A scan written by hand for one kind of processor, to hold the package's own kernels against."""
