"""What rendering needs of vectors beyond wayscan.ops.simd."""

from llvmlite import ir
from numba import types

from wayscan.ops.simd import WIDTH, Vector, primitive

_FLOATS = ir.VectorType(ir.FloatType(), WIDTH)


@primitive(Vector, types.float32, types.float32)
def line(builder, start, step):
    """start + step · (0, 1, 2, …)."""
    undefined, first = ir.Constant(_FLOATS, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)

    def everywhere(value):
        return builder.shuffle_vector(builder.insert_element(undefined, value, first), undefined, zeros)

    lanes = ir.Constant(_FLOATS, [float(lane) for lane in range(WIDTH)])
    return builder.fadd(builder.fmul(everywhere(step), lanes), everywhere(start))


@primitive(Vector, Vector)
def square_root(builder, x):
    """NaN below zero."""
    kind = ir.FunctionType(_FLOATS, [_FLOATS])
    name = f"llvm.sqrt.v{WIDTH}f32"
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, [x])


@primitive(Vector, Vector, Vector, Vector, Vector)
def where_greater(builder, x, y, yes, no):
    """`yes` where x > y, else `no`: also where x or y is NaN."""
    return builder.select(builder.fcmp_ordered(">", x, y), yes, no)
