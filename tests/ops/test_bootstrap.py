from ops.bootstrap import ROOT, pinned


def test_one_package_is_cut_out_of_a_lock_with_all_its_hashes() -> None:
    lock = "uuid==1 \\\n    --hash=sha256:aa\nuv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n\nvine==3\n"

    assert pinned("uv", lock) == "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"


def test_the_lock_holds_the_installer() -> None:
    lock = (ROOT / "requirements-dev.txt").read_text()

    assert pinned("uv", lock).count("--hash=sha256:") > 1
