"""Gunicorn's threaded worker. It refuses malformed requests in the API's own form, because they
never reach Django, and keeps the connections of requests that were refused with their body unread.
"""

import json
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from ops.serving.arrivals import (
    MAX_AWAITED_BYTES,
    awaited_bytes,
    has_head,
    received_bytes,
    wake_at,
)
from ops.serving.connection_counts import NO_PROCESS, ConnectionCounts
from ops.serving.fair_threads import FairThreads, find_caller
from ops.serving.lingering import LingeringSockets
from voiceops.core.lazy_module import LazyModule

if TYPE_CHECKING:
    from ops.serving import intake_threads, kept_answers, short_answers
    from telephony.views import foreseen as foreseen_requests
    from telephony.views.foreseen import Foreseen
else:
    # They need models, and gunicorn loads this module before the application.
    intake_threads = LazyModule("ops.serving.intake_threads")
    kept_answers = LazyModule("ops.serving.kept_answers")
    short_answers = LazyModule("ops.serving.short_answers")
    foreseen_requests = LazyModule("telephony.views.foreseen")

REFUSAL_OF_ERROR = {
    errors.LimitRequestLine: (414, "URI too long"),
    errors.LimitRequestHeaders: (431, "Request headers too large"),
    errors.ExpectationFailed: (417, "Expectation failed"),
    errors.UnsupportedTransferCoding: (501, "Unsupported transfer coding"),
    errors.InvalidResponseHeader: (500, "Internal server error"),
    errors.InvalidResponseHeaderName: (500, "Internal server error"),
    errors.ParseException: (400, "Bad request"),
}
DEFAULT_REFUSAL = (500, "Internal server error")
SOCKET_STALL_SECONDS = 30
STALL_TIMEOUT = struct.pack("ll", SOCKET_STALL_SECONDS, 0)  # as the kernel's struct timeval
DISCARD_SECONDS = 5.0  # for the rest of a body that nobody reads
DISCARD_CHUNK_BYTES = 65_536
HEADERS_OF_BODIES = {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"}  # a request without has none
NOT_AWAITED = -1  # bytes, of a connection that waits for no request of which a part has arrived
ARRIVAL_SECONDS = 10  # for a request that is not long, from its first byte
SPARE_CONNECTIONS = 20  # for requests that arrive whole
# How long a new connection is left to a process that has fewer, and how often that is looked at.
YIELD_SECONDS = 0.005
YIELD_CHECK_SECONDS = 0.0005

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def import_what_needs_models() -> None:
    """Import what this module could not, before the first process is forked."""
    intake_threads.IntakeThreads  # noqa: B018
    kept_answers.KeptAnswers  # noqa: B018
    short_answers.ShortAnswers  # noqa: B018


class Answered(NamedTuple):
    """Stands for the future of a request that is answered: one of its own costs more than this."""

    is_kept: bool

    def cancelled(self) -> bool:
        return False

    def result(self) -> bool:
        return self.is_kept


KEPT, CLOSED = Answered(True), Answered(False)


class WebWorker(ThreadWorker):  # type: ignore[misc]  # the library is not typed
    wsgi: Application
    tpool: FairThreads
    intake: "intake_threads.IntakeThreads | None" = None
    counts = ConnectionCounts()  # imported before the first fork, so all processes have the same

    def notify(self) -> None:
        """Tell gunicorn's master, and the other processes, that this one is alive."""
        super().notify()
        self.counts.set(self.age, self.nr_conns)

    def run(self) -> None:
        """Serve until gunicorn's master says otherwise."""
        self.lingering = LingeringSockets(self.poller)
        try:
            super().run()
        finally:
            self.counts.set(self.age, NO_PROCESS)

    def accept(self, listener: Any) -> None:
        """Accept a connection, if no other process with fewer does so within a moment.

        All processes are woken for it. Without this, one of two may hold all the connections of a
        client, and half of the processors have nothing to do.
        """
        until = time.monotonic() + YIELD_SECONDS
        while self.counts.has_fewer(self.nr_conns, besides=self.age) and time.monotonic() < until:
            time.sleep(YIELD_CHECK_SECONDS)
        super().accept(listener)
        self._make_place()
        self.counts.set(self.age, self.nr_conns)

    def get_thread_pool(self) -> FairThreads:
        """Return the threads of this process, which callers share."""
        return FairThreads(self.cfg.threads)

    def enqueue_req(self, conn: Any) -> None:
        """Let a thread handle the connection's next request: a machine's, when it is whole, or
        another's, when it is its turn.
        """
        if not conn.initialized:
            conn.close = partial(self._close_socket, conn.sock)
            # A client that stops sending its body, or reading the response, lets its thread go.
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, STALL_TIMEOUT)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, STALL_TIMEOUT)
        received = None if self.cfg.is_ssl else received_bytes(conn)
        if not self._has_arrived(conn, received):
            return
        if received is None or self.intake is None or not self.intake.offer(conn, received):
            self.enqueue_ordinary(conn, None)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for what arrives, and let all machines' requests of this moment be one round."""
        super().wait_for_and_dispatch_events(timeout)
        if self.intake is not None:
            self.intake.start_round()

    def enqueue_ordinary(self, conn: Any, foreseen: "Foreseen | None") -> None:
        """Do so with one of the threads that all callers share, and with what is known of it."""
        handle = self.handle if foreseen is None else partial(self.handle_foreseen, foreseen)
        future = self.tpool.submit(find_caller(conn.sock, conn.client), handle, conn)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle_foreseen(self, foreseen: "Foreseen", conn: Any) -> Any:
        """Let gunicorn handle a request of which something is known."""
        with foreseen_requests.foreseeing(foreseen):
            return self.handle(conn)

    def _has_arrived(self, conn: Any, received: bytes | None) -> bool:
        """Return whether a thread may read the connection's next request; else it is awaited, or
        refused.
        """
        if received is not None:
            needed = awaited_bytes(received)
            # Without growth the client has closed its side: reading tells.
            if needed > len(received) > getattr(conn, "arrived_bytes", NOT_AWAITED):
                self._await_more(conn, len(received), needed)
                return False
            if len(received) >= MAX_AWAITED_BYTES and not has_head(received):
                self._refuse(conn, 431, "Request headers too large")
                return False
        conn.arrived_bytes = NOT_AWAITED
        conn.data_ready = True
        return True

    def _await_more(self, conn: Any, count: int, needed: int) -> None:
        """Wait without a thread until the request has grown."""
        if getattr(conn, "arrived_bytes", NOT_AWAITED) <= 0:
            seconds = ARRIVAL_SECONDS if count else self.cfg.keepalive
            conn.timeout = time.monotonic() + seconds
        conn.arrived_bytes = count
        ahead = len(conn.parser.unreader.buf.getvalue()) if conn.parser else 0
        wake_at(conn.sock, needed - ahead)
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: Any, client: socket.socket) -> None:
        """Look again at a connection whose request has grown."""
        wake_at(client, 1)
        super().on_pending_socket_readable(conn, client)

    def murder_pending(self) -> None:
        """Give up requests that have been awaited for too long, and clients that do not close."""
        self.lingering.close_expired()
        now = time.monotonic()
        for conn in [conn for conn in self.pending_conns if conn.timeout <= now]:
            self.pending_conns.remove(conn)
            self.poller.unregister(conn.sock)
            if conn.arrived_bytes > 0:
                self._refuse(conn, 408, "Request timed out")
            else:
                self._close(conn)

    def _make_place(self) -> None:
        """Where connections run out, give up the one whose request is awaited for longest."""
        are_scarce = self.nr_conns > self.worker_connections - SPARE_CONNECTIONS
        if are_scarce and len(self.pending_conns) > SPARE_CONNECTIONS:
            conn = self.pending_conns.popleft()
            self.poller.unregister(conn.sock)
            self._close(conn)

    def _refuse(self, conn: Any, status: int, detail: str) -> None:
        try:
            util.write_nonblock(conn.sock, _response(status, detail))
        except OSError:
            self.log.debug("The client had disconnected before the response was sent")
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close(graceful=True)

    def _close_socket(self, client: socket.socket, graceful: bool = False) -> None:
        """Stand in for gunicorn's `close` of a connection, which waits for the client."""
        if graceful and not self.cfg.is_ssl:
            self.lingering.close(client)
        else:
            util.close(client)

    def load_wsgi(self) -> None:
        """Load the application, with the rest of every body read before its response is sent."""
        super().load_wsgi()
        answering = kept_answers.KeptAnswers(self.wsgi)
        self.wsgi = send_at_once(discard_unread_bodies(answering))
        self.short_answers = short_answers.ShortAnswers(answering)
        self.intake = intake_threads.IntakeThreads(
            self.answer_stored, self._finish, self.enqueue_ordinary
        )
        self.intake.start()

    def answer_stored(self, conn: Any, sent: bytes, stored: "Foreseen") -> bool | None:
        """Answer a machine's request that was stored; returns whether the connection is kept.

        None when nothing was done. It never waits for a client, because others wait for it.
        """
        try:
            if not self._may_answer_shortly(conn) or not self.short_answers.answer(
                conn.sock, conn.client, sent, stored
            ):
                return None
        except OSError as error:
            self.log.debug("The client has gone: %s", error)
            return False
        except Exception:
            # As gunicorn does. The thread goes on, and what is not answered is repeated.
            self.log.exception("A stored request could not be answered")
            return False
        self.nr += 1
        return True

    def _may_answer_shortly(self, conn: Any) -> bool:
        """Whether gunicorn knows the connection, and would keep it after this request."""
        is_plain = conn.initialized and not conn.is_http2 and not self.cfg.is_ssl
        is_kept = len(self.keepalived_conns) < self.max_keepalived and self.cfg.keepalive
        return bool(is_plain and self.alive and is_kept and self.nr + 1 < self.max_requests)

    def _finish(self, answered: Sequence[tuple[Any, bool]]) -> None:
        """Wait for the next requests of connections whose requests were answered."""
        self.method_queue.defer(self._finish_in_main_thread, answered)

    def _finish_in_main_thread(self, answered: Sequence[tuple[Any, bool]]) -> None:
        for conn, is_kept in answered:
            self.finish_request(conn, KEPT if is_kept else CLOSED)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Respond and close. The request is not logged, because it may contain a credential."""
        refusals = (refusal for kind, refusal in REFUSAL_OF_ERROR.items() if isinstance(exc, kind))
        status, detail = next(refusals, DEFAULT_REFUSAL)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("A request could not be handled", exc_info=exc)
        else:
            self.log.warning("Refused a malformed HTTP request (%s)", type(exc).__name__)
        try:
            util.write_nonblock(client, _response(status, detail))
        except OSError:
            self.log.debug("The client had disconnected before the response was sent")


class _Sent:
    """A body that has been sent: nothing is left of it, but it has to be closed."""

    def __init__(self, body: Any) -> None:
        self.close = body.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


def send_at_once(application: Application) -> Application:
    """Wrap an application: head and body of a response that is whole leave in one packet.

    Gunicorn sends them one after the other, for which a client wakes twice.
    """

    def respond(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = application(environ, start_response)
        response = start_response.__self__  # gunicorn's own
        content = getattr(body, "content", b"")  # Django's streamed responses have none
        if response.response_length != len(content) or environ["REQUEST_METHOD"] == "HEAD":
            return body
        fields = [f"{name}: {value}\r\n" for name, value in response.headers]
        head = "".join([*response.default_headers(), *fields, "\r\n"])
        response.sock.sendall(head.encode("latin-1") + content)
        response.headers_sent = True
        response.sent = len(content)
        return _Sent(body)

    return respond


def discard_unread_bodies(application: Application) -> Application:
    """Wrap an application: before a response begins, drop what is left of the request's body.

    Gunicorn does so afterwards, with a small limit, and then closes a connection that the client
    may be using again already. Here the response can still say `Connection: close`.
    """

    def respond(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ.keys() & HEADERS_OF_BODIES:
            return application(environ, start_response)
        response = start_response.__self__  # gunicorn's own, which knows request and socket

        def start(*arguments: Any) -> Any:
            if not _discard_body(response.req.body, response.sock):
                response.force_close()
            return start_response(*arguments)

        return application(environ, start)

    return respond


def _discard_body(body: Any, client: socket.socket) -> bool:
    """Read and drop the rest of a body. Returns False when it is too long or too slow."""
    ends_at = time.monotonic() + DISCARD_SECONDS
    discarded_bytes = 0
    try:
        while discarded_bytes <= settings.MAX_DISCARDED_BYTES:
            client.settimeout(max(ends_at - time.monotonic(), 0.001))
            chunk = body.read(DISCARD_CHUNK_BYTES)
            if not chunk:
                return True
            discarded_bytes += len(chunk)
    # A client that went away, or whose body is malformed, gets no further request answered.
    except (OSError, errors.ParseException):
        return False
    finally:
        client.settimeout(None)
    return False


def _response(status: int, detail: str) -> bytes:
    body = json.dumps({"detail": detail})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    return f"{head}\r\n{body}".encode()
