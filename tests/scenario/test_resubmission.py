"""A client that did not hear our 250 sends again; nobody gets it twice."""
import threading

import case
import peers
from talk import (HEADER, Hop, delivered, field, gateway, message, session,
                  story)


def hang_up(sluice, content, rcpts=("b@example.net",)):
    """Everything is sent, the answer to the dot is not waited for."""
    talk = session(sluice)
    talk.envelope(rcpts)
    talk.expect("DATA", 354)
    talk.send(content + b".\r\n")
    talk.close()


def answered(sluice, count):
    """The log's lines about messages, once there are so many."""
    def found():
        lines = [l for l in sluice.log_lines()
                 if " event=accept " in l or " event=duplicate " in l]
        return lines if len(lines) >= count else None
    return peers.wait_for(found, "%d answers" % count)


@story
def dropped_five_times_before_the_answer(work):
    sluice = gateway(work)
    for _ in range(5):
        hang_up(sluice, message())
    lines = answered(sluice, 5)
    [first] = [l for l in lines if " event=accept " in l]
    number = field(first, "msg")
    talk = session(sluice)
    talk.envelope()
    case.contains(talk.data(message(), 250, "2.0.0 Already accepted as"), number)
    # a big one too, that is written while it arrives
    big = message(2, b"z" * 900 + b"\r\n" + (b"y" * 900 + b"\r\n") * 600)
    for _ in range(3):
        hang_up(sluice, big)
    answered(sluice, 9)
    talk.envelope()
    talk.data(big, 250, "Already accepted")
    talk.quit()
    got = delivered(work, 2)
    assert [m for m in got if m.endswith(big)]
    for line in sluice.log_lines("duplicate"):
        assert field(line, "first"), line


@story
def two_at_once(work):
    sluice = gateway(work)
    for round_ in range(20):
        talks = [session(sluice) for _ in range(4)]
        for talk in talks:
            talk.envelope()
            talk.expect("DATA", 354)
            talk.send(message(round_))
        gate = threading.Barrier(len(talks))
        ids = []

        def finish(talk):
            gate.wait()
            talk.send(b".\r\n")
            ids.append(talk.next(250, "2.0.0").split()[-1])

        threads = [threading.Thread(target=finish, args=(t,)) for t in talks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        case.equal(len(set(ids)), 1, "ids of one message: %r" % ids)
        case.equal(len(ids), 4)
        for talk in talks:
            talk.close()
    delivered(work, 20)
    sluice.lines("accept", count=20)


STAMPED = b"Date: Sat, 21 Nov 2026 12:00:00 +0100\r\nMessage-ID: <t@example.com>\r\n"


@story
def what_only_looks_the_same(work):
    sluice = gateway(work, users={"alice": "secret-a", "carol": "secret-c"})
    talk = session(sluice)
    rows = [  # (label, recipients, bytes)
        ("the first", ["b"], message(1)),
        ("another body, the template's Message-ID", ["b"], message(1, b"bye\r\n")),
        ("one space more", ["b"], message(1, b"hello \r\n")),
        ("other recipients", ["c"], message(1)),
        ("one recipient more", ["b", "c"], message(1)),
        ("no Message-ID", ["b"], HEADER + STAMPED[:39] + b"\r\nx\r\n"),
        ("no Message-ID, again", ["b"], HEADER + STAMPED[:39] + b"\r\nx\r\n"),
        ("no Date", ["b"], HEADER + STAMPED[39:] + b"\r\nx\r\n"),
        ("no Date, again", ["b"], HEADER + STAMPED[39:] + b"\r\nx\r\n"),
        ("neither", ["b"], HEADER + b"\r\nx\r\n"),
        ("neither, again", ["b"], HEADER + b"\r\nx\r\n"),
        ("the same text below no header", ["b"], b"\r\n" + message(1)),
    ]
    for what, rcpts, content in rows:
        talk.envelope([r + "@example.net" for r in rcpts])
        talk.data(content, 250, "Accepted as")
    # another login's message is its own
    carol = session(sluice, "carol", "secret-c")
    carol.envelope()
    carol.data(message(1), 250, "Accepted as")
    total = sum(len(r) for _, r, _ in rows) + 1
    delivered(work, total)
    # the same, told in another way: order, repetition, chunks, another FROM
    talk.envelope(("c@example.net", "b@example.net", "c@example.net"),
                  sender="other@example.com")
    content = message(1)
    talk.send(b"BDAT 10\r\n" + content[:10] + b"BDAT %d LAST\r\n" % (
        len(content) - 10) + content[10:])
    talk.next(250)
    talk.next(250, "Already accepted as")
    sluice.lines("duplicate", count=1)
    delivered(work, total)


@story
def after_a_restart_it_is_still_known(work):
    sluice = gateway(work)
    number = session(sluice).submit(message())
    delivered(work)
    sluice.kill()
    sluice.start()
    talk = session(sluice)
    talk.envelope()
    case.contains(talk.data(message(), 250, "Already accepted as"), number)
    talk.quit()
    delivered(work)


@story
def switched_off(work):
    sluice = gateway(work, conf="resubmission off;\n")
    talk = session(sluice)
    for _ in range(2):
        talk.envelope()
        talk.data(message(), 250, "Accepted as")
    delivered(work, 2)


@story
def a_bounced_message_may_be_sent_again(work):
    refuse = {"b@example.net"}
    hop = Hop(lambda rcpt: "550 5.1.1 nobody here" if rcpt in refuse else
              "250 2.1.5 fine")
    sluice = gateway(work, "via hub;", conf="relay hub { address 127.0.0.1:%d; "
                     "tls none; }\n" % hop.port)
    talk = session(sluice)
    first = talk.submit(message())
    peers.wait_for(lambda: [m for m in hop.messages
                            if m[1] == ["alice@example.com"]
                            or m[1] == ["a@example.com"]], "the report")
    case.equal([m[0] for m in hop.messages], [""], "the report alone")
    refuse.clear()
    talk.envelope()
    second = talk.data(message(), 250, "Accepted as").split()[-1]
    assert second != first
    peers.wait_for(lambda: [m for m in hop.messages if m[1] == ["b@example.net"]],
                   "the second")
    # now it was delivered, and is known
    talk.envelope()
    case.contains(talk.data(message(), 250, "Already accepted as"), second)
    talk.quit()
    case.equal(len(hop.messages), 2)


if __name__ == "__main__":
    case.main()
