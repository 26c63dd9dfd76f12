#!/usr/bin/env bash
# The tracked C files are formatted as .clang-format says, judged by clang-format 14: other versions differ in details.
#   tools/check_format.sh [--fix]
# Without clang-format the check fails; FASTQUEUE_NO_FORMAT=1 lets it pass, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=14
tool=""
for name in "clang-format-$wanted" clang-format; do
    if command -v "$name" >/dev/null && [[ $("$name" --version) =~ version\ $wanted\. ]]; then
        tool=$name
        break
    fi
done
if [ -z "$tool" ]; then
    echo "check_format: NOT CHECKED: clang-format $wanted is missing; 'apt-get install clang-format-$wanted' installs it" >&2
    [ "${FASTQUEUE_NO_FORMAT:-}" = 1 ] && exit 0
    echo "check_format: FASTQUEUE_NO_FORMAT=1 lets the check pass without it" >&2
    exit 1
fi

# A source tree without git history is checked whole.
files=$(git ls-files '*.c' '*.h' 2>/dev/null) || files=$(find src include tests examples bench fuzz python -name '*.[ch]')
[ -n "$files" ] || { echo "check_format: no C files found" >&2; exit 1; }
if [ "${1:-}" = --fix ]; then
    # shellcheck disable=SC2086 # one word a file: none has a blank in its name
    exec "$tool" -i $files
fi
# In groups: version 14 crashes on some long lists of files that it takes one by one.
# shellcheck disable=SC2086
printf '%s\n' $files | xargs -n 50 "$tool" --dry-run -Werror || { echo "check_format: 'make fmt' formats them" >&2; exit 1; }
echo "check_format: $(wc -w <<<"$files") files are formatted"
