"""A vector of floats for numba: load it, compute with operators, store it.

numba compiles scalar code and leaves vectors to LLVM's taste; the scan cannot live on that. Here is one
value type, `Vector`, that becomes a SIMD register, with `+ - *` and the functions below. Addresses are
plain int64; every index counts floats. The width follows the processor: 16 lanes (AVX-512), 8 (AVX2),
4 (NEON and everything else).
"""

import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from wayscan.ops.kernel_cache import processor

CPU, FEATURES = processor()
AVX512 = {"avx512f", "avx512vl", "avx512dq"} <= FEATURES
WIDTH = 16 if AVX512 else 8 if {"avx2", "fma"} <= FEATURES else 4

# How every kernel that Python calls is compiled.
OPTIONS: dict[str, Any] = {"nopython": True, "cache": True, "error_model": "numpy", "boundscheck": False}

_FLOAT, _INT32, _INT64, _POINTER = ir.FloatType(), ir.IntType(32), ir.IntType(64), ir.PointerType()
_FLOATS, _INTS = ir.VectorType(_FLOAT, WIDTH), ir.VectorType(_INT32, WIDTH)
_UNDEFINED, _FIRST = ir.Constant(_FLOATS, ir.Undefined), ir.Constant(_INT32, 0)


class VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Vector{WIDTH}")


Vector = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, _FLOATS)


def primitive(result: Any, *parameters: Any, names: tuple[Callable, ...] = ()) -> Callable[..., Any]:
    """Make `emit(builder, *values)`, which writes LLVM IR, callable in compiled code.

    `names` are operators that mean the same (operator.add).
    """

    def decorate(emit: Callable[..., Any]) -> Callable[..., Any]:
        def stub(*_: Any) -> Any:
            raise TypeError(f"{emit.__name__} runs in compiled code only")

        stub.__name__, stub.__module__, stub.__doc__ = emit.__name__, emit.__module__, emit.__doc__
        setattr(sys.modules[emit.__module__], emit.__name__, stub)  # numba looks for it there at once

        def lower(context, builder, _signature, values):
            value = emit(builder, *values)
            return context.get_dummy_value() if value is None else value

        for name in names or (stub,):
            case = {"key": name, "cases": [signature(result, *parameters)]}
            register: Any = infer_global(name)
            register(type(emit.__name__, (ConcreteTemplate,), case))
            lower_builtin(name, *parameters)(lower)
        return stub

    return decorate


# ---- building blocks of IR ---------------------------------------------------------------------------


def _call(builder, name, result, *arguments):
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _constant(value):
    return ir.Constant(_FLOATS, [float(np.float32(value))] * WIDTH)


def _integers(value):
    return ir.Constant(_INTS, [value] * WIDTH)


def pointer(builder, address, index):
    """Pointer to float number `index` from `address`."""
    return builder.inttoptr(builder.add(address, builder.shl(index, ir.Constant(_INT64, 2))), _POINTER)


def shuffle(builder, x, y, lanes):
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes))


def _splat(builder, scalar):
    first = builder.insert_element(_UNDEFINED, scalar, _FIRST)
    return shuffle(builder, first, _UNDEFINED, [0] * WIDTH)


def read(builder, source, kind: ir.Type = _FLOATS):
    return builder.load(source, typ=kind, align=4)


def write(builder, value, target):
    builder.store(value, target, align=4)


def first_lanes(builder, count):
    """A mask: true in the first `count` lanes."""
    wide = builder.insert_element(ir.Constant(_INTS, ir.Undefined), builder.trunc(count, _INT32), _FIRST)
    wide = shuffle(builder, wide, wide, [0] * WIDTH)
    return builder.icmp_signed("<", ir.Constant(_INTS, list(range(WIDTH))), wide)


def masked_read(builder, source, mask):
    """Zero where the mask is false; memory there is not touched."""
    zeros, align = ir.Constant(_FLOATS, [0.0] * WIDTH), ir.Constant(_INT32, 4)
    return _call(builder, f"llvm.masked.load.v{WIDTH}f32.p0", _FLOATS, source, align, mask, zeros)


def masked_write(builder, value, target, mask):
    align = ir.Constant(_INT32, 4)
    _call(builder, f"llvm.masked.store.v{WIDTH}f32.p0", ir.VoidType(), value, target, align, mask)


# ---- arithmetic -----------------------------------------------------------------------------------------


@primitive(Vector, Vector, Vector, names=(operator.add, operator.iadd))
def _add(builder, x, y):
    return builder.fadd(x, y)


@primitive(Vector, Vector, Vector, names=(operator.sub, operator.isub))
def _subtract(builder, x, y):
    return builder.fsub(x, y)


@primitive(Vector, Vector, Vector, names=(operator.mul, operator.imul))
def _multiply(builder, x, y):
    return builder.fmul(x, y)


@primitive(Vector, Vector, names=(operator.neg,))
def _negate(builder, x):
    return builder.fneg(x)


@primitive(Vector, types.float32)
def splat(builder, scalar):
    """Every lane the same number."""
    return _splat(builder, scalar)


@primitive(Vector, Vector, Vector, Vector)
def fma(builder, x, y, z):
    """x · y + z, rounded once."""
    return _call(builder, f"llvm.fma.v{WIDTH}f32", _FLOATS, x, y, z)


@primitive(Vector, Vector)
def absolute(builder, x):
    return _call(builder, f"llvm.fabs.v{WIDTH}f32", _FLOATS, x)


@primitive(Vector, Vector, Vector)
def maximum(builder, x, y):
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


@primitive(Vector, Vector, Vector)
def minimum(builder, x, y):
    return builder.select(builder.fcmp_ordered("<", x, y), x, y)


@primitive(Vector, Vector)
def reciprocal(builder, x):
    """1 / x to within a unit in the last place."""
    one = _constant(1.0)
    if not AVX512:
        return builder.fdiv(one, x)
    everywhere = ir.Constant(ir.IntType(16), -1)
    guess = _call(builder, "llvm.x86.avx512.rcp14.ps.512", _FLOATS, x, _UNDEFINED, everywhere)
    error = _call(builder, f"llvm.fma.v{WIDTH}f32", _FLOATS, builder.fneg(x), guess, one)
    return _call(builder, f"llvm.fma.v{WIDTH}f32", _FLOATS, guess, error, guess)


_EXP2_COEFFICIENTS = (0.009671512991189957, 0.05550733581185341, 0.24022242426872253, 0.6931470036506653, 1.0)


@primitive(Vector, Vector)
def exp2(builder, x):
    """2^x: 2^round(x) by the exponent bits, the rest by a polynomial of degree 5 (error under 2e-7)."""
    if AVX512:
        whole = _call(builder, f"llvm.roundeven.v{WIDTH}f32", _FLOATS, x)
    else:
        # Adding 1.5 · 2^23 rounds to an integer and leaves that integer in the low bits.
        magic = _constant(12582912.0)
        x = builder.select(builder.fcmp_ordered(">", x, _constant(-126.0)), x, _constant(-126.0))
        x = builder.select(builder.fcmp_ordered("<", x, _constant(127.49)), x, _constant(127.49))
        shifted = builder.fadd(x, magic)
        whole = builder.fsub(shifted, magic)
    rest = builder.fsub(x, whole)
    power = _constant(0.0013264724984765053)
    for coefficient in _EXP2_COEFFICIENTS:
        power = _call(builder, f"llvm.fma.v{WIDTH}f32", _FLOATS, power, rest, _constant(coefficient))
    if AVX512:
        everywhere, nearest = ir.Constant(ir.IntType(16), -1), ir.Constant(_INT32, 4)
        scale = "llvm.x86.avx512.mask.scalef.ps.512"
        return _call(builder, scale, _FLOATS, power, whole, _UNDEFINED, everywhere, nearest)
    exponent = builder.shl(builder.bitcast(shifted, _INTS), _integers(23))
    return builder.bitcast(builder.add(builder.bitcast(power, _INTS), exponent), _FLOATS)


LOG2E = np.float32(1.4426950408889634)


@njit(forceinline=True)
def exp(x):
    return exp2(x * splat(LOG2E))


@njit(forceinline=True)
def sigmoid(x):
    """1 / (1 + e^-x); the bound keeps e^-x finite."""
    return reciprocal(splat(np.float32(1)) + exp(minimum(-x, splat(np.float32(80)))))


@njit(forceinline=True)
def softplus(x):
    """log(1 + e^x) = max(x, 0) + log1p(e^-|x|), with log1p(t) = 2 artanh(t / (2 + t)) as an odd series."""
    t = exp(-absolute(x))
    s = t * reciprocal(splat(np.float32(2)) + t)
    q = s * s
    series = fma(splat(np.float32(0.28178325295448303)), q, splat(np.float32(0.27960604429244995)))
    series = fma(series, q, splat(np.float32(0.40024909377098083)))
    series = fma(series, q, splat(np.float32(0.6666631698608398)))
    series = fma(series, q, splat(np.float32(2.0)))
    return fma(series, s, maximum(x, splat(np.float32(0))))


# ---- memory ---------------------------------------------------------------------------------------------


@primitive(Vector, types.int64, types.int64)
def load(builder, address, index):
    return read(builder, pointer(builder, address, index))


@primitive(types.void, types.int64, types.int64, Vector)
def store(builder, address, index, value):
    write(builder, value, pointer(builder, address, index))


@primitive(Vector, types.int64, types.int64)
def broadcast(builder, address, index):
    """One float from memory in every lane."""
    return _splat(builder, read(builder, pointer(builder, address, index), _FLOAT))


@primitive(Vector, types.int64, types.int64, types.int64)
def load_first(builder, address, index, count):
    """The first `count` lanes from memory, zero in the others; memory beyond them is not touched."""
    return masked_read(builder, pointer(builder, address, index), first_lanes(builder, count))


@primitive(types.void, types.int64, types.int64, types.int64, Vector)
def store_first(builder, address, index, count, value):
    """Write the first `count` lanes only."""
    masked_write(builder, value, pointer(builder, address, index), first_lanes(builder, count))


@primitive(types.int64, types.int64)
def take_ticket(builder, address):
    """Add one to the int64 at `address`, atomically; the value before."""
    return builder.atomic_rmw("add", builder.inttoptr(address, _POINTER), ir.Constant(_INT64, 1), "monotonic")


@primitive(types.void, types.int64, types.int64)
def prefetch(builder, address, index):
    kinds = [ir.Constant(_INT32, value) for value in (0, 3, 1)]  # to read, keep close, data
    _call(builder, "llvm.prefetch.p0", ir.VoidType(), pointer(builder, address, index), *kinds)
