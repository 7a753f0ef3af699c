"""Keys of a source that have the provider's API called: refused where nobody can call it."""

from collections.abc import Iterator

from hub.errors import Problem
from hub.settings.nodes import KeyPath, Map, Node, Scalar, find, is_null, key_place
from hub.settings.values import OFF

_ASKING: tuple[KeyPath, ...] = (
    ("webhook", "register"),
    ("poll",),
    ("backfill",),
    ("silence",),
    ("key_expires",),
)
_REGISTER: KeyPath = ("webhook", "register")
_PUBLIC_URL: KeyPath = ("hub", "public_url")


def asking_problems(root: Map, name: str, entry: Map, *, can_be_asked: bool) -> Iterator[Problem]:
    """What a source asks for that it cannot get: no credentials, or no address to be called back at."""
    if not can_be_asked:
        verify = entry.get("verify")
        if isinstance(verify, Scalar) and verify.text == "fetch":
            message = (
                "fetch needs the credentials of the provider's API; add them under config, or write trust"
            )
            yield verify.place.problem(("sources", name, "verify"), message)
        for path in _ASKING:
            if _asks(find(entry, path)):
                message = (
                    "needs the credentials of the provider's API; add them under config, or remove this key"
                )
                yield key_place(entry, path).problem(("sources", name, *path), message)
    elif _asks(find(entry, _REGISTER)) and not _asks(find(root, _PUBLIC_URL)):
        message = "needs hub.public_url, the address under which the provider reaches this hub"
        yield key_place(entry, _REGISTER).problem(("sources", name, *_REGISTER), message)


def _asks(node: Node | None) -> bool:
    """Whether something is there, and not only to say no."""
    if node is None or is_null(node):
        return False
    return not (isinstance(node, Scalar) and (node.broken or node.text.lower() in OFF))
