"""Recurrent layers with hand-written forward and backward passes, one file each.

Letters: B batch, L length, D input channels, H output channels, E inner channels, N states, K taps, R rank.
Arrays are time-major, (L, B, D), so that one step of all sequences, (B, D), lies together in memory.
"""
