"""A person in front of the page: a real browser that looks, clicks, types and waits.

Only what a person can see is clicked, and everything is found by its words or its id.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from tests.support.browser import Browser, BrowserFailed
from tests.support.processes import looks

AXE: Final = Path(__file__).parent / "axe" / "axe.min.js"
PATIENCE: Final = 30.0
"""Seconds for something that takes a moment; nothing here depends on how long it takes."""

SIZES: Final = ((360, 740), (1280, 860))
"""A telephone and a desktop: width and height in pixels."""

HIGHEST: Final = 2400
"""Pixels of the highest picture."""

SETTLED: Final = "new Promise(done => setTimeout(done, 150))"
"""What has come is laid out by then; nothing but pictures depends on it."""

_FIND: Final = """
(words => {
  const seen = element => element.checkVisibility({visibilityProperty: true});
  const named = element => element.getAttribute("aria-label") || element.textContent;
  const plain = text => text.replace(/[\\u2066-\\u2069]/g, "").replace(/\\s+/g, " ").trim();
  const all = [...document.querySelectorAll("button, a, summary, label.check")].filter(seen);
  return all.find(element => plain(named(element)) === words)
      || all.find(element => plain(named(element)).startsWith(words));
})
"""

KEYS: Final = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "Space": ("Space", 32, " "),
    "ArrowDown": ("ArrowDown", 40, ""),
}


@define(eq=False)
class Page:
    """One tab that shows our page."""

    browser: Browser
    violations: list[str] = field(factory=list)

    def open(self, url: str) -> None:
        """Go somewhere, as by the address bar."""
        self.browser.call("Page.enable")
        self.browser.call("Page.navigate", url=url)

    def size(self, width: int, height: int = 800, *, dark: bool = False) -> None:
        """Have a window of this size, in light or dark colours."""
        self.browser.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.call("Emulation.setEmulatedMedia", features=[scheme])

    def ask(self, script: str) -> Any:
        """Evaluate an expression in the page."""
        return self.browser.evaluate(script)

    def wait(self, script: str, within: float = PATIENCE) -> Any:
        """Wait until an expression is true, through navigations; return its value."""
        for _ in looks(within):
            try:
                if value := self.ask(script):
                    return value
            except BrowserFailed as error:
                if "no answer" in str(error) or "it ended" in str(error):
                    raise
        raise AssertionError(f"never true: {script}\n{self.text()}")

    def see(self, words: str, within: float = PATIENCE) -> None:
        """Wait until these words can be read."""
        self.wait(f"document.body && {_READ}.includes({json.dumps(words)})", within)

    def sees(self, words: str) -> bool:
        """Say whether these words can be read now."""
        return words in self.text()

    def text(self) -> str:
        """Return everything that can be read, without marks of direction."""
        return str(self.ask(f"document.body ? {_READ} : ''"))

    def click(self, words: str) -> None:
        """Click what is called so, once it is there."""
        found = f"{_FIND}({json.dumps(words)})"
        self.wait(f"!!{found}")
        self.ask(f"{found}.click()")

    def fill(self, id_: str, text: str) -> None:
        """Type into the field with this id, as by pasting."""
        self.wait(f"!!document.getElementById({json.dumps(id_)})")
        self.ask(
            f"(e => {{ e.focus(); e.select && e.select(); }})(document.getElementById('{id_}'))"
        )
        self.browser.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key."""
        code, number, text = KEYS[key]
        event = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.browser.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.browser.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def pictures(self, folder: Path, name: str) -> None:
        """Keep how a screen looks on a telephone and a desktop, light and dark, as high as it is."""
        for width, height in SIZES:
            for scheme in ("light", "dark"):
                self.size(width, height, dark=scheme == "dark")
                high = self.ask(f"{SETTLED}.then(() => document.documentElement.scrollHeight)")
                self.size(width, min(max(height, int(high)), HIGHEST), dark=scheme == "dark")
                self.ask(SETTLED)
                self.picture(folder / f"{name}-{width}-{scheme}.webp")
        self.size(*SIZES[0])

    def picture(self, path: Path) -> None:
        """Keep what can be seen."""
        shot = self.browser.call("Page.captureScreenshot", format="webp", quality=80)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def axe(self) -> list[str]:
        """Return what keeps somebody out, as axe-core sees it.

        Bars that stay in sight are put in their place meanwhile: axe takes what is half below one
        for too small, and a person scrolls.
        """
        if not self.ask("!!window.axe"):
            self.ask(AXE.read_text(encoding="utf-8") + ";1")
        found = self.ask(
            "(async () => { const still = new CSSStyleSheet();"
            " still.replaceSync('.top, .composer { position: static !important }');"
            " const before = document.adoptedStyleSheets;"
            " document.adoptedStyleSheets = [...before, still];"
            " try { return JSON.stringify((await axe.run(document, {runOnly: ['wcag2a','wcag2aa',"
            "'wcag21a','wcag21aa','wcag22aa','best-practice']})).violations) }"
            " finally { document.adoptedStyleSheets = before } })()"
        )
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in json.loads(found)
            for node in one["nodes"]
        ]

    def watch_policy(self) -> None:
        """Keep every violation of the content security policy from the next page on."""
        self.browser.call("Page.enable")
        self.browser.call(
            "Page.addScriptToEvaluateOnNewDocument",
            source=(
                "window.blocked = []; document.addEventListener('securitypolicyviolation',"
                " event => window.blocked.push(event.violatedDirective + ' ' + event.blockedURI));"
            ),
        )

    def blocked(self) -> list[str]:
        """Return what the policy kept from being loaded or run on this page."""
        return list(self.ask("window.blocked"))


_READ: Final = "document.body.innerText.replace(/[\\u2066-\\u2069]/g, '')"
