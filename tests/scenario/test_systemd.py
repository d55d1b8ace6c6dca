"""As systemd starts it: readiness, reload, stop, watchdog, sockets that are handed
over; and as root starts it, who becomes somebody else."""
import contextlib
import os
import pwd
import shutil
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import threading
import time

import case
import hops
import peers
import sink
import talk

NOBODY = pwd.getpwnam("nobody")
# in the child, whose pid LISTEN_PID must be: descriptors from 3 on, then exec
HANDOVER = """
import os, sys
fds = [int(f) for f in sys.argv[1].split(",") if f]
high = [os.dup2(f, 100 + i) for i, f in enumerate(fds)]
for i, f in enumerate(high):
    os.dup2(f, 3 + i, inheritable=True)
    os.close(f)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Notified:
    """What is sent to NOTIFY_SOCKET, with the time of each."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.address = address
        self.got = []
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        while True:
            text = self.socket.recv(4096).decode()
            self.got.append((time.monotonic(), dict(
                line.split("=", 1) for line in text.split("\n") if line)))

    def of(self, key):
        return [(at, said) for at, said in self.got if key in said]

    def wait(self, key, count=1):
        hops.wait(lambda: len(self.of(key)) >= count, "%s %d times" % (key, count))
        return self.of(key)


def maildir_gateway(work, conf="", **more):
    return hops.Gateway(work, case.BUILD, "via maildir:%s;" % (work / "mail"), conf,
                        users=more.pop("users", dict(hops.USERS)), **more)


@case.case
def told_to_systemd(work):
    sluice = maildir_gateway(work, start=False)
    often = 2 * hops.PATIENCE  # and twice as often to be sure
    for address in (work / "notify", "@sluice-test-%d" % os.getpid()):
        told = Notified(address)
        sluice.start({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "%d000000" % often})
        told.wait("READY")
        case.equal(told.of("READY")[0][1]["READY"], "1")
        # ready means that a client is served now
        session = talk.Talk(sluice.port)
        session.quit()
        sluice.process.send_signal(signal.SIGHUP)
        told.wait("READY", 2)
        [(_, said)] = told.of("RELOADING")
        usec = int(said["MONOTONIC_USEC"])
        assert abs(usec / 1e6 - time.monotonic()) < peers.HANG_S, usec
        # a file with a mistake: the reload ends as well, in the state before
        with open(sluice.conf_path) as f:
            text = f.read()
        with open(sluice.conf_path, "a") as f:
            f.write("nonsense on;\n")
        sluice.process.send_signal(signal.SIGHUP)
        told.wait("READY", 3)
        sluice.lines("config", "nonsense")  # the log says why
        with open(sluice.conf_path, "w") as f:
            f.write(text)
        beats = told.wait("WATCHDOG", 3)
        gaps = [b[0] - a[0] for a, b in zip(beats, beats[1:])]
        assert max(gaps) < often, gaps
        sluice.process.terminate()
        told.wait("STOPPING")
        case.equal(sluice.process.wait(peers.HANG_S), 0)
        assert told.got[-1][1].get("READY") is None


@case.case
def the_watchdog_of_another(work):
    told = Notified(work / "notify")
    sluice = maildir_gateway(work, start=False)
    sluice.start({"NOTIFY_SOCKET": told.address, "WATCHDOG_USEC": "100000",
                  "WATCHDOG_PID": "1"})
    told.wait("READY")
    time.sleep(0.3)
    case.equal(told.of("WATCHDOG"), [])
    sluice.stop()
    # nobody listens there: no reason to fail
    sluice.start({"NOTIFY_SOCKET": work / "nowhere"})
    sluice.stop()


@case.case
def a_start_that_fails(work):
    told = Notified(work / "notify")
    sluice = maildir_gateway(work, start=False)
    taken = socket.create_server(("127.0.0.1", sluice.port))
    run = subprocess.run([case.BUILD + "/sluiced", "-c", sluice.conf_path],
                         env=dict(os.environ, NOTIFY_SOCKET=told.address),
                         capture_output=True, text=True, timeout=peers.HANG_S)
    case.equal(run.returncode, 1, run.stderr)
    taken.close()
    case.equal(told.of("READY"), [])
    text = open(sluice.log).read() + run.stderr
    case.contains(text, ":%d" % sluice.port)
    with open(sluice.conf_path, "a") as f:
        f.write("nonsense on;\nmessage-size huge;\n")
    run = subprocess.run([case.BUILD + "/sluiced", "-c", sluice.conf_path],
                         capture_output=True, text=True, timeout=peers.HANG_S)
    case.equal(run.returncode, 78, run.stderr)
    case.contains(run.stderr, "nonsense")
    case.contains(run.stderr, "huge")


def start_with(work, sluice, sockets, names):
    env = dict(os.environ, LISTEN_FDS=str(len(sockets)))
    if names:
        env["LISTEN_FDNAMES"] = ":".join(names)
    fds = [s.fileno() for s in sockets]
    sluice.process = work.start(
        sys.executable, "-c", HANDOVER, ",".join(map(str, fds)),
        case.BUILD + "/sluiced", "-c", sluice.conf_path, name="sluiced", env=env,
        pass_fds=fds)
    hops.wait(lambda: sluice.process.poll() is not None or sluice.ready(), "sluiced")
    case.equal(sluice.process.poll(), None)


@case.case
def sockets_that_are_handed_over(work):
    """By name, by address; one too many; and mail that comes while nobody is
    there waits in the backlog."""
    sluice = maildir_gateway(work, start=False)
    by_name = socket.create_server(("127.0.0.1", 0))  # another port than the file's
    by_address = socket.create_server(("127.0.0.1", sluice.tls_port))
    spare = socket.create_server(("127.0.0.1", 0))
    sockets = [by_name, by_address, spare]
    names = ["submission", "", "nobodys"]
    early = socket.create_connection(by_name.getsockname(), 30)
    start_with(work, sluice, sockets, names)
    case.contains(early.recv(100).decode(), "220 gate.example.com")
    early.close()
    for user, password in sluice.users.items():
        sluice.ctl("user", "add", user, stdin=password + "\n")
    port = by_name.getsockname()[1]
    session = talk.session(sluice, port=port)
    session.submit(hops.message(1))
    talk.delivered(work, 1)
    session.quit()
    talk.Talk(sluice.tls_port, tls=True).quit()
    # the port of the file is not opened besides
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sluice.port), 2)
        raise AssertionError("the file's port is open too")
    assert any("nobodys" in l or str(spare.getsockname()[1]) in l
               for l in sluice.log_lines() if "level=warn" in l), "no warning"
    # a reload keeps them
    sluice.ctl("reload")
    talk.session(sluice, port=port).quit()
    # between stop and start nobody is turned away
    sluice.stop()
    late = socket.create_connection(by_name.getsockname(), 30)
    start_with(work, sluice, sockets, names)
    case.contains(late.recv(100).decode(), "220 gate.example.com")
    late.close()
    talk.session(sluice, port=port).quit()
    sluice.stop()


def of_process(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def private_files(sluice):
    for folder, folders, files in os.walk(sluice.spool):
        for name, mode in [(".", 0o700)] + [(n, 0o600) for n in files]:
            got = os.stat(os.path.join(folder, name))
            case.equal((name, got.st_uid, stat.S_IMODE(got.st_mode)),
                       (name, NOBODY.pw_uid, mode))


@case.case
def root_becomes_nobody(work):
    if os.geteuid() != 0:
        print("skip: not root")
        return
    os.mkdir(work / "mail")
    os.chown(work / "mail", NOBODY.pw_uid, NOBODY.pw_gid)
    crt, key = peers.certificate(work)
    os.chmod(key, 0o600)  # root's alone
    address = "127.9.%d.%d" % (os.getpid() // 250 % 250 + 1, os.getpid() % 250 + 1)
    sluice = maildir_gateway(work, "user nobody;\n", start=False, listen="""
listen submission { address %s:587; tls starttls; }
""" % address)
    sluice.control = work / "made/by/it.sock"
    with open(sluice.conf_path) as f:
        text = f.read()
    os.mkdir(work / "made")
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace("control %s" % (work / "sluice.sock"),
                             "control %s" % sluice.control))
    sluice.start()
    pid = sluice.process.pid
    for task in os.listdir("/proc/%d/task" % pid):  # each thread of it
        status = of_process(int(task))
        for name in ("Uid", "Gid"):
            case.equal(set(status[name].split()), {"65534"}, name)
        case.equal(set(status["Groups"].split()) - {"65534"}, set())
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            case.equal(int(status[name], 16), 0, name)
        case.equal(status["NoNewPrivs"], "1")
    if not (case.SLOW):  # memory with keys is nobody's to read
        case.equal(os.stat("/proc/%d/environ" % pid).st_uid, 0, "dumpable")
    client = Client(address, 587)
    client.submit(hops.message(1))
    talk.delivered(work, 1)
    private_files(sluice)
    got = os.stat(sluice.control)
    case.equal((stat.S_ISSOCK(got.st_mode), stat.S_IMODE(got.st_mode), got.st_uid),
               (True, 0o660, NOBODY.pw_uid))
    got = os.stat(sluice.log)
    case.equal(got.st_uid, NOBODY.pw_uid, "the log's owner")
    assert not got.st_mode & 0o007, oct(got.st_mode)
    # the key cannot be read any more: a reload says so and changes nothing
    refused = sluice.ctl("reload", check=False)
    case.equal(refused.returncode, 1, refused.stdout)
    case.contains(refused.stderr, key)
    client.submit(hops.message(2))
    os.chmod(key, 0o644)
    sluice.ctl("reload")
    client.close()
    sluice.stop()
    private_files(sluice)
    sluice.start()
    Client(address, 587).submit(hops.message(3))
    sluice.stop()


class Client:
    """Submits at any address."""

    def __init__(self, host, port):
        self.client = smtplib.SMTP(host, port, timeout=peers.HANG_S)
        self.client.starttls(context=talk.TLS)
        self.client.login("alice", "secret-a")

    def submit(self, content):
        self.client.sendmail("alice@example.com", ["b@example.net"], content)

    def close(self):
        self.client.quit()


@case.case
def a_spool_that_root_left(work):
    """It says whose folder it is, and goes on where root stopped once it was
    given away."""
    if os.geteuid() != 0:
        print("skip: not root")
        return
    hub = sink.Sink(start=False)
    sluice = hops.gateway(work, {"hub": (hub, "")}, "retry { after 1h; expire 1d; }\n")
    session = talk.session(sluice)
    hops.submit(session, hops.message(1), ["a@example.net"])
    session.quit()
    sluice.stop()
    os.chown(sluice.log, NOBODY.pw_uid, NOBODY.pw_gid)
    os.mkdir(work / "run", 0o750)
    os.chown(work / "run", NOBODY.pw_uid, NOBODY.pw_gid)
    with open(sluice.conf_path) as f:
        text = f.read()
    sluice.control = work / "run/control"
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace("control %s" % (work / "sluice.sock"),
                             "control %s" % sluice.control) + "user nobody;\n")
    run = subprocess.run([case.BUILD + "/sluiced", "-c", sluice.conf_path],
                         capture_output=True, text=True, timeout=60)
    case.equal(run.returncode, 1, run.stderr)
    with open(sluice.log) as f:
        last = [l for l in f if "event=start-failed" in l][-1]
    case.contains(last, sluice.spool)
    for folder, folders, files in os.walk(sluice.spool):
        for path in [folder] + [os.path.join(folder, n) for n in files]:
            shutil.chown(path, "nobody", "nogroup")
    hub.open()
    sluice.start()
    hops.drained(sluice)
    hops.taken(hub, 1)
    sluice.stop()


if __name__ == "__main__":
    case.main()
