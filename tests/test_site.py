"""The documentation as a site: it builds without a warning, and its reader's browser asks no other host."""

from __future__ import annotations

import functools
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.write.browser import Browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    pytest.importorskip("material", reason="mkdocs-material is in the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing about each request."""


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    handler = functools.partial(_Silent, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_page_has_its_place(site: Path) -> None:
    """Each page of docs/ is built, and the menu leads to it."""
    menu = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert (site / name).is_file()
        assert f'href="{name}"' in menu or name == "index.html", name


def test_no_page_names_what_another_host_would_serve(site: Path) -> None:
    """Scripts, styles, pictures and fonts are the site's own."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe|source)[^>]+src="?(?:https?:)?//', text) == [], page
        assert re.findall(r'<link[^>]+rel="?(?:stylesheet|preconnect|icon)[^>]+href="?(?:https?:)?//', text) == [], page
    for style in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//|@import", style.read_text(encoding="utf-8")) == [], style


def test_a_browser_asks_no_other_host(address: str) -> None:
    """Front page, tutorial and a search in real Chromium: no error, and every request stays here."""
    with Browser() as browser:
        for page in ("index.html", "tutorial.html", "method.html", "reference/codes.html"):
            browser.visit(f"{address}/{page}")
            assert [url for url in browser.requests() if not url.startswith((address, "data:", "blob:"))] == []
            assert browser.complaints() == []
            assert browser.run("[...document.querySelectorAll('article img')].every(picture => picture.naturalWidth)")
        browser.run("document.querySelector('input.md-search__input').focus()")
        browser.run(
            "(() => { const field = document.querySelector('input.md-search__input'); field.value = 'quarantine';"
            " field.dispatchEvent(new KeyboardEvent('keyup', {bubbles: true})); })()"
        )
        found = "document.querySelectorAll('.md-search-result__item').length"
        assert browser.until(found)
        assert [url for url in browser.requests() if not url.startswith((address, "data:", "blob:"))] == []
