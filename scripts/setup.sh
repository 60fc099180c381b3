# shellcheck shell=bash
# Sourced by the other scripts: starts them again in an environment of their own, goes to the root
# of the checkout and defines `hatch`, which runs from .hatch-env, a virtual environment of this
# checkout, made here when it isn't there yet.

set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "$0: $*" >&2
  exit 1
}

runs_python() { # COMMAND VERSION: is it a Python of at least this version? A pyenv shim may be none.
  "$1" -c "import sys; sys.exit(sys.version_info < (${2/./, }))" 2>/dev/null
}

make_environment() {
  local python version
  for python in python3 python3.13 python3.12 python3.11; do
    if runs_python "$python" 3.11; then
      # Debian has ensurepip, which puts pip into a new environment, in a package of its own.
      if ! "$python" -c "import ensurepip" 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        scripts/install-debian "python$version-venv"
      fi
      "$python" -m venv --clear .hatch-env
      return
    fi
  done
  fail "no Python 3.11 or newer found on PATH"
}

# Hatch installs with uv, which trusts the certificates it brings unless told to trust the machine's,
# and finds none at all where there are none.
if [[ -s /etc/ssl/certs/ca-certificates.crt ]]; then
  export UV_SYSTEM_CERTS=true
fi

if ! .hatch-env/bin/python -c "import pip" 2>/dev/null; then
  make_environment
fi
# Half a second, and no network, when Hatch is there already.
.hatch-env/bin/python -m pip install -qq --disable-pip-version-check "hatch>=1.16,<2"

hatch() {
  .hatch-env/bin/python -m hatch "$@"
}
