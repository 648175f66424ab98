"""The project's own namespace of macros (``weir.<macro>``), for sqlfluff's templater.

Belongs here: looking a macro up by its name. Does not belong here: macros.
"""

from collections.abc import Callable

from jinja2 import pass_context
from jinja2.runtime import Context


def __getattr__(name: str) -> Callable[..., object]:
    @pass_context
    def call(context: Context, *arguments: object, **words: object) -> object:
        macro = context.get(name)
        assert callable(macro), f"there is no macro {name}"
        return macro(*arguments, **words)

    return call
