"""`via mx`: where mail for a domain goes, asked of a name server of the test's, in
a network of its own with addresses that look like everybody's."""
import collections
import socket
import struct
import subprocess
import threading
import time

import case
import hops
import sink
import talk

NET = "203.0.113."  # a documentation net is no private one
A, SOA, MX, AAAA = 1, 6, 15, 28
OPEN = []


def encode(name):
    return b"".join(bytes([len(l)]) + l.encode() for l in name.split(".") if l) + b"\0"


class Dns:
    """UDP and TCP. zone: {(name, type): [data]}; data of MX is (preference,
    host). `codes`: {name: rcode}; "drop" answers nothing. `large`: names whose
    UDP answer is cut, so that TCP is asked."""

    def __init__(self, zone):
        self.zone, self.codes, self.large = zone, {}, set()
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
            answer = self.answer(packet, False)
            if answer:
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
                answer = self.answer(f.read(struct.unpack("!H", head)[0]), True)
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
        code = self.codes.get(name, 0)
        if code == "drop":
            return None
        if code:
            return self.packet(packet, question, [], code)
        if name in self.large and not tcp:
            return self.packet(packet, question, [], 0, cut=True)
        known = any(n == name for n, _ in self.zone)
        records = [self.record(name, kind, d) for d in self.zone.get((name, kind), [])]
        return self.packet(packet, question, records, 0 if known else 3)

    @staticmethod
    def record(name, kind, data, ttl=300):
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
            encode("example") + struct.pack("!HHIH", SOA, 1, 60, 22)
            + b"\0\0" + struct.pack("!5I", 1, 2, 3, 4, 60)]
        return query[:2] + struct.pack("!5H", flags, 1, len(records), len(authority),
                                       0) + question + b"".join(records + authority)


def hosts(zone, **wanted):
    """A sink at port 25 of NET.n, and an address, for each name=n or
    name=(n, its faults). Those of the story before are gone."""
    while OPEN:
        OPEN.pop().close()
    made = {}
    for name, n in wanted.items():
        n, faults = n if isinstance(n, tuple) else (n, None)
        zone.setdefault((name, A), []).append(NET + str(n))
        made[name] = sink.Sink(faults, host=NET + str(n), port=25)
    OPEN.extend(made.values())
    return made


def gateway(work, dns, conf="", **more):
    home = sink.Sink()
    sluice = hops.gateway(work, {"home": (home, "")},
                          "route example.com { domain example.com; via home; }\n"
                          "dns { resolver 127.0.0.1:%d; }\n%s" % (dns.port, conf)
                          + ("" if "retry" in conf else
                             "retry { after 1h; expire 1d; }\n"),
                          start=False, **more)
    sluice.home = home
    with open(sluice.conf_path) as f:
        text = f.read()
    assert "route default { via home; }" in text
    with open(sluice.conf_path, "w") as f:
        f.write(text.replace("route default { via home; }", "route default { via mx; }"))
    sluice.start()
    return sluice


@case.case
def preference_and_fail_over(work):
    zone = {}
    at = hosts(zone, best=1, second=2, third=3,
               busy=(4, {"greeting": sink.reply("421 4.3.2 busy")}))
    zone["shop.test.example", MX] = [(30, "third"), (10, "best"), (20, "second")]
    zone["half.test.example", MX] = [(10, "gone"), (20, "busy"), (30, "second")]
    zone["gone", A] = [NET + "99"]  # nobody is there
    zone["a-only.test.example", A] = [NET + "3"]
    zone["large.test.example", MX] = [(10, "best")]
    dns = Dns(zone)
    dns.large.add("large.test.example")
    sluice = gateway(work, dns)
    session = talk.session(sluice)
    for n, to in enumerate((
            "a@shop.test.example", "a@half.test.example", "a@a-only.test.example",
            "a@large.test.example", "a@[%s2]" % NET)):
        hops.submit(session, hops.message(n), [to])
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 5, "all delivered")
    where = {to: name for name, hop in at.items() for m in hop.mails for to in m["to"]}
    case.equal(where, {
        "a@shop.test.example": "best", "a@half.test.example": "second",
        "a@a-only.test.example": "third", "a@large.test.example": "best",
        "a@[%s2]" % NET: "second"})
    assert dns.asked["large.test.example", MX, True], "TCP was asked"
    case.equal(dns.asked["shop.test.example", A, False], 0, "A behind an MX")
    # one message to many in two domains: one transaction for each domain
    hops.submit(session, hops.message(2000), ["r%d@%s.test.example" % (n, d)
                                              for d in ("shop", "large")
                                              for n in range(10)])
    hops.wait(lambda: hops.stats(sluice)["ledger_delivered"] == 25, "all delivered")
    case.equal(sorted(len(m["to"]) for m in at["best"].mails[-2:]), [10, 10])
    best, second = (len(at[n].mails) for n in ("best", "second"))
    at["best"].close()
    hops.submit(session, hops.message(2001), ["b@shop.test.example"])
    hops.wait(lambda: len(at["second"].mails) > second, "fail-over")
    case.equal(len(at["best"].mails), best)
    session.quit()
    sluice.stop()


@case.case
def no_mail_there(work):
    """Bounced at once, each with its code; what DNS cannot say waits."""
    zone = {}
    at = hosts(zone, well=1)
    zone["null.test.example", MX] = [(0, "")]
    zone["nothing.test.example", 16] = [b"\x01x"]
    zone["dangling.test.example", MX] = [(10, "nowhere.test.example")]
    zone["local.test.example", MX] = [(10, "loop.test.example")]
    zone["loop.test.example", A] = ["127.0.0.1"]
    zone["inside.test.example", A] = ["10.1.2.3"]
    zone["ill.test.example", MX] = [(10, "well")]
    zone["silent.test.example", MX] = [(10, "well")]
    dns = Dns(zone)
    dns.codes.update({"ill.test.example": 2, "refused.test.example": 5,
                      "silent.test.example": "drop"})
    sluice = gateway(work, dns)
    session = talk.session(sluice)
    rows = {"nx": "5.1.2", "null": "5.1.10", "nothing": "5.4.4", "dangling": "5.4.4",
            "local": "5.4.4", "inside": "5.4.4"}
    waiting = ["ill", "refused", "silent"]
    for n, name in enumerate([*rows, *waiting]):
        hops.submit(session, hops.message(n), ["x@%s.test.example" % name])
    hops.wait(lambda: len(sluice.home.mails) == len(rows), "the bounces")
    status = {}
    for mail in sluice.home.mails:
        _, [rcpt], _ = hops.report(mail)
        status[rcpt["Final-Recipient"].split("@")[1].split(".")[0]] = rcpt["Status"]
        assert rcpt["Diagnostic-Code"] is None or \
            not rcpt["Diagnostic-Code"].startswith("smtp"), rcpt.items()
    case.equal(status, rows)

    def tried():
        queue = hops.queue(sluice)
        return queue if len(queue) == 3 and all(e["attempts"] for e in queue.values()) \
            else None
    queue = hops.wait(tried, "those that wait", 30)
    for name, word in (("ill", "SERVFAIL"), ("refused", "REFUSED"),
                       ("silent", "silent.test.example")):
        entry = queue["x@%s.test.example" % name]
        assert entry["last_reply"].startswith("4.4.3"), entry
        case.contains(entry["last_reply"], word)
    # the resolver gets well
    dns.codes.clear()
    zone["refused.test.example", MX] = [(10, "well")]
    hops.drained(sluice)
    case.equal(sorted(m["to"][0] for m in at["well"].mails),
               ["x@%s.test.example" % n for n in sorted(waiting)])
    session.quit()
    sluice.stop()


@case.case
def ourselves_are_no_target(work):
    """The MX that bears our name, and all behind it, are left out."""
    zone = {}
    at = hosts(zone, first=1, later=3, **{"gate.example.com": 2})
    own = at["gate.example.com"]
    zone["a.test.example", MX] = [(10, "first"), (20, "gate.example.com"),
                                  (30, "later")]
    zone["b.test.example", MX] = [(10, "gate.example.com"), (20, "later")]
    dns = Dns(zone)
    sluice = gateway(work, dns)
    session = talk.session(sluice)
    hops.submit(session, hops.message(1), ["x@a.test.example"])
    hops.taken(at["first"], 1)
    hops.submit(session, hops.message(2), ["x@b.test.example"])
    hops.wait(lambda: sluice.home.mails, "a bounce")
    at["first"].close()
    hops.submit(session, hops.message(3), ["y@a.test.example"])
    hops.wait(lambda: hops.queue(sluice).get("y@a.test.example", {"attempts": 0})
              ["attempts"], "an attempt")
    case.equal((len(own.mails), len(at["later"].mails)), (0, 0))
    session.quit()
    sluice.stop()


@case.case
def many_domains(work):
    """A slow domain holds nobody else; the answers are kept for their time."""
    zone = {}
    at = hosts(zone, well=1)
    for n in range(200):
        zone["d%d.test.example" % n, MX] = [(10, "well")]
    dns = Dns(zone)
    for n in range(0, 200, 10):
        dns.codes["d%d.test.example" % n] = "drop"
    sluice = gateway(work, dns)
    session = talk.session(sluice)
    began = time.monotonic()
    hops.submit(session, hops.message(1), ["x@d%d.test.example" % n
                                           for n in range(200)])
    hops.wait(lambda: len(at["well"].mails) >= 180, "the 180 that can", 20)
    assert time.monotonic() - began < 5 * hops.PATIENCE
    hops.wait(lambda: hops.stats(sluice)["ledger_queued"] == 20, "the others to wait")
    before = sum(dns.asked.values())
    hops.submit(session, hops.message(2), ["y@d%d.test.example" % n
                                           for n in range(1, 10)])
    hops.wait(lambda: len(at["well"].mails) >= 189, "nine more")
    case.equal(sum(dns.asked.values()) - before, 0, "questions asked again")
    session.quit()
    sluice.stop()


def network():
    for argv in (["link", "set", "lo", "up"],
                 *(["address", "add", "%s%d/32" % (NET, n), "dev", "lo"]
                   for n in range(1, 10))):
        subprocess.run(["ip", *argv], check=True)


if __name__ == "__main__":
    if not hops.Private("--net").enter():
        print("skip: no network name space")
        raise SystemExit(77)
    network()
    case.main()
