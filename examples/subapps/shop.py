"""The shop: an App that could run alone, with URLs as if it were at the root."""

from micropie import App, HTTPError, allow

PIES = {"apple": 350, "cherry": 420, "lemon": 390}  # cents
MAX_PIECES = 20


class Shop(App):
    async def index(self):
        cart = self.session.get("cart", {})
        total = sum(PIES[pie] * pieces for pie, pieces in cart.items())
        return await self._render_template("shop.html", pies=PIES, cart=cart, total=total)

    @allow("POST")
    async def add(self, pie: str):
        if pie not in PIES:
            raise HTTPError(404)
        cart = self.session.setdefault("cart", {})
        cart[pie] = min(MAX_PIECES, cart.get(pie, 0) + 1)
        # "/shop/" here; "/" if this App is served alone.
        return self._redirect(self._url_for("index"), status_code=303)
