"""Patterns as the YAML has them: a text in which `*` stands for anything."""


def fits(pattern: str, value: str) -> bool:
    """Whether the whole value fits; letters count the same in either case.

    Each piece between two stars is looked for once, so that no text a guest typed can make this slow.
    """
    value = value.casefold()
    first, *rest = pattern.casefold().split("*")
    if not rest:
        return value == first
    last = rest.pop()
    if len(value) < len(first) + len(last) or not (value.startswith(first) and value.endswith(last)):
        return False
    at, end = len(first), len(value) - len(last)
    for piece in rest:
        found = value.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
