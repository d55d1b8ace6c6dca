#!/usr/bin/env python3
"""What a power cut, or kill -9, leaves of a spool.

  powercut.py power CHILD SHIM [IMAGES]   record one run, cut it IMAGES times
  powercut.py forget CHILD SHIM           the same with a sync forgotten: the
                                          check must find it
  powercut.py kill CHILD [ROUNDS]         kill -9 a submitting child

The record (powerloss.c) is replayed up to a random point. A file keeps what
was written before a sync that ended before the cut; of the writes after that,
any subset of their pieces (512 bytes or a page) may be there. A directory
keeps the entries of its last sync; of later changes, a prefix or any subset.
SLUICE_POWER_IMAGES and SLUICE_KILL_ROUNDS override the numbers,
SLUICE_POWER_SEED the randomness."""

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

(ROOT, CREATE, MKDIR, WRITE, SIZE, RENAME, UNLINK, BEGIN, END, MARK) = range(1, 11)
HEAD = struct.Struct("=IIQQQQ")


def records(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at + HEAD.size <= len(data):
        kind, flag, parent, ino, offset, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        yield kind, flag, parent, ino, offset, data[at : at + length]
        at += length


class File:
    """Bytes that are safe, and what was done since: (number, kind, ...)."""

    def __init__(self):
        self.safe = bytearray()
        self.later = []

    @staticmethod
    def put(content, offset, data):
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data

    @staticmethod
    def resize(content, size):
        if len(content) > size:
            del content[size:]
        else:
            content.extend(bytes(size - len(content)))

    def settle(self, before):
        keep = []
        for op in self.later:
            if op[0] >= before:
                keep.append(op)
            elif op[1] == WRITE:
                self.put(self.safe, op[2], op[3])
            else:
                self.resize(self.safe, op[2])
        self.later = keep

    def cut(self, rng, share, piece):
        content = bytearray(self.safe)
        for op in self.later:
            if op[1] == SIZE:
                if rng.random() < share:
                    self.resize(content, op[2])
                continue
            offset, data = op[2], op[3]
            at = 0
            while at < len(data):
                end = min(len(data), at + piece - (offset + at) % piece)
                if rng.random() < share:
                    self.put(content, offset + at, data[at:end])
                at = end
        return content


class Dir:
    def __init__(self):
        self.safe = {}
        self.later = []

    @staticmethod
    def apply(entries, op):
        name, node = op[1], op[2]
        if node is None:
            entries.pop(name, None)
        else:
            for other in [n for n, x in entries.items() if x is node]:
                del entries[other]
            entries[name] = node

    def settle(self, before):
        keep = []
        for op in self.later:
            if op[0] >= before:
                keep.append(op)
            else:
                self.apply(self.safe, op)
        self.later = keep

    def now(self):
        entries = dict(self.safe)
        for op in self.later:
            self.apply(entries, op)
        return entries

    def cut(self, rng, share):
        entries = dict(self.safe)
        if rng.random() < 0.5:
            chosen = self.later[: rng.randint(0, len(self.later))]
        else:
            chosen = [op for op in self.later if rng.random() < share]
        for op in chosen:
            self.apply(entries, op)
        return entries


class Disk:
    def __init__(self):
        self.nodes = {}
        self.root = None
        self.begun = {}
        self.words = []

    def play(self, number, record, complete=True):
        kind, flag, parent, ino, offset, data = record
        nodes = self.nodes
        if kind == ROOT:
            self.root = nodes[ino] = Dir()
        elif kind in (CREATE, MKDIR):
            nodes[ino] = File() if kind == CREATE else Dir()
            nodes[parent].later.append((number, data.decode(), nodes[ino]))
        elif kind == WRITE and ino in nodes:
            if flag and complete:
                File.put(nodes[ino].safe, offset, data)
            else:
                nodes[ino].later.append((number, WRITE, offset, data))
        elif kind == SIZE and ino in nodes:
            nodes[ino].later.append((number, SIZE, offset))
        elif kind == RENAME:
            old, new = data.decode().split("/")
            node = nodes[parent].now()[old]
            assert parent == ino, "all renames stay in a directory"
            nodes[parent].later.append((number, new, node))
        elif kind == UNLINK:
            nodes[parent].later.append((number, data.decode(), None))
        elif kind == BEGIN:
            self.begun[offset] = number
        elif kind == END and complete:
            if ino in nodes:
                nodes[ino].settle(self.begun[offset])
        elif kind == MARK and complete:
            self.words.append(data.decode())

    def image(self, node, path, rng, share, piece):
        os.mkdir(path)
        for name, child in node.cut(rng, share).items():
            at = os.path.join(path, name)
            if isinstance(child, Dir):
                self.image(child, at, rng, share, piece)
            else:
                with open(at, "wb") as f:
                    f.write(child.cut(rng, share, piece))


def build(log, seed, image, words):
    rng = random.Random(seed)
    cut = rng.randrange(1, len(log)) if seed % 8 else rng.randrange(1, 60)
    disk = Disk()
    for number, record in enumerate(log[:cut]):
        disk.play(number, record)
    disk.play(cut, log[cut], complete=False)  # under way
    share = rng.choice([0, 0.1, 0.5, 0.9, 1])
    disk.image(disk.root, image, rng, share, rng.choice([512, 4096]))
    with open(words, "w") as f:
        f.write("".join(w + "\n" for w in disk.words))
    return cut, share, len(disk.words)


def record_run(child, shim, work, seed, forget):
    spool = os.path.join(work, "spool")
    os.mkdir(spool)
    env = dict(os.environ, POWERLOSS_DIR=spool, POWERLOSS_LOG=work + "/log")
    env["LD_PRELOAD"] = shim
    env["ASAN_OPTIONS"] = "verify_asan_link_order=0:detect_leaks=0"
    if forget:
        env["POWERLOSS_DROP"] = forget
    subprocess.run(
        [child, "submit", spool, str(seed), "25"],
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
    return list(records(work + "/log"))


def workdir():
    fast = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.mkdtemp(prefix="powercut-", dir=os.environ.get("TMPDIR", fast))


def power(child, shim, images, forget=None):
    seed = int(os.environ.get("SLUICE_POWER_SEED", time.time_ns() % 1000000))
    print("seed", seed, flush=True)
    bad = 0
    work = workdir()
    try:
        log = record_run(child, shim, work, seed, forget)
        print(len(log), "records", flush=True)
        for i in range(images):
            image, words = work + "/image", work + "/words"
            cut, share, said = build(log, seed + i, image, words)
            run = subprocess.run(
                [child, "check", image, words],
                stderr=subprocess.PIPE,
                text=True,
                timeout=120,
            )
            if run.returncode != 0:
                bad += 1
                if not forget:
                    print(
                        f"image {seed + i}: cut at {cut} of {len(log)}, share "
                        f"{share}, {said} words, exit {run.returncode}:"
                        f"\n{run.stderr[-2000:]}"
                    )
            shutil.rmtree(image)
    finally:
        shutil.rmtree(work)
    print(f"{images} images, {bad} wrong")
    return bad


def kill(child, rounds):
    seed = int(os.environ.get("SLUICE_POWER_SEED", time.time_ns() % 1000000))
    rng = random.Random(seed)
    print("seed", seed, flush=True)
    work = workdir()
    spool, words = work + "/spool", work + "/words"
    os.mkdir(spool)
    try:
        for i in range(rounds):
            with open(words, "ab") as out:
                run = subprocess.Popen(
                    [child, "submit", spool, str(seed + i), "100000"], stdout=out
                )
                time.sleep(rng.uniform(0.02, 0.3))
                run.send_signal(signal.SIGKILL)
                run.wait()
            check = subprocess.run(
                [child, "check", spool, words],
                stderr=subprocess.PIPE,
                text=True,
                timeout=120,
            )
            if check.returncode != 0:
                print(f"round {i}: {check.stderr[-2000:]}")
                return 1
            shutil.rmtree(spool)
            os.mkdir(spool)
            os.unlink(words)
    finally:
        shutil.rmtree(work)
    print(rounds, "rounds")
    return 0


def main():
    what, child = sys.argv[1:3]
    if what == "power":
        images = int(os.environ.get("SLUICE_POWER_IMAGES", "20"))
        return 1 if power(child, sys.argv[3], images) else 0
    if what == "forget":
        bad = 0
        for forget in ("/segments", "/index/data.mdb"):
            bad += power(child, sys.argv[3], 20, forget) > 0
        return 0 if bad == 2 else 1
    if what == "kill":
        return kill(child, int(os.environ.get("SLUICE_KILL_ROUNDS", "10")))
    return 64


sys.exit(main())
