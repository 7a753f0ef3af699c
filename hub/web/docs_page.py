"""The page at /docs: every operation of the API, made from OpenAPI here, with nothing from elsewhere.

The framework's own pages load scripts from a CDN, which the content security policy forbids and an
operator's network may not reach.
"""

from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; }
dt { margin-top: 1rem; }
dd { margin: 0 0 0 1.5rem; }
.method { display: inline-block; min-width: 4rem; font-weight: bold; }
.scope { opacity: 0.7; }
"""


def page(openapi: dict[str, Any]) -> str:
    """The whole page; readable without scripts."""
    info = openapi["info"]
    rows = [
        _operation(path, method, operation)
        for path, methods in sorted(openapi["paths"].items())
        for method, operation in methods.items()
    ]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width"><link rel=stylesheet href="/docs/style.css">'
        f"<title>{escape(info['title'])}</title><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info['description'])}</p>"
        '<p>The same for programs: <a href="/openapi.json">openapi.json</a></p>'
        f"<dl>{''.join(rows)}</dl></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    text = str(operation.get("description") or operation.get("summary") or "")
    scope = operation.get("x-scope")
    needs = f" <span class=scope>token of scope {escape(str(scope))}</span>" if scope else ""
    names = [str(parameter["name"]) for parameter in operation.get("parameters", ())]
    query = f"<br><code>{escape(', '.join(names))}</code>" if names else ""
    return (
        f"<dt><span class=method>{escape(method.upper())}</span><code>{escape(path)}</code>{needs}</dt>"
        f"<dd>{escape(text)}{query}</dd>"
    )
