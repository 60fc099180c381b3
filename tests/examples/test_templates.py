"""Pages inherit, escape, and can be sent while they are made."""

from support.examples import served, visiting

server = served("templates")


def test_what_is_put_in_is_escaped(server):
    page = server.get("/pie/cherry").text
    assert page.count("Cherry &amp; &lt;almond&gt; pie") == 2  # as title and as heading
    assert "since 15 June 2026" in page


def test_filters_macros_and_tests_apply(server):
    page = server.get("/").text
    assert page.count("<mark>new</mark>") == 1
    assert '<a href="/pie/apple">Apple pie</a> <strong>€ 3.50</strong>' in page
    assert "Baking since 2024." in page


def test_an_error_has_a_page_too(server):
    answer = server.get("/pie/%3Cb%3E")
    assert answer.status == 404
    assert "We don't bake “&lt;b&gt;”." in answer.text


def test_a_page_is_sent_while_it_is_made(server):
    with visiting(server) as visitor, visitor.stream("GET", "/oven") as answer:
        seen = ""
        for piece in answer.iter_text():
            seen += piece
            if "Apple pie" in seen:
                break
        assert "Lemon tart" not in seen
    assert "Lemon tart" in server.get("/oven").text
