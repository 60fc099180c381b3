"""What an exception becomes: a hook's answer or a response of its own, and a line in the log."""

from contextlib import suppress

from micropie._errors import HTTPError, ResponseError, logger, report, unwrap
from micropie._headers import header_pairs
from micropie._http.request import Request
from micropie._http.response import Response, response_of_hook
from micropie._serving.middleware import Hooks, blame
from micropie._serving.parts import Parts


async def error_response(
    error: Exception, request: Request, askable: list[Hooks], parts: Parts
) -> Response:
    """Return the response for *error*.

    It is what the first of the *askable* hooks, from the last on, answers; else what an HTTPError
    says, or a 500, which is logged; *parts* know whether to tell more. A hook that has been asked
    is taken out of the list: it is not asked again, nor told of what it raises itself.
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
    return _own_response(error, request, parts)


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


def _own_response(error: Exception, request: Request, parts: Parts) -> Response:
    if isinstance(error, HTTPError):
        try:
            response = Response.of_error(error)
            if error.body is not None or error.headers is not None:
                response.render(request.method)
            elif error.status_code == 404 and parts.debug and request._is_unrouted:
                return _routes_page(request, parts) or response
            return response
        except Exception as unsendable:
            error = unsendable
    request._discard_session()
    # A log that fails, or a traceback that can't be formatted, must not become the next error
    # to answer: that one would fail the same way, and so on forever.
    with suppress(Exception):
        log_failure(error, request)
        if parts.debug:
            from micropie._serving.debug_page import failure_response  # few apps need it

            return failure_response(error, request)
    return Response.of_error(HTTPError(500))


def _routes_page(request: Request, parts: Parts) -> Response | None:
    """Return the 404 that lists the routes; None if the client wants none, or it can't be made."""
    with suppress(Exception):
        from micropie._serving.debug_page import not_found_response, wants_page  # as above

        if wants_page(request):
            root_path = parts.mounts.root_path(request.scope)
            return not_found_response(request, root_path, parts.described())
    return None


def log_failure(error: BaseException, request: Request) -> None:
    """Log *error*, with its traceback unless its message says all."""
    report(error)
    if isinstance(error, ResponseError):
        logger.error("%s %r: %s %s", *request._log_names(), error)
    else:
        logger.error("%s %r: %s failed", *request._log_names(), exc_info=error)
