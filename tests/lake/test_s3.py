"""The storage on S3: what every storage must do, lost answers, refusals, and errors that tell no secrets."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from meddler import Meddler
from s3_places import KEY, SECRET
from storage_suite import StorageSuite, keys, raced

from neurolake.lake import Lake
from neurolake.lake.errors import InputError, NotFoundError, StorageError
from neurolake.lake.storage.aws import profile_settings
from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.locations import storage_at

obstore = pytest.importorskip("obstore", reason="lakes on S3 need obstore: pip install -e '.[dev]'")

from neurolake.lake.storage import s3 as module
from neurolake.lake.storage.s3 import PAGE, S3Storage

SIGNATURE = (
    "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the "
    f"signature you provided.</Message><AWSAccessKeyId>{KEY}</AWSAccessKeyId><StringToSign>{SECRET}"
    "</StringToSign></Error>"
)


@pytest.fixture
def storage(s3: str) -> Storage:
    return S3Storage(s3)


class TestSuite(StorageSuite):
    @pytest.fixture
    def storage(self, s3: str) -> Storage:
        return S3Storage(s3)


class TestStrangePrefix(StorageSuite):
    """Names that URLs would have to quote are kept as they are."""

    @pytest.fixture
    def storage(self, s3: str) -> Storage:
        return S3Storage(f"{s3}/my lab/ä%20?x+y#z")


class TestRace:
    @pytest.mark.parametrize("race", range(10))
    def test_one_of_sixteen_creates(self, storage: Storage, race: int) -> None:
        won = raced(storage, "log/0", 16)
        assert len(won) == 1
        assert storage.read("log/0") == won[0]


class TestLast:
    """In a long folder, few requests find its end."""

    @pytest.fixture
    def folder(self, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], int]:
        monkeypatch.setattr(module, "PAGE", 10)

        def fill(numbers: Any) -> int:
            for number in numbers:
                obstore.put(storage._store, f"log/main/{number:012d}", b"")
            pages = []
            counted = storage._names_after
            monkeypatch.setattr(
                storage, "_names_after", lambda *arguments: pages.append(1) or counted(*arguments)
            )
            assert storage.last("log/main/") == f"log/main/{max(numbers):012d}"
            return len(pages)

        return fill

    @pytest.mark.parametrize("count", [9, 10, 11, 20, 21, 99, 100, 340])
    def test_dense(self, folder: Callable[[Any], int], count: int) -> None:
        assert folder(range(count)) <= 15

    def test_with_gaps(self, folder: Callable[[Any], int]) -> None:
        folder([*range(30), *range(1000, 1040), 5000, *range(10**9, 10**9 + 25)])

    def test_other_names(self, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "PAGE", 10)
        for name in [*(f"name{at:02d}" for at in range(30)), "name29/below"]:
            obstore.put(storage._store, f"log/main/{name}", b"")
        assert storage.last("log/main/") == "log/main/name29"

    def test_more_than_a_page(self, storage: Storage) -> None:
        for number in range(PAGE + 5):
            obstore.put(storage._store, f"log/main/{number:012d}", b"")
        assert storage.last("log/main/") == f"log/main/{PAGE + 4:012d}"
        assert len(keys(storage, "log/")) == PAGE + 5


class TestLostAnswers:
    def test_created_all_the_same(self, meddled: Meddler, s3: str) -> None:
        storage = S3Storage(s3)
        storage.create("warm", b"")
        meddled.lose = 1
        assert storage.create("log/0", b"mine") is True
        assert meddled.lose == 0
        assert storage.read("log/0") == b"mine"

    @pytest.mark.parametrize(
        "answer", [(409, "<Error><Code>ConditionalRequestConflict</Code></Error>"), (503, "")]
    )
    def test_disturbed(self, meddled: Meddler, s3: str, answer: tuple[int, str]) -> None:
        storage = S3Storage(s3)
        storage.create("warm", b"")
        meddled.answer = answer
        threading.Timer(0.3, setattr, (meddled, "answer", None)).start()
        assert storage.create("log/0", b"mine") is True

    def test_another_was_first(self, meddled: Meddler, s3: str) -> None:
        storage = S3Storage(s3)
        storage.create("log/0", b"theirs")
        meddled.lose = 1
        assert storage.create("log/0", b"mine") is False
        assert storage.read("log/0") == b"theirs"

    def test_never_answered(self, meddled: Meddler, s3: str) -> None:
        storage = S3Storage(s3)
        storage.create("warm", b"")
        meddled.answer = (503, "")
        with pytest.raises(
            StorageError, match=r"cannot write log/0 in s3://.*: the server answers with status 503"
        ):
            storage.create("log/0", b"mine")

    @pytest.mark.parametrize("mishap", ["lose", "fail"])
    def test_commits_are_there_once(self, meddled: Meddler, s3: str, mishap: str) -> None:
        lake = Lake.create(s3)
        for step in range(3):
            setattr(meddled, mishap, 1)
            with lake.transaction(f"step {step}") as tx:
                tx.put_file(f"file{step}", b"content")
            assert getattr(meddled, mishap) == 0
        messages = [record.message for record in Lake.open(s3).log()]
        assert messages == ["step 2", "step 1", "step 0", "Create the lake"]

    def test_marker(self, meddled: Meddler, s3: str) -> None:
        storage = S3Storage(s3)
        storage.create("warm", b"")
        storage.delete("warm")
        meddled.lose = 2
        assert Lake.create(s3).id == Lake.open(s3).id


class TestRefusal:
    """A server that forgets conditions loses commits."""

    def test_lake(self, meddled: Meddler, s3: str) -> None:
        meddled.unconditional = True
        with pytest.raises(StorageError, match="overwrites what a write with If-None-Match"):
            Lake.create(s3)
        meddled.unconditional = False
        assert keys(S3Storage(s3), "") == set()

    def test_first_write(self, meddled: Meddler, s3: str) -> None:
        storage = S3Storage(s3)
        meddled.unconditional = True
        for write in (storage.write, storage.create):
            with pytest.raises(StorageError, match="overwrites"):
                write("a", b"1")
        meddled.unconditional = False
        assert storage.write("a", b"1")
        assert keys(storage, "") == {"a"}

    def test_tried_once_in_a_process(self, meddled: Meddler, s3: str) -> None:
        S3Storage(s3).write("a", b"1")
        meddled.seen.clear()
        S3Storage(s3).write("b", b"1")
        assert [method for method, _ in meddled.seen] == ["PUT"]


class TestErrors:
    """Each says what failed and what to do, within seconds, and none shows a key."""

    def failure(self, do: Callable[[], object], kind: type[Exception] = StorageError) -> str:
        with pytest.raises(kind) as caught:
            do()
        told = f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
        assert caught.value.__suppress_context__
        assert KEY not in told and SECRET not in told
        return str(caught.value)

    def test_missing_bucket(self, s3: str) -> None:
        absent = "s3://no-such-bucket/lake"
        for do in (
            lambda: Lake.open(absent),
            lambda: Lake.create(absent),
            lambda: S3Storage(absent).write("a", b"1"),
            lambda: S3Storage(absent).create("a", b"1"),
            lambda: list(S3Storage(absent).list("")),
            lambda: S3Storage(absent).now(),
        ):
            assert re.search(r"in s3://no-such-bucket/lake: there is no such bucket", self.failure(do))

    def test_not_a_lake(self, s3: str) -> None:
        told = self.failure(lambda: Lake.open(s3), NotFoundError)
        assert told == f"{s3} is not a lake (it has no neurolake.json); make one with neurolake.create"

    def test_not_empty(self, storage: Storage, s3: str) -> None:
        storage.write("a", b"1")
        with pytest.raises(InputError, match="is not empty"):
            Lake.create(s3)

    def test_wrong_credentials(self, meddled: Meddler, s3: str) -> None:
        meddled.answer = (403, SIGNATURE)
        for do in (lambda: Lake.open(s3), lambda: Lake.create(s3), lambda: S3Storage(s3).write("a", b"1")):
            assert self.failure(do).endswith(": the secret key is not the one of the access key")
        assert "the server refuses these credentials" in self.failure(lambda: S3Storage(s3).size("a"))

    def test_unknown_reason(self, meddled: Meddler, s3: str) -> None:
        meddled.answer = (400, "<Error><Code>Teapot</Code></Error>")
        assert self.failure(lambda: Lake.open(s3)).endswith(": the server says Teapot")

    def test_nobody_listens(self, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        assert self.failure(lambda: Lake.open(s3)).endswith(f"http://127.0.0.1:{port} does not answer")

    @pytest.mark.parametrize(
        "url", ["localhost:9000", f"http://{KEY}:{SECRET}@localhost", "ftp://localhost", "http://"]
    )
    def test_no_server(self, s3: str, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(StorageError, match=r"the endpoint of S3 is http://host:port or") as caught:
            Lake.open(s3)
        assert SECRET not in str(caught.value)

    def test_no_credentials(self, meddled: Meddler, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        text = module.S3Storage(s3)._reason(
            Exception("performing PUT http://169.254.169.254/latest/api/token")
        )
        assert text.startswith("no credentials: set AWS_ACCESS_KEY_ID")

    def test_nothing_is_shown(self, storage: Storage) -> None:
        shown = f"{storage!r} {storage.__reduce__()} {storage.url}"
        assert KEY not in shown and SECRET not in shown

    @pytest.mark.parametrize(
        "url",
        [
            "s3://",
            "s3:///lake",
            "s3://a",
            f"s3://{KEY}:{SECRET}@bucket/lake",
            "s3://bucket/a//b",
            "s3://bucket/../b",
        ],
    )
    def test_no_place(self, url: str) -> None:
        assert "s3://bucket/folder" in self.failure_without_context(url)

    def failure_without_context(self, url: str) -> str:
        with pytest.raises(InputError) as caught:
            storage_at(url)
        assert SECRET not in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize("url", ["s3://bucket/a/", "s3://bucket/a"])
    def test_slash_at_the_end(self, s3: str, url: str) -> None:
        assert storage_at(url).url == "s3://bucket/a"

    def test_setting_that_cannot_be_used(self, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_CONDITIONAL_PUT", SECRET)
        assert "hold a setting that cannot be used" in self.failure(lambda: S3Storage(s3))

    def test_without_obstore(self) -> None:
        code = (
            "import sys; sys.modules['obstore'] = None\n"
            "import neurolake\n"
            "try: neurolake.open('s3://bucket/lake')\n"
            "except neurolake.InputError as error: print(error)"
        )
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert told == "lakes on S3 need obstore: pip install 'neurolake[s3]'\n"

    def test_obstore_is_not_imported_for_folders(self, tmp_path: Path) -> None:
        code = f"import neurolake, sys; neurolake.create({str(tmp_path / 'lake')!r}); print('obstore' in sys.modules)"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert told == "False\n"


class TestProfiles:
    @pytest.fixture
    def environment(self, tmp_path: Path) -> dict[str, str]:
        (tmp_path / "credentials").write_text(
            "[default]\naws_access_key_id = one\naws_secret_access_key = 1%\n"
            "[lab]\naws_access_key_id = two\naws_secret_access_key = 2\naws_session_token = t\n"
        )
        (tmp_path / "config").write_text(
            "[default]\nregion = eu-central-1\n[profile lab]\nregion = us-west-2\nendpoint_url = http://lab:1\n"
            "[profile sso]\nsso_session = x\n"
        )
        return {
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        }

    def test_default(self, environment: dict[str, str]) -> None:
        expected = {"access_key_id": "one", "secret_access_key": "1%", "region": "eu-central-1"}
        assert profile_settings(environment) == expected

    def test_named(self, environment: dict[str, str]) -> None:
        assert profile_settings(environment | {"AWS_PROFILE": "lab"}) == {
            "access_key_id": "two",
            "secret_access_key": "2",
            "session_token": "t",
            "region": "us-west-2",
            "endpoint": "http://lab:1",
        }

    def test_the_environment_comes_first(self, environment: dict[str, str]) -> None:
        said = {"AWS_ACCESS_KEY_ID": "k", "AWS_DEFAULT_REGION": "r", "AWS_ENDPOINT_URL_S3": "e"}
        assert profile_settings(environment | said | {"AWS_PROFILE": "lab"}) == {}

    def test_no_files(self) -> None:
        nowhere = {"AWS_CONFIG_FILE": "/nonexistent/a", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/b"}
        assert profile_settings(nowhere) == {}

    @pytest.mark.parametrize("name", ["sso", "absent"])
    def test_without_keys(self, environment: dict[str, str], name: str) -> None:
        with pytest.raises(StorageError, match=f"AWS_PROFILE names '{name}', which has no access key"):
            profile_settings(environment | {"AWS_PROFILE": name})

    def test_broken_file_is_not_quoted(self, environment: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "credentials").write_text("aws_secret_access_key = hush\n")
        with pytest.raises(StorageError, match="credentials cannot be read as an AWS") as caught:
            profile_settings(environment)
        assert "hush" not in str(caught.value)

    def test_a_lake_with_a_profile(
        self, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moto: str
    ) -> None:
        (tmp_path / "config").write_text(f"[profile lab]\nendpoint_url = {moto}\nregion = us-east-1\n")
        (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = a\naws_secret_access_key = b\n")
        for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_PROFILE", "lab")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        assert Lake.create(s3).url == s3
