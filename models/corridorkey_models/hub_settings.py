"""The environment's network settings: where they lead, and which of them are unusable.

Knows neither hub nor network, so that it can explain why the hub's client could not even be imported.
"""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import InputError

_HUB = "https://huggingface.co"
_DAY = 86400
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True)
class Route:
    """What is connected to first: `host` and `port` of the hub or of a proxy, and the `setting` that says so."""

    host: str
    port: int
    setting: str


def endpoint() -> str:
    """Return the hub's address, without a slash at its end: $HF_ENDPOINT, else the public one."""
    return (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")


def check_settings() -> None:
    """Check the hub's settings.

    Raises:
        InputError: HF_ENDPOINT is no web address, or a timeout no number of seconds.
    """
    _route_to(endpoint(), "HF_ENDPOINT")
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        value = os.environ.get(name, "10")
        if not value.isdecimal() or int(value[:9]) > _DAY:
            raise InputError(f"{name} is {value!r}; set it to whole seconds, at most {_DAY}, or unset it.")


def find_route() -> Route:
    """Return the way to the hub: through the proxy for its scheme, unless NO_PROXY names the hub.

    Raises:
        InputError: the proxy, or HF_ENDPOINT, is no address.
    """
    address = urlsplit(endpoint())
    proxies = getproxies()
    for scheme in (address.scheme, "all"):
        if (proxy := proxies.get(scheme)) and not proxy_bypass(address.netloc.rpartition("@")[2]):
            return _route_to(proxy if "://" in proxy else f"http://{proxy}", f"{scheme.upper()}_PROXY")
    return _route_to(endpoint(), "HF_ENDPOINT")


def _route_to(address: str, setting: str) -> Route:
    try:
        parts = urlsplit(address)
        port, host = parts.port or _PORTS[parts.scheme], parts.hostname
    except (ValueError, KeyError):
        host = None
    if not host or (setting == "HF_ENDPOINT" and parts.scheme not in ("http", "https")):
        raise InputError(f"{setting} is no web address such as {_HUB}; correct or unset it.")
    return Route(host, port, setting)


def explain(error: Exception) -> InputError:
    """Return what it means that the hub's client could not be set up, naming the settings to correct."""
    if isinstance(error, OSError):
        why = f"the certificates cannot be read ({error.strerror or error})"
        return InputError(f"{why}; correct or unset {_set_ones('SSL_CERT_FILE', 'SSL_CERT_DIR')}.")
    proxies = _set_ones("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
    if isinstance(error, ImportError):
        return InputError(f"a SOCKS proxy needs the Python package socksio; install it, or correct {proxies}.")
    return InputError(f"the proxy settings cannot be used ({error}); correct or unset {proxies}.")


def _set_ones(*names: str) -> str:
    """Return those of `names` that are set, in capitals or not; all where none is."""
    return " or ".join([name for name in os.environ if name.upper() in names] or names)
