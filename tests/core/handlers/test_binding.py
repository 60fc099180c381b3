"""Where the arguments of a handler come from: path, query, defaults."""

import functools
import inspect

import pytest

from micropie import App, HttpMiddleware
from support.asgi import Client
from support.binding import missing
from support.future_annotations import Annotated as FutureAnnotated

pytestmark = pytest.mark.anyio


class Handlers(App):
    async def one(self, name):
        return [name]

    async def three(self, first, second, third="default"):
        return [first, second, third]

    async def rest(self, first, *others):
        return [first, list(others)]

    async def rest_only(self, *others):
        return list(others)

    async def numbers(self, *numbers: int):
        return list(numbers)

    async def keyword(self, *, size, color="red"):
        return [size, color]

    async def both(self, name, *, size: int = 3):
        return [name, size]

    async def rest_and_keyword(self, *names, size: int):
        return [list(names), size]

    async def named(self, first="none", **others):
        return [first, others]

    async def named_numbers(self, **numbers: int):
        return numbers

    async def named_lists(self, **lists: list[int]):
        return lists

    async def everything(self, a, b=2, *c, d, e=5, **f):
        return [a, b, list(c), d, e, f]

    async def positional(self, name, /, number: int = 1):
        return [name, number]

    async def positional_and_named(self, name, /, **others):
        return [name, others]

    async def nothing(self):
        return "nothing"


async def test_segments_fill_parameters_in_order():
    assert (await Client(Handlers()).get("/three/a/b/c")).json == ["a", "b", "c"]


async def test_what_the_path_leaves_comes_from_the_query():
    client = Client(Handlers())
    assert (await client.get("/three/a?second=q")).json == ["a", "q", "default"]
    assert (await client.get("/three?third=3&first=1&second=2")).json == ["1", "2", "3"]


async def test_a_path_segment_wins_over_the_query():
    client = Client(Handlers())
    assert (await client.get("/three/a/b?first=x&second=y&third=z")).json == ["a", "b", "z"]


async def test_a_segment_is_never_moved_to_a_later_parameter():
    answer = await Client(Handlers()).get("/three/a?first=x")
    assert (answer.status, answer.text) == (400, missing("second"))


async def test_surplus_segments_and_values_are_ignored():
    client = Client(Handlers())
    assert (await client.get("/one/a/b/c?name=x&other=y")).json == ["a"]
    assert (await client.get("/nothing/a/b?other=y")).text == "nothing"


@pytest.mark.parametrize(
    ("url", "name"),
    [("/one", "name"), ("/one/", "name"), ("/one?Name=x", "name"), ("/three/a", "second")],
)
async def test_a_missing_parameter_is_a_400_that_names_it(url, name):
    answer = await Client(Handlers()).get(url)
    assert (answer.status, answer.text) == (400, missing(name))
    assert answer.header("content-type") == "text/plain; charset=utf-8"


async def test_the_first_missing_parameter_is_named():
    assert (await Client(Handlers()).get("/three")).text == missing("first")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("name=a+b", "a b"),
        ("name=a%20b", "a b"),
        ("name=a%2Bb", "a+b"),
        ("name=a%26b%3Dc", "a&b=c"),
        ("name=a=b", "a=b"),
        ("name=", ""),
        ("name", ""),
        ("&&name=a&", "a"),
        ("n%61me=a", "a"),
        ("name=a;b", "a;b"),
        ("name=%C3%A9", "é"),
        ("name=%ff", "�"),
        ("name=%", "%"),
        ("name=%zz", "%zz"),
        ("name=a&name=b", "a"),
        ("name=Alice", "Alice"),
    ],
)
async def test_the_query_is_decoded_as_browsers_encode_forms(query, name):
    assert (await Client(Handlers()).get(f"/one?{query}")).json == [name]


async def test_raw_bytes_in_the_query_are_utf_8():
    answer = await Client(Handlers()).get("/one", query_string="name=é".encode())
    assert answer.json == ["é"]
    answer = await Client(Handlers()).get("/one", query_string=b"name=\xff")
    assert answer.json == ["�"]


async def test_a_scope_without_query_string_is_served():
    client = Client(Handlers(), query_string=None)
    assert (await client.get("/one")).text == missing("name")


# *args.


async def test_the_rest_of_the_path_goes_to_args():
    client = Client(Handlers())
    assert (await client.get("/rest/a/b/c")).json == ["a", ["b", "c"]]
    assert (await client.get("/rest/a")).json == ["a", []]
    assert (await client.get("/rest?first=q")).json == ["q", []]
    assert (await client.get("/rest_only")).json == []


async def test_args_take_no_query_value():
    assert (await Client(Handlers()).get("/rest/a?others=x")).json == ["a", []]


async def test_each_of_args_is_converted():
    client = Client(Handlers())
    assert (await client.get("/numbers/1/2")).json == [1, 2]
    answer = await client.get("/numbers/1/x")
    assert (answer.status, answer.text) == (400, "400 Bad Request: 'numbers' must be an integer")


# Keyword-only parameters.


async def test_keyword_only_parameters_bind_by_name():
    client = Client(Handlers())
    assert (await client.get("/keyword?size=5")).json == ["5", "red"]
    assert (await client.get("/keyword?color=blue&size=5")).json == ["5", "blue"]
    assert (await client.get("/keyword")).text == missing("size")


async def test_keyword_only_parameters_never_take_a_segment():
    client = Client(Handlers())
    assert (await client.get("/keyword/5")).text == missing("size")
    assert (await client.get("/both/a/9")).json == ["a", 3]
    assert (await client.get("/both/a/9?size=7")).json == ["a", 7]
    assert (await client.get("/rest_and_keyword/a/b?size=7")).json == [["a", "b"], 7]


# **kwargs.


async def test_kwargs_take_the_query_values_that_are_left():
    client = Client(Handlers())
    assert (await client.get("/named?a=1&first=x&b=2")).json == ["x", {"a": "1", "b": "2"}]
    assert (await client.get("/named")).json == ["none", {}]


async def test_a_value_of_a_parameter_that_the_path_filled_is_not_left_over():
    assert (await Client(Handlers()).get("/named/p?first=x&b=2")).json == ["p", {"b": "2"}]


async def test_kwargs_take_the_first_of_many_values():
    assert (await Client(Handlers()).get("/named?a=1&a=2")).json == ["none", {"a": "1"}]


async def test_each_of_kwargs_is_converted():
    client = Client(Handlers())
    assert (await client.get("/named_numbers?a=1&b=2")).json == {"a": 1, "b": 2}
    answer = await client.get("/named_numbers?a=1&b=x")
    assert (answer.status, answer.text) == (400, "400 Bad Request: 'b' must be an integer")
    assert (await client.get("/named_lists?a=1&a=2&b=3")).json == {"a": [1, 2], "b": [3]}


async def test_odd_names_reach_kwargs():
    answer = await Client(Handlers()).get("/named?a-b=1&class=2&=3&%C3%A9=4")
    assert answer.json == ["none", {"a-b": "1", "class": "2", "": "3", "é": "4"}]


@pytest.mark.parametrize("name", ["self", "cls", "args", "kwargs", "others", "name", "request"])
async def test_no_query_name_breaks_a_handler_with_kwargs(name):
    class Catching(Handlers):
        @classmethod
        async def klass(cls, **others):
            return others

    app = Catching()
    app.partial = functools.partial(app.positional_and_named, "p")
    app.named_partial = functools.partial(Catching.named, app, "p")
    client = Client(app)
    for path in ("/named", "/positional_and_named/x", "/klass", "/partial", "/named_partial"):
        assert (await client.get(f"{path}?{name}=1")).status == 200, path


async def test_everything_at_once():
    client = Client(Handlers())
    assert (await client.get("/everything/1/2/3/4?d=5&x=6")).json == [
        *("1", "2", ["3", "4"], "5", 5, {"x": "6"})
    ]
    assert (await client.get("/everything?a=1&d=4&e=6&c=7")).json == [
        *("1", 2, [], "4", "6", {"c": "7"})
    ]
    assert (await client.get("/everything/1")).text == missing("d")


# Positional-only parameters.


async def test_positional_only_parameters_bind_like_others():
    client = Client(Handlers())
    assert (await client.get("/positional/a/5")).json == ["a", 5]
    assert (await client.get("/positional?name=a&number=5")).json == ["a", 5]
    assert (await client.get("/positional_and_named?name=a&x=1")).json == ["a", {"x": "1"}]


# Other callables.


async def test_partials_bind_what_they_leave_open():
    async def describe(size: int, color="red", *, name):
        return [size, color, name]

    app = App()
    app.first = functools.partial(describe, 5)
    app.last = functools.partial(describe, name="fixed")
    client = Client(app)
    assert (await client.get("/first/blue?name=n")).json == [5, "blue", "n"]
    assert (await client.get("/last/7")).json == [7, "red", "fixed"]


def logged_calls(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return ["wrapped", await function(*args, **kwargs)]

    return wrapper


async def test_a_decorated_handler_binds_as_the_function_within():
    class Decorated(App):
        @logged_calls
        @logged_calls
        async def show(self, number: int, *, color="red", **others):
            return [number, color, others]

    client = Client(Decorated())
    answer = await client.get("/show/5?color=blue&x=1&self=2")
    assert answer.json == ["wrapped", ["wrapped", [5, "blue", {"x": "1"}]]]
    assert (await client.get("/show/x")).text == "400 Bad Request: 'number' must be an integer"


async def test_an_explicit_signature_is_what_binds():
    async def anything(*args, **kwargs):
        return [list(args), kwargs]

    parameter = inspect.Parameter("number", inspect.Parameter.KEYWORD_ONLY, annotation=int)
    anything.__signature__ = inspect.Signature([parameter])
    app = App()
    app.show = anything
    assert (await Client(app).get("/show/x?number=5&x=1")).json == [[], {"number": 5}]


async def test_string_annotations_mean_what_they_mean_where_they_were_written():
    client = Client(FutureAnnotated())
    answer = await client.get("/show/5?when=2024-02-29&colors=red&colors=blue")
    assert answer.json == [5, "2024-02-29", ["red", "blue"], None]
    assert (await client.get("/show/x")).text == "400 Bad Request: 'number' must be an integer"


@pytest.mark.parametrize("name", ["decorated", "part", "twice"])
async def test_string_annotations_are_found_through_decorators_and_partials(name):
    app = FutureAnnotated()
    app.part = functools.partial(app.show)
    app.twice = functools.partial(functools.partial(logged_calls(app.show)))
    client = Client(app)
    answer = await client.get(f"/{name}/x")
    assert answer.text == "400 Bad Request: 'number' must be an integer"
    assert (await client.get(f"/{name}/5?colors=red&when=2024-02-29")).status == 200


async def test_a_sync_handler_binds_alike():
    class Sync(App):
        def show(self, number: int, *others, color="red"):
            return [number, list(others), color]

    client = Client(Sync())
    assert (await client.get("/show/5/a?color=x")).json == [5, ["a"], "x"]
    assert (await client.get("/show/x")).status == 400
    assert (await client.get("/show")).text == missing("number")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_path_and_query_bind_for_every_method(method):
    answer = await Client(Handlers()).request(method, "/both/a?size=7")
    assert answer.json == ["a", 7]


async def test_arguments_are_not_bound_when_a_hook_answers():
    class Refusing(HttpMiddleware):
        async def before_request(self, request):
            return {"status_code": 403}

    app = Handlers()
    app.middlewares.append(Refusing())
    assert (await Client(app).get("/one")).status == 403
