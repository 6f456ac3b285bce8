"""The page of settings: what is refused is said beside its own form, and nothing of the page is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.web_client import a_page

pytestmark = [pytest.mark.real, pytest.mark.trio]


async def test_a_refused_proxy_stays_in_its_box_with_the_reason_beside_it(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        await web.post("/settings/proxy", {"value": "socks5://127.0.0.1:9050"})
        typed = 'socks5://127.0.0.1:nowhere"><b>'
        answer = await web.post("/settings/proxy", {"value": typed})
        assert answer.status == 200
        around, _, form = answer.text.partition('hx-post="/settings/proxy"')
        form, _, after = form.partition("</form>")
        assert 'role="alert"' in form and "not the URL of a proxy" in form
        assert 'value="socks5://127.0.0.1:nowhere&#34;&gt;&lt;b&gt;"' in form
        assert 'hx-post="/settings/country"' in around and 'hx-get="/wipe"' in after
        assert 'role="alert"' not in around + after
        assert web.profile.app.settings.proxy == "socks5://127.0.0.1:9050"
        again = await web.get("/settings")
        assert 'role="alert"' not in again.text
        assert 'value="socks5://127.0.0.1:9050"' in again.text
        kept = await web.post("/settings/proxy", {"value": ""})
        assert 'role="alert"' not in kept.text and web.profile.app.settings.proxy == "none"
        assert web.faults == []


async def test_another_setting_that_is_refused_is_told_above_all(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        answer = await web.post("/settings/auto-lock", {"value": "never ever"})
        before, _, after = answer.text.partition('role="alert"')
        assert after and "<form" not in before and 'hx-post="/settings/proxy"' in after
        assert web.faults == []
