"""Serve decisions from the run that was published last.

    python -m serving --config conf/base.yaml --config conf/campaigns/coupon.yaml
    curl -s localhost:8000/v1/decisions -H 'content-type: application/json' -d '{"user_id": "..."}'

Without keys it listens on loopback only; see `python -m serving.keys`. Stop it with Ctrl-C or
SIGTERM: requests in flight end first.
"""

import ipaddress
import logging
import math
import socket
import sys
from collections.abc import Sequence

import uvicorn

from serving.app import create_app
from serving.keys import read_keys
from serving.opening import Office
from uplift.config import Config
from uplift.config.options import config_named_by, option_parser
from uplift.errors import ConfigError, UpliftError
from uplift.logs import configure_logging, event
from uplift.workspace import Workspace

_LOG = logging.getLogger(__name__)
_KEEP_ALIVE_SECONDS = 75  # longer than the 60 s of common proxies, which would else hit a reset


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until stopped; the exit status is 2 after an error, which goes to stderr in a line."""
    options = option_parser(__doc__, prog="python -m serving").parse_args(argv)
    configure_logging()
    try:
        _serve(config_named_by(options))
    except UpliftError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _serve(config: Config) -> None:
    serving = config.serving
    keys = read_keys(serving.keys.file or Workspace(config.workspace).keys)
    listener = _listen(serving.host, serving.port, has_keys=bool(keys))
    with listener:
        office = Office(config)
        service = office.desk.service
        settings = uvicorn.Config(
            create_app(office),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(serving.limits.drain_seconds),
        )
        event(
            _LOG,
            "service.started",
            url=f"http://{serving.host}:{serving.port}",
            run_id=service.run_id,
            model_version=service.model.version,
            policy_version=service.policy.version,
            keys=len(keys),
        )
        uvicorn.Server(settings).run(sockets=[listener])


def _listen(host: str, port: int, *, has_keys: bool) -> socket.socket:
    """A socket, taken before anything slow happens; one that others can reach needs keys."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ConfigError(
            f"`serving.host` is {host!r}, no IP address; write 127.0.0.1 or ::1."
        ) from None
    if not address.is_loopback and not has_keys:
        raise ConfigError(
            f"`serving.host` is {host!r}, which others can reach, and there is no key. Make one "
            "with `python -m serving.keys make --scope decide`, or write 127.0.0.1."
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        return socket.create_server((str(address), port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"port {port} of {host} cannot be had ({error.strerror}). Stop what uses it, or write "
            "another `serving.port`."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
