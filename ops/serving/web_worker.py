"""The web server's process: gunicorn's master starts and watches it, its parser reads requests.

All threads wait on one epoll for all connections. The kernel wakes one of them for a connection on
which something has arrived; that thread reads the request, answers it, and lets the kernel watch
the connection again. No request is handed from one thread to another, which costs more than the
rest of the server together (docs/decisions/0017-web-server.md). When no thread is free, requests
wait in `fair_queue.py`. The main thread accepts connections and closes those that are silent.
"""

import os
import select
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.base import Worker

from ops.serving.fair_queue import FairQueue, Turn, find_caller
from ops.serving.web_response import SOCKET_STALL_SECONDS, WebResponse, refusal_bytes, refusal_of

HEAD_END = b"\r\n\r\n"
# A thread reads on from here; gunicorn's parser knows the limits of longer heads.
MAX_WAITING_HEAD_BYTES = 8_192
SOCKET_READ_BYTES = 65_536
REQUEST_HEAD_SECONDS = 15.0  # from its first byte to its last
# For a client to read the last response, or to send its last request.
CONNECTION_LINGER_SECONDS = 2.0
LOOP_TICK_SECONDS = 1.0
MAX_POLLED_EVENTS = 1_024
# One thread is woken, and the connection is not watched any more until it is asked for again.
WATCHED = select.EPOLLIN | select.EPOLLONESHOT
# The last is what a socket raises after SOCKET_STALL_SECONDS.
CLIENT_LEFT_ERRORS = (NoMoreData, StopIteration, ConnectionError, TimeoutError, BlockingIOError)

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Close = Callable[[], object]


class Connection:
    """One client. While it `is_busy`, a thread has it; otherwise epoll waits for its bytes."""

    def __init__(self, client: socket.socket, address: Any, server: Any) -> None:
        self.socket = client
        self.address = address
        self.server = server
        self.unreader = SocketUnreader(client, SOCKET_READ_BYTES)
        self.head = b""  # what has arrived of the next request
        self.requests = 0
        self.is_busy = False
        self.is_closing = False
        self.deadline = 0.0  # monotonic; when it is closed, unless it is busy


class WebWorker(Worker):  # type: ignore[misc]  # the library is not typed
    wsgi: Application

    def init_process(self) -> None:
        """Serve until gunicorn's master says otherwise."""
        self.selector = selectors.DefaultSelector()  # of the main thread
        self.epoll = select.epoll()
        self.alarm = os.eventfd(0, os.EFD_NONBLOCK)  # wakes a thread for a request that was read
        self.queue: FairQueue[Connection] = FairQueue()
        self.connections: dict[int, Connection] = {}
        self.idle_threads = 0
        self.is_listening = False
        # Guards `connections` and `idle_threads`, and who has a connection.
        self.lock = threading.Lock()
        super().init_process()

    def run(self) -> None:
        """Accept connections until `alive` ends; then let go of those that there are."""
        # Written to by the interpreter when a signal arrives.
        self.selector.register(self.PIPE[0], selectors.EVENT_READ, self._drain_pipe)
        self.epoll.register(self.alarm, WATCHED)
        for number in range(self.cfg.threads):
            # A process that ends does not wait for a request that is late already.
            threading.Thread(target=self._serve, name=f"web-{number}", daemon=True).start()
        next_tick = 0.0
        while self.alive:
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + LOOP_TICK_SECONDS
                if not self._tick():
                    return
            self._dispatch(LOOP_TICK_SECONDS)
        self._let_go()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Respond and close. The request is not logged, because it may contain a credential."""
        status, detail = refusal_of(exc)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("A request could not be handled", exc_info=exc)
        else:
            self.log.warning("Refused a malformed HTTP request (%s)", type(exc).__name__)
        try:
            client.sendall(refusal_bytes(status, detail), socket.MSG_DONTWAIT)
        except OSError:
            self.log.debug("The client had disconnected before the response was sent")

    # --- the main thread ---

    def _tick(self) -> bool:
        """Do what is due once a second; returns False when gunicorn's master is gone."""
        self.notify()
        self._close_expired()
        self._listen(len(self.connections) < self.cfg.worker_connections)
        return bool(self.ppid == os.getppid())

    def _dispatch(self, timeout_seconds: float) -> None:
        for key, _ in self.selector.select(timeout_seconds):
            key.data(key.fileobj)

    def _drain_pipe(self, pipe: int) -> None:
        os.read(pipe, SOCKET_READ_BYTES)

    def _listen(self, is_listening: bool) -> None:
        if is_listening == self.is_listening:
            return
        self.is_listening = is_listening
        for listener in self.sockets:
            listener.setblocking(False)
            if is_listening:
                self.selector.register(listener, selectors.EVENT_READ, self._accept)
            else:
                self.selector.unregister(listener)

    def _accept(self, listener: Any) -> None:
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another process was faster
        except OSError as error:
            self.log.warning("A connection cannot be accepted: %s", error)
            self._listen(False)  # until the next tick
            return
        client.setblocking(True)
        stall = struct.pack("ll", SOCKET_STALL_SECONDS, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, stall)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, stall)
        connection = Connection(client, address, listener.getsockname())
        connection.deadline = time.monotonic() + self.cfg.keepalive
        with self.lock:
            self.connections[client.fileno()] = connection
        self.epoll.register(client, WATCHED)
        if len(self.connections) >= self.cfg.worker_connections:
            self._listen(False)

    def _close_expired(self) -> None:
        now = time.monotonic()
        with self.lock:
            found = self.connections.values()
            for connection in [c for c in found if not c.is_busy and c.deadline <= now]:
                self._forget(connection)

    def _let_go(self) -> None:
        """Accept no more, and answer what has arrived, or arrives in a moment, with a close."""
        self._listen(False)
        now = time.monotonic()
        with self.lock:
            for connection in self.connections.values():
                connection.deadline = min(connection.deadline, now + CONNECTION_LINGER_SECONDS)
        ends_at = now + self.cfg.graceful_timeout
        while self.connections and time.monotonic() < ends_at:
            self.notify()
            self._dispatch(0.1)
            self._close_expired()

    # --- the other threads ---

    def _serve(self) -> None:
        while True:
            turn = self._next_turn()
            try:
                self._handle(turn.request)
            except Exception:  # the thread goes on
                self.log.exception("A request could not be ended")
            finally:
                self.queue.end(turn)

    def _next_turn(self) -> Turn[Connection]:
        while True:
            if self.queue:
                # No thread was free. Whoever has come since may have the next turn.
                self._receive_all(self.epoll.poll(0, MAX_POLLED_EVENTS))
            else:
                self._wait_for_events()
            turn = self.queue.pop()
            if turn is not None:
                if self.queue and self.idle_threads:
                    os.eventfd_write(self.alarm, 1)
                return turn

    def _wait_for_events(self) -> None:
        with self.lock:
            # The kernel wakes another thread for each further connection, if there is one.
            limit = 1 if self.idle_threads else MAX_POLLED_EVENTS
            self.idle_threads += 1
        try:
            # A thread that pushes requests after this look sees that this one is idle.
            events = self.epoll.poll(0 if self.queue else None, limit)
        finally:
            with self.lock:
                self.idle_threads -= 1
        self._receive_all(events)

    def _receive_all(self, events: list[tuple[int, int]]) -> None:
        for number, _ in events:
            if number == self.alarm:
                os.eventfd_read(self.alarm)
                self.epoll.modify(self.alarm, WATCHED)
            else:
                self._receive(number)

    def _receive(self, number: int) -> None:
        """Read what has arrived on the connection with this descriptor."""
        with self.lock:
            connection = self.connections.get(number)
            if connection is None or connection.is_busy:
                return  # it was closed a moment before
            connection.is_busy = True
        try:
            data = connection.socket.recv(SOCKET_READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._watch(connection)
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        if not connection.is_closing:
            connection.head += data
        if is_whole(connection.head):
            self._wait_for_turn(connection)
            return
        if not connection.is_closing:
            until = time.monotonic() + REQUEST_HEAD_SECONDS
            connection.deadline = min(connection.deadline, until)
        self._watch(connection)

    def _wait_for_turn(self, connection: Connection) -> None:
        self.queue.push(find_caller(connection.head, connection.address), connection)

    def _handle(self, connection: Connection) -> None:
        """Answer the connection's next request."""
        connection.unreader.unread(connection.head)
        is_kept, close = self._answer(connection)
        # The client may send its next request while Django tidies up.
        self._release(connection, is_kept=is_kept)
        close()

    def _answer(self, connection: Connection) -> tuple[bool, Close]:
        """Send a response. Returns whether the connection is kept, and what ends the request."""
        connection.requests += 1
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False  # gunicorn's master replaces this process
        request, is_begun = None, False
        try:
            request = Request(
                self.cfg, connection.unreader, connection.address, connection.requests
            )
            response, environ = wsgi.create(
                *(request, connection.socket, connection.address, connection.server, self.cfg),
                response_class=WebResponse,
            )
            environ["wsgi.multithread"] = True
            if not self.alive or len(self.connections) >= self.cfg.worker_connections:
                response.force_close()
            try:
                close = self._respond(response, environ)
            finally:
                is_begun = response.headers_sent
        except CLIENT_LEFT_ERRORS as error:
            self.log.debug("A client went away: %s", type(error).__name__)
        except Exception as error:
            if is_begun:
                self.log.exception("A response could not be finished")
            else:
                self.handle_error(request, connection.socket, connection.address, error)
        else:
            return not response.should_close(), close
        return False, _nothing

    def _respond(self, response: WebResponse, environ: dict[str, Any]) -> Close:
        body = self.wsgi(environ, response.start_response)
        close: Close = getattr(body, "close", _nothing)
        try:
            if isinstance(body, wsgi.FileWrapper):
                response.write_file(body)
            else:
                for data in body:
                    response.write(data)
            response.close()
        except BaseException:
            close()
            raise
        return close

    def _release(self, connection: Connection, *, is_kept: bool) -> None:
        """Watch the connection again, or let its next request wait, if it has arrived already."""
        connection.head = connection.unreader.take_buffered() if is_kept else b""
        if is_whole(connection.head):
            self._wait_for_turn(connection)  # the client did not wait for the response
            return
        if not is_kept:
            connection.is_closing = True
            try:
                connection.socket.shutdown(socket.SHUT_WR)
            except OSError:  # the client was faster
                self._close(connection)
                return
        seconds = self.cfg.keepalive if is_kept and self.alive else CONNECTION_LINGER_SECONDS
        connection.deadline = time.monotonic() + seconds
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        """Give a connection that this thread has back to the kernel."""
        connection.is_busy = False
        try:
            self.epoll.modify(connection.socket, WATCHED)
        except (OSError, ValueError):
            self.log.debug("A connection was closed because its time was over")

    def _close(self, connection: Connection) -> None:
        with self.lock:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        """Close a connection. The lock must be held: its number may be given to the next one."""
        self.connections.pop(connection.socket.fileno(), None)
        connection.socket.close()  # epoll forgets it by itself


def is_whole(head: bytes) -> bool:
    """Whether a thread can answer what has arrived: a whole head, or one that never will be."""
    return (
        HEAD_END in head
        or len(head) > MAX_WAITING_HEAD_BYTES
        # A line that ends with LF alone is refused at once.
        or head.count(b"\n") != head.count(b"\r\n")
    )


def _nothing() -> None:
    """What ends a request whose application has nothing to close."""
