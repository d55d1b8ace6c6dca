"""Behind a load balancer: whose connection it is, and who may say so."""
import socket
import ssl
import struct
import time

import case
import peers
from talk import (QUICK, TLS, Talk, delivered, field, gateway, listener,
                  message, quick_gateway, session, story)

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source="203.0.113.7", kind="TCP4", destination="192.0.2.1"):
    return ("PROXY %s %s %s 40000 587\r\n" % (kind, source, destination)).encode()


def v2(source="203.0.113.8", command=0x21, tail=b""):
    v6 = ":" in source
    family = socket.AF_INET6 if v6 else socket.AF_INET
    addr = (socket.inet_pton(family, source) +
            socket.inet_pton(family, "2001:db8::1" if v6 else "192.0.2.1") +
            struct.pack("!HH", 40000, 465) + tail)
    return V2 + struct.pack("!BBH", command, 0x21 if v6 else 0x11, len(addr)) + addr


def balanced(work, networks="127.0.0.1", conf="", gateway=gateway, **more):
    start, implicit = peers.free_port(), peers.free_port()
    proxy = "proxy %s;" % networks
    sluice = gateway(work, conf=conf, listen=listener(start, proxy) + listener(
        implicit, proxy, "implicit", "tls-door"), **more)
    sluice.port, sluice.tls_port = start, implicit
    return sluice


@story
def the_client_is_who_the_header_says(work):
    sluice = balanced(work)
    for i, (head, source) in enumerate((
            (v1(), "203.0.113.7"), (v2(), "203.0.113.8"),
            (v1("2001:db8::7", "TCP6", "2001:db8::1"), "2001:db8::7"),
            (v2("2001:db8::8"), "2001:db8::8"),
            (v2("203.0.113.9", tail=b"\x03\0\x04abcd" * 5), "203.0.113.9"))):
        talk = session(sluice, head=head)
        talk.submit(message(i))
        talk.quit()
        for event in ("login", "accept", "disconnect"):
            line = sluice.lines(event, count=i + 1)[-1]
            case.equal(field(line, "client"), source, event)
        got = delivered(work, i + 1)
        tag = "IPv6:" if ":" in source else ""
        assert [m for m in got if ("([%s%s])" % (tag, source)).encode() in m], got


@story
def header_and_tls_in_one_segment(work):
    sluice = balanced(work)
    for head in (v1(), v2()):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inside = TLS.wrap_bio(incoming, outgoing)
        talk = socket.create_connection(("127.0.0.1", sluice.tls_port),
                                        peers.HANG_S)
        try:
            inside.do_handshake()
        except ssl.SSLWantReadError:
            pass
        talk.sendall(head + outgoing.read())
        while True:
            try:
                inside.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(talk.recv(65536))
        talk.sendall(outgoing.read())
        while True:
            try:
                case.equal(inside.read(3), b"220")
                break
            except ssl.SSLWantReadError:
                incoming.write(talk.recv(65536))
        talk.close()
        # and by pieces
        talk = Talk(sluice.tls_port, greet=False)
        for i in range(len(head)):
            talk.send(head[i:i + 1])
        talk.secure()
        talk.next(220)
        talk.quit()
    # commands right behind it
    talk = Talk(sluice.port, head=v1() + b"EHLO x\r\nNOOP\r\n")
    talk.next(250)
    talk.next(250)
    talk.quit()


@story
def a_health_check_is_nobody(work):
    sluice = balanced(work, conf="connections-per-address 2; connections 4;\n")
    for head in (v2(command=0x20), V2 + b"\x20\0\0\0", b"PROXY UNKNOWN\r\n",
                 b"PROXY UNKNOWN 1 2 3 4\r\n"):
        checks = [Talk(sluice.port, head=head) for _ in range(6)]
        for talk in checks:
            talk.expect("NOOP", 250)
        for talk in checks:
            talk.quit()
    case.equal(sluice.log_lines("refuse"), [])


@story
def strangers_are_turned_away(work):
    sluice = balanced(work, networks="10.0.0.0/8 127.0.0.2")
    for head in (b"", v1(), v2(), b"EHLO x\r\n"):
        talk = Talk(sluice.port, head=head, greet=False)
        talk.next(421, "4.7.0 PROXY protocol header expected")
        talk.closed()
        talk = Talk(sluice.tls_port, head=head, greet=False)
        talk.closed()
    Talk(sluice.port, head=v1(), source="127.0.0.2").quit()
    for line in sluice.log_lines("refuse"):
        case.equal(field(line, "client"), "127.0.0.1")
        case.equal(field(line, "why"), "proxy-unlisted")


@story
def what_is_no_header_is_an_error(work):
    sluice = balanced(work)
    for head in (b"EHLO client\r\n", b"\r\nEHLO", b"PROXY TCP4 1.2.3.4\r\n",
                 v1("203.0.113.999"), v1(kind="UDP4"), v1(kind="TCP6"),
                 b"PROXY TCP4 " + b"1" * 200, v1()[:-2] + b"\n",
                 v2(command=0x31), V2 + b"\x21\x12\0\x0c" + bytes(12),
                 V2 + b"\x21\x11\0\x01x", V2 + b"\x21\x11\xff\xff", b"\x16\x03\x01",
                 bytes(range(256))):
        talk = Talk(sluice.port, head=head, greet=False)
        talk.next(421, "4.7.0", head)
        talk.closed()
        talk = Talk(sluice.tls_port, head=head, greet=False)
        talk.closed()
    # a second header is a command, and nobody's address
    talk = Talk(sluice.port, head=v1() + v1("198.51.100.1"))
    talk.next(500)
    talk.quit()
    assert "198.51.100.1" not in "".join(
        field(l, "client") or "" for l in sluice.log_lines())
    # a plain listener does not believe one either
    plain = gateway(work, name="plain")
    talk = Talk(plain.port, head=v1())
    talk.next(500)
    talk.quit()


@story
def silence_lasts_five_seconds(work):
    sluice = balanced(work, gateway=quick_gateway)
    began = time.monotonic()
    talks = [Talk(sluice.port, head=head, greet=False)
             for head in (b"", b"P", b"\r\n", v1()[:-1], V2)]
    talks += [Talk(sluice.tls_port, greet=False)]
    for talk in talks[:-1]:
        talk.next(421, "4.7.0")
    for talk in talks:
        talk.closed()
    took = (time.monotonic() - began) * QUICK
    assert 4.5 <= took < 60, took


@story
def each_source_has_its_own_share(work):
    sluice = balanced(work, conf="connections-per-address 2; connections 8;\n")
    one = [Talk(sluice.port, head=v1("203.0.113.1")) for _ in range(2)]
    talk = Talk(sluice.port, head=v1("203.0.113.1"), greet=False)
    talk.next(421, "4.7.0 Too many connections")
    talk.closed()
    # one /64 is one customer
    six = [Talk(sluice.port, head=v2("2001:db8::%d" % i)) for i in (1, 2)]
    talk = Talk(sluice.port, head=v2("2001:db8::3"), greet=False)
    talk.next(421, "4.7.0")
    for talk in one + six + [Talk(sluice.port, head=v1("203.0.113.2"))]:
        talk.expect("NOOP", 250)
        talk.quit()
    peers.wait_for(lambda: len(sluice.log_lines("disconnect")) >= 7)
    Talk(sluice.port, head=v1("203.0.113.1")).quit()


if __name__ == "__main__":
    case.main()
