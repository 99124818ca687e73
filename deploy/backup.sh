#!/bin/sh
# Copy the append-only files of a running Redis 7+ or Valkey, under load, without stopping anything:
#   deploy/backup.sh TARGET
# TARGET must not exist; it will hold `appendonlydir`, as restore needs it. Run it on the server's
# machine, as a user who may read its files. Progress goes to standard error.
#
# Environment:  REDIS_HOST (127.0.0.1)   REDIS_PORT (6379)   REDIS_USER   REDIS_DIR (asked)
#               REDISCLI_AUTH: the password    REDIS_TLS: options of redis-cli, such as
#               '--tls --cacert /etc/redis/ca.pem'   BACKUP_WAIT (600): seconds for a rewrite to end
# Exit codes:   0 done   1 the copy failed its check, or could not be made   2 wrong call
#               3 the server does not answer, refuses CONFIG, or keeps no append-only file   4 a rewrite did not end
set -eu

say() { echo "backup: $*" >&2; }
fail() { code=$1; shift; say "$*"; exit "$code"; }
tool() { command -v "redis-$1" || command -v "valkey-$1" || true; }

[ $# -eq 1 ] || fail 2 "call it as: $0 TARGET"
target=$1
[ ! -e "$target" ] || fail 2 "$target exists already"
cli=$(tool cli)
[ -n "$cli" ] || fail 2 "neither redis-cli nor valkey-cli is on the PATH"

ask() {
  # shellcheck disable=SC2086  # REDIS_TLS holds several options
  "$cli" -h "${REDIS_HOST:-127.0.0.1}" -p "${REDIS_PORT:-6379}" ${REDIS_USER:+--user "$REDIS_USER"} \
    ${REDIS_TLS:-} --no-auth-warning -e --raw "$@"
}
config() { ask config get "$1" | sed -n 2p; }
running() { ask info persistence | tr -d '\r' | grep -Eq '^aof_rewrite_(in_progress|scheduled):1$'; }

ask ping >/dev/null || fail 3 "the server does not answer"
ask config get appendonly >/dev/null ||
  fail 3 "CONFIG GET is refused: the user needs +ping +info +config|get +config|set (REDIS_USER)"
[ "$(config appendonly)" = yes ] || fail 3 "the server keeps no append-only file"
name=$(config appenddirname)
source=${REDIS_DIR:-$(config dir)}/$name
manifest=$(config appendfilename).manifest
[ -r "$source/$manifest" ] || fail 1 "$source/$manifest cannot be read: set REDIS_DIR, or be root"

# A rewrite would delete files while they are copied. So there is none until the end, however this
# ends: by the trap; after kill -9 by a watcher; if that was killed, too, by the next call, which
# finds the percentage in this file.
kept="${TMPDIR:-/tmp}/ponderd-backup-${REDIS_HOST:-127.0.0.1}-${REDIS_PORT:-6379}"
percentage=$(config auto-aof-rewrite-percentage)
if [ "$percentage" = 0 ] && [ -r "$kept" ]; then
  percentage=$(tr -cd 0-9 <"$kept")
  say "an earlier backup was killed; automatic rewrites will be on again at $percentage"
fi
partial=$target.partial.$$
restore() {
  trap '' HUP INT TERM
  rm -rf "$partial"
  if ask config set auto-aof-rewrite-percentage "$percentage" >/dev/null; then
    rm -f "$kept"
  else
    say "set it by hand: config set auto-aof-rewrite-percentage $percentage"
  fi
}
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
(umask 077 && echo "$percentage" >"$kept")
(
  trap '' HUP INT TERM
  while kill -0 $$ 2>/dev/null; do sleep 1; done
  [ ! -e "$kept" ] || restore
) </dev/null >/dev/null 2>&1 &
ask config set auto-aof-rewrite-percentage 0 >/dev/null ||
  fail 3 "CONFIG SET is refused: the user needs +ping +info +config|get +config|set (REDIS_USER)"

waited=0
while running; do
  [ "$waited" -lt "${BACKUP_WAIT:-600}" ] || fail 4 "a rewrite did not end in ${BACKUP_WAIT:-600} s"
  [ $((waited % 10)) -ne 0 ] || say "waiting for a rewrite to end"
  sleep 1
  waited=$((waited + 1))
done

# The manifest names all files that count: `file NAME seq N type b|h|i`. All but the last are
# finished and can be links; the last grows, and of it a beginning is copied, which is a state too.
say "copying $source"
(umask 077 && mkdir -p "$partial/$name")
cp "$source/$manifest" "$partial/$name/"
sed -n 's/^file \([^ ]*\) .* type [bi].*/\1/p' "$partial/$name/$manifest" >"$partial/files"
last=$(tail -n 1 "$partial/files")
while read -r file; do
  if [ "$file" = "$last" ] || ! ln "$source/$file" "$partial/$name/$file" 2>/dev/null; then
    cp "$source/$file" "$partial/$name/$file" || fail 1 "$file could not be copied"
  fi
  say "$(wc -c <"$partial/$name/$file" | tr -d ' ') bytes of $file"
done <"$partial/files"
rm "$partial/files"
cmp -s "$source/$manifest" "$partial/$name/$manifest" ||
  fail 1 "somebody started a rewrite meanwhile; call it again"

check=$(tool check-aof)
if [ -n "$check" ]; then
  # The end of the copy may be half a command, which a server cuts off when it loads the file.
  if ! found=$("$check" "$partial/$name/$manifest" 2>&1); then
    yes | "$check" --fix "$partial/$name/$manifest" >/dev/null 2>&1 ||
      fail 1 "the copy is damaged: $(echo "$found" | tail -n 1)"
    say "the last command was cut in half, and left out"
  fi
  say "checked with $check"
else
  say "not checked: neither redis-check-aof nor valkey-check-aof is on the PATH"
fi
sync
mv "$partial" "$target"
say "done: $target"
