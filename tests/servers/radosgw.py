"""Ceph's S3 gateway with one monitor, one manager and one store in memory, all on this machine.

Needs Debian's ceph-mon, ceph-mgr, ceph-osd and radosgw. What is written below is the least that such a cluster wants.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = (
    "ceph-mon",
    "ceph-mgr",
    "ceph-osd",
    "radosgw",
    "radosgw-admin",
    "ceph",
    "ceph-authtool",
    "monmaptool",
)
KEY, SECRET = "AKIDRADOSGWTEST", "radosgw-test-secret"

CONFIGURATION = """
[global]
fsid = {fsid}
mon_initial_members = a
mon_host = {monitor}
keyring = {folder}/keyring
auth_allow_insecure_global_id_reclaim = false
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
mon_data = {folder}/mon
mgr_data = {folder}/mgr
osd_data = {folder}/osd
rgw_data = {folder}/rgw
mon_data_avail_crit = 1
ms_bind_ipv6 = false
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
debug_ms = 0
debug_osd = 0
debug_rgw = 0

[client.gateway]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
"""

USERS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
    "mgr.a": {"mon": "allow profile mgr", "osd": "allow *"},
    "client.gateway": {"mon": "allow rw", "osd": "allow rwx"},
}


def missing_programs() -> list[str]:
    """What has to be installed first."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextlib.contextmanager
def radosgw_server(folder: Path) -> Iterator[str]:
    """URL of a gateway whose cluster lies in *folder*, an empty one; it takes `KEY` and `SECRET`."""
    cluster = _Cluster(folder)
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster.url


class _Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, mon_port = _free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.monitor = f"v2:127.0.0.1:{mon_port}"
        self.fsid = str(uuid.uuid4())
        for name in ("mon", "mgr", "osd", "rgw"):
            (folder / name).mkdir()
        monitor = f"[{self.monitor}]"
        text = CONFIGURATION.format(folder=folder, fsid=self.fsid, monitor=monitor, port=self.port)
        (folder / "ceph.conf").write_text(text)

    def start(self) -> None:
        self.make_keys()
        monmap = str(self.folder / "monmap")
        run = ["monmaptool", "--create", "--addv", "a", f"[{self.monitor}]", "--fsid", self.fsid, monmap]
        subprocess.run(run, check=True, capture_output=True)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", self.folder / "keyring")
        self.serve("ceph-mon", "-i", "a", name="mon")
        self.run("ceph", "--connect-timeout", "30", "osd", "create")
        self.serve("ceph-mgr", "-i", "a", name="mgr")
        self.run("ceph-osd", "-i", "0", "--mkfs")
        self.run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default")
        self.serve("ceph-osd", "-i", "0", name="osd")
        self.serve("radosgw", "-n", "client.gateway", name="rgw")
        self.wait()
        names = ("--uid", "tester", "--display-name", "tester", "--access-key", KEY, "--secret-key", SECRET)
        self.run("radosgw-admin", "user", "create", *names)

    def make_keys(self) -> None:
        ring = str(self.folder / "keyring")
        for at, (user, rights) in enumerate(USERS.items()):
            caps = [word for part, allowed in rights.items() for word in ("--cap", part, allowed)]
            create = ["--create-keyring"] if at == 0 else []
            run = ["ceph-authtool", ring, *create, "--gen-key", "-n", user, *caps]
            subprocess.run(run, check=True, capture_output=True)

    def run(self, program: str, *arguments: Any) -> None:
        command = [program, "-c", str(self.folder / "ceph.conf"), *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    def serve(self, program: str, *arguments: str, name: str) -> None:
        self.run(program, *arguments, "--pid-file", self.folder / f"{name}.pid")

    def wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.5)
        raise TimeoutError("radosgw does not answer; its log is in the cluster's folder")

    def stop(self) -> None:
        for path in self.folder.glob("*.pid"):
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(path.read_text()), signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]
