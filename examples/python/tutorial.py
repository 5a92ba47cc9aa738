# SPDX-License-Identifier: MIT
"""The first steps: the examples of python-parmap's README, with the corrections that its text implies."""

import warnings

import numpy as np

from parmap import parmap


def sqr(x):
    return x**2


def hypot(x, y):
    return np.sqrt(x**2 + y**2)


def power(x, n):
    return x**n


def hypotn(x, y, n):
    return x**n + y**n


np.set_printoptions(legacy="1.25", precision=2)  # 4, not np.int64(4)
x = np.arange(5)
print(f"{x = }\n")

print("The square of each x")
print(f"  {parmap(sqr, x) = }\n")

print("The hypotenuse of every combination of two x, the last one fastest")
lengths = parmap(hypot, x, x)
print(np.array(lengths).reshape(len(x), len(x)))
print(f"  {len(lengths) = }\n")

print("An argument that is the same for every call")
print(f"  {parmap(power, x, fargs=dict(n=3)) = }")
print(f"  {parmap(hypotn, x, x, fargs=dict(n=3)) = }\n")

print("On processes (the default), on threads, in a plain loop")
print(f"  {parmap(sqr, x, engine='multi') = }")
print(f"  {parmap(sqr, x, engine='threads') = }")
print(f"  {parmap(sqr, x, engine='serial') = }\n")

print("A slip: hypot has no n. Each task fails, and one warning counts them")
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    print(f"  {parmap(hypot, x, fargs=dict(n=3)) = }")
for each in told:
    print(f"  {each.category.__name__}: {str(each.message).splitlines()[0]}")
