"""Serve decisions from the run that was published last.

    python -m serving --config conf/base.yaml --config conf/campaigns/coupon.yaml
    curl -s localhost:8000/v1/decisions -H 'content-type: application/json' -d '{"user_id": "..."}'

Listens on loopback only: there are no keys yet. Stop it with Ctrl-C; requests in flight end first.
"""

import ipaddress
import logging
import socket
import sys
from collections.abc import Sequence

import uvicorn

from serving.app import create_app
from serving.service import load_service
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
    listener = _listen(config.serving.host, config.serving.port)
    with listener:
        service = load_service(Workspace(config.workspace).published, config.campaign)
        settings = uvicorn.Config(
            create_app(lambda: service),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        event(
            _LOG,
            "service.started",
            url=f"http://{config.serving.host}:{config.serving.port}",
            run_id=service.run_id,
            model_version=service.model.version,
            policy_version=service.policy.version,
        )
        uvicorn.Server(settings).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """A socket on a loopback address, taken before anything slow happens."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ConfigError(
            f"`serving.host` is {host!r}, no IP address; write 127.0.0.1 or ::1."
        ) from None
    if not address.is_loopback:
        raise ConfigError(
            f"`serving.host` is {host!r}, which others can reach, and the API has no keys yet. "
            "Write 127.0.0.1, and put a proxy that knows its callers before it."
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
