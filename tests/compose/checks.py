"""Checks the suite in containers: health, isolation, and consistency after every kind of failure.

`tests/compose/run` brings it up and runs this. Prints a line for each check and sums up.
"""

import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import traceback
import urllib.request
import uuid

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/outside"))
from client import generate  # noqa: E402

OFFICE = "offices/demo"
GATEWAY = "gateway"
DATABASE = "postgres"
# What a caller retries: something is down.
PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

# The retry policy with which a client sees no failure in an upgrade; docs/administration.md.
RETRIES = json.dumps({
    "methodConfig": [{
        "name": [{}],
        "retryPolicy": {
            "maxAttempts": 5,
            "initialBackoff": "1s",
            "backoffMultiplier": 2,
            "maxBackoff": "10s",
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }]
})

RETRYING = [("grpc.enable_retries", 1), ("grpc.service_config", RETRIES)]


class Suite:
    """The containers, and calls to them."""

    def __init__(self, arguments):
        self.folder = pathlib.Path(arguments.folder)
        self.program = arguments.program
        self._compose = arguments.compose.split()
        self.v2 = arguments.v2
        config = self.compose("config")
        # Our services are those whose health check is the program itself.
        self.ports = dict(re.findall(r"TAIZHANG__SERVICES__([A-Z]+)__LISTEN: 0\.0\.0\.0:(\d+)", config))
        self.ports = {name.lower(): int(port) for name, port in self.ports.items()}
        self.ca = (self.folder / "secrets/ca.pem").read_bytes()
        self.token = (self.folder / "administrator.token").read_text().strip()

    # Containers.

    def run(self, *command: str, check=True) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def compose(self, *arguments: str, check=True) -> str:
        return self.run(*self._compose, *arguments, check=check)

    def taizhang(self, *arguments: str) -> str:
        return self.run(self.program, *arguments)

    def containers(self, service: str) -> list[dict]:
        ids = self.compose("ps", "-q", service).split()
        return json.loads(self.run("docker", "inspect", *ids)) if ids else []

    def healthy(self, service: str) -> bool:
        found = self.containers(service)
        return bool(found) and all(c["State"].get("Health", {}).get("Status") == "healthy" for c in found)

    def wait_healthy(self, *services: str, seconds=120) -> None:
        wait(lambda: all(self.healthy(s) for s in services), seconds, f"{services} healthy")

    def kill(self, service: str) -> None:
        """Kills the process, as the kernel would: after `docker kill` the container is not restarted."""
        running = [c["State"]["Pid"] for c in self.containers(service) if c["State"]["Running"]]
        os.kill(running[0], signal.SIGKILL)

    # Calls.

    def channel(self, service: str, caller=None, options=()) -> grpc.Channel:
        """A connection of its own; a named caller presents its certificate."""
        options = options or [("grpc.max_reconnect_backoff_ms", 500)]
        options = [("grpc.use_local_subchannel_pool", 1), *options]
        file = self.folder / f"callers/{caller}"
        shown = [file.with_suffix(s).read_bytes() for s in (".key", ".pem")] if caller else [None, None]
        credentials = grpc.ssl_channel_credentials(self.ca, *shown)
        return grpc.secure_channel(f"localhost:{self.ports[service]}", credentials, options)

    def stub(self, service: str, file: str, name: str, channel=None):
        module = importlib.import_module(f"taizhang.{service}.v1.{file}_pb2_grpc")
        return getattr(module, f"{name}Stub")(channel or self.channel(service))

    def bearing(self, token=None):
        return [("authorization", f"Bearer {token or self.token}")]

    def list(self, channel=None, token=None, timeout=5):
        """One call, of the cheapest kind."""
        stub = self.stub("meetings", "facility", "FacilityService", channel)
        request = messages("meetings", "facility").ListFacilitiesRequest(parent=OFFICE, page_size=1)
        return stub.ListFacilities(request, metadata=self.bearing(token), timeout=timeout)


def messages(service: str, file: str):
    return importlib.import_module(f"taizhang.{service}.v1.{file}_pb2")


def wait(holds, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not {what} after {seconds} s"
        time.sleep(0.25)


def code(call) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def again(call, seconds=60):
    """Retries a call until what it needs is back."""
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() not in PASSING or time.monotonic() > until:
                raise
            time.sleep(0.25)


def once(call):
    return call()


class Load:
    """Writes from many callers at once, each retrying what was not acknowledged."""

    def __init__(self, suite: Suite, callers=8, options=(), repeat=again, timeout=8):
        self.suite = suite
        self.acknowledged: list[str] = []
        self._options, self._repeat, self._timeout = options, repeat, timeout
        self._run = uuid.uuid4().hex[:8]
        self._stop = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(callers)
        self._writers = [self._pool.submit(self._write, n) for n in range(callers)]

    def _write(self, caller: int) -> None:
        m = messages("meetings", "facility")
        channel = self.suite.channel("meetings", options=self._options)
        stub = self.suite.stub("meetings", "facility", "FacilityService", channel)
        number = 0
        while not self._stop.is_set():
            number += 1
            title = f"会议室 {self._run}-{caller}-{number}"
            request = m.CreateFacilityRequest(
                parent=OFFICE,
                facility=m.Facility(title=title, kind=m.FACILITY_KIND_ROOM),
                request_id=str(uuid.uuid4()),
            )
            bearing = self.suite.bearing()
            self._repeat(lambda: stub.CreateFacility(request, metadata=bearing, timeout=self._timeout))
            self.acknowledged.append(title)

    def more(self, count: int) -> None:
        """Waits until so many more are acknowledged."""
        aim = len(self.acknowledged) + count
        wait(lambda: len(self.acknowledged) >= aim or self._raised(), 90, f"{count} more writes")
        assert not self._raised(), self._raised()

    def _raised(self) -> list:
        return [w.exception() for w in self._writers if w.done()]

    def stop(self) -> None:
        self._stop.set()
        for writer in self._writers:
            writer.result(120)

    def stored(self) -> list[str]:
        m = messages("meetings", "facility")
        stub = self.suite.stub("meetings", "facility", "FacilityService")
        found, token = [], ""
        while True:
            request = m.ListFacilitiesRequest(parent=OFFICE, page_size=1000, page_token=token)
            page = again(lambda: stub.ListFacilities(request, metadata=self.suite.bearing(), timeout=10))
            found += [f.title for f in page.facilities if self._run in f.title]
            token = page.next_page_token
            if not token:
                return found

    def whole(self) -> None:
        """Every acknowledged write is there once, and no other."""
        stored = self.stored()
        assert sorted(stored) == sorted(self.acknowledged), (len(stored), len(self.acknowledged))
        print(f"     {len(stored)} writes acknowledged, each there once")


# The checks, in the order in which they run.


def the_compose_file_is_clean(suite: Suite) -> None:
    done = subprocess.run([*suite._compose, "config", "-q"], cwd=suite.folder, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr and not done.stdout, done


def all_become_healthy(suite: Suite) -> None:
    suite.wait_healthy(DATABASE, *suite.ports, GATEWAY)


def containers_are_restricted(suite: Suite) -> None:
    restricted(suite, DATABASE)
    restricted(suite, GATEWAY, *suite.ports.values(), 7190)
    for service in suite.ports:
        restricted(suite, service)
    (image,) = json.loads(suite.run("docker", "image", "inspect", os.environ["TAIZHANG_IMAGE"]))
    print(f"     the image has {image['Size'] / 1e6:.0f} MB")
    assert image["Size"] < 80e6


def restricted(suite: Suite, service: str, *ports: int) -> None:
    """Containers have few rights, and can be reached at these ports only."""
    for container in suite.containers(service):
        host, name = container["HostConfig"], container["Name"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], name
        assert any(o.startswith("no-new-privileges") for o in host["SecurityOpt"]), name
        assert host["Memory"] and host["PidsLimit"] and not host["Privileged"], name
        assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        assert "max-size" in host["LogConfig"]["Config"], name
        assert container["Config"]["User"] not in ("", "0", "root"), name
        assert not any("PASSWORD=" in v or "postgres://" in v for v in container["Config"]["Env"]), name
        bindings = (host["PortBindings"] or {}).values()
        published = {(b["HostIp"], int(b["HostPort"])) for bs in bindings for b in bs}
        assert published == {("127.0.0.1", port) for port in ports}, published


def a_token_works_over_tls(suite: Suite) -> None:
    suite.list()
    for service, port in suite.ports.items():
        health = suite.run("env", "TAIZHANG__TLS__CA=secrets/ca.pem", suite.program, "health",
                           "--address", f"https://localhost:{port}")
        assert "serves" in health, (service, health)
    assert code(lambda: suite.list(token="v4.public.bad")) == grpc.StatusCode.UNAUTHENTICATED
    plain = grpc.insecure_channel(f"localhost:{suite.ports['meetings']}")
    assert code(lambda: suite.list(channel=plain)) == grpc.StatusCode.UNAVAILABLE


def a_revoked_token_is_refused(suite: Suite) -> None:
    token = suite.taizhang(
        "token", "issue", "--system", "portal", "--office", "demo", "--scope", "meetings.read"
    ).strip()
    suite.list(token=token)
    (line,) = [l for l in suite.taizhang("token", "list").splitlines() if "portal" in l]
    suite.taizhang("token", "revoke", line.split()[0])
    refused = grpc.StatusCode.UNAUTHENTICATED
    wait(lambda: code(lambda: suite.list(token=token)) == refused, 10, "refused")


def a_year_is_counted(suite: Suite) -> None:
    plan = ROOT / "samples/one-county-year.toml"
    with tempfile.TemporaryDirectory() as out:
        suite.taizhang(
            "try", "--at", "localhost", "--token", "administrator.token", "--ca", "secrets/ca.pem",
            "--plan", str(plan), "--out", out,
        )
        figures = json.loads((pathlib.Path(out) / "figures.json").read_text())
    planned = tomllib.loads(plan.read_text())
    for indicator, value in planned["figures"].items():
        figure = figures[indicator]
        # Not every record counts one: some count days, some count together with others.
        assert figure["value"] == value and bool(value) == bool(figure["evidence"]), (indicator, figure)
    for indicator, value in planned["previous"].items():
        assert figures[indicator]["previous"] == value, indicator
    assert all(figure["value"] is not None for figure in figures.values()), figures


def no_role_enters_another_database(suite: Suite) -> None:
    databases = [*suite.ports, "postgres", "template1"]
    script = []
    for role in suite.ports:
        url = (suite.folder / f"secrets/{role}.url").read_text().strip()
        for database in databases:
            of = url.replace(f"@postgres/{role}", f"@127.0.0.1/{database}")
            script.append(f"echo {role} {database} $(psql {of} -Atc 'select 1' 2>&1)")
    command = ["docker", "exec", "-i", suite.containers(DATABASE)[0]["Id"], "bash"]
    said = subprocess.run(command, input="\n".join(script), capture_output=True, text=True, check=True).stdout
    lines = said.splitlines()
    assert len(lines) == len(script), said
    for line in lines:
        role, database, answer = line.split(" ", 2)
        assert ("permission denied for database" in answer) == (role != database), line
        assert (answer == "1") == (role == database), line


def the_histories_verify(suite: Suite) -> None:
    said = suite.compose("run", "--rm", "-T", "migrate", "audit", "verify")
    assert "the histories verify" in said, said


def a_renewed_certificate_is_shown_without_a_restart(suite: Suite) -> None:
    def shown(service: str) -> str:
        return ssl.get_server_certificate(("localhost", suite.ports[service]))

    before = {service: shown(service) for service in suite.ports}
    started = {s: suite.containers(s)[0]["State"]["StartedAt"] for s in suite.ports}
    suite.taizhang("certificate", "renew")
    wait(lambda: all(shown(s) != before[s] for s in suite.ports), 10, "shown")
    suite.list()
    refresh(suite, 2022)
    assert started == {s: suite.containers(s)[0]["State"]["StartedAt"] for s in suite.ports}


def a_killed_service_loses_nothing(suite: Suite) -> None:
    load = Load(suite)
    load.more(50)
    for _ in range(3):
        suite.kill("meetings")
        load.more(50)
    load.stop()
    load.whole()


def a_killed_database_loses_nothing(suite: Suite) -> None:
    load = Load(suite)
    load.more(50)
    suite.kill(DATABASE)
    load.more(50)
    load.stop()
    load.whole()
    suite.wait_healthy(DATABASE)


def without_its_database_a_service_says_so_soon(suite: Suite) -> None:
    suite.compose("stop", DATABASE)
    since, slowest = time.monotonic(), 0.0
    while time.monotonic() - since < 30:
        asked = time.monotonic()
        answered = code(lambda: suite.list(timeout=20))
        assert answered == grpc.StatusCode.UNAVAILABLE, answered
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.5)
    print(f"     the slowest UNAVAILABLE took {slowest:.1f} s")
    assert slowest < 7
    suite.compose("start", DATABASE)
    asked = time.monotonic()
    wait(lambda: code(suite.list) == grpc.StatusCode.OK, 60, "back")
    print(f"     back {time.monotonic() - asked:.1f} s after the start")
    suite.wait_healthy(*suite.ports)


def refresh(suite: Suite, year: int, channel=None):
    """The figures of a new report of a year, by indicator."""
    m = messages("reporting", "annual_report")
    stub = suite.stub("reporting", "annual_report", "AnnualReportService", channel)
    bearing = suite.bearing()
    listing = m.ListAnnualReportsRequest(parent=OFFICE)
    listed = again(lambda: stub.ListAnnualReports(listing, metadata=bearing, timeout=10))
    (report,) = [r for r in listed.annual_reports if r.year == year]
    request = m.RefreshAnnualReportRequest(name=report.name)
    report = again(lambda: stub.RefreshAnnualReport(request, metadata=bearing, timeout=25))
    return {figure.indicator: figure.current for figure in report.figures}


def a_source_that_is_away_is_told_of(suite: Suite) -> None:
    suite.compose("stop", "supervision")
    figures = refresh(suite, 2022)
    assert figures["meetings_total"].value == 475, figures["meetings_total"]
    away = figures["county_leader_instructions_handled"]
    assert away.missing_reason and not away.value, away
    print(f"     {away.missing_reason}")
    suite.compose("start", "supervision")
    suite.wait_healthy("supervision")
    wait(lambda: refresh(suite, 2022)["county_leader_instructions_handled"].value == 25, 30, "counted again")


def load_is_spread_over_three(suite: Suite) -> None:
    suite.compose("up", "-d", "--no-build", "--scale", "meetings=3")
    suite.wait_healthy("meetings")

    def calls(container: int) -> float:
        url = f"http://127.0.0.1:7190/meetings{container}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        lines = [l for l in text.splitlines() if l.startswith("taizhang_calls_total") and "ListFacilities" in l]
        return sum(float(l.split()[-1]) for l in lines)

    def known() -> bool:
        try:
            return all(calls(n) >= 0 for n in (1, 2, 3))
        except OSError:
            return False

    wait(known, 20, "known to the gateway")
    before = [calls(n) for n in (1, 2, 3)]
    for _ in range(30):
        suite.list()
    spread = [calls(n) - b for n, b in zip((1, 2, 3), before)]
    print(f"     30 connections, by container: {spread}")
    assert sum(spread) == 30 and all(n >= 5 for n in spread)

    load = Load(suite)
    load.more(50)
    suite.kill("meetings")
    load.more(50)
    suite.compose("up", "-d", "--no-build", "--scale", "meetings=1")
    load.more(50)
    load.stop()
    load.whole()


# What is read from each service.
READ = {
    "reporting": ("annual_report", "AnnualReport", "AnnualReports"),
    "meetings": ("facility", "Facility", "Facilities"),
    "supervision": ("matter", "Matter", "Matters"),
    "reception": ("reception", "Reception", "Receptions"),
    "research": ("topic", "Topic", "Topics"),
}


class Readers:
    """One for each service; it retries only as gRPC does."""

    def __init__(self, suite: Suite):
        self.suite = suite
        self.slowest = dict.fromkeys(suite.ports, 0.0)
        self._stop = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(len(suite.ports))
        self._readers = [self._pool.submit(self._read, service) for service in suite.ports]

    def _read(self, service: str) -> None:
        file, kind, kinds = READ[service]
        channel = self.suite.channel(service, options=RETRYING)
        ask = getattr(self.suite.stub(service, file, f"{kind}Service", channel), f"List{kinds}")
        request = getattr(messages(service, file), f"List{kinds}Request")(parent=OFFICE, page_size=1)
        while not self._stop.is_set():
            asked = time.monotonic()
            ask(request, metadata=self.suite.bearing(), timeout=30)
            self.slowest[service] = max(self.slowest[service], time.monotonic() - asked)
            time.sleep(0.02)

    def stop(self) -> None:
        self._stop.set()
        for reader in self._readers:
            reader.result(120)
        print("     the slowest read:", ", ".join(f"{s} {t:.1f} s" for s, t in self.slowest.items()))


def an_upgrade_fails_no_call(suite: Suite) -> None:
    former = os.environ["TAIZHANG_IMAGE"]
    upgraded(suite, newer(former), *suite._compose, "up", "-d", "--no-build")
    os.environ["COMPOSE"] = " ".join(suite._compose)
    upgraded(suite, former, "docker/upgrade")


def upgraded(suite: Suite, image: str, *command: str) -> None:
    load = Load(suite, options=RETRYING, repeat=once, timeout=30)
    readers = Readers(suite)
    load.more(50)
    # An administrator writes it into `.env`.
    os.environ["TAIZHANG_IMAGE"] = image
    asked = time.monotonic()
    suite.run(*command)
    print(f"     {command[0]} took {time.monotonic() - asked:.0f} s")
    suite.wait_healthy(*suite.ports)
    load.more(50)
    load.stop()
    readers.stop()
    load.whole()
    for service in suite.ports:
        assert suite.containers(service)[0]["Config"]["Image"] == image, service


def newer(image: str) -> str:
    """The same program under another version."""
    subprocess.run(["docker", "build", "-q", "-t", f"{image}-newer", "-"], check=True, text=True,
                   stdout=subprocess.DEVNULL, input=f"FROM {image}\nLABEL newer=yes\n")
    return f"{image}-newer"


def what_was_backed_up_comes_back(suite: Suite) -> None:
    """With the commands of docs/administration.md."""
    def tool(*arguments: str) -> str:
        user = f"{os.getuid()}:{os.getgid()}"
        return suite.compose("run", "--rm", "-T", "--user", user, "-v", f"{suite.folder}:/office", "-w", "/office",
                             "-e", "TAIZHANG__DATA=secrets", "migrate", *arguments)

    def figures() -> dict:
        return {name: (f.value, f.missing_reason) for name, f in refresh(suite, 2022).items()}

    key = ("--key-file", "backup.key")
    (suite.folder / "backups").mkdir(mode=0o700)
    tool("backup", "new-key", "backup.key")
    load = Load(suite)
    load.more(50)
    said = tool("backup", "--to", "backups/while-writing.backup", *key, "--with-keys")
    load.stop()
    print("    ", next(line for line in said.splitlines() if line.startswith("taken")))
    # Later writes are not in it: compare with another backup.
    before = figures()
    tool("backup", "--to", "backups/all.backup", *key)
    assert "verified" in tool("backup", "verify", "backups/all.backup", *key)

    suite.compose("down", "--volumes")
    suite.compose("up", "--no-build", "migrate")
    tool("restore", "--from", "backups/all.backup", *key)
    suite.compose("up", "-d", "--no-build")
    suite.wait_healthy(*suite.ports, GATEWAY)
    assert figures() == before and before["meetings_total"] == (475, ""), (figures(), before)
    load.whole()
    the_histories_verify(suite)


def told(url: str):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)["data"]


def the_administrator_sees_how_it_runs(suite: Suite) -> None:
    with open(suite.folder / ".env", "a") as settings:
        settings.write("COMPOSE_PROFILES=observability\nTAIZHANG_TRACES=http://jaeger:4317\n")
    suite.compose("up", "-d", "--no-build", "--scale", "meetings=2")
    suite.wait_healthy("prometheus", *suite.ports)
    restricted(suite, "prometheus", 9090)
    restricted(suite, "jaeger", 16686)
    prometheus, jaeger = "http://127.0.0.1:9090/api/v1", "http://127.0.0.1:16686/api"

    def read() -> dict[str, int]:
        """How many containers of each service Prometheus reads."""
        up = told(f"{prometheus}/query?query=sum+by+(job)+(up)")["result"]
        return {r["metric"]["job"]: int(r["value"][1]) for r in up}

    wait(lambda: read() == {**dict.fromkeys(suite.ports, 1), GATEWAY: 1, "meetings": 2}, 60, "all read")
    load = Load(suite, callers=2)
    wait(lambda: told(f"{prometheus}/query?query=taizhang:calls:rate>1")["result"], 60, "counted")
    # Signed for 13 months.
    ends = "count(count+by+(job)+(taizhang_certificate_end_timestamp_seconds>time()%2B300*86400))"
    [ends] = told(f"{prometheus}/query?query={ends}")["result"]
    assert int(ends["value"][1]) == len(suite.ports), ends
    load.stop()

    refresh(suite, 2022)

    def joined() -> bool:
        traces = told(f"{jaeger}/traces?service=reporting&limit=100")
        return any({p["serviceName"] for p in t["processes"].values()} == {*suite.ports} for t in traces)

    wait(joined, 30, "one trace for one summary")

    with urllib.request.urlopen("http://127.0.0.1:9090/consoles/index.html", timeout=5) as page:
        assert "text/html" in page.headers["content-type"] and "台账" in page.read().decode()
    suite.compose("stop", "research")

    def alarmed() -> bool:
        alerts = told(f"{prometheus}/alerts")["alerts"]
        return ("ServiceAway", "research") in {(a["labels"]["alertname"], a["labels"].get("service")) for a in alerts}

    wait(alarmed, 40, "alarmed")
    suite.compose("start", "research")
    # The alarms by their own tests.
    image = suite.containers("prometheus")[0]["Config"]["Image"]
    said = suite.run("docker", "run", "--rm", "-v", f"{ROOT}/docker/observability:/alarms/docker:ro",
                     "-v", f"{ROOT}/tests/compose/alarms.yml:/alarms/tests.yml:ro", "-w", "/tmp",
                     "--entrypoint", "promtool", image, "test", "rules", "/alarms/tests.yml")
    assert "SUCCESS" in said, said


def callers_show_a_certificate_where_it_is_demanded(suite: Suite) -> None:
    settings = suite.folder / ".env"
    demanded = settings.read_text().replace("CLIENT_OPTIONAL=true", "CLIENT_OPTIONAL=false")
    settings.write_text(demanded)
    suite.compose("up", "-d", "--no-build")
    suite.wait_healthy(*suite.ports)
    suite.taizhang("certificate", "issue", "--system", "portal")
    again(lambda: suite.list(channel=suite.channel("meetings", caller="portal")))
    assert code(suite.list) == grpc.StatusCode.UNAVAILABLE
    # Services present their certificates to each other.
    assert read_as_portal(suite) == 475


def read_as_portal(suite: Suite) -> int:
    return refresh(suite, 2022, suite.channel("reporting", caller="portal"))["meetings_total"].value


def compose_v2_runs_it_too(suite: Suite) -> str | None:
    if not suite.v2:
        return "there is no other Compose"
    before = read_as_portal(suite)
    suite.compose("down")
    suite._compose = [suite.v2]
    the_compose_file_is_clean(suite)
    suite.compose("up", "-d", "--no-build")
    suite.wait_healthy(DATABASE, *suite.ports, GATEWAY)
    assert read_as_portal(suite) == before


CHECKS = [
    the_compose_file_is_clean,
    all_become_healthy,
    containers_are_restricted,
    a_token_works_over_tls,
    a_revoked_token_is_refused,
    a_year_is_counted,
    no_role_enters_another_database,
    a_renewed_certificate_is_shown_without_a_restart,
    a_killed_service_loses_nothing,
    a_killed_database_loses_nothing,
    without_its_database_a_service_says_so_soon,
    a_source_that_is_away_is_told_of,
    load_is_spread_over_three,
    an_upgrade_fails_no_call,
    what_was_backed_up_comes_back,
    the_administrator_sees_how_it_runs,
    callers_show_a_certificate_where_it_is_demanded,
    the_histories_verify,
    compose_v2_runs_it_too,
]


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("folder", "program", "compose"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--v2", help="Compose v2, if --compose is not that")
    parser.add_argument("--only", help="the name of one check")
    arguments = parser.parse_args()
    suite = Suite(arguments)
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as stubs:
        generate(ROOT / "proto", stubs)
        for check in CHECKS:
            if arguments.only and check.__name__ != arguments.only:
                continue
            since, name = time.monotonic(), check.__name__.replace("_", " ")
            try:
                if reason := check(suite):
                    skipped += 1
                    print(f"skipped {name}: {reason}", flush=True)
                    continue
                passed += 1
                print(f"ok   {name} ({time.monotonic() - since:.0f} s)", flush=True)
            except Exception:
                failed += 1
                traceback.print_exc()
                print(f"FAILED {name}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
