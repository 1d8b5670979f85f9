"""Tiles: scratch memory of STEPS × WIDTH floats, one row a time step, one lane a channel.

Sequences lie in memory with time running fastest (B, D, L) or channels running fastest (B, L, D). A tile
looks the same for both: the first kind is transposed in registers on its way, the second is copied.
Neither reads nor writes a float outside the `lanes` channels and `steps` time steps asked for.
"""

from typing import NamedTuple

from llvmlite import ir
from numba import njit, types

from wayscan.ops import simd
from wayscan.ops.simd import (
    WIDTH,
    Vector,
    load,
    load_first,
    prefetch,
    primitive,
    store,
    store_first,
)

STEPS = 16
TILE = STEPS * WIDTH
SHORT = 4  # steps of the path for very short sequences, and floats in a 128-bit block


def _index(value):
    return ir.Constant(ir.IntType(64), value)


# ---- transposing ----------------------------------------------------------------------------------------
# `halves(x, y)` gives the even-numbered units of x and y, then the odd-numbered ones. Splitting pairs of
# rows again and again sorts a square matrix into its columns; adding the halves instead sums every row.


def _halves_in_blocks(builder, x, y):
    """Units are floats, inside each 128-bit block: shuffles that are cheap on every processor."""
    for parity in (0, 1):
        lanes = []
        for block in range(0, WIDTH, SHORT):
            lanes += [block + parity, block + 2 + parity, WIDTH + block + parity, WIDTH + block + 2 + parity]
        yield simd.shuffle(builder, x, y, lanes)


def _halves_of_blocks(builder, x, y):
    """Units are 128-bit blocks."""
    for parity in (0, 1):
        starts = [block for block in range(0, 2 * WIDTH, SHORT) if block // SHORT % 2 == parity]
        yield simd.shuffle(builder, x, y, [start + lane for start in starts for lane in range(SHORT)])


def _columns(builder, rows, halves):
    if len(rows) == 1:
        return rows
    split = [tuple(halves(builder, *rows[i : i + 2])) for i in range(0, len(rows), 2)]
    evens = _columns(builder, [even for even, _ in split], halves)
    odds = _columns(builder, [odd for _, odd in split], halves)
    return [column for pair in zip(evens, odds, strict=True) for column in pair]


def _row_sums(builder, rows, halves):
    while len(rows) > 1:
        pairs = [halves(builder, *rows[i : i + 2]) for i in range(0, len(rows), 2)]
        rows = [builder.fadd(even, odd) for even, odd in pairs]
    return rows[0]


def _transpose(builder, rows):
    """WIDTH vectors → the WIDTH vectors of their lanes."""
    groups = [_columns(builder, rows[i : i + SHORT], _halves_in_blocks) for i in range(0, WIDTH, SHORT)]
    columns = [_columns(builder, [group[j] for group in groups], _halves_of_blocks) for j in range(SHORT)]
    return [columns[i % SHORT][i // SHORT] for i in range(WIDTH)]


def _tile_rows(builder, tile, first, count):
    first = builder.mul(first, _index(WIDTH))
    return [simd.pointer(builder, tile, builder.add(first, _index(i * WIDTH))) for i in range(count)]


def _memory_rows(builder, address, stride, numbers):
    return [simd.pointer(builder, address, builder.mul(stride, _index(i))) for i in numbers]


def _sum_lanes(builder, rows):
    groups = [_row_sums(builder, rows[i : i + SHORT], _halves_in_blocks) for i in range(0, WIDTH, SHORT)]
    return _row_sums(builder, groups, _halves_of_blocks)


@primitive(Vector, types.int64, types.int64)
def sum_lanes(builder, tile, first):
    """Sum over the lanes of tile rows first … first + WIDTH - 1: one sum a lane."""
    return _sum_lanes(
        builder, [simd.read(builder, pointer) for pointer in _tile_rows(builder, tile, first, WIDTH)]
    )


@primitive(Vector, types.int64, types.int64, types.int64)
def dot_lanes(builder, tile, other, first):
    """Sum over the lanes of tile · other, as `sum_lanes`."""
    pointers = zip(*(_tile_rows(builder, each, first, WIDTH) for each in (tile, other)), strict=True)
    rows = [builder.fmul(simd.read(builder, one), simd.read(builder, two)) for one, two in pointers]
    return _sum_lanes(builder, rows)


@primitive(types.void, types.int64, types.int64, types.int64)
def add_short_dots(builder, target, tile, other):
    """Add the sums over the lanes of tile · other, of the first SHORT rows, to SHORT floats."""
    pointers = zip(*(_tile_rows(builder, each, _index(0), SHORT) for each in (tile, other)), strict=True)
    rows = [builder.fmul(simd.read(builder, one), simd.read(builder, two)) for one, two in pointers]
    sums = _row_sums(builder, rows, _halves_in_blocks)  # one block's share in each block
    while sums.type.count > SHORT:
        half = sums.type.count // 2
        low, high = (simd.shuffle(builder, sums, sums, list(range(i, i + half))) for i in (0, half))
        sums = builder.fadd(low, high)
    pointer = simd.pointer(builder, target, _index(0))
    simd.write(builder, builder.fadd(simd.read(builder, pointer, sums.type), sums), pointer)


@primitive(types.void, types.int64, types.int64, types.int64, types.int64)
def _load_square(builder, tile, first, source, stride):
    """WIDTH tile rows ← WIDTH floats from each of WIDTH memory rows."""
    rows = [simd.read(builder, pointer) for pointer in _memory_rows(builder, source, stride, range(WIDTH))]
    for row, pointer in zip(_transpose(builder, rows), _tile_rows(builder, tile, first, WIDTH), strict=True):
        simd.write(builder, row, pointer)


@primitive(types.void, types.int64, types.int64, types.int64, types.int64)
def _store_square(builder, tile, first, target, stride):
    rows = [simd.read(builder, pointer) for pointer in _tile_rows(builder, tile, first, WIDTH)]
    pointers = _memory_rows(builder, target, stride, range(WIDTH))
    for row, pointer in zip(_transpose(builder, rows), pointers, strict=True):
        simd.write(builder, row, pointer)


def _corner_masks(builder, lanes, steps):
    """For each memory row, the floats of it that exist: `steps` in the first `lanes` rows, none after."""
    for i in range(WIDTH):
        exists = builder.icmp_signed("<", _index(i), lanes)
        yield simd.first_lanes(builder, builder.select(exists, steps, _index(0)))


@primitive(types.void, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64)
def _load_corner(builder, tile, first, source, stride, lanes, steps):
    """As `_load_square`, from a corner of `lanes` × `steps`; zero elsewhere."""
    pointers = _memory_rows(builder, source, stride, range(WIDTH))
    masks = _corner_masks(builder, lanes, steps)
    rows = [simd.masked_read(builder, pointer, mask) for pointer, mask in zip(pointers, masks, strict=True)]
    for row, pointer in zip(_transpose(builder, rows), _tile_rows(builder, tile, first, WIDTH), strict=True):
        simd.write(builder, row, pointer)


@primitive(types.void, types.int64, types.int64, types.int64, types.int64, types.int64, types.int64)
def _store_corner(builder, tile, first, target, stride, lanes, steps):
    rows = [simd.read(builder, pointer) for pointer in _tile_rows(builder, tile, first, WIDTH)]
    pointers = _memory_rows(builder, target, stride, range(WIDTH))
    masks = _corner_masks(builder, lanes, steps)
    for row, pointer, mask in zip(_transpose(builder, rows), pointers, masks, strict=True):
        simd.masked_write(builder, row, pointer, mask)


@primitive(types.void, types.int64, types.int64, types.int64)
def _load_short(builder, tile, source, stride):
    """SHORT tile rows ← SHORT floats from each of WIDTH memory rows."""
    rows = []
    for k in range(SHORT):
        pointers = _memory_rows(builder, source, stride, range(k, WIDTH, SHORT))
        blocks = [simd.read(builder, pointer, ir.VectorType(ir.FloatType(), SHORT)) for pointer in pointers]
        while len(blocks) > 1:
            both = list(range(2 * blocks[0].type.count))
            pairs = zip(blocks[::2], blocks[1::2], strict=True)
            blocks = [simd.shuffle(builder, x, y, both) for x, y in pairs]
        rows.append(blocks[0])
    columns = _columns(builder, rows, _halves_in_blocks)
    for row, pointer in zip(columns, _tile_rows(builder, tile, _index(0), SHORT), strict=True):
        simd.write(builder, row, pointer)


@primitive(types.void, types.int64, types.int64, types.int64)
def _store_short(builder, tile, target, stride):
    rows = [simd.read(builder, pointer) for pointer in _tile_rows(builder, tile, _index(0), SHORT)]
    for k, column in enumerate(_columns(builder, rows, _halves_in_blocks)):
        pointers = _memory_rows(builder, target, stride, range(k, WIDTH, SHORT))
        for block, pointer in enumerate(pointers):
            lanes = range(block * SHORT, (block + 1) * SHORT)
            simd.write(builder, simd.shuffle(builder, column, column, list(lanes)), pointer)


# ---- what the kernels call ------------------------------------------------------------------------------


class Rows(NamedTuple):
    """Where a sequence of WIDTH channels lies: the address of its first float, strides in floats."""

    address: int
    channel: int
    time: int


@njit
def load_tile(tile, rows, start, lanes, steps):
    """Tile rows 0 … steps - 1 ← time steps from `start`; lanes that do not exist become zero."""
    source = rows.address + 4 * start * rows.time
    if rows.channel == 1:
        for t in range(steps):
            if lanes == WIDTH:
                store(tile, t * WIDTH, load(source, t * rows.time))
            else:
                store(tile, t * WIDTH, load_first(source, t * rows.time, lanes))
    elif lanes == WIDTH and steps == STEPS:
        for first in range(0, STEPS, WIDTH):
            _load_square(tile, first, source + 4 * first, rows.channel)
    elif lanes == WIDTH and steps == SHORT:
        _load_short(tile, source, rows.channel)
    else:
        for first in range(0, steps, WIDTH):
            _load_corner(tile, first, source + 4 * first, rows.channel, lanes, min(WIDTH, steps - first))


@njit
def store_tile(tile, rows, start, lanes, steps):
    """The way back of `load_tile`; lanes that do not exist are not written."""
    target = rows.address + 4 * start * rows.time
    if rows.channel == 1:
        for t in range(steps):
            if lanes == WIDTH:
                store(target, t * rows.time, load(tile, t * WIDTH))
            else:
                store_first(target, t * rows.time, lanes, load(tile, t * WIDTH))
    elif lanes == WIDTH and steps == STEPS:
        for first in range(0, STEPS, WIDTH):
            _store_square(tile, first, target + 4 * first, rows.channel)
    elif lanes == WIDTH and steps == SHORT:
        _store_short(tile, target, rows.channel)
    else:
        for first in range(0, steps, WIDTH):
            _store_corner(tile, first, target + 4 * first, rows.channel, lanes, min(WIDTH, steps - first))


@njit
def prefetch_tile(rows, start, lanes):
    """Ask for the memory of the tile that begins at `start`."""
    source = rows.address + 4 * start * rows.time
    if rows.channel == 1:
        for t in range(STEPS):
            prefetch(source, t * rows.time)
    else:
        for lane in range(lanes):
            prefetch(source, lane * rows.channel)
