# SPDX-License-Identifier: MIT
"""Combines values by op in workers: blocks from left to right, then blocks in a binary tree."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import _errors, _reduction_steps
from ._arguments import is_cluster
from ._axes import Product
from ._failures import Failure
from ._map import parmap
from ._results import Results

#: How many consecutive tasks map_reduce() combines from left to right; as in C++.
REDUCTION_BLOCK = 512


def fold_block(tasks: int) -> int:
    """How many consecutive tasks share one accumulator in a fold of this many tasks; as in C++."""
    return min(max(tasks // 1024, 1), REDUCTION_BLOCK)


@dataclass(frozen=True)
class CombiningFailure(Failure):
    """The failure of op, with the tasks whose values it was to combine."""

    tasks: tuple[int, int] = (0, 0)  # the first and the last

    def __str__(self) -> str:
        head, kind = f"task {self.index} ", self.kind.replace("_", " ")
        rest = super().__str__().removeprefix(f"{head}{kind}: ")
        return f"{head}{kind}: combining tasks {self.tasks[0]}..{self.tasks[1]}: {rest}"


#: A block: its number, the first task in its accumulator, the accumulator, and the values that follow, with their tasks.
Block = tuple[int, int, Any, list[tuple[int, Any]]]
#: What blocks come to: their place in their level of the tree, the first task that is in it, and the value.
Node = tuple[int, int, Any]

#: The options of parmap that also hold where values are combined.
_OPTIONS = ("engine", "n_worker", "n_simul", "memory_limit", "start")


class Combining:
    """The combination of the values of one map. op is called in workers only, except under serial."""

    def __init__(self, op: Callable[[Any, Any], Any], product: Product, block: int, options: dict[str, Any], raises: bool) -> None:
        self._op, self._product, self._block, self._raises = op, product, block, raises
        self._options = {name: options[name] for name in _OPTIONS if name in options}
        if is_cluster(options.get("engine")):  # the values are here
            self._options["engine"] = "multi"
        self._timeout = options.get("timeout_sec")
        self._serial = options.get("engine") == "serial"
        self.failures: list[Failure] = []

    def fold_blocks(self, blocks: list[Block]) -> list[Node]:
        """Combines each block from left to right. A value for which op fails is left out."""
        done = {number: (number, first, value) for number, first, value, rest in blocks if not rest}
        left = [block for block in blocks if block[3]]
        while left:
            results = self._run(
                functools.partial(_reduction_steps.folded, self._op, self._serial), [each[2:] for each in left], max(len(each[3]) for each in left)
            )
            failed = {each.index for each in results.failures}
            again = []
            for k, (number, first, value, rest) in enumerate(left):
                # Where a worker has died nobody knows at which value: they are combined one by one.
                value, count = (value, 0) if k in failed else results[k]
                steps = len(rest) if k in failed else min(1, len(rest) - count)
                for i, more in rest[count : count + steps]:
                    value = self._combined(value, more, i, (number * self._block, self._end(number) - 1))
                if rest[count + steps :]:
                    again.append((number, first, value, rest[count + steps :]))
                else:
                    done[number] = (number, first, value)
            left = again
        return [done[number] for number in sorted(done)]

    def tree(self, level: list[Node]) -> Any:
        """Combines neighbours, level by level. If op fails, the right one is left out."""
        height = 0
        while len(level) > 1:
            pairs, lone = [], []
            k = 0
            while k < len(level):
                place, first, value = level[k]
                if place % 2 == 0 and k + 1 < len(level) and level[k + 1][0] == place + 1:
                    pairs.append((level[k], level[k + 1]))
                    k += 1
                else:
                    lone.append((place // 2, first, value))
                k += 1
            sides = [(left[2], right[2]) for left, right in pairs]
            results = self._run(functools.partial(_reduction_steps.joined, self._op), sides, 1) if pairs else Results()
            failed = {each.index: each for each in results.failures}
            for k, ((place, first, value), (twin, right, _)) in enumerate(pairs):
                if k in failed:
                    self._fail(failed[k], right, (self._begin(place << height), self._end(((twin + 1) << height) - 1) - 1))
                else:
                    value = results[k]
                lone.append((place // 2, first, value))
            level = sorted(lone, key=lambda node: node[0])
            height += 1
        return level[0][2]

    def _begin(self, block: int) -> int:
        return block * self._block

    def _end(self, block: int) -> int:
        return min((block + 1) * self._block, self._product.size)

    def _combined(self, value: Any, more: Any, task: int, tasks: tuple[int, int]) -> Any:
        results = self._run(functools.partial(_reduction_steps.joined, self._op), [(value, more)], 1)
        if not results.failures:
            return results[0]
        self._fail(results.failures[0], task, tasks)
        return value

    def _run(self, func: Callable[[Any], Any], inputs: list[Any], calls: int) -> Results:
        """`calls`: of op in a task, at most."""
        timeout = None if self._timeout is None else self._timeout * calls
        return parmap(func, inputs, on_error=lambda *_: None, reporter="silent", timeout_sec=timeout, trace=False, **self._options)

    def _fail(self, why: Failure, index: int, tasks: tuple[int, int]) -> None:
        if self._raises:
            _errors.add_note(why.exception, f"parmap: raised where tasks {tasks[0]}..{tasks[1]} were combined")
            raise why.exception
        plain = {name: getattr(why, name) for name in ("kind", "exception", "attempts", "host", "_trace")}
        self.failures.append(CombiningFailure(index=index, task=self._product.task(index), tasks=tasks, **plain))
