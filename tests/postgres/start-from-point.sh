#!/usr/bin/env bash
# Starts a server from one recovery point of a local site, in a scratch place, and waits until it has recovered and
# promoted. It touches nothing of the site, archives nothing, listens on a socket in the scratch place only.
#
#   start-from-point.sh SITE_ROOT POINT SNAPSHOT… TARGET
#
#   SITE_ROOT   the root of the local site
#   POINT       the directory of the point's files, or CLUSTER/POINT below SITE_ROOT/points;
#               `-` for a crash-consistent point, which has none
#   SNAPSHOT    each snapshot of the point: its directory, or its id
#   TARGET      a directory that does not exist yet
#
# PGBIN: PostgreSQL's programs. PORT: the socket's number (5432). TIMEOUT: seconds to recover (120).
# When it is done it prints `data=…`, `socket=…`, `port=…`; stop the server with `pg_ctl -D DATA stop`.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -ge 4 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
site=$(realpath "$1"); point=$2; shift 2
snapshots=("${@:1:$#-1}"); target=${!#}
port=${PORT:-5432}; timeout=${TIMEOUT:-120}

[ -e "$target" ] && die "$target exists already"
if [ "$point" != - ]; then
  [ -d "$point" ] || point=$site/points/$point
  point=$(realpath "$point")
  [ -s "$point/backup_label" ] || die "$point has no backup_label"
  [ -d "$point/wal" ] || die "$point has no wal/"
fi
mkdir -p "$target"; target=$(realpath "$target"); mkdir "$target/disks" "$target/socket" "$target/wal"
chmod 755 "$target"

# 1. The disks, and where on them everything lies. The links inside still lead to live disks, so none is followed.
data=; wal=; declare -A space=()
for snapshot in "${snapshots[@]}"; do
  [ -d "$snapshot" ] || snapshot=$site/snapshots/$snapshot
  [ -f "$snapshot/snapshot.json" ] || die "$snapshot has no snapshot.json"
  disk=$target/disks/$(fact "$snapshot" disk | tr / _)
  [ -e "$disk" ] && die "two snapshots of one disk: $disk"
  cp -a --reflink=auto "$snapshot/contents" "$disk"
  chmod u+w "$disk"
  at=$(fact "$snapshot" dataDirectory); [ -z "$at" ] || data=$(realpath "$disk/$at")
  at=$(fact "$snapshot" pgWal); [ -z "$at" ] || wal=$(realpath "$disk/$at")
  while read -r oid at; do space[$oid]=$(realpath "$disk/$at"); done < <(tablespaces "$snapshot")
done
[ -n "$data" ] || die "none of these snapshots has a data directory"
[ -n "$wal" ] || die "none of these snapshots has pg_wal"

# 2. Whatever the server on the snapshot was in the middle of (POSTGRES.md, Recovery, 3).
rm -f "$data"/{postmaster.pid,postmaster.opts,recovery.signal,standby.signal,backup_label,tablespace_map}
rm -f "$data"/{backup_label,tablespace_map}.old
for stale in pg_replslot pg_stat_tmp pg_notify pg_subtrans pg_dynshmem pg_serial pg_snapshots; do
  mkdir -p "$data/$stale"; find "$data/$stale" -mindepth 1 -delete
done
find "$data" -depth -type d -name 'pgsql_tmp*' -exec rm -rf {} +
if [ "$wal" != "$data/pg_wal" ]; then rm -rf "$data/pg_wal"; ln -s "$wal" "$data/pg_wal"; fi

if [ "$point" = - ]; then
  # 3a. Crash mode: the WAL is part of the snapshot and all of it is replayed; links are set by hand.
  find "$data/pg_tblspc" -mindepth 1 -delete
  for oid in "${!space[@]}"; do ln -s "${space[$oid]}" "$data/pg_tblspc/$oid"; done
else
  # 3b. Labelled mode: PostgreSQL makes the links anew from the map, which must lead to the scratch place.
  find "$wal" -mindepth 1 -delete; mkdir "$wal/archive_status"
  find "$data/pg_tblspc" -mindepth 1 -delete
  cp "$point/backup_label" "$data/backup_label"
  if [ -s "$point/tablespace_map" ]; then
    while read -r oid path; do
      [ -n "${space[$oid]:-}" ] || die "tablespace $oid ($path) is on none of these snapshots"
      printf '%s %s\n' "$oid" "${space[$oid]}"
    done < "$point/tablespace_map" > "$data/tablespace_map"
  fi
  touch "$data/recovery.signal"
  cp -a "$point/wal/." "$target/wal/"
  # PostgreSQL takes any failure below 126 for "there is no such file", ends recovery there, and reports success.
  cat > "$target/fetch" <<FETCH
#!/bin/sh
[ -e '$target/wal/'"\$1" ] || exit 1
cp '$target/wal/'"\$1" "\$2" || exit 126
FETCH
  chmod 755 "$target/fetch"
fi

# 4. Its own settings, over whatever the snapshot had: alone, silent, and never below what its WAL needs.
timeline=$(sed -n 's/^START TIMELINE: //p' "$data/backup_label" 2>/dev/null || true)
[ -f "$data/postgresql.conf" ] || touch "$data/postgresql.conf"
echo 'local all all trust' > "$target/pg_hba.conf"
chown --reference="$data" "$target" "$target"/* "$data"/{postgresql.conf,backup_label,tablespace_map,recovery.signal} 2>/dev/null || true
chown -R --reference="$data" "$wal" "$target/wal"
chmod 700 "$data"
at_least() { # NAME LINE: the larger of the copied setting and pg_control's
  local needed configured
  needed=$(control "$data" "$2 setting"); configured=$(as_owner "$PGBIN/postgres" -D "$data" -C "$1" 2>/dev/null || echo 0)
  echo "$1 = $(( configured > needed ? configured : needed ))"
}
settings=$(
  at_least max_connections max_connections
  at_least max_worker_processes max_worker_processes
  at_least max_wal_senders max_wal_senders
  at_least max_prepared_transactions max_prepared_xacts
  at_least max_locks_per_transaction max_locks_per_xact
)
cat >> "$data/postgresql.auto.conf" <<CONF

# start-from-point.sh
$settings
port = $port
listen_addresses = ''
unix_socket_directories = '$target/socket'
hba_file = '$target/pg_hba.conf'
ssl = off
logging_collector = off
archive_mode = off
archive_command = ''
primary_conninfo = ''
primary_slot_name = ''
synchronous_standby_names = ''
max_logical_replication_workers = 0
restore_command = '$( [ "$point" = - ] || echo "$target/fetch %f %p" )'
recovery_target_timeline = '${timeline:-latest}'
recovery_target_action = 'promote'
hot_standby = on
CONF

# 5. Recover, and promote.
log=$target/server.log; touch "$log"; chown --reference="$data" "$log" 2>/dev/null || true
failed() { tail -n 20 "$log" >&2; as_owner "$PGBIN/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1 || true; die "$1"; }
as_owner "$PGBIN/pg_ctl" -D "$data" -w -t "$timeout" -l "$log" start >/dev/null || failed "the server did not start"
ask() { "$PGBIN/psql" -h "$target/socket" -p "$port" -U "${PGUSER:-postgres}" -d postgres -XAtqc "$1"; }
for ((i = 0; i < timeout * 10; i++)); do
  [ "$(ask 'select pg_is_in_recovery()' 2>/dev/null)" = f ] && break
  [ -f "$data/postmaster.pid" ] || failed "the server ended while it recovered"
  sleep 0.1
done
[ "$(ask 'select pg_is_in_recovery()')" = f ] || failed "not recovered within $timeout s"
note "recovered: $(grep -c 'restored log file' "$log" || true) segments, $(grep -o 'consistent recovery state reached at .*' "$log" || echo 'crash recovery')"
printf 'data=%s\nsocket=%s\nport=%s\n' "$data" "$target/socket" "$port"
