"""What an exception becomes: a hook's answer or a response of its own, and a line in the log."""

import traceback
from contextlib import suppress

from micropie._errors import HTTPError, ResponseError, logger, status_line, unwrap
from micropie._headers import header_pairs
from micropie._http.request import Request
from micropie._http.response import Response, response_of_hook
from micropie._serving.middleware import Hooks, blame


async def error_response(
    error: Exception, request: Request, askable: list[Hooks], *, debug: bool
) -> Response:
    """Return the response for *error*.

    It is what the first of the *askable* hooks, from the last on, answers; else what an HTTPError
    says, or a 500, which is logged. With *debug* a 500 shows the traceback. A hook that has been
    asked is taken out of the list: it is not asked again, nor told of what it raises itself.
    """
    error = unwrap(error)
    while askable:
        hooks = askable.pop()
        if hooks.on_error is None:
            continue
        try:
            answer = await hooks.on_error(request, error)
            if answer is not None:
                response = _answer(answer, error)
                if not isinstance(error, HTTPError):
                    request._discard_session()
                return response
        except Exception as failure:
            blame(request, "on_error", hooks)
            failure.__context__ = failure.__context__ or error  # the log shows both
            error = unwrap(failure)
    return _own_response(error, request, debug=debug)


def _answer(answer: object, error: Exception) -> Response:
    """Return what `on_error` answered, with the status and headers of *error* where it has none.

    Raises:
        Exception: as `response_of_hook`.
    """
    if not isinstance(error, HTTPError):
        return response_of_hook(answer, 500)
    response = response_of_hook(answer, error.status_code)
    if isinstance(answer, dict) and "headers" not in answer:
        # Allow of a 405, say; a type would be that of the body that is replaced.
        kept = header_pairs(error.headers)
        response.headers += [pair for pair in kept if pair[0].lower() != "content-type"]
    return response


def _own_response(error: Exception, request: Request, *, debug: bool) -> Response:
    if isinstance(error, HTTPError):
        try:
            response = Response.of_error(error)
            if error.body is not None or error.headers is not None:
                response.render(request.method)
            return response
        except Exception as unsendable:
            error = unsendable
    request._discard_session()
    # A log that fails, or a traceback that can't be formatted, must not become the next error
    # to answer: that one would fail the same way, and so on forever.
    with suppress(Exception):
        log_failure(error, request)
        if debug:
            import html  # here: it loads a table of all entities, which few apps need

            trace = "".join(traceback.format_exception(error))
            return Response(500, f"<h1>{status_line(500)}</h1><pre>{html.escape(trace)}</pre>")
    return Response.of_error(HTTPError(500))


def log_failure(error: BaseException, request: Request) -> None:
    """Log *error*, with its traceback unless its message says all."""
    if isinstance(error, ResponseError):
        logger.error("%s %r: %s %s", *request._log_names(), error)
    else:
        logger.error("%s %r: %s failed", *request._log_names(), exc_info=error)
