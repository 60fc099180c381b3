# shellcheck shell=bash
# Sourced by setup.sh: starts a script again with an environment that holds only what finds programs,
# registries and certificates. What else is set on a machine (PYTHON*, PYTEST_*, UVICORN_*, PG*, ...)
# can neither help nor harm.

if [[ -z ${MICROPIE_OWN_ENVIRONMENT:-} ]]; then
  kept=(MICROPIE_OWN_ENVIRONMENT=1 LANG=C.UTF-8)
  for variable in \
    HOME PATH TERM PYENV_ROOT MICROPIE_TEST_SCREENSHOTS \
    HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy \
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE PIP_CERT NODE_EXTRA_CA_CERTS \
    PIP_INDEX_URL PIP_EXTRA_INDEX_URL UV_DEFAULT_INDEX UV_INDEX UV_INDEX_URL npm_config_registry; do
    [[ -z ${!variable:-} ]] || kept+=("$variable=${!variable}")
  done
  exec env -i "${kept[@]}" bash "$0" "$@"
fi
umask 022 # files that are made here are readable for the accounts that servers run as
