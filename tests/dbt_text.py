"""Models and tests of dbt as text, without dbt: where one is the call of a macro, the text of that macro.

Belongs here: putting a macro's text, with the arguments of the call, in the place of the call. Does not belong here:
what must hold of the text (``tests/unit``).
"""

import re
from functools import cache
from pathlib import Path

CALL = re.compile(r"^\{\{ (\w+)\(([^{}]*)\) \}\}\n\Z", flags=re.MULTILINE)
"""A model that is nothing but the call of a macro, after its configuration and its comment."""

MACRO = r"\{%% macro %s\((.*?)\) -%%\}\n(.*?)\n\{%%- endmacro %%\}"


def text_of(path: Path, macros: Path) -> str:
    """The text of a model or test."""
    text = path.read_text(encoding="utf-8")
    call = CALL.search(text)
    if call is None:
        return text
    found = re.search(MACRO % call[1], _all(macros), flags=re.DOTALL)
    assert found is not None, f"{path.name}: there is no macro {call[1]}"
    names, arguments = (re.split(r",\s*", given) for given in (found[1], call[2]))
    return text[: call.start()] + _with(dict(zip(names, arguments, strict=True)), found[2]) + "\n"


def _with(arguments: dict[str, str], text: str) -> str:
    for name, argument in arguments.items():
        text = text.replace(f"{{{{ {name} }}}}", argument.strip("'"))
        text = re.sub(
            r"\{[{%].*?[%}]\}",
            lambda tag, name=name, argument=argument: re.sub(rf"(?<!['\w]){name}(?!['\w])", argument, tag[0]),  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


@cache
def _all(macros: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(macros.glob("*.sql")))
