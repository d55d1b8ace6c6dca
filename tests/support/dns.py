"""A name server of the test's own: the few records that its story needs."""
import collections
import socket
import struct
import threading
import time

A, SOA, MX, TXT, AAAA = 1, 6, 15, 16, 28
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5


def encode(name):
    return b"".join(bytes([len(l)]) + l.encode() for l in name.split(".") if l) + b"\0"


class Server:
    """UDP and TCP. zone: {(name, type): [data]}; data of MX is (preference,
    host). `codes`: {name: rcode}; "drop" answers nothing, a function of the
    type gives one. `large`: names whose UDP answer is cut, so that TCP is
    asked. `delay`: {name: seconds}. `wild`: what names that are in no zone have,
    as a resolver's that rewrites NXDOMAIN: {type: [data]}. All may be changed
    while it runs."""

    def __init__(self, zone):
        self.zone, self.codes, self.large = zone, {}, set()
        self.delay, self.wild, self.ttl = {}, {}, 300
        self.asked = collections.Counter()
        self.udp, self.tcp = self.listen()
        self.port = self.udp.getsockname()[1]
        for loop in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    @staticmethod
    def listen():
        """One port, free for both: a client's TCP may sit on what UDP gets."""
        for _ in range(50):
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind(("127.0.0.1", 0))
            try:
                return udp, socket.create_server(udp.getsockname())
            except OSError:
                udp.close()
        raise AssertionError("no port is free for both UDP and TCP")

    def serve_udp(self):
        while True:
            packet, peer = self.udp.recvfrom(4096)
            answer, seconds = self.answer(packet, False)
            if seconds:
                threading.Timer(seconds, self.udp.sendto, (answer, peer)).start()
            elif answer:
                self.udp.sendto(answer, peer)

    def serve_tcp(self):
        while True:
            peer, _ = self.tcp.accept()
            threading.Thread(target=self.serve_one, args=(peer,), daemon=True).start()

    def serve_one(self, peer):
        with peer, peer.makefile("rwb") as f:
            while True:
                head = f.read(2)
                if len(head) < 2:
                    return
                answer, seconds = self.answer(
                    f.read(struct.unpack("!H", head)[0]), True)
                time.sleep(seconds)
                if answer is None:
                    return
                f.write(struct.pack("!H", len(answer)) + answer)
                f.flush()

    def answer(self, packet, tcp):
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode())
            at += 1 + packet[at]
        question = packet[12:at + 5]
        name = ".".join(labels).lower()
        kind = struct.unpack("!H", packet[at + 1:at + 3])[0]
        self.asked[name, kind, tcp] += 1
        answer = self.made(packet, question, name, kind, tcp)
        return answer, self.delay.get(name, 0) if answer else 0

    def made(self, packet, question, name, kind, tcp):
        code = self.codes.get(name, 0)
        if callable(code):
            code = code(kind)
        if code == "drop":
            return None
        if code:
            return self.packet(packet, question, [], code)
        if name in self.large and not tcp:
            return self.packet(packet, question, [], 0, cut=True)
        data = self.zone.get((name, kind))
        known = any(n == name for n, _ in self.zone)
        if not known and self.wild:
            data, known = self.wild.get(kind), True
        records = [self.record(name, kind, d, self.ttl) for d in data or []]
        return self.packet(packet, question, records, 0 if known else 3)

    @staticmethod
    def record(name, kind, data, ttl):
        if kind == MX:
            data = struct.pack("!H", data[0]) + encode(data[1])
        elif kind == A:
            data = socket.inet_aton(data)
        elif kind == AAAA:
            data = socket.inet_pton(socket.AF_INET6, data)
        return encode(name) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data

    def packet(self, query, question, records, code, cut=False):
        flags = 0x8180 | code | (0x0200 if cut else 0)
        authority = [] if records or cut else [
            b"\0" + struct.pack("!HHIH", SOA, 1, 60, 22)
            + b"\0\0" + struct.pack("!5I", 1, 2, 3, 4, 60)]
        return query[:2] + struct.pack("!5H", flags, 1, len(records), len(authority),
                                       0) + question + b"".join(records + authority)
