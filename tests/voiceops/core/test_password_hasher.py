"""Passwords are hashed one at a time; of many at once, some are refused with 503."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from rest_framework.test import APIClient

from voiceops.core import password_hasher
from voiceops.core.errors import Busy
from voiceops.core.password_hasher import TOO_MANY_PASSWORDS

HASHER = "voiceops.core.password_hasher.BoundedArgon2Hasher"


def test_twelve_passwords_at_once_are_hashed_one_at_a_time_or_refused(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = [HASHER]
    inside: list[int] = []
    most: list[int] = []
    may_end = threading.Event()

    def encode(self: Any, password: str, salt: str) -> str:
        inside.append(1)
        most.append(len(inside))
        may_end.wait(5)
        inside.pop()
        return "argon2$encoded"

    def hash_one(number: int) -> str:
        try:
            return make_password("x")
        except Busy as refusal:
            refused.release()
            return str(refusal)

    refused = threading.Semaphore(0)
    monkeypatch.setattr(Argon2PasswordHasher, "encode", encode)
    with ThreadPoolExecutor(12) as pool:
        answers = pool.map(hash_one, range(12))
        for _ in range(12 - 1 - password_hasher.MAX_WAITING_PASSWORDS):
            assert refused.acquire(timeout=5)
        may_end.set()
        found = sorted(answers)

    assert found == sorted(["argon2$encoded"] * 9 + [TOO_MANY_PASSWORDS] * 3)
    assert max(most) == 1


def test_hashes_of_djangos_own_hasher_stay_valid(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    encoded = make_password("a long password")
    settings.PASSWORD_HASHERS = [HASHER]

    assert check_password("a long password", encoded)
    assert not check_password("another password", encoded)


def test_a_password_costs_little_memory_and_one_thread(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [HASHER]

    encoded = make_password("a long password")

    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities on Linux only")
def test_a_password_is_hashed_behind_everything_else(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [HASHER]

    make_password("a long password")

    threads = [thread for thread in threading.enumerate() if thread.name.startswith("passwords")]
    (native_id,) = [thread.native_id for thread in threads]
    assert native_id
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    expected = min(own + password_hasher.HASHING_NICENESS, 19)
    assert os.getpriority(os.PRIO_PROCESS, native_id) == expected


def test_a_forked_process_hashes_passwords_too() -> None:
    code = (
        "import os\n"
        "from voiceops.core.password_hasher import BoundedArgon2Hasher\n"
        "hasher = BoundedArgon2Hasher()\n"
        "hasher.encode('a long password', 'salt of one password')\n"
        "child = os.fork()\n"
        "hasher.encode('a long password', 'salt of one password')\n"
        "os._exit(os.waitpid(child, 0)[1] if child else 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)

    assert done.returncode == 0


def test_a_login_that_finds_no_place_is_503_with_retry_after(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise Busy(TOO_MANY_PASSWORDS)

    monkeypatch.setattr("accounts.services.login.make_password", refuse)
    body = {"email": "nobody@example.com", "password": "wrong"}

    response = APIClient().post("/auth/login", body)

    assert (response.status_code, response.headers["Retry-After"], response.json()) == (
        503,
        "2",
        {"detail": TOO_MANY_PASSWORDS},
    )
