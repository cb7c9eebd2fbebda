#!/usr/bin/env bash
# From a fresh clone to three Delta tables: installs what is missing, builds, starts a broker for trying things out, produces
# user events, runs deploy/examples/medallion.sql over them once and shows the tables.
#   deploy/quickstart.sh [WAREHOUSE]     default: ./warehouse, which must be new or an earlier quick start's
# EVENTS=N changes how many events are produced (default 10000; the embedded broker keeps about 5 MiB a partition).
# Fails with the step that failed and what it said; the broker is stopped in every case.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

warehouse=$(realpath -m "${1:-warehouse}")
events=${EVENTS:-10000}
foreset=build/foreset
scratch=$(mktemp -d)
broker_pid=

cleanup() {
    local status=$?
    if [ -n "$broker_pid" ] && kill "$broker_pid" 2>/dev/null; then
        wait "$broker_pid" 2>/dev/null || true
    fi
    rm -rf "$scratch"
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# quietly COMMAND...: its output only if it fails
quietly() {
    "$@" >"$scratch/log" 2>&1 && return 0
    printf 'failed: %s\n' "$*" >&2
    tail -n 40 "$scratch/log" >&2
    return 1
}

# The file with the address is the broker's word that it is ready. Reading it waits for the broker, not for a time.
start_broker() {
    "$foreset" broker --topic user-events:4 --address-file "$scratch/address" >"$scratch/broker.log" 2>&1 &
    broker_pid=$!
    local deadline=$((SECONDS + 30))
    until [ -s "$scratch/address" ]; do
        if ! kill -0 "$broker_pid" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
            printf 'the broker did not start:\n' >&2
            cat "$scratch/broker.log" >&2
            return 1
        fi
        read -r -t 0.05 <> <(:) || true
    done
    broker=$(tr -d '[:space:]' <"$scratch/address")
}

if [ -e "$warehouse/streaming" ] && [ ! -e "$warehouse/.quickstart" ]; then
    printf '%s holds tables that this script did not make; name another folder: deploy/quickstart.sh FOLDER\n' "$warehouse" >&2
    exit 2
fi
# The embedded broker starts empty each time, so an earlier run's tables would be ahead of its topic.
rm -rf "$warehouse/streaming" "$warehouse/_foreset"
mkdir -p "$warehouse" && touch "$warehouse/.quickstart"

say "1. Packages and build"
deploy/deps.sh
quietly cmake --preset release
quietly cmake --build --preset release --target foreset
"$foreset" --version

say "2. A broker and $events user events"
start_broker
printf 'broker at %s\n' "$broker"
"$foreset" produce --brokers "$broker" --topic user-events --key user_id --generate "user-events:$events:7"

say "3. deploy/examples/medallion.sql: bronze, silver, gold"
"$foreset" run deploy/examples/medallion.sql --available-now --warehouse "$warehouse" \
    --kafka "bootstrap.servers=$broker" --kafka security.protocol=plaintext

say "4. The tables"
for table in bronze/user_events silver/user_events gold/realtime_dashboard; do
    printf '\n%s\n' "$warehouse/streaming/$table"
    order=offset
    case $table in
        bronze/*) columns=kafka_key,action,page,amount,event_time,offset ;;
        silver/*) columns=user_id,action,action_category,amount,event_date order=user_id ;;
        gold/*) columns=window_start,action_category,event_count,total_revenue,avg_order_value order=window_start ;;
    esac
    "$foreset" tables show "$warehouse/streaming/$table" --columns "$columns" --order-by "$order" --limit 5
done
"$foreset" tables history "$warehouse/streaming/gold/realtime_dashboard"

say "Done"
printf 'Read them with anything that reads Delta Lake, for example:\n'
printf '  python3 -c "import polars; print(polars.read_delta(%s))"\n' "'$warehouse/streaming/gold/realtime_dashboard'"
