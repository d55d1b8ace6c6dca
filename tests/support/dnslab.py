"""An Internet of names of its own, on loopback: unbound as the resolver, nsd as
the authority of everything there is, and a server that misbehaves.

    lab = Lab(work, ZONE)          # records below lab., in zone file form
    lab.resolver.port              # what a gateway is told to ask
    lab.resolver.asked("good.lab", "MX")
    odd = Odd()                    # asked directly, or through Lab(odd=...)

Zones are below lab., never below a special-use name. What is not in them does
not exist, whatever its TLD: the root is ours too. Good addresses are those of
documentation (203.0.113.0/24): DNS may say them, nobody needs to be there.
"""
import collections
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import peers
from dns import A, AAAA, MX, SOA, TXT, encode

CNAME = 5
HEAD = """$ORIGIN {name}
$TTL 300
@ IN SOA ns.lab. hostmaster.lab. 1 3600 600 86400 {negative}
@ IN NS ns.lab.
"""


def program(work, path):
    """A copy of its own: a host may confine the installed one (AppArmor) to
    the files of the system's service."""
    copy = work / ("bin/" + os.path.basename(path))
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    if not os.path.exists(copy):
        shutil.copy(path, copy)
    return copy


class Authority:
    """nsd with zones: {"lab.": text}; `negative` is the SOA's minimum."""

    def __init__(self, work, zones, negative=60, name="nsd"):
        self.work, self.name, self.port = work, name, peers.free_port()
        self.zones = dict(zones)
        self.negative = negative
        blocks = ""
        for zone in self.zones:
            self.write(zone)
            blocks += 'zone:\n  name: "%s"\n  zonefile: "%s"\n' % (
                zone, self.file(zone))
        base = work / name
        self.conf = work.write("%s/nsd.conf" % name, """server:
  ip-address: 127.0.0.1@%d
  username: ""
  chroot: ""
  zonesdir: "%s"
  database: ""
  pidfile: "%s/pid"
  logfile: "%s/log"
  xfrdfile: "%s/xfrd"
  xfrdir: "%s"
  zonelistfile: "%s/zones"
  cookie-secret-file: "%s/cookie"
  rrl-ratelimit: 0
  reuseport: no
remote-control:
  control-enable: no
%s""" % ((self.port,) + (base,) * 7 + (blocks,)))
        self.process = work.start(program(work, "/usr/sbin/nsd"), "-d", "-c",
                                  self.conf, name=name)

    def file(self, zone):
        return self.work / ("%s/%s.zone" % (self.name, zone.strip(".") or "root"))

    def write(self, zone):
        name = os.path.relpath(self.file(zone), self.work.path)
        self.work.write(name, HEAD.format(name=zone, negative=self.negative)
                        + self.zones[zone])

    def change(self, zone, text):
        """A second passes: nsd tells zone files apart by their times."""
        self.zones[zone] = text
        time.sleep(1.1)
        self.write(zone)
        self.process.send_signal(signal.SIGHUP)


class Resolver:
    """unbound. stubs: {"lab.": "127.0.0.1@port"}; what no stub serves does not
    exist. Keeps its port over stop and start, and its cache over nothing."""

    def __init__(self, work, stubs, conf="", log=True, name="unbound", port=None,
                 address="127.0.0.1"):
        self.work, self.name, self.address = work, name, address
        self.port = port or peers.free_port()
        base = work / name
        self.log = base + "/queries"
        blocks = "".join('stub-zone:\n  name: "%s"\n  stub-addr: %s\n'
                         '  stub-prime: no\n' % pair for pair in stubs.items())
        self.conf = work.write("%s/unbound.conf" % name, """server:
  interface: %s
  port: %d
  username: ""
  chroot: ""
  directory: "%s"
  pidfile: "%s/pid"
  logfile: "%s"
  use-syslog: no
  log-queries: %s
  do-daemonize: no
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  do-ip6: no
  so-rcvbuf: 4m
  outgoing-range: 4096
  num-queries-per-thread: 4096
  access-control: 127.0.0.0/8 allow
  minimal-responses: yes
  qname-minimisation: no
%s
remote-control:
  control-enable: yes
  control-use-cert: no
  control-interface: %s/control
%s""" % (address, self.port, base, base, self.log, "yes" if log else "no", conf,
         base, blocks))
        self.process = None
        self.start()

    def start(self):
        self.process = self.work.start(
            program(self.work, "/usr/sbin/unbound"), "-d", "-c", self.conf,
            name=self.name)
        peers.wait_for(lambda: self.process.poll() is not None or
                       query(self.address, self.port, "version.server", TXT),
                       "unbound to answer")
        if self.process.poll() is not None:
            raise RuntimeError("unbound ended with %d" % self.process.returncode)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        """Silent: what is asked meanwhile waits in its socket."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def flush(self, zone="."):
        subprocess.run(["unbound-control", "-c", self.conf, "flush_zone", zone],
                       check=True, stdout=subprocess.DEVNULL)

    def questions(self):
        """Counter of (name, type), in the order of a fresh log."""
        counted = collections.Counter()
        with contextlib.suppress(FileNotFoundError), open(self.log) as f:
            for line in f:
                found = re.search(r"info: \S+ (\S+)\. ([A-Z0-9]+) IN$", line)
                if found:
                    counted[found.group(1).lower(), found.group(2)] += 1
        return counted

    def asked(self, name, kind=None):
        return sum(n for (what, how), n in self.questions().items()
                   if what == name and kind in (None, how))


class Lab:
    """Authority and resolver. `odd`: {"silent.lab.": port} of other servers."""

    def __init__(self, work, records, zones=None, odd=None, conf="", log=True,
                 negative=60, port=None):
        zones = dict(zones or {}, **{
            "lab.": "ns IN A 127.0.0.1\n" + records,
            ".": "lab. IN NS ns.lab.\nns.lab. IN A 127.0.0.1\n"})
        self.authority = Authority(work, zones, negative)
        stubs = {zone: "127.0.0.1@%d" % self.authority.port for zone in zones}
        stubs.update((zone, to if isinstance(to, str) else "127.0.0.1@%d" % to)
                     for zone, to in (odd or {}).items())
        peers.wait_for(lambda: query("127.0.0.1", self.authority.port, "lab", SOA),
                       "nsd to answer")
        self.resolver = Resolver(work, stubs, conf, log, port=port)


# --- questions and answers, octet by octet -----------------------------------

def question(name, kind, number=7):
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + encode(name) + \
        struct.pack("!HH", kind, 1)


def query(host, port, name, kind, seconds=0.5):
    """The answer's octets, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds)
        with contextlib.suppress(OSError):
            s.connect((host, port))
            s.send(question(name, kind))
            return s.recv(4096)
    return None


def record(name, kind, data, ttl=300, length=None):
    """name None: the question's. data of an MX is (preference, host)."""
    if kind == MX and isinstance(data, tuple):
        data = struct.pack("!H", data[0]) + encode(data[1])
    elif kind == CNAME:
        data = encode(data)
    elif kind == A:
        data = socket.inet_aton(data)
    elif kind == AAAA:
        data = socket.inet_pton(socket.AF_INET6, data)
    owner = b"\xc0\x0c" if name is None else encode(name)
    return owner + struct.pack("!HHIH", kind, 1, ttl,
                               len(data) if length is None else length) + data


def soa(ttl=60, minimum=60, owner="lab"):
    data = encode("ns.lab") + encode("hostmaster.lab") + \
        struct.pack("!5I", 1, 3600, 600, 86400, minimum)
    return record(owner, SOA, data, ttl)


class Asked:
    """One question that came in."""

    def __init__(self, packet):
        self.packet = packet
        self.number, self.flags, _, _, _, self.extra = \
            struct.unpack("!6H", packet[:12])
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += 1 + packet[at]
        self.name = ".".join(labels).lower()
        self.kind, = struct.unpack("!H", packet[at + 1:at + 3])
        self.question = packet[12:at + 5]

    def reply(self, answers=(), authority=(), code=0, flags=0x8180, number=None,
              asked=None):
        return struct.pack(
            "!6H", self.number if number is None else number, flags | code, 1,
            len(answers), len(authority), 0) + (
                self.question if asked is None else asked) + \
            b"".join(answers) + b"".join(authority)

    def none(self, code=0, **more):
        """NODATA, or NXDOMAIN with code 3."""
        return self.reply(authority=[soa(**more)], code=code)


class Odd:
    """`answer(asked, tcp)` gives what is sent: octets, a list of them (each as
    one packet), None for silence; a pair (seconds, these), alone or in a list, is
    sent later. Of
    TCP, None closes. An Elsewhere is sent from another port."""

    def __init__(self, answer, host="127.0.0.1", port=0):
        self.answer, self.host = answer, host
        self.count = collections.Counter()  # (name, type, tcp)
        self.ended = False
        self.udp, self.tcp = self.listen(host, port)
        self.port = self.udp.getsockname()[1]
        self.other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.other.bind((host, 0))
        for loop in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    @staticmethod
    def listen(host, port):
        """One port, free for both: a client's TCP may sit on what UDP gets."""
        for _ in range(50):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            udp.bind((host, port or peers.free_port()))
            try:
                return udp, socket.create_server(udp.getsockname())
            except OSError:
                udp.close()
        raise AssertionError("no port is free for both UDP and TCP")

    def close(self):
        self.ended = True
        for s in (self.udp, self.tcp, self.other):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def serve_udp(self):
        while not self.ended:
            try:
                packet, peer = self.udp.recvfrom(4096)
                asked = Asked(packet)
            except OSError:
                return
            except (IndexError, struct.error):
                continue
            self.count[asked.name, asked.kind, False] += 1
            self.send(self.answer(asked, False), peer)

    def send(self, what, peer):
        if isinstance(what, tuple):
            timer = threading.Timer(what[0], self.send, (what[1], peer))
            timer.daemon = True
            timer.start()
            return
        for one in what if isinstance(what, list) else [what]:
            with contextlib.suppress(OSError):
                if isinstance(one, tuple):
                    self.send(one, peer)
                elif isinstance(one, Elsewhere):
                    self.other.sendto(one, peer)
                elif one is not None:
                    self.udp.sendto(one, peer)

    def serve_tcp(self):
        while not self.ended:
            try:
                peer, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_one, args=(peer,),
                             daemon=True).start()

    def serve_one(self, peer):
        with contextlib.suppress(OSError, IndexError, struct.error), peer, \
                peer.makefile("rwb") as f:
            while True:
                head = f.read(2)
                if len(head) < 2:
                    return
                asked = Asked(f.read(struct.unpack("!H", head)[0]))
                self.count[asked.name, asked.kind, True] += 1
                what = self.answer(asked, True)
                if isinstance(what, tuple):
                    time.sleep(what[0])
                    what = what[1]
                if what is None:
                    return
                for one in what if isinstance(what, list) else [what]:
                    f.write(one if isinstance(one, Raw) else
                            struct.pack("!H", len(one)) + one)
                f.flush()

    def asked(self, name, kind=None):
        return sum(n for (what, how, _), n in list(self.count.items())
                   if what == name and kind in (None, how))


class Raw(bytes):
    """Sent over TCP as it is."""


class Elsewhere(bytes):
    """Sent over UDP from another port than was asked."""


first_asked = {}


def rest(asked, seconds):
    """What a slow resolver still needs, `seconds` after it was first asked: it
    goes on with its work, and then knows."""
    key = asked.name, asked.kind
    since = time.monotonic() - first_asked.setdefault(key, time.monotonic())
    return max(0, seconds - since)


def silent(asked, tcp):
    return None


def with_code(code):
    return lambda asked, tcp: asked.reply(code=code)
