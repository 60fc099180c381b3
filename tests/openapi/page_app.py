"""An App whose page is visited, with the hooks of most sites."""

from micropie import App, CrossOriginProtection, SecurityHeaders
from micropie_openapi import OpenAPI
from support.openapi import Bakery, Staff

app = Bakery()
app.middlewares += [CrossOriginProtection(), SecurityHeaders()]
app.mount("/staff", Staff())
app.mount("/docs", OpenAPI(title="<Bakery>"))

below = App()
below.mount("/outer", app)
