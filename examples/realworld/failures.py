"""Errors as the API has them: `{"errors": {"body": ["..."]}}`."""

from schemas import Errors, Failure
from sqlalchemy.exc import DBAPIError

from micropie import HTTPError, HttpMiddleware


class Failures(HttpMiddleware):
    async def on_error(self, request, error):
        if isinstance(error, DBAPIError) and str(getattr(error.orig, "sqlstate", ""))[:2] == "22":
            return _failure(422, ["a value can't be stored"])  # in PostgreSQL, a text with a NUL
        if not isinstance(error, HTTPError):
            return None  # a fault of ours: a 500, with its traceback in the log
        # What an annotation refuses is a 400; this API has 422 for that.
        status = 422 if error.status_code == 400 else error.status_code
        texts = [f"{each['field']} {each['message']}".strip() for each in error.errors]
        return _failure(status, texts or [str(error)], dict(error.headers or ()))


def _failure(status, texts, headers=None):
    body = Failure(errors=Errors(body=texts))
    return {"status_code": status, "body": body, "headers": headers or {}}
