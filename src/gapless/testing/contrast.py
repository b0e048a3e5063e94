"""How well text of a page can be read on what is behind it.

In: a page in a browser. Out: ratios. Thread: the browser's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page


def contrast(page: Page, text: str, ground: str) -> float:
    """Contrast ratio of two colours of the style sheet. Source: WCAG 2.2, relative luminance."""
    light, dark = sorted((_luminance(page, text), _luminance(page, ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(page: Page, name: str) -> float:
    colour: Any = page.evaluate(
        """(name) => {
          const probe = document.createElement("i");
          probe.style.color = `var(--${name})`;
          document.body.append(probe);
          const { color } = getComputedStyle(probe);
          probe.remove();
          return color;
        }""",
        name,
    )
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
