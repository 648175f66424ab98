"""Further processes that fit: tasks come pickled on standard input, answers leave pickled on standard output.

A plain child and not multiprocessing: that imports the caller's main module again, whatever it is, and a fork
would inherit connections and threads.

    python -m warehouse.services.worker
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from warehouse.services.forecasting import Floats, Forecast

Task = tuple[str, Floats]

ROOT = Path(__file__).resolve().parents[2]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fit_in_processes(tasks: Sequence[Task], processes: int) -> list[Forecast]:
    """Fit in this process and so many less one children, each every so-manieth task; answers in order.

    Raises:
        subprocess.CalledProcessError: a child failed; its last words are on standard error.
    """
    from warehouse.services.rows import fit_one

    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    answers: list[Forecast | None] = [None] * len(tasks)
    with ExitStack() as stack:
        children = []
        for number in range(1, processes):
            child = subprocess.Popen(
                [sys.executable, "-m", "warehouse.services.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
            )
            stack.enter_context(child)
            stack.callback(child.kill)
            children.append(child)
            assert child.stdin is not None
            with child.stdin:
                pickle.dump(list(tasks[number::processes]), child.stdin)
        answers[::processes] = [fit_one(task) for task in tasks[::processes]]
        for number, child in enumerate(children, start=1):
            assert child.stdout is not None
            sent = child.stdout.read()
            if child.wait():
                raise subprocess.CalledProcessError(child.returncode, child.args)
            answers[number::processes] = pickle.loads(sent)  # from our own child
    return [answer for answer in answers if answer is not None]


def main() -> None:
    """Answer what is asked on standard input."""
    from warehouse.services.rows import fit_one

    answers = [fit_one(task) for task in pickle.load(sys.stdin.buffer)]
    pickle.dump(answers, sys.stdout.buffer)


if __name__ == "__main__":
    main()
