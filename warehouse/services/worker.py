"""A second process that fits: tasks come pickled on standard input, answers leave pickled on standard output.

A plain child and not multiprocessing: that imports the caller's main module again, whatever it is, and a fork
would inherit connections and threads.

    python -m warehouse.services.worker
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from warehouse.services.forecasting import Floats, Forecast

Task = tuple[str, Floats]

ROOT = Path(__file__).resolve().parents[2]


def fit_on_two_cores(tasks: Sequence[Task]) -> list[Forecast]:
    """Fit every other task in a child and the rest here; answers in order.

    Raises:
        subprocess.CalledProcessError: the child failed; its last words are on standard error.
    """
    from warehouse.services.rows import fit_one

    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen(
        [sys.executable, "-m", "warehouse.services.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        assert child.stdin is not None and child.stdout is not None
        with child.stdin:
            pickle.dump(list(tasks[1::2]), child.stdin)
        answers: list[Forecast | None] = [None] * len(tasks)
        answers[::2] = [fit_one(task) for task in tasks[::2]]
        sent = child.stdout.read()
        if child.wait():
            raise subprocess.CalledProcessError(child.returncode, child.args)
        answers[1::2] = pickle.loads(sent)  # from our own child
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    return [answer for answer in answers if answer is not None]


def main() -> None:
    """Answer what is asked on standard input."""
    from warehouse.services.rows import fit_one

    answers = [fit_one(task) for task in pickle.load(sys.stdin.buffer)]
    pickle.dump(answers, sys.stdout.buffer)


if __name__ == "__main__":
    main()
