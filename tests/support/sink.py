"""A next hop whose behaviour is chosen: it takes mail, or fails at one step.

    sink = Sink(faults={"MAIL": reply("451 4.7.1 greylisted", times=1)})

Steps: connect, greeting, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, body
(after its first bytes), dot, RSET, QUIT. A fault is what one of the functions
below makes, a list of them (each is used up before the next), or a function of
(session, argument) that returns one of them or None. What is not faulty is
answered as a good server would.

`sink.mails` holds what was taken, `sink.seen` each step of each connection;
`sink.json()` is all of it as text. As a program (see main) it is the same in a
process of its own and writes one JSON object a line.
"""
import base64
import contextlib
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time

import peers

CAPS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 100000000",
        "DSN")
DRIP_S = 1.0 * peers.PATIENCE  # for each byte
HOLD_S = peers.HANG_S          # "never" ends with the sink, or then


class Fault:
    """What happens instead of the good answer, at most `times` times."""

    def __init__(self, kind, text="", times=None, after=0, seconds=0.0):
        self.kind, self.text, self.times = kind, text, times
        self.after = after      # so many times it goes well first
        self.seconds = seconds  # wait before
        self.lock = threading.Lock()

    def take(self):
        with self.lock:
            if self.after > 0:
                self.after -= 1
                return None
            if self.times is not None:
                if self.times == 0:
                    return None
                self.times -= 1
            return self


def reply(text, **how):
    """Another answer; a 421 is followed by the end of the connection."""
    return Fault("reply", text, **how)


def drop(**how):
    """Reset the connection instead of an answer."""
    return Fault("drop", **how)


def close(**how):
    """End it in good order, instead of an answer."""
    return Fault("close", **how)


def drop_after(**how):
    """The good answer, then a reset."""
    return Fault("drop-after", **how)


def garbage(text="\x01\x02\xff\xfenot SMTP at all\r\n", **how):
    return Fault("raw", text, **how)


def overlong(size=300000, code="250", **how):
    """One line of an answer, longer than anybody must read."""
    return Fault("raw", "%s %s\r\n" % (code, "x" * size), **how)


def endless(code="250", **how):
    """An answer of ever more lines."""
    return Fault("endless", "%s-and another thing\r\n" % code, **how)


def drip(text="250 2.0.0 very slowly\r\n", **how):
    """The answer, byte by byte: never silent, never done."""
    return Fault("drip", text, **how)


def never(**how):
    """No answer."""
    return Fault("never", **how)


def late(seconds, **how):
    """The good answer, later."""
    return Fault("late", seconds=seconds, **how)


class Gone(Exception):
    pass


class Session:
    def __init__(self, sink, peer, number):
        self.sink, self.socket, self.number = sink, peer, number
        self.file = peer.makefile("rb")
        self.secure = False
        self.login = None
        self.helo = ""
        self.reset()

    def reset(self):
        self.mail_line, self.rcpt_lines, self.rcpts = None, [], []
        self.sender = None

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1", "replace")
        self.socket.sendall(data)

    def say(self, text):
        self.send(text + "\r\n")
        if text.startswith("421"):
            raise Gone

    def hang_up(self, reset):
        if reset:
            raw = self.socket
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack("ii", 1, 0))
        raise Gone

    def fault(self, step, argument=""):
        """True: the step was answered already, badly."""
        self.sink.note(self.number, step, argument)
        found = self.sink.fault_of(step, self, argument)
        if found is None:
            return False
        if found.kind == "late":
            self.sink.stop.wait(found.seconds)
            return False
        if found.kind == "reply":
            self.say(found.text)
        elif found.kind == "raw":
            self.send(found.text)
        elif found.kind == "drop":
            self.hang_up(True)
        elif found.kind == "close":
            self.hang_up(False)
        elif found.kind == "drop-after":
            self.say({"greeting": "220 sink.example.net", "DATA": "354 go on"}.get(
                step, "250 2.0.0 fine"))
            self.hang_up(True)
        elif found.kind == "drip":
            for c in found.text:
                self.send(c)
                if self.sink.stop.wait(DRIP_S):
                    raise Gone
        elif found.kind == "endless":
            while not self.sink.stop.is_set():
                self.send(found.text * 100)
        elif found.kind == "never":
            self.sink.stop.wait(HOLD_S)
            raise Gone
        return True

    def start_tls(self):
        self.socket.settimeout(HOLD_S)
        self.socket = self.sink.tls.wrap_socket(self.socket, server_side=True)
        self.socket.settimeout(HOLD_S)
        self.file = self.socket.makefile("rb")
        self.secure = True

    def run(self):
        if self.fault("connect"):
            return
        if self.sink.implicit:
            self.start_tls()
        if not self.fault("greeting"):
            self.say("220 sink.example.net ESMTP")
        while True:
            line = self.file.readline(65536)
            if not line:
                return
            line = line.decode("utf-8", "replace").rstrip("\r\n")
            verb = line.split(" ")[0].upper()
            if self.fault(verb, line):
                continue
            getattr(self, "do_" + verb.lower(), self.do_other)(line)

    def do_other(self, line):
        self.say("500 5.5.1 what is %s" % line[:20])

    def do_ehlo(self, line):
        self.helo = line[5:]
        words = list(self.sink.caps)
        if self.sink.tls and not self.secure:
            words.append("STARTTLS")
        if self.sink.login:
            words.append("AUTH PLAIN LOGIN")
        words.insert(0, "sink.example.net")
        self.send("".join("250-%s\r\n" % w for w in words[:-1])
                  + "250 %s\r\n" % words[-1])

    def do_helo(self, line):
        self.helo = line[5:]
        self.say("250 sink.example.net")

    def do_starttls(self, _line):
        if not self.sink.tls or self.secure:
            self.say("502 5.5.1 no")
            return
        self.say("220 2.0.0 go on")
        self.start_tls()

    def do_auth(self, line):
        words = line.split(" ")
        if words[1].upper() != "PLAIN":
            self.say("504 5.5.4 no")
            return
        if len(words) < 3:
            self.say("334 ")
            words.append(self.file.readline(65536).decode().strip())
        _, user, password = base64.b64decode(words[2]).decode().split("\0")
        if (user, password) != self.sink.login:
            self.say("535 5.7.8 wrong")
            return
        self.login = user
        self.say("235 2.7.0 right")

    def do_mail(self, line):
        if self.sink.login and not self.login:
            self.say("530 5.7.0 log in")
            return
        if self.mail_line:
            self.say("503 5.5.1 again")
            return
        self.reset()
        self.mail_line, self.sender = line, address(line)
        self.say("250 2.1.0 fine")

    def do_rcpt(self, line):
        if not self.mail_line:
            self.say("503 5.5.1 MAIL first")
            return
        self.rcpt_lines.append(line)
        self.rcpts.append(address(line))
        self.say("250 2.1.5 fine")

    def do_data(self, _line):
        if not self.rcpts:
            self.say("554 5.5.1 no valid recipients")
            return
        self.say("354 go on")
        self.take_body()

    def take_body(self):
        lines, asked = [], False
        while True:
            line = self.file.readline()
            if not line:
                raise Gone
            if line == b".\r\n":
                break
            lines.append(line[1:] if line[:1] == b"." else line)
            if not asked:
                asked = True
                self.fault("body")
        mail = {
            "connection": self.number, "tls": self.secure, "login": self.login,
            "helo": self.helo, "mail": self.mail_line, "rcpt": self.rcpt_lines,
            "from": self.sender, "to": self.rcpts, "body": b"".join(lines),
        }
        self.reset()
        if self.fault("dot", mail):
            return
        # counted as taken before it is said: nobody may learn it earlier
        self.sink.take(mail)
        self.say("250 2.0.0 taken")

    def do_rset(self, _line):
        self.reset()
        self.say("250 2.0.0 fine")

    do_noop = do_rset

    def do_quit(self, _line):
        self.say("221 2.0.0 bye")
        raise Gone


def address(line):
    found = re.search(r"<(.*?)>", line)
    return found.group(1) if found else ""


class Sink:
    """tls: an ssl.SSLContext; login: (user, password) that AUTH must bring."""

    def __init__(self, faults=None, caps=CAPS, tls=None, implicit=False, login=None,
                 host="127.0.0.1", port=0, start=True, record=None):
        self.faults = dict(faults or {})
        self.caps, self.tls, self.implicit, self.login = caps, tls, implicit, login
        self.host, self.port = host, port
        self.record = record
        self.mails, self.seen = [], []
        self.connections = 0
        self.sockets = set()
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.server = None
        if port == 0:
            with socket.socket() as s:
                s.bind((host, 0))
                self.port = s.getsockname()[1]
        if start:
            self.open()

    # what the sessions call

    def fault_of(self, step, session, argument):
        found = self.faults.get(step)
        if callable(found):
            found = found(session, argument)
        for one in found if isinstance(found, list) else [found]:
            if one is not None and one.take() is not None:
                return one
        return None

    def note(self, number, step, argument):
        with self.lock:
            self.seen.append((number, step, argument if isinstance(argument, str)
                              else argument.get("from")))

    def take(self, mail):
        mail["at"] = time.time()
        with self.lock:
            if self.record is not None:
                self.record(mail)
            else:
                self.mails.append(mail)

    # what a test calls

    def open(self):
        self.server = socket.create_server((self.host, self.port), backlog=200)
        self.stop = threading.Event()
        threading.Thread(target=self.accept, args=(self.server,), daemon=True).start()
        return self

    def close(self):
        """Refuses connections from now on, and ends those there are."""
        self.stop.set()
        if self.server:
            with contextlib.suppress(OSError):  # wakes the accept
                self.server.shutdown(socket.SHUT_RDWR)
            self.server.close()
            self.server = None
        with self.lock:
            sockets = list(self.sockets)
        for peer in sockets:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def accept(self, server):
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
                self.sockets.add(peer)
            threading.Thread(target=self.serve, args=(peer, number),
                             daemon=True).start()

    def serve(self, peer, number):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.settimeout(HOLD_S)
        session = Session(self, peer, number)
        try:
            session.run()
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.sockets.discard(peer)
            with contextlib.suppress(OSError):
                session.file.close()
                session.socket.close()
            peer.close()

    def steps(self, step):
        """How often it came to this step."""
        with self.lock:
            return sum(1 for s in self.seen if s[1] == step)

    def of(self, to):
        """The messages to this recipient."""
        with self.lock:
            return [m for m in self.mails if to in m["to"]]

    def json(self):
        with self.lock:
            return json.dumps([plain(m) for m in self.mails])


def plain(mail):
    return dict(mail, body=mail["body"].decode("latin-1"))


def context(crt, key):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(crt, key)
    return made


def main():
    """sink.py PORT FILE: X-Number, time and digest of each message, for tests
    that count; each line is written before the 250 is said."""
    out = open(sys.argv[2], "a", buffering=1)

    def record(mail):
        number = re.search(rb"(?m)^X-Number: (\d+)\r$", mail["body"])
        out.write(json.dumps({
            "at": mail["at"], "to": mail["to"], "connection": mail["connection"],
            "number": int(number.group(1)) if number else None,
            "bytes": len(mail["body"]), "tail": mail["body"][-32:].decode("latin-1"),
        }) + "\n")
    Sink(port=int(sys.argv[1]), record=record)
    sys.stdin.read()  # until the one who started it has gone
    os._exit(0)


if __name__ == "__main__":
    main()
