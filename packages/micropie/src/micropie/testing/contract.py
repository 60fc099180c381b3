"""The suite that every session backend must pass, for tests of other projects; needs pytest."""

from micropie.testing.changing import ChangingContract
from micropie.testing.racing import RacingContract
from micropie.testing.storing import StoringContract


class SessionBackendContract(StoringContract, ChangingContract, RacingContract):
    """What App relies on, as tests; inherit them and say how to make your backend.

    For example::

        class TestMyBackend(SessionBackendContract):
            def make_backend(self):
                return MyBackend("store://127.0.0.1")

            def dump(self, backend):
                return Path("/var/lib/store/data").read_bytes()

    To use a fixture in `make_backend`, give the class an autouse fixture that keeps its value on
    `self`. Put `pytest.register_assert_rewrite("micropie.testing")` into conftest.py to see
    the values in a failing comparison.

    The tests use random session ids, so the store may hold other sessions; what they leave
    behind expires within a minute.
    """

    __module__ = "micropie.testing"  # where users find it
