"""The shop for people: its pages, its files, and what crawlers read. Programs use /v1."""

from typing import Any

from app.routes.shop.files import asset, icon, robots, sitemap, sitemap_index
from app.routes.shop.pages import book, home, on_unknown_page, private, search

ROUTES: tuple[Any, ...] = (home, search, book, private, asset, icon, robots, sitemap_index, sitemap)
"""Outside /v1."""

__all__ = ["ROUTES", "on_unknown_page"]
