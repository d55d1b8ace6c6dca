#!/usr/bin/env python3
"""Fail on an include or a CMake link that tests/layers/edges does not allow.

Usage: check_layers.py [--root DIR] | --self-test

Sources below tests/ may include any unit, but by its full path like all
others. The self-test plants one wrong thing at a time in a small tree of its
own and fails unless each of them is found: a check that cannot go red checks
nothing.
"""
import fnmatch
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include(?:_next)?\b[ \t]*(.*?)[ \t]*$',
                     re.M)
SKIPPED = ('build', 'build-*', '.*')


class Table:
    """The edges file."""

    def __init__(self, path):
        self.units = {}
        self.only = {}
        self.never = {}
        self.anywhere = set()
        self.headers = []
        self.libraries = {}
        with open(path, encoding='utf-8') as lines:
            for number, line in enumerate(lines, 1):
                line = line.split('#', 1)[0].strip()
                if line:
                    self.add(line, '%s:%d' % (path, number))
        self.check(path)

    def add(self, line, where):
        left, _, right = line.partition(' : ')  # PkgConfig::X has colons
        word, *names = left.split()
        values = right.split()
        if word == 'unit' and len(names) == 1:
            self.units[names[0]] = set(values)
        elif word == 'only' and len(names) == 1:
            self.only.setdefault(names[0], set()).update(values)
        elif word == 'never' and len(names) == 1:
            self.never.setdefault(names[0], set()).update(values)
        elif word == 'anywhere' and not values:
            self.anywhere.update(names)
        elif word == 'header':
            self.headers += [(name, set(values)) for name in names]
        elif word == 'library':
            self.libraries.update((name, set(values)) for name in names)
        else:
            sys.exit('%s: not understood: %s' % (where, line))

    def check(self, path):
        """Every name is a unit, and no edge leads back to where it began."""
        groups = list(self.units.values()) + [set(self.only), set(self.never)]
        groups += [values for _, values in self.headers]
        groups += list(self.libraries.values())
        for group in groups:
            for name in group - set(self.units):
                sys.exit('%s: no such unit: %s' % (path, name))
        for unit in self.units:
            seen, todo = set(), list(self.units[unit])
            while todo:
                name = todo.pop()
                if name == unit:
                    sys.exit('%s: a cycle through %s' % (path, unit))
                if name not in seen:
                    seen.add(name)
                    todo += self.units[name]

    def owner(self, folder):
        return folder if folder in self.units else None


def files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not any(
            fnmatch.fnmatch(f, s) for s in SKIPPED) and not os.path.exists(
                os.path.join(folder, f, 'CMakeCache.txt')))
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8',
              errors='replace') as f:
        return f.read()


def without_comments(text):
    """Comments become blanks; strings stay, so that "//" in one does too."""
    return COMMENT.sub(lambda m: m.group(0) if m.group(0)[0] == '"'
                       else re.sub(r'[^\n]', ' ', m.group(0)), text)


def quoted_problem(table, unit, header, root):
    if header.startswith('.') or '/../' in header or '/./' in header:
        return 'relative include'
    if not os.path.isfile(os.path.join(root, header)):
        return 'not a full path from the root'
    if unit is None or header in table.anywhere:
        return None
    target = table.owner(os.path.dirname(header))
    if target is None:
        return 'its folder is no unit'
    if header in table.never.get(unit, ()):
        return 'forbidden header'
    if target == unit or target in table.units[unit] or \
            header in table.only.get(unit, ()):
        return None
    return 'no edge from %s to %s' % (unit, target)


def angle_problem(table, unit, header, root):
    if os.path.isfile(os.path.join(root, header)):
        return 'one of our own: write it with quotes'
    if unit is None:
        return None
    for pattern, units in table.headers:
        if fnmatch.fnmatchcase(header, pattern):
            return None if unit in units else \
                'belongs to %s' % ', '.join(sorted(units))
    return None


def source_problems(table, root, path):
    unit = None
    if not path.startswith('tests/'):
        unit = table.owner(os.path.dirname(path))
        if unit is None:
            yield path, 'the folder of this file is no unit'
            return
    text = without_comments(read(root, path).replace('\\\n', ''))
    for match in INCLUDE.finditer(text):
        what = match.group(1)
        where = '%s:%d' % (path, text.count('\n', 0, match.start()) + 1)
        if re.fullmatch(r'"[^"]+"', what):
            problem = quoted_problem(table, unit, what[1:-1], root)
        elif re.fullmatch(r'<[^>]+>', what):
            problem = angle_problem(table, unit, what[1:-1], root)
        else:
            problem = 'an include that cannot be read'
        if problem:
            yield where, '%s: %s' % (what, problem)


def link_problem(table, unit, target):
    if target in table.libraries:
        units = table.libraries[target]
        return None if unit in units else \
            '%s belongs to %s' % (target, ', '.join(sorted(units)))
    if target.startswith('PkgConfig::'):
        return '%s has no owner in the table' % target
    name = target[len('sluice_'):]
    units = [u for u in table.units if os.path.basename(u) == name]
    if not units:
        return '%s is no unit' % target
    allowed = table.units[unit] | {unit}
    allowed |= {os.path.dirname(h) for h in table.only.get(unit, ())}
    if unit == 'gateway/cli':
        allowed -= {'gateway/control'}  # a header of names, not a library
    return None if units[0] in allowed else \
        'no edge from %s to %s' % (unit, units[0])


def link_problems(table, root, path):
    unit = table.owner(os.path.dirname(path))
    if unit is None:
        return
    text = re.sub(r'#[^\n]*', '', read(root, path))
    for match in re.finditer(r'\bsluice_\w+|\bPkgConfig::\w+', text):
        target = match.group(0)
        if target in ('sluice_unit', 'sluice_flags'):
            continue
        problem = link_problem(table, unit, target)
        if problem:
            line = text.count('\n', 0, match.start()) + 1
            yield '%s:%d' % (path, line), problem


def problems(table, root):
    for path in files(root):
        if path.endswith(('.c', '.h')):
            yield from source_problems(table, root, path)
        elif os.path.basename(path) == 'CMakeLists.txt':
            yield from link_problems(table, root, path)


CLEAN = {
    'gateway/base/mem.h': '#include <stddef.h>\n',
    'gateway/base/hash.h': '#include <uthash.h>\n',
    'gateway/base/clock.h': '',
    'gateway/base/CMakeLists.txt': 'sluice_unit(base\n\tLINKS '
                                   'PkgConfig::CRYPTO Threads::Threads)\n',
    'gateway/net/loop.h': '#include "gateway/base/mem.h"\n',
    'gateway/net/loop.c': '#include "gateway/net/loop.h"\n'
                          '#include <event2/event.h>\n',
    'gateway/net/CMakeLists.txt': 'sluice_unit(net\n\tLINKS sluice_base '
                                  'PkgConfig::LIBEVENT)\n',
    'gateway/store/env.h': '',
    'gateway/front/front.h': '#include "dns/verdict.h"\n',
    'gateway/front/session.h': '',
    'gateway/back/back.h': '',
    'gateway/back/lane.h': '',
    'gateway/control/control.h': '',
    'gateway/control/protocol.h': '',
    'gateway/control/admin.c': '#include "gateway/front/front.h"\n'
                               '#include "gateway/back/back.h"\n'
                               '#include <event2/http.h>\n',
    'gateway/control/CMakeLists.txt': 'sluice_unit(control LINKS sluice_front '
                                      'sluice_back)\n',
    'gateway/cli/main.c': '#include "gateway/control/protocol.h"\n',
    'gateway/main.c': '#include "gateway/front/session.h"\n',
    'dns/verdict.h': '',
    'dns/lookup.h': '',
    'dns/lookup.c': '#include <ares.h>\n/*\n#include "gateway/front/front.h"\n'
                    '*/\n// #include <lmdb.h>\n',
    'ratelimit/gcra.c': '#include "gateway/base/mem.h"\n',
    'policy/decide.c': '#include "dns/verdict.h"\n',
    'tests/net/test_loop.c': '#include "gateway/front/session.h"\n'
                             '#include <lmdb.h>\n',
}

# label, file, what it says, a word of the complaint that must come
PLANTED = [
    ('up', 'gateway/base/x.c', '#include "gateway/net/loop.h"', 'no edge'),
    ('sideways', 'gateway/net/x.c', '#include "gateway/store/env.h"',
     'no edge'),
    ('in a header', 'gateway/net/x.h', '#include "gateway/store/env.h"',
     'no edge'),
    ('back to front', 'gateway/back/x.c', '#include "gateway/front/front.h"',
     'no edge'),
    ('control behind front.h', 'gateway/control/x.c',
     '#include "gateway/front/session.h"', 'no edge'),
    ('control behind back.h', 'gateway/control/x.c',
     '#include "gateway/back/lane.h"', 'no edge'),
    ('cli beyond the protocol', 'gateway/cli/x.c',
     '#include "gateway/control/control.h"', 'no edge'),
    ('policy beyond the verdict', 'policy/x.c', '#include "dns/lookup.h"',
     'no edge'),
    ('limiter and clock', 'ratelimit/x.c', '#include "gateway/base/clock.h"',
     'forbidden'),
    ('the root from below', 'gateway/front/x.c', '#include "gateway/conf.h"',
     'not a full path'),
    ('spaces', 'gateway/base/x.c', ' #  include   "gateway/net/loop.h"  ',
     'no edge'),
    ('comment behind', 'gateway/base/x.c',
     '#include "gateway/net/loop.h" /* why */', 'no edge'),
    ('comment inside', 'gateway/base/x.c',
     '#include /* why */ "gateway/net/loop.h"', 'no edge'),
    ('continued line', 'gateway/base/x.c',
     '#include \\\n"gateway/net/loop.h"', 'no edge'),
    ('under #if 0 too', 'gateway/base/x.c',
     '#if 0\n#include "gateway/net/loop.h"\n#endif', 'no edge'),
    ('relative', 'gateway/net/x.c', '#include "../base/mem.h"', 'relative'),
    ('relative inside', 'gateway/net/x.c',
     '#include "gateway/net/../base/mem.h"', 'relative'),
    ('bare name', 'gateway/net/x.c', '#include "loop.h"', 'not a full path'),
    ('bare name in a test', 'tests/net/x.c', '#include "loop.h"',
     'not a full path'),
    ('angles for ours', 'gateway/net/x.c', '#include <gateway/base/mem.h>',
     'quotes'),
    ('macro', 'gateway/net/x.c', '#include HEADER', 'cannot be read'),
    ('libevent', 'gateway/smtp/x.c', '#include <event2/event.h>', 'belongs'),
    ('evhttp', 'gateway/net/x.c', '#include <event2/http.h>', 'belongs'),
    ('TLS', 'gateway/base/x.c', '#include <openssl/ssl.h>', 'belongs'),
    ('libcrypto', 'gateway/auth/x.c', '#include <openssl/evp.h>', 'belongs'),
    ('LMDB', 'gateway/spool/x.c', '#include <lmdb.h>', 'belongs'),
    ('c-ares', 'gateway/net/x.c', '#include <ares_dns.h>', 'belongs'),
    ('jansson', 'gateway/front/x.c', '#include <jansson.h>', 'belongs'),
    ('crypt', 'gateway/base/x.c', '#include <crypt.h>', 'belongs'),
    ('idn2', 'gateway/net/x.c', '#include <idn2.h>', 'belongs'),
    ('uthash unkeyed', 'gateway/net/x.c', '#include <uthash.h>', 'belongs'),
    ('new folder', 'gateway/misc/x.c', '', 'no unit'),
    ('link up', 'gateway/spool/CMakeLists.txt',
     'sluice_unit(spool LINKS sluice_front)', 'no edge'),
    ('link back to front', 'gateway/back/CMakeLists.txt',
     'sluice_unit(back\n\tLINKS sluice_base\n\t\tsluice_front)', 'no edge'),
    ('link of a library', 'gateway/smtp/CMakeLists.txt',
     'sluice_unit(smtp LINKS PkgConfig::SSL)', 'belongs'),
    ('library without owner', 'gateway/smtp/CMakeLists.txt',
     'sluice_unit(smtp LINKS PkgConfig::CURL)', 'no owner'),
    ('cli links control', 'gateway/cli/CMakeLists.txt',
     'target_link_libraries(sluice sluice_control)', 'no edge'),
]


def plant(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, 'w', encoding='utf-8') as f:
        f.write(text + '\n')


def self_test(table):
    bad = 0
    for label, path, text, word in [('clean', None, None, None)] + PLANTED:
        with tempfile.TemporaryDirectory() as root:
            for name, content in CLEAN.items():
                plant(root, name, content)
            if path:
                plant(root, path, text)
            found = list(problems(table, root))
        right = not found if path is None else (
            len(found) == 1 and found[0][0].startswith(path) and
            word in found[0][1])
        if not right:
            bad += 1
            print('self-test: %s: got %s' % (label, found or 'nothing'))
    print('self-test: %d planted, %d wrong' % (len(PLANTED), bad))
    return 1 if bad else 0


def main(args):
    table = Table(os.path.join(HERE, 'edges'))
    if args == ['--self-test']:
        return self_test(table)
    if args and (len(args) != 2 or args[0] != '--root'):
        sys.exit(__doc__)
    found = list(problems(table, args[1] if args else TOP))
    for where, what in found:
        print('%s: %s' % (where, what))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
