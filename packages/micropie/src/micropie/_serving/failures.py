"""What the client, and the log, get to see of something that went wrong."""

import traceback
from contextlib import suppress

from micropie._errors import (
    ExplainedError,
    HTTPError,
    ResponseError,
    answer_to,
    logger,
    status_line,
)
from micropie._http.request import Request
from micropie._http.response import PLAIN_TEXT, Response


def error_response(request: Request, error: Exception, *, debug: bool) -> Response:
    """Return the response for *error*; one that is no HTTPError is logged, and a 500.

    With *debug* that shows the traceback.
    """
    error = answer_to(error)
    if isinstance(error, HTTPError):
        try:
            response = _http_error_response(error)
            if error.body is not None or error.headers is not None:
                response.render(request.method)
            return response
        except Exception as unsendable:
            error = unsendable
    request._mark_failed()
    # A log that can't be written to, or an error that can't be shown, must not be the next
    # error to answer: that one would be no better, and there would be no end.
    with suppress(Exception):
        log_failure(request, error)
        if debug:
            import html  # with a table of all entities, which few will need

            trace = "".join(traceback.format_exception(error))
            return Response(500, f"<h1>{status_line(500)}</h1><pre>{html.escape(trace)}</pre>")
    return _http_error_response(HTTPError(500))


def log_failure(request: Request, error: Exception) -> None:
    """Log what failed while *request* was served, and its handler."""
    what = request.method, request.path, request._handler_name
    if isinstance(error, ResponseError):
        logger.error("%s %r: %s %s", *what, error)
    else:
        logger.error("%s %r: %s failed", *what, exc_info=error)


def log_nothing(request: Request) -> None:
    """Log, for who is developing it, that the handler of a page has returned None."""
    logger.warning(
        "GET %r: %s returned None, so the client gets 204 No Content; return what it is to see, "
        "or (204, None) if that is meant",
        request.path,
        request._handler_name,
    )


def _http_error_response(error: HTTPError) -> Response:
    body = status_line(error.status_code) if error.body is None else error.body
    # Of our own words only, and no header: a hook's error page in their place is HTML again.
    is_ours = error.body is None or isinstance(error, ExplainedError)
    return Response(
        error.status_code, body, error.headers, content_type=PLAIN_TEXT if is_ours else None
    )
