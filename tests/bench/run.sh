#!/usr/bin/env bash
# One table of figures against yardsticks measured in the same run: tests/bench/run.sh [--events N] [--runs N] [--spark]
#   --events  events in the topic (default 5000000; fewer than ten seconds of input make ratios of start-up)
#   --runs    of which the median is shown (default 3)        --spark  the same pipeline on Spark + Delta beside it
# tests/bench/run.sh --cluster [--rows N] [--runs N] [--only PART]: what two workers cost against one.
# Needs a quiet machine; brings its own dependencies, build and broker. Fails if a run's tables do not hold every row.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export FORESET_CACHE=${FORESET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/foreset}
export PYTHONDONTWRITEBYTECODE=1

deploy/deps.sh --test
cmake --preset release -DFORESET_TESTS=ON >/dev/null
cmake --build --preset release >/dev/null
if [ "${1:-}" = --cluster ]; then
    shift
    exec "$FORESET_CACHE/venv/bin/python" tests/bench/cluster_cost.py "$@"
fi
exec "$FORESET_CACHE/venv/bin/python" tests/bench/bench.py "$@"
