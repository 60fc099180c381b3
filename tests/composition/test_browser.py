"""Two people talk in the chat, in Chromium."""

import re
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import expect

from support.browser import chromium
from support.chat import chat
from support.screenshots import leave_screenshot
from support.servers import reserved_port

DESKTOP = {"width": 1200, "height": 800}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def server(tmp_path):
    with chat("uvicorn", tmp_path) as running:
        yield running


@contextmanager
def visitor(browser, server, *, clean=True):
    """Open the chat in a browser of its own; in the end nothing may have gone wrong in the page."""
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    try:
        page.goto(server.url)
        yield page
        if clean:
            assert problems == []
    finally:
        context.close()


def come_in(page, name):
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_role("status")).to_have_text(f"Here as {name}")


def say(page, text):
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").click()


def said(page):
    return page.get_by_role("log").locator(".bubble")


def test_two_people_talk_under_the_names_they_logged_in_with(browser, server):
    with visitor(browser, server) as ada, visitor(browser, server) as bob:
        leave_screenshot(ada, "chat-login")
        come_in(ada, "Ada")
        come_in(bob, "Bob")
        expect(ada.get_by_text("Bob is here")).to_be_visible()
        lines = [
            (ada, "Good morning! Is there any of the apple pie left?"),
            (bob, "Half of it. And the rhubarb one is still in the oven."),
            (bob, "Twenty minutes, I think."),
            (ada, "Then I will bring the cream."),
            (bob, "You are the best."),
        ]
        for number, (speaker, text) in enumerate(lines, start=1):
            say(speaker, text)
            for page in (ada, bob):
                expect(said(page)).to_have_count(number)
        for page, other in ((ada, "Bob"), (bob, "Ada")):
            expect(said(page).last).to_contain_text("You are the best.")
            expect(page.locator(".message:not(.own) .name").first).to_have_text(other)
        leave_screenshot(ada, "chat-desktop")
        bob.set_viewport_size(PHONE)
        # Nothing is wider than a phone, and the field to type in is in sight.
        assert bob.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        expect(bob.get_by_label("Your message")).to_be_in_viewport()
        leave_screenshot(bob, "chat-phone")


def test_html_in_a_name_or_a_message_is_text(browser, server):
    name, text = "<b>Eve</b>", "<img src=x onerror=alert(1)><script>alert(2)</script>"
    with visitor(browser, server) as ada, visitor(browser, server) as eve:
        come_in(ada, "Ada")
        come_in(eve, name)
        say(eve, text)
        for page in (ada, eve):
            expect(said(page)).to_contain_text(text)
            assert page.locator("#log img, #log script, #log b").count() == 0
        expect(ada.locator(".name")).to_have_text(name)
        expect(ada.get_by_text(f"{name} is here")).to_be_visible()
        # The same after a reload, when it comes out of the history.
        ada.reload()
        expect(said(ada)).to_contain_text(text)


def test_a_message_that_will_not_do_is_answered_below_the_field(browser, server):
    with visitor(browser, server) as ada:
        come_in(ada, "Ada")
        say(ada, "   ")
        expect(ada.get_by_role("alert")).to_have_text("There is nothing in this message.")
        say(ada, "Hello")
        expect(said(ada)).to_contain_text("Hello")
        expect(ada.get_by_role("alert")).to_have_count(0)


def test_who_logs_out_in_one_tab_is_out_in_the_other_as_soon_as_it_speaks(browser, server):
    # Not clean: a poll that is on its way when the server ends the session is a 400.
    with visitor(browser, server, clean=False) as ada:
        come_in(ada, "Ada")
        other = ada.context.new_page()
        other.goto(server.url)
        other.get_by_role("button", name="Leave").click()
        expect(other.get_by_label("Your name")).to_be_visible()
        say(ada, "Am I still here?")
        expect(ada.get_by_label("Your name")).to_be_visible()


def test_the_chat_goes_on_after_a_restart_of_the_server(browser, tmp_path):
    with ExitStack() as stack:
        port = stack.enter_context(reserved_port())
        restarting = stack.enter_context(chat("uvicorn", tmp_path, port=port))
        ada = stack.enter_context(visitor(browser, restarting, clean=False))
        come_in(ada, "Ada")
        say(ada, "Before")
        expect(said(ada)).to_have_count(1)
        restarting.kill()
        expect(ada.get_by_role("status")).to_have_text(re.compile("Trying again"))
        with chat("uvicorn", tmp_path, port=port):
            expect(ada.get_by_role("status")).to_have_text("Here as Ada")
            say(ada, "After")
            expect(said(ada)).to_have_count(2)
            expect(said(ada).last).to_contain_text("After")
