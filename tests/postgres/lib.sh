# shellcheck shell=bash
# Sourced by the scripts beside it. Needs bash and PostgreSQL's own programs.

PGBIN=${PGBIN:-$(for d in /usr/lib/postgresql/*/bin; do [ -x "$d/postgres" ] && echo "$d"; done | sort -V | tail -n 1)}
export LC_ALL=C

die() { echo "error: $*" >&2; exit 1; }
note() { echo "$*" >&2; }

# PostgreSQL refuses to run as root.
as_owner() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; else "$@"; fi
}

# fact SNAPSHOT KEY: one text of a snapshot.json, which has one fact a line.
fact() { sed -n "s/^ *\"$2\": \"\(.*\)\",\{0,1\}\$/\1/p" "$1/snapshot.json" | head -n 1; }

# tablespaces SNAPSHOT: lines "OID PATH", the paths relative to the disk's top.
tablespaces() {
  sed -n '/^ *"tablespaces": {/,/}/s/^ *"\([0-9]*\)": "\(.*\)",\{0,1\}$/\1 \2/p' "$1/snapshot.json"
}

# control DATA_DIRECTORY LINE: one line of pg_controldata.
control() { as_owner "$PGBIN/pg_controldata" -D "$1" | sed -n "s/^$2: *//p"; }
