import random
import socket
from contextlib import ExitStack, closing, suppress

# Below those that the kernel gives to outgoing connections, so that none takes a port between its
# choice and its use.
FIRST_FREE_PORT, LAST_FREE_PORT = 20_000, 32_000


def free_ports(count: int) -> list[int]:
    """`count` different ports of the loopback interface that are free now."""
    ports: list[int] = []
    with ExitStack() as held:
        # All sockets stay open until every port is known, so that none is handed out twice.
        while len(ports) < count:
            port = random.randint(FIRST_FREE_PORT, LAST_FREE_PORT)  # noqa: S311 no secret
            with suppress(OSError):
                held.enter_context(closing(socket.create_server(("127.0.0.1", port))))
                ports.append(port)
    return ports
