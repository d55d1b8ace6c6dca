"""What every scenario is made of: `case` marks a story, `main` runs them."""
import os
import sys
import time
import traceback

import peers

BUILD, SLOW = peers.BUILD, peers.SLOW
stories = []


def case(function):
    """A function(work) with its own work directory."""
    stories.append(function)
    return function


def chosen_of(words):
    """NAME...: these stories. --but NAME...: all others."""
    but = words[:1] == ["--but"]
    names = set(words[1:] if but else words)
    unknown = names - {story.__name__ for story in stories}
    if unknown:
        sys.exit("no such story: %s" % ", ".join(sorted(unknown)))
    return [s for s in stories if not names or (s.__name__ in names) != but]


def main():
    chosen = chosen_of(sys.argv[1:])
    failed = []
    for story in chosen:
        began = time.monotonic()
        work = peers.Work(story.__name__.replace("_", "-")[:40])
        try:
            story(work)
            print("ok   %s (%.1f s)" % (story.__name__, time.monotonic() - began))
        except Exception:  # every story is run, then the sum is told
            failed.append(story.__name__)
            print("FAIL %s" % story.__name__)
            traceback.print_exc(file=sys.stdout)
            tail(work)
        finally:
            sys.stdout.flush()
            work.close(keep=bool(os.environ.get("SLUICE_KEEP")))
    print("%d passed, %d failed" % (len(chosen) - len(failed), len(failed)))
    sys.exit(1 if failed else 0)


def tail(work):
    for name in sorted(os.listdir(work.path)):
        if name.endswith((".log", ".out")):
            with open(work / name, errors="replace") as f:
                lines = f.read().splitlines()[-40:]
            if lines:
                print("--- %s" % name)
                print("\n".join(lines))


def equal(got, wanted, what=""):
    assert got == wanted, "%s: got %r, wanted %r" % (what, got, wanted)


def contains(text, part, what=""):
    assert part in text, "%s: no %r in %r" % (what, part, text)
