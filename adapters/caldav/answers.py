"""What a CalDAV server says in XML: failed preconditions and multistatus documents; pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

DAV, CALDAV = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}"

_ELEMENT_NAME = re.compile(r"[a-z-]{1,60}")
_NAMESPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as the server holds it; `name` is the last part of its address."""

    name: str
    etag: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Precondition:
    """What was not fulfilled, by the name of its element; `href` is what stands in the way, where told."""

    name: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a multistatus document, with those of its properties that exist."""

    href: str
    properties: dict[str, Element]

    def text(self, name: str) -> str | None:
        found = self.properties.get(name)
        return None if found is None else found.text

    def names(self, name: str) -> frozenset[str]:
        """The names of all elements inside a property."""
        found = self.properties.get(name)
        return frozenset() if found is None else frozenset(str(element.tag) for element in found.iter())


def precondition(content: bytes) -> Precondition | None:
    """The first precondition named in the body of a refusal; None if it names none."""
    root = _document(content)
    if root is None or root.tag != f"{DAV}error":
        return None
    for element in root:
        name = str(element.tag).rpartition("}")[2]
        if _ELEMENT_NAME.fullmatch(name):
            return Precondition(name, element.findtext(f"{DAV}href"))
    return None


def resources(content: bytes) -> tuple[Resource, ...] | None:
    """The resources of a multistatus document, missing ones left out; None if it is not a whole one."""
    root = _document(content)
    if root is None or root.tag != f"{DAV}multistatus":
        return None
    return tuple(_resources(root))


def _resources(root: Element) -> Iterator[Resource]:
    for response in root.iterfind(f"{DAV}response"):
        href = (response.findtext(f"{DAV}href") or "").strip()
        status = response.findtext(f"{DAV}status")
        if href and (status is None or _is_success(status)):
            properties = {
                str(element.tag): element
                for propstat in response.iterfind(f"{DAV}propstat")
                if _is_success(propstat.findtext(f"{DAV}status") or "")
                for element in propstat.iterfind(f"{DAV}prop/*")
            }
            yield Resource(href, properties)


def name_within(collection: str, href: str) -> str | None:
    """The last part of an address directly in this collection, as the server spells it; None elsewhere."""
    found, own = urlsplit(urljoin(collection, href)), urlsplit(collection)
    folder, _, name = found.path.rpartition("/")
    same = (found.scheme, found.hostname, found.port) == (own.scheme, own.hostname, own.port)
    return name if same and name and unquote(f"{folder}/") == unquote(own.path) else None


def propfind(*names: str) -> bytes:
    """A request for these properties, named with their prefix `D:` or `C:`."""
    wanted = "".join(f"<{name}/>" for name in names)
    return _written(f"<D:propfind {_NAMESPACES}><D:prop>{wanted}</D:prop></D:propfind>")


def query_by_uid(uid_part: str) -> bytes:
    """A request for the entries whose UID holds this text."""
    return _written(
        f"<C:calendar-query {_NAMESPACES}><D:prop><D:getetag/></D:prop>"
        '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:prop-filter name="UID">'
        f'<C:text-match collation="i;octet">{escape(uid_part)}</C:text-match>'
        "</C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    )


def multiget(paths: Iterable[str]) -> bytes:
    """A request for whole entries by the paths of their addresses."""
    hrefs = "".join(f"<D:href>{escape(path)}</D:href>" for path in paths)
    return _written(
        f"<C:calendar-multiget {_NAMESPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop>"
        f"{hrefs}</C:calendar-multiget>"
    )


def _written(document: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?>\n{document}'.encode()


def _is_success(status: str) -> bool:
    """Of a line such as `HTTP/1.1 200 OK`."""
    return status.split()[1:2] in (["200"], ["201"], ["204"])


def _document(content: bytes) -> Element | None:
    try:
        root: Element = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    return root
