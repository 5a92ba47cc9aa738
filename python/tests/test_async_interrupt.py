# SPDX-License-Identifier: MIT
"""The engine async and signals: Ctrl-C, handlers of the caller's own."""

import pytest

from helpers import run
from test_interrupt import program  # noqa: F401

pytestmark = pytest.mark.timeout(120)

INTERRUPTED = """
    import asyncio, os, time
    from parmap import parmap
    ended = []

    async def act(i):
        {act}

    async def task(i):
        if i < 10:
            return i
        try:
            if i == {ready}:
                os.write(1, b"ready ")
            await act(i)
        finally:
            ended.append(i)

    begun = time.monotonic()
    try:
        parmap(task, range(1000), engine="async", n_worker=8)
    except KeyboardInterrupt as error:
        results = error.results
        assert results == list(range(10)) + [None] * 990
        assert [each.index for each in results.failures] == list(range(10, 1000))
        assert {{each.kind for each in results.failures}} == {{"stopped"}}
        os.write(1, b"done %d" % len(ended))
    async def again(i):
        return i
    assert parmap(again, range(3), engine="async") == [0, 1, 2]
"""

ACTS = {
    "asleep": ("await asyncio.sleep(60)", 8),
    "cleans up": ("try: await asyncio.sleep(60)\n        finally: await asyncio.sleep(0)", 8),
    "blocked": ("time.sleep(60)", 1),
    "busy": ("while True: pass", 1),
    "in a map": ("parmap(time.sleep, [60], engine='threads')", 1),
    "in a map of processes": ("parmap(time.sleep, [60])", 1),
    "ignores it": (
        "while True:\n            try: await asyncio.sleep(60)\n            except asyncio.CancelledError: pass", 8
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_ctrl_c(program, act):  # noqa: F811
    text, ended = ACTS[act]
    it = program(INTERRUPTED.format(act=text, ready=9 + ended))
    it.until_ready()
    it.press_ctrl_c()
    out, said = it.end()
    assert (out, said, it.process.returncode) == (f"done {ended}", "", 0)


@pytest.mark.parametrize("kind", ["SystemExit(5)", "ValueError('mine')"])
def test_what_a_handler_raises_is_no_failure_of_a_task(kind):
    text = f"""
        import asyncio, os, signal
        from parmap import parmap

        def handler(number, frame):
            raise {kind}

        async def task(i):
            if i == 5:
                os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0)
            return i

        signal.signal(signal.SIGTERM, handler)
        try:
            parmap(task, range(10_000), engine="async", n_worker=1)
        except {kind.partition("(")[0]} as error:
            print(error.args, error.results[:6], signal.getsignal(signal.SIGTERM) is handler)
    """
    assert run(text) == f"{(5,) if '5' in kind else ('mine',)} [0, 1, 2, 3, 4, None] True\n"


def test_a_handler_of_the_callers_own_goes_on(program):  # noqa: F811
    it = program(
        """
        import asyncio, os, signal
        from parmap import parmap
        heard = []

        async def task(i):
            if i == 0:
                os.write(1, b"ready ")
            while not heard:
                await asyncio.sleep(0.01)
            return i

        signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
        print(parmap(task, range(5), engine="async", n_worker=2), heard)
        """
    )
    it.until_ready()
    it.press_ctrl_c()
    assert it.end() == ("[0, 1, 2, 3, 4] [2]\n", "")


def test_ctrl_c_in_parmap_async(program):  # noqa: F811
    it = program(
        """
        import asyncio, os, sys
        from parmap import parmap_async
        ended = []

        async def task(i):
            if i == 4:  # from no task: asyncio.run of Python 3.10 lets Ctrl-C strike whatever runs
                asyncio.get_running_loop().call_soon(os.write, 1, b"ready ")
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(i)

        try:
            asyncio.run(parmap_async(task, range(100), n_worker=5))
        except KeyboardInterrupt:
            print(sorted(ended))
        """
    )
    it.until_ready()
    it.press_ctrl_c()
    assert it.end() == ("[0, 1, 2, 3, 4]\n", "")
