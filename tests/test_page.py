"""The page in a real browser: type, search, click on a result, upload a picture, by mouse, keyboard and phone."""

import shutil

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import absent
from tests.hostile import encoded
from tests.serving import serve

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="module")
def served(refusing_folder, clip_folder, tmp_path_factory):
    given = ["--release", str(refusing_folder), "--beside", str(clip_folder), "--dataset", "fashion-mnist"]
    given += ["--precision", "f32"]
    with serve(tmp_path_factory.mktemp("page"), *given) as page:
        yield page


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    binary, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not binary or not driver:
        absent("Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture
def page(browser, served):
    resize(browser, 1280, 900)
    browser.get(served.url)
    wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "#query textarea, #query input"), "the query box")
    return browser


def resize(browser, width, height):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def wait(browser, condition, what, seconds=30):
    waiting = WebDriverWait(browser, seconds, ignored_exceptions=[StaleElementReferenceException])
    return waiting.until(condition, f"{what} did not come")


def query_box(browser):
    return browser.find_element(By.CSS_SELECTOR, "#query textarea, #query input")


def results(browser):
    """The result pictures in sight."""
    return [item for item in browser.find_elements(By.CSS_SELECTOR, ".results .thumbnail-item") if item.is_displayed()]


def in_sight(browser, text):
    return [e for e in browser.find_elements(By.XPATH, f"//*[contains(text(), '{text}')]") if e.is_displayed()]


def test_type_search_and_click_for_more(page):
    query_box(page).send_keys("a pair of boots", Keys.ENTER)
    found = wait(page, lambda b: len(results(b)) == 12 and results(b), "12 results")
    assert in_sight(page, "text encoded in")
    found[3].click()
    wait(page, lambda b: in_sight(b, "picture encoded in"), "pictures like it")
    wait(page, lambda b: len(results(b)) == 12, "12 results")
    assert page.find_element(By.CSS_SELECTOR, "#picture img").is_displayed(), "the picture that was searched from"


def test_pictures_are_crisp_and_their_captions_beneath(page):
    query_box(page).send_keys("bag", Keys.ENTER)
    found = wait(page, lambda b: results(b), "results")
    image = found[0].find_element(By.TAG_NAME, "img")
    assert image.value_of_css_property("image-rendering") == "pixelated"
    caption = found[0].find_element(By.CSS_SELECTOR, ".caption-label")
    assert caption.rect["y"] >= image.rect["y"] + image.rect["height"] - 1
    assert image.rect["width"] == pytest.approx(image.rect["height"], abs=2)


def test_the_button_and_the_examples_search(page):
    query_box(page).send_keys("bag")
    page.find_element(By.ID, "search").click()
    wait(page, lambda b: len(results(b)) == 12, "results")
    page.refresh()
    example = wait(page, lambda b: in_sight(b, "summer dress"), "the examples")[0]
    example.click()
    wait(page, lambda b: len(results(b)) == 12, "results of the example")
    assert query_box(page).get_attribute("value") == "summer dress"


def test_an_empty_query_says_so_and_leaves_no_old_results(page):
    query_box(page).send_keys("bag", Keys.ENTER)
    wait(page, lambda b: len(results(b)) == 12, "results")
    query_box(page).send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE, Keys.ENTER)
    wait(page, lambda b: in_sight(b, "The query is empty"), "the sentence")
    wait(page, lambda b: not results(b), "the emptied results")


def open_tab(browser, name):
    (tab,) = (t for t in browser.find_elements(By.CSS_SELECTOR, "button[role=tab]") if t.text == name)
    tab.click()


def test_upload_a_picture(page, photo, tmp_path):
    open_tab(page, "Image search")
    wait(page, lambda b: len(results(b)) == 10, "one picture of each class")
    (tmp_path / "photo.jpg").write_bytes(encoded(photo, "JPEG"))
    page.find_element(By.CSS_SELECTOR, "#picture input[type=file]").send_keys(str(tmp_path / "photo.jpg"))
    wait(page, lambda b: in_sight(b, "picture encoded in"), "an answer")
    wait(page, lambda b: len(results(b)) == 12, "12 results")


def test_upload_what_is_no_picture(page, tmp_path):
    open_tab(page, "Image search")
    wait(page, lambda b: len(results(b)) == 10, "one picture of each class")
    (tmp_path / "report.png").write_bytes(b"%PDF-1.7 and so on")
    page.find_element(By.CSS_SELECTOR, "#picture input[type=file]").send_keys(str(tmp_path / "report.png"))
    wait(page, lambda b: in_sight(b, "is not a picture"), "the sentence")


def test_start_from_a_picture_of_the_gallery(page):
    open_tab(page, "Image search")
    wait(page, lambda b: len(results(b)) == 10, "one picture of each class")
    results(page)[0].click()
    wait(page, lambda b: in_sight(b, "picture encoded in"), "an answer")
    wait(page, lambda b: len(results(b)) == 12, "12 results")


def test_what_matches_nothing_is_said_and_dimmed_and_can_be_switched_off(page, photo, tmp_path):
    """The encoder refuses every text, and no picture."""

    def opacity(browser):
        return float(results(browser)[0].find_element(By.TAG_NAME, "img").value_of_css_property("opacity"))

    query_box(page).send_keys("a plate of sushi", Keys.ENTER)
    wait(page, lambda b: in_sight(b, "Nothing in this gallery matches"), "the sentence")
    wait(page, lambda b: len(results(b)) == 12, "the nearest")
    assert opacity(page) < 0.6
    assert "%" in results(page)[0].text
    page.find_element(By.CSS_SELECTOR, "#say-nothing input").click()
    wait(page, lambda b: not in_sight(b, "Nothing in this gallery matches"), "silence")
    wait(page, lambda b: opacity(b) == 1, "the undimmed results")
    page.find_element(By.CSS_SELECTOR, "#say-nothing input").click()
    wait(page, lambda b: in_sight(b, "Nothing in this gallery matches"), "the sentence again")
    open_tab(page, "Image search")
    (tmp_path / "photo.jpg").write_bytes(encoded(photo, "JPEG"))
    page.find_element(By.CSS_SELECTOR, "#picture input[type=file]").send_keys(str(tmp_path / "photo.jpg"))
    wait(page, lambda b: in_sight(b, "picture encoded in"), "an answer")
    wait(page, lambda b: len(results(b)) == 12, "12 results")
    assert not in_sight(page, "Nothing in this gallery matches")
    assert opacity(page) == 1


def test_compare_by_text_and_by_picture(page, photo, tmp_path, refusing_folder, clip_folder):
    open_tab(page, "Compare")
    box = wait(page, lambda b: b.find_element(By.CSS_SELECTOR, "#both-query textarea, #both-query input"), "the box")
    box.send_keys("a pair of boots", Keys.ENTER)
    wait(page, lambda b: in_sight(b, "overlap@12"), "the comparison", seconds=120)
    wait(page, lambda b: len(results(b)) == 24, "two columns of 12")
    left, right = (page.find_element(By.ID, f"{side}-results") for side in ("left", "right"))
    assert left.rect["x"] + left.rect["width"] <= right.rect["x"], "side by side"
    assert refusing_folder.name in left.text
    assert "Nothing in this gallery matches" in left.text, "each side for itself"
    assert "Nothing in this gallery matches" not in right.text
    assert clip_folder.name in right.text
    assert "◆ only here" in left.text
    (tmp_path / "photo.jpg").write_bytes(encoded(photo, "JPEG"))
    page.find_element(By.CSS_SELECTOR, "#both-picture input[type=file]").send_keys(str(tmp_path / "photo.jpg"))
    wait(page, lambda b: not box.get_attribute("value"), "the emptied box: the picture is asked now")
    wait(page, lambda b: len(results(b)) == 24, "two columns of 12")


def test_what_is_this(page, photo, tmp_path):
    open_tab(page, "What is this?")
    (tmp_path / "photo.jpg").write_bytes(encoded(photo, "JPEG"))
    upload = wait(page, lambda b: b.find_element(By.CSS_SELECTOR, "#unknown input[type=file]"), "the place for it")
    upload.send_keys(str(tmp_path / "photo.jpg"))
    wait(page, lambda b: b.find_elements(By.CSS_SELECTOR, "#unknown img"), "the picture")
    page.find_element(By.ID, "what-is-this").click()
    wait(page, lambda b: in_sight(b, "told in"), "an answer", seconds=120)
    assert "%" in page.find_element(By.ID, "verdict").text


def test_by_keyboard_alone(page):
    wait(page, lambda b: b.switch_to.active_element == query_box(b), "the focus in the query box")
    page.switch_to.active_element.send_keys("bag", Keys.ENTER)
    wait(page, lambda b: len(results(b)) == 12, "results")
    for _ in range(40):
        page.switch_to.active_element.send_keys(Keys.TAB)
        if "thumbnail-item" in (page.switch_to.active_element.get_attribute("class") or ""):
            break
    page.switch_to.active_element.send_keys(Keys.ENTER)
    wait(page, lambda b: in_sight(b, "picture encoded in"), "pictures like it")


def test_on_a_phone(page):
    resize(page, 390, 844)
    page.refresh()
    wait(page, lambda b: b.find_elements(By.CSS_SELECTOR, "#query textarea, #query input"), "the query box")
    query_box(page).send_keys("bag", Keys.ENTER)
    wait(page, lambda b: len(results(b)) == 12, "results")
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390, "nothing sticks out sideways"
    assert len({item.rect["x"] for item in results(page)}) == 3, "three columns"


def test_the_page_needs_no_other_server_and_logs_no_errors(page, served):
    query_box(page).send_keys("bag", Keys.ENTER)
    wait(page, lambda b: len(results(b)) == 12, "results")
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded
    assert [url for url in loaded if not url.startswith((served.url, "data:", "blob:"))] == []
    errors = [entry["message"] for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert [message for message in errors if "manifest.json" not in message and "favicon" not in message] == []
    assert "Traceback" not in served.output
