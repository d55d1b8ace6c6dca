"""Real programs for tests and benchmarks, each in a work directory of its own.

Everything listens on 127.0.0.1 and is ended by the pid that was started here.
Needs root where the program changes user (Postfix, Dovecot).
"""
import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BLOCK = 100
held = []  # abstract sockets, one for each block of ports that is ours
ports = []
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build/release"))
# a sanitizer's build is several times slower: loads shrink, waits grow
SLOW = os.path.basename(BUILD.rstrip("/")) in ("asan", "tsan") \
    or bool(os.environ.get("SLUICE_SANITIZED"))
PATIENCE = 4 if SLOW else 1
# A wait that only guards against hanging: many times what a quiet machine needs.
HANG_S = 60 * PATIENCE


def claim_block():
    """A port is asked for some time before somebody listens on it, and other
    scenarios run beside this one: each has blocks of its own, for as long as
    it lives."""
    while True:
        base = random.randrange(11000, 32000, BLOCK)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind("\0sluice-ports-%d" % base)
        except OSError:
            claim.close()
            continue
        held.append(claim)
        return random.sample(range(base, base + BLOCK), BLOCK)


def free_port():
    """Below the range that the kernel gives to clients: a port it hands out
    itself may be somebody's source port before we listen on it."""
    while True:
        if not ports:
            ports.extend(claim_block())
        port = ports.pop()
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def wait_port(port, process=None):
    end = time.monotonic() + HANG_S
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError("the program ended with %s" % process.returncode)
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.02)
    raise RuntimeError("nothing listens on port %d" % port)


def wait_for(condition, what="the condition", seconds=HANG_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("waited %d s for %s" % (seconds, what))


class Work:
    """A directory under /tmp that daemons which drop privileges can enter."""

    def __init__(self, name):
        self.path = tempfile.mkdtemp(prefix="sluice-%s-" % name, dir="/tmp")
        os.chmod(self.path, 0o755)
        self.children = []

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text, mode=0o644):
        path = self / name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def start(self, *argv, name=None, **kwargs):
        out = open(self / ((name or os.path.basename(argv[0])) + ".out"), "ab")
        kwargs.setdefault("stdout", out)
        kwargs.setdefault("stderr", out)
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **kwargs)
        self.children.append(process)
        return process

    def close(self, keep=False):
        for process in reversed(self.children):
            stop(process)
        self.children = []
        if not keep:
            shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.close(keep=bool(os.environ.get("SLUICE_KEEP")))


def stop(process, seconds=10):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def certificate(work, name="server", days=30, san="DNS:localhost,IP:127.0.0.1"):
    """A P-256 certificate signed by itself; returns (certificate, key)."""
    crt, key = work / (name + ".crt"), work / (name + ".key")
    if not os.path.exists(crt):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj",
             "/CN=localhost", "-addext", "subjectAltName=" + san, "-keyout", key,
             "-out", crt], check=True, stderr=subprocess.DEVNULL)
        os.chmod(key, 0o644)  # a throw-away key, for daemons that drop privileges
    return crt, key


class Dovecot:
    """The auth service of Dovecot alone, with a password file."""

    def __init__(self, work, users, tcp_port=None, extra=""):
        self.work = work
        base = work / "dovecot"
        os.makedirs(base + "/run", exist_ok=True)
        self.socket = base + "/run/auth-client"
        work.write("dovecot/users", "".join(
            "%s:{PLAIN}%s::::::\n" % (u, p) for u, p in users.items()))
        tcp = "" if tcp_port is None else (
            "inet_listener {\n address = 127.0.0.1\n port = %d\n }\n" % tcp_port)
        conf = work.write("dovecot/dovecot.conf", """
protocols =
base_dir = %(base)s/run
state_dir = %(base)s/state
log_path = %(base)s/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5
auth_username_format = %%Lu
default_internal_user = dovecot
default_login_user = dovenull
passdb {
  driver = passwd-file
  args = %(base)s/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
  %(tcp)s
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
%(extra)s
""" % {"base": base, "tcp": tcp, "extra": extra})
        self.process = work.start("/usr/sbin/dovecot", "-F", "-c", conf,
                                  name="dovecot")
        wait_for(lambda: os.path.exists(self.socket), "Dovecot's socket")
        if tcp_port is not None:
            wait_port(tcp_port, self.process)

    def stop(self):
        stop(self.process)


# what every Postfix needs behind its listeners
POSTFIX_SERVICES = """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Postfix as an authenticated submission relay: STARTTLS on `port`,
    implicit TLS on `tls_port`, everything to one next hop."""

    def __init__(self, work, next_hop_port, dovecot_port, extra=None):
        self.work = work
        self.port, self.tls_port = free_port(), free_port()
        crt, key = certificate(work)
        base = work / "postfix"
        for name in ("spool", "data", "etc"):
            os.makedirs("%s/%s" % (base, name), exist_ok=True)
        user = pwd.getpwnam("postfix")
        os.chown(base + "/data", user.pw_uid, user.pw_gid)
        main = {
            "compatibility_level": "3.6",
            "queue_directory": base + "/spool",
            "data_directory": base + "/data",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "myhostname": "relay.example.com",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "",
            "maillog_file": base + "/log",
            "maillog_file_prefixes": base,
            "alias_maps": "",
            "alias_database": "",
            "relayhost": "[127.0.0.1]:%d" % next_hop_port,
            "smtp_tls_security_level": "none",
            "smtpd_tls_chain_files": "%s, %s" % (key, crt),
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": "inet:127.0.0.1:%d" % dovecot_port,
            "smtpd_client_connection_count_limit": "0",
            "in_flow_delay": "0",
            "default_process_limit": "200",
        }
        main.update(extra or {})
        work.write("postfix/etc/main.cf", "".join(
            "%s = %s\n" % item for item in main.items()))
        sub = ("-o smtpd_sasl_auth_enable=yes "
               "-o smtpd_relay_restrictions=permit_sasl_authenticated,reject "
               "-o smtpd_recipient_restrictions=permit_sasl_authenticated,reject ")
        work.write("postfix/etc/master.cf", """
127.0.0.1:%d inet n - n - - smtpd %s -o smtpd_tls_security_level=encrypt
127.0.0.1:%d inet n - n - - smtpd %s -o smtpd_tls_wrappermode=yes
%s""" % (self.port, sub, self.tls_port, sub, POSTFIX_SERVICES))
        self.run(base)

    def run(self, base):
        self.etc = base + "/etc"
        subprocess.run(["postfix", "-c", self.etc, "check"], check=True,
                       capture_output=True)
        self.process = self.work.start("/usr/sbin/postfix", "-c", self.etc,
                                       "start-fg", name="postfix")
        wait_port(self.port, self.process)
        with open(base + "/spool/pid/master.pid") as f:
            self.pid = int(f.read())

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        wait_for(lambda: not os.path.exists("/proc/%d" % self.pid), "Postfix's end")
        stop(self.process)


class PostfixMx(Postfix):
    """Postfix as a site's hub: takes mail without a login on `port`, STARTTLS
    offered, refuses all of refused.example, hands the rest on."""

    def __init__(self, work, next_hop_port, extra=None):
        self.work = work
        self.port = free_port()
        crt, key = certificate(work, "hub")
        base = work / "hub"
        for name in ("spool", "data", "etc"):
            os.makedirs("%s/%s" % (base, name), exist_ok=True)
        user = pwd.getpwnam("postfix")
        os.chown(base + "/data", user.pw_uid, user.pw_gid)
        main = {
            "compatibility_level": "3.6",
            "queue_directory": base + "/spool",
            "data_directory": base + "/data",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "myhostname": "hub.example.com",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "maillog_file": base + "/log",
            "maillog_file_prefixes": base,
            "alias_maps": "",
            "alias_database": "",
            "relayhost": "[127.0.0.1]:%d" % next_hop_port,
            "smtp_tls_security_level": "none",
            "smtpd_tls_chain_files": "%s, %s" % (key, crt),
            "smtpd_tls_security_level": "may",
            "smtpd_relay_restrictions": "permit_mynetworks,reject",
            "smtpd_recipient_restrictions": "check_recipient_access inline:{"
            "{refused.example = 550 5.1.1 nobody of that name}}",
        }
        main.update(extra or {})
        work.write("hub/etc/main.cf", "".join(
            "%s = %s\n" % item for item in main.items()))
        work.write("hub/etc/master.cf", "127.0.0.1:%d inet n - n - - smtpd\n%s" % (
            self.port, POSTFIX_SERVICES))
        self.run(base)


def stat_fields(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()


def cpu_seconds(pid):
    """User and system time of a process, its living children and all those it
    has waited for."""
    tick = os.sysconf("SC_CLK_TCK")
    fields = stat_fields(pid)
    total = sum(int(fields[i]) for i in (11, 12, 13, 14))
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != pid:
            with contextlib.suppress(OSError):
                child = stat_fields(int(name))
                if int(child[1]) == pid:
                    total += sum(int(child[i]) for i in (11, 12, 13, 14))
    return total / tick


def rss_anon_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0


class Sluice:
    """The gateway under test. `conf` is put behind the common part; `route`
    is the text of the default route's block."""

    def __init__(self, work, build, route, conf="", users=None, listen=None,
                 auth="backend local;", name="sluice", start=True):
        self.work, self.build = work, build
        self.port, self.tls_port = free_port(), free_port()
        self.http_port = free_port()
        self.control = work / (name + ".sock")
        self.spool = work / (name + "-spool")
        self.log = work / (name + ".log")
        crt, key = certificate(work)
        listen = listen or """
listen submission { address 127.0.0.1:%d; tls starttls; }
listen submissions { address 127.0.0.1:%d; tls implicit; }
""" % (self.port, self.tls_port)
        self.common = """hostname gate.example.com;
spool %s;
control %s;
tls { certificate %s; key %s; }
http 127.0.0.1:%d;
auth { domain example.com; %s }
log { to file %s; }
%s
""" % (self.spool, self.control, crt, key, self.http_port, auth, self.log, listen)
        self.conf_path = work / (name + ".conf")
        self.configure(route, conf)
        self.process = None
        self.users = users if users is not None else {}
        if start:
            self.start()

    def configure(self, route, conf=""):
        """Without a `dns` block no domain is asked about: most stories have
        neither a resolver nor recipients that exist."""
        if "dns {" not in conf:
            conf += "dns { check off; }\n"
        with open(self.conf_path, "w") as f:
            f.write(self.common + "route default { %s }\n" % route + conf)

    def start(self, env=None):
        self.process = self.work.start(
            self.build + "/sluiced", "-c", self.conf_path, name="sluiced",
            env=dict(os.environ, **(env or {})))
        wait_for(lambda: self.process.poll() is not None or self.ready(),
                 "sluiced to answer")
        if self.process.poll() is not None:
            with open(self.work / "sluiced.out") as f:
                raise RuntimeError("sluiced ended with %d: %s" % (
                    self.process.returncode, f.read()[-4000:]))
        for user, password in self.users.items():
            self.ctl("user", "add", user, "--address", user + "@example.com",
                     stdin=password + "\n")
        self.users = {}

    def ready(self):
        return os.path.exists(self.control) and self.ctl(
            "status", check=False).returncode == 0

    def ctl(self, *words, stdin="", check=True):
        result = subprocess.run(
            [self.build + "/sluice", "-s", self.control, *words], input=stdin,
            capture_output=True, text=True, timeout=HANG_S)
        if check and result.returncode != 0:
            raise AssertionError("sluice %s: %s%s" % (
                " ".join(words), result.stdout, result.stderr))
        return result

    def stop(self):
        return stop(self.process, HANG_S)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log_lines(self, event=None):
        with open(self.log, errors="replace") as f:
            lines = f.read().splitlines()
        if event is None:
            return lines
        return [l for l in lines if " event=%s " % event in l + " "
                or " %s " % event in l + " "]

    def lines(self, event, *parts, count=None):
        """Those of log_lines() with all of these in them, once they are written:
        `count` and no more, else one at least. The daemon writes what it did
        when it has done it: its peers may know of it earlier."""
        def there():
            found = [l for l in self.log_lines(event) if all(p in l for p in parts)]
            return found if len(found) >= (count or 1) else None
        found = wait_for(there, "%s lines of %s %r" % (count or "the", event, parts))
        assert count in (None, len(found)), "%s %r: wanted %d, got %s" % (
            event, parts, count, "\n".join(found))
        return found
