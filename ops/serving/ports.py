import socket
from contextlib import ExitStack, closing


def free_ports(count: int) -> list[int]:
    """So many different ports of the loopback that nobody listens on now."""
    with ExitStack() as held:
        sockets = [
            held.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
            for _ in range(count)
        ]
        return [one.getsockname()[1] for one in sockets]
