"""Four columns side by side: numba's way to a vector of four doubles, on which arithmetic is that of a double in each lane.

LLVM does not see by itself that loops over columns may be done at once (arrays may overlap), so kernels say so. No operation
is contracted or reordered: every lane has the bits that the same formula gives on plain numbers.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, misc"

import operator
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.extending import intrinsic, lower_builtin, models, register_model
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from features.kernel import inlined

LANES = 4
# What it makes takes one argument less than the function that it is given.
_intrinsic: Any = intrinsic
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)


class _Lanes(types.Type):
    pass


NUMBERS = _Lanes("Numbers")
FLAGS = _Lanes("Flags")


@register_model(_Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _DOUBLES if fe_type is NUMBERS else _BITS)


def _operator(function: Any, given: Any, result: Any, build: Any) -> None:
    """Let numba know an operator between two values of lanes, and how LLVM does it."""

    class Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            return signature(result, *args) if args == (given, given) else None

    infer_global(function)(Template)
    lower_builtin(function, given, given)(lambda context, builder, sig, args: build(builder, *args))


for _function, _build in (
    (operator.add, "fadd"),
    (operator.iadd, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_function, NUMBERS, NUMBERS, lambda builder, a, b, name=_build: getattr(builder, name)(a, b))
for _function, _sign in ((operator.lt, "<"), (operator.gt, ">"), (operator.eq, "==")):
    _operator(_function, NUMBERS, FLAGS, lambda builder, a, b, sign=_sign: builder.fcmp_ordered(sign, a, b))
_operator(operator.ne, NUMBERS, FLAGS, lambda builder, a, b: builder.fcmp_unordered("!=", a, b))
_operator(operator.and_, FLAGS, FLAGS, lambda builder, a, b: builder.and_(a, b))


def _address(context: Any, builder: Any, array: Any, value: Any, place: Any) -> Any:
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [place]), _DOUBLES.as_pointer())


@_intrinsic
def load(typing: Any, array: Any, place: Any) -> Any:
    """Four numbers of a float64[n] from `place` on. Bounds are not looked at."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, sig.args[0], *args), align=8)

    return NUMBERS(array, types.intp), build


@_intrinsic
def store(typing: Any, array: Any, place: Any, numbers: Any) -> Any:
    """Put four numbers into a float64[n] from `place` on. Bounds are not looked at."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _address(context, builder, sig.args[0], *args[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, NUMBERS), build


@_intrinsic
def every(typing: Any, number: Any) -> Any:
    """The same number in all lanes."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        one = builder.insert_element(ir.Constant(_DOUBLES, ir.Undefined), args[0], ir.IntType(32)(0))
        return builder.shuffle_vector(
            one, ir.Constant(_DOUBLES, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        )

    return NUMBERS(types.float64), build


@_intrinsic
def choose(typing: Any, flags: Any, yes: Any, no: Any) -> Any:
    """In each lane the number of `yes` where its flag is set, else that of `no`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return NUMBERS(FLAGS, NUMBERS, NUMBERS), build


@_intrinsic
def root(typing: Any, numbers: Any) -> Any:
    """The square root of each lane."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_DOUBLES, [_DOUBLES])
        name = f"llvm.sqrt.v{LANES}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return NUMBERS(NUMBERS), build


@inlined
def width_of(columns):  # type: ignore[no-untyped-def]
    """How many numbers a row of so many columns takes, with what fills the lanes up."""
    return (columns + LANES - 1) // LANES * LANES


@inlined
def side_by_side(values, low, stop, width, numbers):  # type: ignore[no-untyped-def]
    """Put rows [low, stop) of float64[columns, rows] row by row into float64[n]; what fills the lanes up is left as it is."""
    for c in range(len(values)):
        for row in range(low, stop):
            numbers[(row - low) * width + c] = values[c, row]
