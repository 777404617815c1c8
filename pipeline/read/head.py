"""What a web page says of itself: headline, authors, date, language, address and site, from where pages declare them.

Only what is declared is taken (JSON-LD, meta elements, `rel` links); nothing is guessed from the running text, and
nothing depends on the day a page is read.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from pipeline.read import dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of a field's text no more is looked at: a longer one is something else that ended up there.
_LONGEST: Final = 2_000
_LONGEST_BYLINE: Final = 300
# Structured data of a page: larger blocks are product catalogues, deeper ones are attacks.
_MAX_JSON: Final = 1 << 20
_MAX_ITEMS: Final = 1_000

_ARTICLE: Final = re.compile(r"Article$|^(?:BlogPosting|LiveBlogPosting|Report|Review)$")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_BY: Final = re.compile(r"^by[:\s]\s*", re.IGNORECASE)
_DATES: Final = (
    "article:published_time",
    "og:published_time",
    "og:article:published_time",
    "datepublished",
    "dcterms.created",
    "dcterms.issued",
    "dc.date.issued",
    "dc.date",
    "parsely-pub-date",
    "sailthru.date",
    "cxenseparse:recs:publishtime",
    "publish-date",
    "publishdate",
    "pubdate",
    "date",
)


def facts(tree: Any, address: str | None) -> dict[str, str]:
    """The fields of a page that are known, by our name for them.

    Args:
        tree: the page as lxml gives it.
        address: where the page was fetched from, None when that is not known.

    Returns:
        `url`, `source`, `title`, `byline`, `published`, `language`, and for the metadata `canonical`, `description` and
        `modified`; a field that is not declared is left out. `url` is the address, or else the canonical one.
    """
    metas = _metas(tree)
    item = _article(tree)
    site = _first([metas.get("og:site_name"), _name(item.get("publisher")), metas.get("application-name")])
    canonical = _canonical(tree, metas, item, address)
    url = _web(address) or canonical
    found = {
        "url": url,
        "source": site or _host(url),
        "title": _title(tree, metas, item, site),
        "byline": _byline(tree, metas, item),
        "published": _date(tree, metas, item),
        "language": _language(tree, metas, item),
        "canonical": canonical if canonical != url else None,
        "description": _first([metas.get("og:description"), metas.get("description"), item.get("description")]),
        "modified": _first([item.get("dateModified"), metas.get("article:modified_time")]),
    }
    return {name: value for name, value in found.items() if value}


def _clean(value: object) -> str | None:
    """A declared value as one line of text; None for what is no text, blank, or far too long."""
    if not isinstance(value, str) or len(value) > 4 * _LONGEST:
        return None
    # Half a surrogate pair, which JSON can spell, is no character.
    text = " ".join(html.unescape(value).encode("utf-8", "ignore").decode().replace("\0", "").split())
    return text if 0 < len(text) <= _LONGEST else None


def _first(values: Iterable[object]) -> str | None:
    return next((text for value in values if (text := _clean(value))), None)


def _metas(tree: Any) -> dict[str, str]:
    """The meta elements by name, lower case; the first of each name that is not empty."""
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop") or element.get("http-equiv")
        content = element.get("content")
        if name and content and content.strip():
            found.setdefault(name.strip().lower(), content)
    return found


def _article(tree: Any) -> dict[str, Any]:
    """The first article that the page's JSON-LD describes; empty when there is none."""
    for script in tree.iter("script"):
        if (script.get("type") or "").split(";")[0].strip().lower() != "application/ld+json":
            continue
        text = (script.text or "").strip()
        if not text or len(text) > _MAX_JSON:
            continue
        try:
            data = json.loads(text.removeprefix("<!--").removesuffix("-->"), strict=False)
        except (ValueError, RecursionError):
            continue
        for item in _items(data):
            kinds = item.get("@type")
            kinds = kinds if isinstance(kinds, list) else [kinds]
            if any(isinstance(kind, str) and _ARTICLE.search(kind) for kind in kinds):
                return item
    return {}


def _items(data: Any) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-LD block, outer ones first: at its top, in lists and in `@graph`."""
    todo, seen = [data], 0
    while todo and seen < _MAX_ITEMS:
        value = todo.pop(0)
        seen += 1
        if isinstance(value, list):
            todo += value[:_MAX_ITEMS]
        elif isinstance(value, dict):
            yield value
            todo += [value[name] for name in ("@graph", "mainEntity") if isinstance(value.get(name), list | dict)]


def _name(value: object) -> str | None:
    """The name of a person or organisation of JSON-LD, in any of the shapes it is written in."""
    if isinstance(value, list):
        names = [name for entry in value[:20] if (name := _name(entry))]
        return ", ".join(dict.fromkeys(names)) or None
    if isinstance(value, dict):
        value = value.get("name")
        return _name(value) if isinstance(value, list) else _clean(value)
    return _clean(value)


def _web(address: object, base: str | None = None) -> str | None:
    """An absolute http(s) address, None for anything else."""
    text = _clean(address)
    try:
        whole = urljoin(base, text) if base and text else text
        parts = urlsplit(whole or "")
    except ValueError:
        return None
    return whole if parts.scheme in ("http", "https") and parts.netloc else None


def _host(url: str | None) -> str | None:
    return (urlsplit(url).hostname or "").removeprefix("www.") or None if url else None


def _canonical(tree: Any, metas: dict[str, str], item: dict[str, Any], address: str | None) -> str | None:
    links = [link.get("href") for link in tree.iter("link") if (link.get("rel") or "").strip().lower() == "canonical"]
    page = item.get("mainEntityOfPage")
    page = page.get("@id") if isinstance(page, dict) else page
    base = _web(address)
    given = [*links[:3], metas.get("og:url"), page, item.get("url")]
    return next((url for value in given if (url := _web(value, base))), None)


def _title(tree: Any, metas: dict[str, str], item: dict[str, Any], site: str | None) -> str | None:
    """The headline, without the name of the site that many pages put behind it."""
    headings = [_text(element) for element in _some(tree, "h1", 2)]
    # Of several first-order headings none is surely the headline.
    alone = headings[0] if len(headings) == 1 else None
    named = [_text(element) for element in _some(tree, "title", 1)]
    title = _first([metas.get("og:title"), item.get("headline"), alone, *named, metas.get("twitter:title")])
    if title and site:
        for bar in (" | ", " - ", " – ", " — "):
            title = title.removesuffix(bar + site)
    return title


def _some(tree: Any, name: str, most: int) -> list[Any]:
    return [element for element, _ in zip(tree.iter(name), range(most), strict=False)]


def _text(element: Any) -> str:
    return " ".join(element.itertext())


def _byline(tree: Any, metas: dict[str, str], item: dict[str, Any]) -> str | None:
    linked = [_text(link) for link in _some(tree, "a", 2_000) if "author" in (link.get("rel") or "").lower().split()]
    given = [_name(item.get("author")), metas.get("author"), metas.get("article:author"), *linked[:1]]
    for value in given:
        name = _BY.sub("", _clean(value) or "")
        if name and len(name) <= _LONGEST_BYLINE and "://" not in name:
            return name
    return None


def _date(tree: Any, metas: dict[str, str], item: dict[str, Any]) -> str | None:
    """The first declared date that can be understood; else the first one, as it is written."""
    marked = [element.get("datetime") for element in _some(tree, "time", 50) if "pubdate" in element.attrib]
    marked += [
        element.get("datetime") or element.get("content")
        for name in ("time", "span")
        for element in _some(tree, name, 2_000)
        if (element.get("itemprop") or "").lower() == "datepublished"
    ]
    given = [item.get("datePublished"), *(metas.get(name) for name in _DATES), *marked]
    written = [text for value in given if (text := _clean(value))]
    return next((text for text in written if dates.parse(text)), written[0] if written else None)


def _language(tree: Any, metas: dict[str, str], item: dict[str, Any]) -> str | None:
    roots = [tree, *_some(tree, "html", 1)]
    given = [root.get(name) for root in roots for name in ("lang", "xml:lang")]
    given += [metas.get("content-language"), metas.get("og:locale"), item.get("inLanguage")]
    for value in given:
        tag = (_clean(value) or "").replace("_", "-")
        if _LANGUAGE.fullmatch(tag):
            return tag
    return None
