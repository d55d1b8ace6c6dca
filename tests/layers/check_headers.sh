#!/bin/sh
# Each header compiles alone and twice (its guard works), with gcc and clang.
set -u
cd "$(dirname "$0")/../.." || exit 1
self=tests/layers/check_headers.sh

if [ "${1-}" = --one ]; then
	printf '#include "%s"\n#include "%s"\n' "$2" "$2" |
		"$3" -std=c11 -D_GNU_SOURCE -DSLUICE_VERSION='"0"' -I. \
			-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
			-Wmissing-prototypes -Wconversion -Wvla \
			-fsyntax-only -x c - && exit 0
	echo "$2: does not compile alone with $3"
	exit 1
fi

headers=$(git ls-files '*.h' 2>/dev/null)
[ -n "$headers" ] || headers=$(find gateway dns policy ratelimit tests \
	-name '*.h' 2>/dev/null)
[ -n "$headers" ] || exit 1
for cc in gcc clang; do
	if ! command -v "$cc" >/dev/null; then
		echo "no $cc here: its half is left out" >&2
		continue
	fi
	for h in $headers; do
		[ -f "$h" ] && echo "$h $cc"
	done
done | xargs -n 2 -P 2 sh "$self" --one
