"""A page, looked at: by axe (https://github.com/dequelabs/axe-core) for what keeps people out, and by a camera."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from tests.web.visit import Visit

WEB = Path(__file__).resolve().parents[2] / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAINTED = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"


async def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands."""
    await page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = await page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
    )
    return [
        f"{each['id']}: {each['help']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def looked_at(visit: Visit, name: str, pictures: Path) -> None:
    """Checks a page in light and dark and at 360 px, and takes its pictures."""
    page = visit.page
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    for scheme in ("light", "dark"):
        await page.emulate_media(
            color_scheme="light" if scheme == "light" else "dark", reduced_motion="reduce"
        )
        found = await violations(page)
        assert found == [], f"{name}, {scheme}: {found}"
        await page.screenshot(path=pictures / f"{name}-{scheme}.png")
    before = page.viewport_size
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.evaluate(PAINTED)
    wide = await page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0, f"{name} is {wide} px too wide for a screen of 360"
    found = await violations(page)
    assert found == [], f"{name}, 360 px: {found}"
    await page.screenshot(path=pictures / f"{name}-phone.png")
    if before is not None:
        await page.set_viewport_size(before)
