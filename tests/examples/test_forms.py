"""The form takes orders; the echo tells what a request was."""

from support.examples import loaded, served, typed, visiting

app = loaded("forms")
server = served("forms")

ORDER = {"name": "Ada <3", "size": "large", "pieces": "2", "topping": ["cream", "custard"]}


def test_an_order_is_understood(app):
    with visiting(app) as visitor:
        assert "Order a pie" in visitor.get("/").text
        page = visitor.post("/order", data={**ORDER, "when": "2026-12-24", "gift": "true"}).text
    assert "Thank you, Ada &lt;3" in page
    assert "2 pieces of a large one" in page
    assert "cream, custard" in page
    assert "not before 2026-12-24" in page
    assert "as a present" in page


def test_an_order_that_can_not_be_comes_back_with_advice(app):
    with visiting(app) as visitor:
        answer = visitor.post("/order", data={**ORDER, "name": " ", "pieces": "13", "when": ""})
        assert answer.status_code == 422
        assert "Please tell us your name." in answer.text
        assert "One to twelve pieces, please." in answer.text
        assert 'value="13"' in answer.text
        assert "<option selected>large" in answer.text
        assert answer.text.count("checked") == 2
        assert visitor.post("/order", data={**ORDER, "pieces": "many"}).status_code == 400


def test_the_echo_tells_everything(app):
    with visiting(app) as visitor:
        headers = {"Content-Type": "text/plain", "Cookie": "a=b"}
        told = visitor.put("/echo/x?q=1&q=2", content="12345", headers=headers).json()
        assert told["method"] == "PUT"
        assert (told["path"], told["segments"]) == ("/echo/x", ["x"])
        assert told["query"] == {"q": ["1", "2"]}
        assert told["cookies"] == {"a": "b"}
        assert told["body_size"] == 5
        assert visitor.post("/echo", json={"a": 1}).json()["json"] == {"a": 1}
        multipart = visitor.post("/echo", data={"a": "b"}, files={"f": b"x"}).json()
        assert (multipart["form"], multipart["body_size"]) == ({"a": ["b"]}, None)


def test_the_readme_can_be_typed(server):
    (echo,) = typed(server, "forms")
    assert '"method":"PUT"' in echo
    assert '"body_size":5' in echo
