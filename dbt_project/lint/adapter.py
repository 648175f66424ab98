"""dbt's ``adapter``, as far as our macros use it, for sqlfluff's templater: no server, no dbt, no profile.

Belongs here: what sqlfluff needs in order to render the models. Does not belong here: anything that runs.
"""

from collections.abc import Callable

from jinja2 import pass_context
from jinja2.runtime import Context

ENGINE = "postgres"

SHOWN_AS_CALLS = {
    "uuid3",  # its overlay(… placing … from …) is not in sqlfluff's grammar
    "parse_instant",  # long enough to be most of the time of linting
}
"""Macros whose SQL the linter sees as a call of a function of the same name."""


@pass_context
def dispatch(context: Context, name: str, *_: object) -> Callable[..., object]:
    """The macro of the engine, else the default one, as dbt chooses it."""
    if name in SHOWN_AS_CALLS:
        return lambda *arguments: f"{name}({', '.join(map(str, arguments))})"
    for prefix in (ENGINE, "default"):
        if (macro := context.get(f"{prefix}__{name}")) is not None:
            assert callable(macro)
            return macro
    raise LookupError(f"no macro {ENGINE}__{name} and no default__{name}")
