#!/bin/sh
# Every tracked .c and .h is as .clang-format says. Mend: clang-format -i FILE.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v clang-format >/dev/null || {
	echo "no clang-format here"
	exit 77
}
git ls-files '*.c' '*.h' | while read -r f; do
	[ -f "$f" ] && echo "$f"
done | xargs -r clang-format --dry-run -Werror
