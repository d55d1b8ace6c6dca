"""A virus scanner of its own, on loopback: clamd with a handful of signatures,
and c-icap in front of it, in the clear and over TLS.

    lab = Lab(work)
    lab.server                  # what a gateway is told: icaps://...
    lab.ca                      # ... and what it is to trust
    lab.freeze(); lab.thaw(); lab.kill(); lab.start()
    lab.define(Marker=b"...")   # new definitions; the ISTag changes

What is infected here: EICAR, and MARKER, anywhere in a file. The definitions
are a database of the kind that people make themselves ("daily.cud"): it has a
version, as those have that come from outside, and c-icap's ISTag is made of
that. Both programs need no root, and none of the system's databases.
"""
import atexit
import contextlib
import glob
import gzip
import hashlib
import io
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tarfile
import time

import peers
from dnslab import program

# In pieces, and put together where no compiler would fold them: neither this
# file nor what Python makes of it may be taken away by somebody's scanner.
EICAR = b"".join((b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-",
                  b"ANTIVIRUS-TEST", b"-FILE!$H+H*"))
MARKER = b"".join((b"SLUICE-LAB", b"-MARKER-1-k9Wd"))
SIGNATURES = {"Lab.Eicar": EICAR, "Lab.Marker": MARKER}
EICAR_NAME, MARKER_NAME = "Lab.Eicar", "Lab.Marker"  # clamd adds .UNOFFICIAL


# --- certificates --------------------------------------------------------------

class Authority:
    """A certificate authority: `pem` is what believes in it."""

    def __init__(self, work, name="ca"):
        self.work, self.name = work, name
        self.pem, self.key = work / (name + ".pem"), work / (name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "30", "-subj", "/CN=" + name, "-addext",
                "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key,
                "-out", self.pem)

    def issue(self, name="icap", san="DNS:localhost,IP:127.0.0.1", days=30):
        """(certificate, key); days below 0: it ended so long ago."""
        base = self.work / ("%s-%s" % (self.name, name))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=" + name, "-keyout", base + ".key", "-out", base + ".csr")
        settings = self.work.write("%s-%s.cnf" % (self.name, name), """[ca]
default_ca = it
[it]
new_certs_dir = %s
database = %s.index
serial = %s.serial
default_md = sha256
policy = any
x509_extensions = more
[any]
commonName = supplied
[more]
subjectAltName = %s
extendedKeyUsage = serverAuth
""" % (self.work.path, base, base, san))
        for end, text in ((".index", ""), (".serial", "01%s\n" % os.urandom(8).hex())):
            with open(base + end, "w") as f:
                f.write(text)
        now = time.time()
        stamps = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + 86400 * d))
                  for d in (min(days, 0) - 1, days)]
        openssl("ca", "-batch", "-notext", "-config", settings, "-cert", self.pem,
                "-keyfile", self.key, "-startdate", stamps[0], "-enddate", stamps[1],
                "-in", base + ".csr", "-out", base + ".pem")
        os.chmod(base + ".key", 0o644)  # a throw-away key
        return base + ".pem", base + ".key"


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, stderr=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


# --- definitions ----------------------------------------------------------------

def database(path, version, signatures):
    """{name: octets} as a file with a version that nobody has signed: a head of
    512 octets, behind it a compressed tar with a list of what is in it."""
    text = "".join("%s:0:*:%s\n" % (name, octets.hex())
                   for name, octets in signatures.items()).encode()
    stamp = time.gmtime()
    head = "ClamAV-VDB:%s:%d:%d:90:X:X:lab:%d" % (
        time.strftime("%d %b %Y %H-%M +0000", stamp), version, len(signatures),
        int(time.time()))
    info = "%s\nlab.ndb:%d:%s\n" % (head, len(text), hashlib.sha256(text).hexdigest())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in (("daily.info", info.encode()), ("lab.ndb", text)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), int(time.time())
            tar.addfile(entry, io.BytesIO(data))
    with open(path + ".new", "wb") as f:
        f.write(head.ljust(512).encode() + gzip.compress(packed.getvalue()))
    os.rename(path + ".new", path)


# --- the two programs ------------------------------------------------------------

class Group:
    """A program with its children, in a process group of its own."""

    def __init__(self, work, name):
        self.work, self.name, self.process, self.frozen = work, name, None, False

    def spawn(self, *argv):
        self.process = self.work.start(*argv, name=self.name, start_new_session=True)
        self.frozen = False

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def freeze(self):
        """Silent, with everything it holds: connections are taken by the kernel
        and what is sent waits in their buffers."""
        self.signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        self.signal(signal.SIGCONT)
        self.frozen = False

    def kill(self):
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None


class Clamd(Group):
    def __init__(self, work, signatures=None, conf="", name="clamd"):
        super().__init__(work, name)
        base = work / name
        os.makedirs(base + "/db")
        os.makedirs(base + "/tmp")
        self.db, self.socket = base + "/db/daily.cud", base + "/socket"
        self.signatures, self.version = dict(signatures or SIGNATURES), 27001
        self.conf = work.write(name + "/clamd.conf", """Foreground yes
DatabaseDirectory %s/db
LocalSocket %s
LogFile %s/log
LogTime yes
TemporaryDirectory %s/tmp
StreamMaxLength 100M
MaxScanSize 100M
MaxFileSize 100M
SelfCheck 0
ConcurrentDatabaseReload yes
AlertEncrypted no
%s""" % (base, self.socket, base, base, conf))
        database(self.db, self.version, self.signatures)

    def start(self, wait=True):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)
        self.spawn(program(self.work, "/usr/sbin/clamd"), "--config-file", self.conf)
        if wait:
            self.ready()

    def ready(self):
        peers.wait_for(lambda: not self.alive or self.ask("PING") == "PONG",
                       "clamd to answer")
        if not self.alive:
            raise RuntimeError("clamd ended with %d" % self.process.returncode)

    def ask(self, command):
        """Its answer, or None."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(self.socket)
            s.sendall(b"n%s\n" % command.encode())
            return s.makefile("r").readline().strip()
        return None

    def define(self, signatures):
        """Other definitions; returns when they count."""
        self.signatures, self.version = dict(signatures), self.version + 1
        database(self.db, self.version, self.signatures)
        self.ask("RELOAD")
        wanted = "/%d/" % self.version
        peers.wait_for(lambda: wanted in (self.ask("VERSION") or ""),
                       "clamd's definitions")


SERVICES = """Service echo srv_echo.so
Module common clamd_mod.so
clamd_mod.ClamdSocket %s
Service antivirus_module virus_scan.so
ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple
virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE DOCUMENT GRAPHICS
virus_scan.SendPercentData 0
virus_scan.PassOnError off
virus_scan.MaxObjectSize 100M
virus_scan.DefaultEngine clamd
"""


class Icap(Group):
    """c-icap. An idle connection holds one of its threads: processes times
    threads are the clients it answers at once."""

    def __init__(self, work, clamd, certificate, processes=2, threads=10, conf="",
                 name="c-icap"):
        super().__init__(work, name)
        self.port, self.tls_port = peers.free_port(), peers.free_port()
        self.base = base = work / name
        os.makedirs(base + "/tmp")
        self.access = base + "/access"
        modules, = glob.glob("/usr/lib/*/c_icap")
        self.commands = base + "/commands"
        self.conf = work.write(name + "/c-icap.conf", """PidFile %s/pid
CommandsSocket %s
Timeout 60
MaxKeepAliveRequests 100
KeepAliveTimeout 60
StartServers %d
MaxServers %d
MinSpareThreads 1
MaxSpareThreads %d
ThreadsPerChild %d
MaxRequestsPerChild 0
Port 127.0.0.1:%d
TlsPort 127.0.0.1:%d cert=%s key=%s
ServerAdmin lab@localhost
ServerName localhost
TmpDir %s/tmp
MaxMemObject 131072
DebugLevel 1
Pipelining on
SupportBuggyClients off
ModulesDir %s
ServicesDir %s
TemplateDir /usr/share/c_icap/templates/
TemplateDefaultLanguage en
LoadMagicFile /etc/c-icap/c-icap.magic
RemoteProxyUsers off
ServerLog %s/log
AccessLog %s
%s%s""" % (base, self.commands, processes, processes, processes * threads, threads,
           self.port, self.tls_port, *certificate, base, modules, modules, base,
           self.access, SERVICES % clamd.socket, conf))

    def start(self, wait=True):
        for path in (self.commands, self.base + "/pid"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self.spawn(program(self.work, "/usr/bin/c-icap"), "-N", "-f", self.conf)
        if wait:
            self.ready()

    def ready(self):
        peers.wait_port(self.port, self.process)
        peers.wait_port(self.tls_port, self.process)

    def reconfigure(self):
        """Takes over what clamd says its version is: a new ISTag. Connections end
        after their next request."""
        with open(self.commands, "w") as f:
            f.write("reconfigure")

    def istag(self, service="avscan"):
        """What OPTIONS say; None: no answer."""
        with contextlib.suppress(OSError), socket.create_connection(
                ("127.0.0.1", self.port), 5) as s:
            s.sendall(b"OPTIONS icap://127.0.0.1/%s ICAP/1.0\r\nHost: 127.0.0.1\r\n"
                      b"Connection: close\r\n\r\n" % service.encode())
            for line in s.makefile("rb"):
                if line.lower().startswith(b"istag:"):
                    return line.split(b":", 1)[1].strip().strip(b'"').decode()
        return None


class Lab:
    """The two together."""

    def __init__(self, work, signatures=None, service="avscan", clamd_conf="", **more):
        self.work = work
        self.authority = Authority(work)
        self.ca = self.authority.pem
        self.clamd = Clamd(work, signatures, clamd_conf)
        self.icap = Icap(work, self.clamd, self.authority.issue(), **more)
        self.server = "icaps://127.0.0.1:%d/%s" % (self.icap.tls_port, service)
        self.plain = "icap://127.0.0.1:%d/%s" % (self.icap.port, service)
        self.start()

    def start(self):
        """Whatever does not run. clamd first: c-icap that begins without it
        calls everything clean."""
        self.thaw()
        for part in (self.clamd, self.icap):
            if not part.alive:
                part.start()

    def freeze(self):
        self.icap.freeze()

    def thaw(self):
        for part in (self.clamd, self.icap):
            if part.frozen:
                part.thaw()

    def kill(self):
        self.icap.kill()

    def define(self, **more):
        """More signatures, or others: a new version, and a new ISTag."""
        before = self.icap.istag()
        self.clamd.define(dict(self.clamd.signatures, **more))
        for _ in range(2 * peers.HANG_S):  # deaf while it still does the last
            self.icap.reconfigure()
            with contextlib.suppress(AssertionError):
                peers.wait_for(lambda: self.icap.istag() not in (None, before),
                               seconds=0.5)
                return
        raise AssertionError("c-icap's ISTag stays")

    def close(self):
        """Its work directory's end would not reach what is frozen, or the
        children of what was killed."""
        self.icap.kill()
        self.clamd.kill()


@contextlib.contextmanager
def _kept(**how):
    with peers.Work("icap-lab") as work:
        lab = Lab(work, **how)
        try:
            yield lab
        finally:
            lab.close()


_shared = contextlib.ExitStack()
_labs = {}


def shared(**how):
    """One lab for all stories of a program, well again for each of them."""
    key = repr(sorted(how.items()))
    if key not in _labs:
        _labs[key] = _shared.enter_context(_kept(**how))
    _labs[key].start()
    return _labs[key]


atexit.register(_shared.close)


def missing():
    """What is not installed, or None."""
    for path in ("/usr/sbin/clamd", "/usr/bin/c-icap"):
        if shutil.which(path) is None:
            return path
    return None


def server_context(certificate):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate)
    return made
