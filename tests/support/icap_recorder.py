"""An ICAP server whose behaviour is chosen: it keeps what it was asked, and
answers as a good one would, or fails in one way (RFC 3507).

    icap = Recorder(tls=context)
    icap.mode = "hang"         # a key of MODES, from the next request on
    icap.scans                 # what was asked: a list of Asked
    icap.close(); icap.open()  # nobody listens; again, on the same port

With `spare` (the default) a file that is EICAR and nothing else is answered
well whatever the mode is: who asks so only wants to know whether we look.
`mode` may also be a function that is given what was asked.
`options` are the lines that OPTIONS answers with, {name: value or None};
`options_mode` is how that answer fails. `istag` is a string, or a function
that makes one.
"""
import collections
import contextlib
import hashlib
import re
import socket
import ssl
import struct
import threading
import time

import peers
from icaplab import EICAR, MARKER

THREATS = {EICAR: "Lab.Eicar", MARKER: "Lab.Marker"}
HOLD_S = 60  # "never" ends with the recorder, or then
OPTIONS = {
    "Methods": "RESPMOD, REQMOD",
    "Service": "recorder",
    "Options-TTL": "60",
    "Preview": "1024",
    "Transfer-Preview": "*",
    "Allow": "204",
    "Max-Connections": None,
}
FINE = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n"
PAGE = b"<html>this was a virus</html>\r\n"


class Asked:
    """One request. `head` has its lines by lower-case name, `http` the heads
    that were encapsulated, `preview` is None or its octets, `body` all of it."""

    def __init__(self, line, head, connection, number):
        self.line, self.head = line, head
        self.connection, self.number = connection, number
        self.method = line.split(" ")[0]
        self.service = re.sub(r"^\S+ icaps?://[^/ ]*/?|\sICAP/1\.0$", "", line)
        self.http, self.preview, self.ieof, self.body = [], None, False, b""
        self.at = time.monotonic()

    @property
    def digest(self):
        return hashlib.sha256(self.body).hexdigest()

    @property
    def threat(self):
        return next((name for octets, name in THREATS.items() if octets in self.body),
                    None)

    @property
    def canary(self):
        return self.body == EICAR


class Gone(Exception):
    """The connection ends here."""


# --- one connection ------------------------------------------------------------

class Peer:
    def __init__(self, icap, connected, number):
        self.icap, self.socket, self.number = icap, connected, number
        self.file, self.count = connected.makefile("rb"), 0

    # reading

    def line(self):
        got = self.file.readline(65537)
        if not got.endswith(b"\n"):
            raise Gone
        return got.rstrip(b"\r\n").decode("latin-1")

    def lines(self):
        """Up to the empty line."""
        out = []
        while True:
            one = self.line()
            if one:
                out.append(one)
            elif out:
                return out

    def chunks(self):
        """(octets, whether `ieof` was said)"""
        out = bytearray()
        while True:
            size, _, more = self.line().partition(";")
            left = int(size, 16)
            if left == 0:
                while self.line():
                    pass
                return bytes(out), "ieof" in more
            got = self.file.read(left + 2)
            if len(got) < left + 2 or got[-2:] != b"\r\n":
                raise Gone
            out += got[:-2]

    def request(self):
        """The next one with its encapsulated heads, its body unread; None: the
        client is done."""
        try:
            first = self.file.peek(1)
        except OSError:
            return None
        if not first:
            return None
        lines = self.lines()
        head = {}
        for one in lines[1:]:
            name, _, value = one.partition(":")
            head[name.strip().lower()] = value.strip()
        self.count += 1
        asked = Asked(lines[0], head, self.number, self.count)
        for part in head.get("encapsulated", "").split(","):
            if part.strip().partition("=")[0] in ("req-hdr", "res-hdr"):
                asked.http.append("\r\n".join(self.lines()))
        return asked

    def body(self, asked, proceed=True):
        """Reads it, asking for what is behind the preview unless told not to."""
        if "-body=" not in asked.head.get("encapsulated", "null-body="):
            return
        if "null-body=" in asked.head["encapsulated"]:
            return
        asked.body, asked.ieof = self.chunks()
        if "preview" in asked.head:
            asked.preview = asked.body
            if not asked.ieof and proceed:
                self.send("ICAP/1.0 100 Continue\r\n\r\n")
                asked.body += self.chunks()[0]

    # writing

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def head(self, status, *lines):
        tag = self.icap.tag()
        return "ICAP/1.0 %s\r\nServer: recorder\r\n%s%s" % (
            status, 'ISTag: "%s"\r\n' % tag if tag is not None else "",
            "".join(one + "\r\n" for one in lines))

    def whole(self, http, body, *lines):
        """A 200 with an HTTP answer in it."""
        return self.head("200 OK", *lines, "Encapsulated: res-hdr=0, res-body=%d" % len(
            http)).encode("latin-1") + b"\r\n" + http + (
                b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"

    def good(self, asked, *found):
        """What a good server says; `found` are its words for a virus."""
        if asked.threat:
            return self.whole(FORBIDDEN, PAGE, *(found or (
                "X-Infection-Found: Type=0; Resolution=2; Threat=%s;" % asked.threat,)))
        if "204" in asked.head.get("allow", "") or asked.preview == asked.body:
            return self.head("204 Unmodified").encode("latin-1") + b"\r\n"
        return self.whole(FINE, asked.body)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        raise Gone

    def rest(self, seconds):
        if self.icap.let_go.wait(seconds):
            raise Gone

    def linger(self):
        """Ends well although the client still sends: what it has not read of
        the answer would be lost with a reset."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            end = time.monotonic() + 5
            while time.monotonic() < end and self.file.read1(65536):
                pass
        raise Gone

    # what comes

    def run(self):
        while True:
            asked = self.request()
            if asked is None:
                return
            if asked.method == "OPTIONS":
                self.on_options(asked)
                continue
            mode = self.icap.mode
            if mode == "close in the head" and not self.icap.spare:
                self.icap.keep(asked, mode)
                return
            self.on_scan(asked, mode)
            if self.count >= self.icap.requests_max:
                return

    def on_options(self, asked):
        self.icap.keep(asked, self.icap.options_mode)
        mode = self.icap.options_mode
        if mode in OPTIONS_MODES:
            OPTIONS_MODES[mode](self)
            return
        values = dict(OPTIONS, **self.icap.options)
        self.send(self.head("200 OK", *("%s: %s" % pair for pair in values.items()
                                        if pair[1] is not None),
                            "Encapsulated: null-body=0") + "\r\n")

    def on_scan(self, asked, mode):
        self.body(asked, proceed=mode not in PREVIEW_IS_ENOUGH)
        if asked.canary and self.icap.spare:
            mode = None
        elif callable(mode):
            mode = mode(asked)
        self.icap.keep(asked, mode)
        if self.icap.slow:
            self.rest(self.icap.slow)
        answer = MODES[mode](self, asked)
        if answer is not None:
            self.send(answer)


# --- how it fails -----------------------------------------------------------------

def status(code):
    """An ICAP status of its own, and the end of the connection."""
    def fail(peer, _asked):
        peer.send(peer.head("%d Because" % code, "Connection: close",
                            "Encapsulated: null-body=0") + "\r\n")
        raise Gone
    return fail


def hang(peer, _asked):
    peer.rest(HOLD_S)
    raise Gone


def drip(peer, asked):
    """Never silent for long, and never done."""
    for octet in peer.good(asked):
        peer.send(bytes((octet,)))
        peer.rest(0.3)


def close(_peer, _asked):
    raise Gone


def reset(peer, _asked):
    peer.reset()


def more_and_more(peer, _asked):
    """100 Continue, again and again."""
    while True:
        peer.send("ICAP/1.0 100 Continue\r\n\r\n")
        peer.rest(0.02)


def half_a_head(peer, _asked):
    peer.send("ICAP/1.0 204 Unmod")
    raise Gone


def no_end(peer, asked):
    """Ends in the middle of the body that it sends back."""
    peer.send(peer.whole(FINE, asked.body or b"x" * 100)[:-9])
    raise Gone


def endless_body(peer, _asked):
    """A body without end."""
    peer.send(peer.head("200 OK", "Encapsulated: res-hdr=0, res-body=%d" % len(FINE))
              + "\r\n")
    peer.send(FINE)
    while not peer.icap.let_go.is_set():
        peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_head(peer, _asked):
    peer.send(peer.head("204 Unmodified"))
    while not peer.icap.let_go.is_set():
        peer.send("X-More: " + "y" * 8000 + "\r\n")


def long_line(peer, _asked):
    peer.send(peer.head("204 Unmodified") + "X-Long: " + "a" * 2000000 + "\r\n\r\n")


def bad_chunk(peer, asked):
    peer.send(peer.whole(FINE, asked.body or b"x").replace(b"\r\n0\r\n\r\n",
                                                          b"\r\nzz\r\n"))


def huge_chunk(peer, _asked):
    """A size that overflows whatever counts it."""
    peer.send(peer.head("200 OK", "Encapsulated: res-hdr=0, res-body=%d" % len(FINE))
              + "\r\n" + FINE.decode() + "fffffffffffffffff\r\nxx\r\n")
    raise Gone


def found(*lines):
    """Another way to say what was found."""
    return lambda peer, asked: peer.good(
        asked, *(one.replace("%s", asked.threat or "") for one in lines))


def nothing_but_403(peer, asked):
    return peer.whole(FORBIDDEN, PAGE) if asked.threat else peer.good(asked)


def refused_by_status(peer, asked):
    if asked.threat is None:
        return peer.good(asked)
    return peer.head("403 Forbidden", "X-Virus-ID: " + asked.threat,
                     "Encapsulated: null-body=0") + "\r\n"


def moved(peer, asked):
    """A page elsewhere tells of it."""
    return peer.whole(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://scan.example"
                      b"/found\r\n\r\n", b"", "X-Infection-Found: Type=0; Resolution=2; "
                      "Threat=%s;" % asked.threat) if asked.threat else peer.good(asked)


def repaired(peer, asked):
    """The file without its virus: not what was sent."""
    return peer.whole(FINE, b"[removed]", "X-Infection-Found: Type=0; Resolution=1; "
                      "Threat=%s;" % asked.threat) if asked.threat else peer.good(asked)


def another_body(peer, asked):
    """Changed, and not a word of why."""
    return peer.whole(FINE, asked.body + b"changed")


def container(peer, asked):
    """It could not look inside."""
    return peer.whole(FORBIDDEN, PAGE, "X-Infection-Found: Type=2; Resolution=2; "
                      "Threat=Container size violation;") \
        if asked.threat is None else peer.good(asked)


def refused_early(peer, _asked):
    """Before all of it was sent: what is left is never looked at."""
    peer.send(peer.whole(FORBIDDEN, PAGE, "X-Infection-Found: Type=0; Resolution=2; "
                         "Threat=Early;"))
    peer.linger()


# label: function(peer, asked) that sends, or returns what is sent
MODES = {
    None: lambda peer, asked: peer.good(asked),
    "closes after each": lambda peer, asked: (peer.send(peer.good(asked)), close(0, 0)),
    "says keep-alive and closes": lambda peer, asked: (
        peer.send(peer.good(asked).replace(b"Server:", b"Connection: keep-alive\r\n"
                                           b"Server:", 1)), close(0, 0)),
    "the whole body back": lambda peer, asked: peer.whole(FINE, asked.body)
    if asked.threat is None else peer.good(asked),
    "X-Virus-ID": found("X-Virus-ID: %s"),
    "X-Violations-Found": found("X-Violations-Found: 1", "\tfile.bin", "\t%s", "\t0",
                                "\t0"),
    "folded": found("X-Infection-Found: Type=0;", " Resolution=2;", " Threat=%s;"),
    "403 alone": nothing_but_403,
    "ICAP 403": refused_by_status,
    "307": moved,
    "repaired": repaired,
    "bare line feeds": lambda peer, asked: peer.good(asked).replace(b"\r\n", b"\n"),
    "container": container,
    "refused early": refused_early,
    "clean by the preview": lambda peer, asked: peer.good(asked),
    "calls all clean": lambda peer, asked: peer.head("204 Unmodified") + "\r\n",
    "another body": another_body,
    "hang": hang,
    "drip": drip,
    "close": close,
    "close in the head": close,  # here behind it, where canaries are spared
    "reset": reset,
    "100 for ever": more_and_more,
    "half a head": half_a_head,
    "no end": no_end,
    "endless body": endless_body,
    "endless head": endless_head,
    "long line": long_line,
    "bad chunk": bad_chunk,
    "huge chunk": huge_chunk,
    "bad Encapsulated": lambda peer, asked: peer.head(
        "200 OK", "Encapsulated: res-hdr=99999, res-body=-4") + "\r\n",
    "HTTP": lambda peer, asked: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "garbage": lambda peer, asked: bytes(range(256)) * 4,
    "ICAP/9.9": lambda peer, asked: peer.head("204 Unmodified").replace(
        "1.0", "9.9", 1) + "\r\n",
    **{str(code): status(code) for code in (400, 404, 405, 408, 418, 500, 503, 539)},
}
# these answer when they have seen the preview
PREVIEW_IS_ENOUGH = ("refused early", "clean by the preview")
OPTIONS_MODES = {
    "404": lambda peer: status(404)(peer, None),
    "500": lambda peer: status(500)(peer, None),
    "hang": lambda peer: hang(peer, None),
    "close": lambda peer: close(peer, None),
    "garbage": lambda peer: peer.send(bytes(range(256)) * 4),
    "endless head": lambda peer: endless_head(peer, None),
}


# --- the server -----------------------------------------------------------------------

class Recorder:
    """tls: an ssl.SSLContext."""

    def __init__(self, tls=None, port=0, host="127.0.0.1", start=True, spare=True):
        self.tls, self.host, self.port = tls, host, port or peers.free_port()
        self.spare, self.mode, self.options_mode = spare, None, None
        self.options, self.istag = {}, "recorder-1"
        self.slow, self.requests_max = 0, 1 << 30
        self.asked = []
        self.connections, self.open_now, self.open_most = 0, 0, 0
        self.tls_errors = []
        self.lock = threading.Lock()
        self.sockets, self.server = set(), None
        self.ended, self.let_go = threading.Event(), threading.Event()
        if start:
            self.open()

    @property
    def url(self):
        return "%s://%s:%d/scan" % ("icaps" if self.tls else "icap", self.host,
                                    self.port)

    def tag(self):
        return self.istag() if callable(self.istag) else self.istag

    def keep(self, asked, mode):
        asked.mode = mode
        with self.lock:
            self.asked.append(asked)

    @property
    def scans(self):
        """What it was asked to look at, canaries not among them."""
        with self.lock:
            return [a for a in self.asked if a.method != "OPTIONS" and not a.canary]

    @property
    def canaries(self):
        with self.lock:
            return [a for a in self.asked if a.canary]

    def seen(self):
        """Counter of contents, by what they decode to."""
        return collections.Counter(a.body for a in self.scans)

    def open(self):
        self.ended, self.let_go = threading.Event(), threading.Event()
        self.server = socket.create_server((self.host, self.port), backlog=200)
        threading.Thread(target=self.accept, args=(self.server, self.ended),
                         daemon=True).start()
        return self

    def close(self):
        self.ended.set()
        self.let_go.set()
        if self.server is not None:
            with contextlib.suppress(OSError):
                self.server.shutdown(socket.SHUT_RDWR)
            self.server.close()
            self.server = None
        with self.lock:
            left = list(self.sockets)
        for one in left:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def well(self):
        """As at first, from the next request on; who hangs is let go."""
        self.mode, self.options_mode, self.slow = None, None, 0
        self.options, self.requests_max = {}, 1 << 30
        before, self.let_go = self.let_go, threading.Event()
        before.set()

    def accept(self, server, ended):
        while True:
            try:
                connected, _ = server.accept()
            except OSError:
                return
            with self.lock:
                if ended.is_set():
                    connected.close()
                    return
                self.connections += 1
                self.open_now += 1
                self.open_most = max(self.open_most, self.open_now)
                self.sockets.add(connected)
                number = self.connections
            threading.Thread(target=self.serve, args=(connected, number),
                             daemon=True).start()

    def serve(self, raw, number):
        connected = raw
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.settimeout(HOLD_S)
            if self.tls is not None:
                connected = self.tls.wrap_socket(raw, server_side=True)
                with self.lock:
                    self.sockets.discard(raw)
                    self.sockets.add(connected)
            Peer(self, connected, number).run()
        except ssl.SSLError as error:
            self.tls_errors.append(str(error))
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open_now -= 1
                self.sockets.discard(raw)
                self.sockets.discard(connected)
            with contextlib.suppress(OSError):
                connected.close()
