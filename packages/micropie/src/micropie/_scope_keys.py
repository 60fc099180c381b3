"""The keys that an App adds to a scope, for what is mounted below it.

An ASGI scope is the one thing that a mount hands down, so what belongs to the whole request and not
to one App is there. A key is private: other apps see it, and leave it alone.
"""

# The Connection of the App above, for an App that shares its session. The outermost of such a chain
# has the session, stores it, and sets its cookie; without the key an App is the outermost itself.
PARENT = "micropie.parent"

# Beside PARENT: the SessionManager of that outermost App.
SESSIONS = "micropie.sessions"

# `request.state`, which is one object for all Apps and hooks of a request. Not `scope["state"]`:
# that is ASGI's, and holds what the lifespan has yielded, for all requests.
REQUEST_STATE = "micropie.state"

# The root_path of each App above, by the identity of its Mounts.
ROOT_PATHS = "micropie.root_paths"
