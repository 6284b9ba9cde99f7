"""The report in headless Chromium: it renders, answers mouse and keyboard, and asks nobody."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clinfonce.results import Store, report
from clinfonce.results import open as open_results
from tests.results.example_store import write_example
from tests.results.report.test_page import EVIL

pytestmark = [
    pytest.mark.browser,
    # Selenium leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("neither Chromium with its driver nor Chrome is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    store = write_example(folder / "r")
    trial = next(r for r in store.finished().values() if r["clustering"] == "k-means 4")
    evil = {"trial_id": "evil", "name": EVIL, "clustering": EVIL, "clustering_id": "evil"}
    clustering = {"clustering_id": "evil", "name": EVIL, "i_zt": 0.3, "h_z_given_t": 4.0}
    Store.open(folder / "r").write_trial(trial | evil, [], clustering)
    return report(open_results(store), folder / "report.html")


def test_the_button_copies_the_best_as_a_specification(browser: Any, path: Path) -> None:
    browser.get(path.as_uri())
    button = browser.find_element("id", "copy")
    assert button.text == "Copy"
    assert "\ntrial:\n" in browser.find_element("id", "best").get_property("textContent")
    button.click()
    for _ in range(50):
        if button.text != "Copy":
            break
        time.sleep(0.02)
    assert button.text in ("Copied", "Selected")


@pytest.fixture
def page(browser: Any, path: Path) -> Any:
    resize(browser, 1280)
    browser.get(path.as_uri())
    yield browser
    problems = [e for e in browser.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
    assert problems == []


def resize(browser: Any, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def css(page: Any, selector: str) -> list[Any]:
    found: list[Any] = page.find_elements("css selector", selector)
    return found


def names(page: Any) -> list[str]:
    found: list[str] = page.execute_script(
        "return [...document.querySelectorAll('#clusterings tbody th')].map(c => c.textContent)"
    )
    return found


def test_it_renders_and_asks_nobody(page: Any, path: Path) -> None:
    assert css(page, "#plane-plain .wide svg")[0].size["height"] > 300
    assert len(names(page)) == 17
    asked = [
        message["params"]["request"]["url"]
        for entry in page.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    own = ("data:", "chrome:")  # the second is the browser's own first page
    assert {url for url in asked if not url.startswith(own)} == {path.as_uri()}


def test_sorting_sorts(page: Any) -> None:
    def column(name: str) -> tuple[list[Any], Any]:
        (button,) = [b for b in css(page, "#clusterings thead button") if b.text.startswith(name)]
        button.click()
        index = [b.text[: len(name)] for b in css(page, "#clusterings thead button")].index(name)
        cells = page.execute_script(
            "return [...document.querySelectorAll('#clusterings tbody tr')]"
            f".map(r => r.cells[{index}].textContent)"
        )
        sort = css(page, "#clusterings thead th")[index].get_attribute("aria-sort")
        return cells, sort

    cells, sort = column("K")
    values = [int(c.replace("\u202f", "")) for c in cells if c != "–"]
    assert values == sorted(values, reverse=True)
    assert sort == "descending"
    assert cells[-1] == "–", "unknown values come last"
    cells, sort = column("K")
    values = [int(c.replace("\u202f", "")) for c in cells if c != "–"]
    assert values == sorted(values)
    assert cells[-1] == "–"
    assert sort == "ascending"
    assert len(css(page, "#clusterings th[aria-sort]")) == 1


def test_filtering_filters(page: Any) -> None:
    css(page, "#filter")[0].send_keys("K-MEANS")
    found = names(page)
    assert found
    assert all("k-means" in name for name in found)
    assert css(page, "#count")[0].text.startswith(f"{len(found)} of 17")


def test_a_tooltip_follows_the_mouse(page: Any) -> None:
    from selenium.webdriver import ActionChains

    mark = css(page, "#plane-plain .wide .mark")[3]
    row = int(mark.get_attribute("data-row"))
    ActionChains(page).move_to_element(mark).perform()
    tip = css(page, "#tooltip")[0]
    assert tip.is_displayed()
    data = json.loads(css(page, "#data")[0].get_attribute("textContent"))
    assert data["rows"][row]["name"] in tip.text
    assert "I(Z;T)" in tip.text
    ActionChains(page).move_to_element(css(page, "h1")[0]).perform()
    assert not tip.is_displayed()


def test_the_keyboard_walks_the_marks(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    marks = css(page, "#plane-plain .wide .mark[tabindex='0']")
    assert len(marks) == 1, "one stop for the tab key"
    page.execute_script("arguments[0].focus()", marks[0])
    seen = []
    for _ in range(3):
        active = page.switch_to.active_element
        seen.append(active.get_attribute("aria-label"))
        assert css(page, "#tooltip")[0].is_displayed()
        assert seen[-1].split(":")[0] in css(page, "#tooltip")[0].text
        active.send_keys(Keys.ARROW_RIGHT)
    assert len(set(seen)) == 3
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not css(page, "#tooltip")[0].is_displayed()


def test_the_switch_shows_the_other_estimate(page: Any) -> None:
    plain, chance = css(page, "#plane-plain")[0], css(page, "#plane-chance")[0]
    assert (plain.is_displayed(), chance.is_displayed()) == (True, False)
    css(page, "[data-shows=plane-chance]")[0].click()
    assert (plain.is_displayed(), chance.is_displayed()) == (False, True)
    pressed = [b.get_attribute("aria-pressed") for b in css(page, "[data-shows]")]
    assert pressed == ["false", "true"]


def test_it_is_readable_on_a_telephone(page: Any) -> None:
    resize(page, 390)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    assert not css(page, "#plane-plain .wide")[0].is_displayed()
    assert css(page, "#plane-plain .narrow")[0].is_displayed()
    smallest = page.execute_script(
        "return Math.min(...[...document.querySelectorAll('svg text')]"
        ".filter(t => t.checkVisibility()).map(t => t.getBoundingClientRect().height))"
    )
    assert smallest > 10


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast(page: Any, theme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": theme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    worst = page.execute_script(CONTRAST)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert worst["ratio"] >= 4.5, worst


def test_evil_names_are_shown_as_text(page: Any) -> None:
    assert any(EVIL in name for name in names(page))
    assert css(page, "img") == []


# The lowest contrast (WCAG 2.2) of any visible text against the nearest background.
CONTRAST = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c;
  }
  return [255, 255, 255];
};
let worst = { ratio: 99 };
const texts = "p,h1,h2,li,dt,dd,th,td,button,span,strong,small,figcaption,label,svg text";
for (const e of document.querySelectorAll(texts)) {
  if (!e.checkVisibility() || !e.textContent.trim()) continue;
  const style = getComputedStyle(e);
  const front = light(parse(e.namespaceURI.endsWith("svg") ? style.fill : style.color));
  const back = light(behind(e));
  const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  if (ratio < worst.ratio) worst = { ratio, text: e.textContent.slice(0, 40), tag: e.tagName };
}
return worst;
"""
