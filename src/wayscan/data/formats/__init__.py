"""Data sets of other people, read into neutral records: one room for each format."""
