"""A form and what becomes of it, and everything else that a request tells."""

from datetime import date
from pathlib import Path
from typing import Literal, get_args

from micropie import App, CrossOriginProtection, SecurityHeaders, allow

Size = Literal["small", "medium", "large"]
TOPPINGS = ["cream", "custard", "ice cream"]


class Forms(App):
    async def index(self):
        """An empty form."""
        return await self._form_page({})

    @allow("POST")
    async def order(
        self,
        *,
        name: str,
        size: Size = "medium",
        pieces: int = 1,
        topping: list[str] = (),
        when: date | None = None,
        gift: bool = False,
    ):
        """The fields by their names, converted; `topping` may come several times, or never.

        A browser can't send `pieces=many` out of this form; who does gets a 400. What a browser can
        send, but shouldn't, is said beside the field instead, with all that was filled in.
        """
        fields = {"name": name, "size": size, "pieces": pieces, "topping": topping}
        fields |= {"when": when, "gift": gift}
        problems = {}
        if not name.strip():
            problems["name"] = "Please tell us your name."
        if not 1 <= pieces <= 12:
            problems["pieces"] = "One to twelve pieces, please."
        if not set(topping) <= set(TOPPINGS):
            problems["topping"] = "We don't have that."
        if problems:
            return 422, await self._form_page(fields, problems)
        return await self._render_template("order.html", **fields)

    async def _form_page(self, fields, problems=None):
        return await self._render_template(
            "form.html",
            fields=fields,
            problems=problems or {},
            sizes=get_args(Size),
            toppings=TOPPINGS,
        )

    async def echo(self, *path):
        """Any method, any body, at `/echo` and below: what the request was, as JSON."""
        request = self.request
        # Forms and JSON have been parsed by now; read() gives the bytes of anything else as well.
        is_multipart = request.headers.get("content-type", "").startswith("multipart/")
        return {
            "method": request.method,
            "path": request.path,
            "segments": path,
            "query": request.query_params,
            "headers": request.headers,
            "cookies": request.cookies,
            "client": request.client,
            "form": request.body_params,
            "json": request.get_json,
            "body_size": None if is_multipart else len(await request.read()),
        }


app = Forms(template_dir=Path(__file__).parent / "templates")
app.middlewares += [SecurityHeaders(), CrossOriginProtection()]
