"""SMTP spoken octet by octet: what a mail client's library would not send."""
import base64
import contextlib
import functools
import glob
import os
import socket
import ssl
import subprocess
import threading

import case
import peers

HERE = os.path.dirname(os.path.abspath(__file__))
QUICK = 5  # so that a machine may stand still for a second
TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE

HEADER = b"From: a@example.com\r\nSubject: x\r\n"
STAMPS = (b"Date: Sat, 21 Nov 2026 12:00:00 +0100\r\n"
          b"Message-ID: <%d@example.com>\r\n")


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.b64encode(data).decode()


def plain(user, password, authzid=""):
    return b64("%s\0%s\0%s" % (authzid, user, password))


def message(number=1, body=b"hello\r\n"):
    """One that may be recognised when it is sent again."""
    return HEADER + STAMPS % number + b"\r\n" + body


gateways = []


def story(function):
    """A case whose gateways must also stop well: what a sanitiser found or
    what leaked is told there."""
    @functools.wraps(function)
    def run(work):
        gateways.clear()
        function(work)
        for sluice in gateways:
            if "libtsan" in sluice.preload:
                sluice.kill()  # it waits past the shim, and far too long
                continue
            if sluice.process.poll() is None:
                sluice.stop()
            case.equal(sluice.process.returncode, 0, "exit")
    return case.case(run)


def gateway(work, route=None, **more):
    more.setdefault("users", {"alice": "secret-a"})
    more.setdefault("auth", "backend local; fail-delay 0s;")
    gateways.append(peers.Sluice(
        work, case.BUILD, route or "via maildir:%s;" % (work / "mail"), **more))
    gateways[-1].preload = ""
    return gateways[-1]


def quick_gateway(work, quick=QUICK, **more):
    """One whose minute is a few seconds long."""
    sluice = gateway(work, start=False, **more)
    env = quick_clock(work)
    sluice.preload = env["LD_PRELOAD"]
    sluice.start(dict(env, QUICK_CLOCK=str(quick)))
    return sluice


def listener(port, more="", tls="starttls", name="door"):
    return "listen %s { address 127.0.0.1:%d; tls %s; %s }\n" % (
        name, port, tls, more)


def delivered(work, count=1, name="mail"):
    """The messages in the maildir, in the order of arrival; never more."""
    def found():
        files = sorted(glob.glob("%s/new/*" % (work / name)))
        return files if len(files) >= count else None
    files = peers.wait_for(found, "%d messages" % count)
    case.equal(len(files), count, "messages delivered")
    out = []
    for name in files:
        with open(name, "rb") as f:
            out.append(f.read())
    return out


def field(line, key):
    """The value of key= in a log line."""
    for word in line.split():
        if word.startswith(key + "="):
            return word[len(key) + 1:]
    return None


def quick_clock(work):
    shim = work / "quick_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim,
                    HERE + "/quick_clock.c", "-ldl"], check=True)
    preload = [shim]
    for name in ("libasan.so", "libtsan.so"):
        linked = subprocess.run(["ldd", case.BUILD + "/sluiced"], check=True,
                                capture_output=True, text=True).stdout
        for line in linked.splitlines():  # they insist on being the first
            if name in line:
                preload.insert(0, line.split("=> ")[1].split()[0])
    return {"LD_PRELOAD": ":".join(preload)}


class Closed(Exception):
    """The server closed; `rest` is what came before."""


class Talk:
    def __init__(self, port, tls=False, source=None, timeout=peers.HANG_S, head=b"",
                 greet=True, context=TLS, receive=0):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive:  # before the window is told
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.context = context
        if head:
            self.socket.sendall(head)
        if tls:
            self.secure()
        if greet:
            self.greeting = self.reply()

    def secure(self):
        self.socket = self.context.wrap_socket(self.socket)

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.buffer:
            try:
                got = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                got = b""
            if not got:
                raise Closed("closed behind %r" % self.buffer)
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return line[:-1].decode("utf-8")

    def reply(self):
        """(code, text of all lines)"""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return int(lines[-1][:3]), "\n".join(l[4:] for l in lines)

    def say(self, text):
        self.send(text + "\r\n")
        return self.reply()

    def expect(self, text, code, part=""):
        got = self.say(text)
        self.check(got, code, part, text)
        return got[1]

    def next(self, code, part="", what=""):
        got = self.reply()
        self.check(got, code, part, what)
        return got[1]

    @staticmethod
    def check(got, code, part, what):
        assert got[0] == code and part in got[1], "%.200r: got %r, wanted %r" % (
            what, got, (code, part))

    def closed(self):
        """Nothing more comes but the end."""
        with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
            assert self.buffer == b"", self.buffer
            got = self.socket.recv(4096)
            assert got == b"", got

    def ehlo(self):
        return self.expect("EHLO client.example.com", 250).split("\n")[1:]

    def starttls(self):
        self.ehlo()
        self.expect("STARTTLS", 220)
        self.secure()
        return self.ehlo()

    def login(self, user="alice", password="secret-a", tries=1):
        """tries: for a daemon whose clock is so quick that a hash may take
        longer than it waits for one."""
        for _ in range(tries - 1):
            if self.say("AUTH PLAIN " + plain(user, password))[0] != 454:
                break
        else:
            self.expect("AUTH PLAIN " + plain(user, password), 235, "2.7.0")
        return self

    def envelope(self, rcpts=("b@example.net",), sender="a@example.com",
                 params=""):
        self.expect("MAIL FROM:<%s>%s" % (sender, params), 250)
        for rcpt in rcpts:
            self.expect("RCPT TO:<%s>" % rcpt, 250)

    def data(self, content, code=250, part=""):
        self.expect("DATA", 354)
        self.send(content + b".\r\n")
        return self.next(code, part, content[:100])

    def submit(self, content, rcpts=("b@example.net",)):
        """The id that was answered."""
        self.envelope(rcpts)
        return self.data(content, 250, "2.0.0").split()[-1]

    def quit(self):
        self.expect("QUIT", 221)
        self.close()

    def close(self):
        self.socket.close()


def on_all_threads(condition, what):
    """Each thread of the gateway has a connection of its own to Dovecot, and
    nobody chooses the thread: so many sessions in a row that all were asked."""
    peers.wait_for(lambda: all(condition() for _ in range(12)), what)


def session(sluice, user="alice", password="secret-a", **more):
    """Logged in, by STARTTLS."""
    tries = more.pop("tries", 1)
    talk = Talk(more.pop("port", sluice.port), **more)
    talk.starttls()
    return talk.login(user, password, tries)


class Hop:
    """A next hop: `answer(rcpt)` is its reply to each RCPT."""

    def __init__(self, answer=lambda rcpt: "250 2.1.5 fine", ehlo=()):
        self.answer, self.ehlo = answer, ehlo
        self.messages = []  # (sender, recipients, bytes)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.server.accept()
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with contextlib.suppress(OSError), peer, peer.makefile("rwb") as f:
            self.talk(f)

    def talk(self, f):
        def say(text):
            f.write(text.encode() + b"\r\n")
            f.flush()
        sender, rcpts = "", []
        say("220 hop.example.net")
        for line in f:
            line = line.decode().rstrip("\r\n")
            verb = line[:4].upper()
            if verb == "EHLO":
                words = ["hop.example.net", "8BITMIME", *self.ehlo]
                for word in words[:-1]:
                    say("250-" + word)
                say("250 " + words[-1])
            elif verb == "MAIL":
                sender, rcpts = line[line.index("<") + 1:line.index(">")], []
                say("250 2.1.0 fine")
            elif verb == "RCPT":
                rcpt = line[line.index("<") + 1:line.index(">")]
                said = self.answer(rcpt)
                if said[0] == "2":
                    rcpts.append(rcpt)
                say(said)
            elif verb == "DATA":
                if not rcpts:
                    say("554 5.5.1 none")
                    continue
                say("354 go on")
                lines = []
                for data in f:
                    if data == b".\r\n":
                        break
                    lines.append(data[1:] if data[:1] == b"." else data)
                self.messages.append((sender, rcpts, b"".join(lines)))
                say("250 2.0.0 taken")
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("250 2.0.0 fine")
