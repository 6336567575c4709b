import socket
from contextlib import ExitStack, closing


def free_ports(count: int) -> list[int]:
    """`count` different ports of the loopback interface that are free now."""
    with ExitStack() as held:
        # All sockets stay open until every port is known, so that none is handed out twice.
        sockets = [
            held.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
            for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]
