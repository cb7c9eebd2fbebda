#!/usr/bin/env bash
# Every test of Foreset on one machine; it brings its own dependencies and its own Kafka broker.
#   tests/run.sh [--quick] [--long] [--only PART] [FILTER]
#   --quick  no sanitizer build, no clang-tidy, no bare root
#   --long   hours of fire besides: 200 kills of one process and 200 of a cluster's over ten minutes each, five million
#            events (readers, memory, three workers), random queries beside Spark, sanitizers over integration and
#            clusters and ThreadSanitizer over unit tests and simulator, minutes of each fuzz target
#   --only   one part: asan (sanitized unit tests and simulator, clang-tidy), tsan (the same with ThreadSanitizer), fuzz
#            (FORESET_FUZZ_SECONDS for each target)
#   FILTER   only tests whose name holds it (ctest -R, pytest -k)
# Ends with one line `N passed, N failed`; exit 0 only if nothing failed (and, where CI is set, nothing
# was skipped but for optional corpora that are missing: tests/README.md).
# Results and logs: build/test-results. A phase that breaks counts as a failure; the phases behind it run all the same.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=no long=no only=all filter=
while [ $# -gt 0 ]; do
    case $1 in
        --quick) quick=yes ;;
        --long) long=yes ;;
        --only) only=${2:-} && shift ;;
        -*) only=wrong ;;
        *) filter=$1 ;;
    esac
    shift || only=wrong
done
case $only in
    all | asan | tsan | fuzz) ;;
    *) echo "usage: tests/run.sh [--quick] [--long] [--only asan|tsan|fuzz] [FILTER]" >&2; exit 2 ;;
esac

export FORESET_CACHE=${FORESET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/foreset}
export PYTHONDONTWRITEBYTECODE=1
python=$FORESET_CACHE/venv/bin/python
jobs=${FORESET_TEST_JOBS:-$(nproc)}
[ "$jobs" -le 4 ] || jobs=4
results=$PWD/build/test-results
files=()

rm -rf "$results" && mkdir -p "$results"

# phase NAME COMMAND...: runs it with its output in a log, and says how long it took and how it ended.
phase() {
    local name=$1 begin=$SECONDS status=0
    shift
    "$@" >"$results/$name.log" 2>&1 || status=$?
    printf '%-22s %5d s  %s\n' "$name" $((SECONDS - begin)) "$([ $status -eq 0 ] && echo ok || echo "exit $status: $results/$name.log")"
    if [ $status -ne 0 ]; then
        tail -n "${FORESET_TEST_TAIL:-40}" "$results/$name.log" | sed 's/^/    /'
    fi
    return $status
}

# step NAME COMMAND...: a phase that must succeed and is no test of its own; a failure is counted as one.
step() {
    phase "$@" && return 0
    files+=("$1=$results/$1.no-result")
    return 1
}

# The tests run as gcc builds them, and sanitized as clang builds them.
build() { # PRESET
    local compiler=gcc
    [ "$1" = release ] || compiler=clang
    CC=$compiler cmake --preset "$1" -DFORESET_TESTS=ON >/dev/null && cmake --build --preset "$1" -j "$jobs"
}

ctest_phase() { # NAME BUILD-FOLDER CTEST-ARGUMENTS...
    local name=$1 folder=$2
    shift 2
    files+=("$name=$results/$name.xml")
    phase "$name" ctest --test-dir "$folder" -j "$jobs" --output-on-failure --no-tests=ignore --output-junit "$results/$name.xml" \
        --test-output-size-passed 1000000 --test-output-size-failed 1000000 ${filter:+-R "$filter"} "$@"
}

pytest_phase() { # NAME FOLDER PYTEST-ARGUMENTS...
    local name=$1 folder=$2
    shift 2
    files+=("$name=$results/$name.xml")
    phase "$name" pytest_run "$results/$name.xml" "$folder" "$@"
}

pytest_run() { # JUNIT FOLDER ARGUMENTS...
    local status=0 junit=$1 folder=$2
    shift 2
    "$python" -m pytest -c tests/pytest.ini --rootdir tests "$folder" -q "--junitxml=$junit" ${filter:+-k "$filter"} "$@" || status=$?
    [ $status -eq 5 ] && [ -n "$filter" ] && status=0
    return $status
}

# Five million events: through every reader, under a hard memory limit, and through a cluster.
volume_phase() {
    FORESET_CLUSTER_EVENTS=5000000 pytest_phase cluster-volume \
        tests/cluster/test_medallion.py::test_three_workers_make_what_one_makes -s
    FORESET_INTEROP_EVENTS=5000000 pytest_phase interop-long tests/interop/test_medallion.py --deselect \
        interop/test_medallion.py::TestGrowing
    pytest_phase memory-long tests/interop/test_memory.py
}

# Unit tests and simulator under ThreadSanitizer; a step of the simulator takes some seventy times as long there.
tsan_phase() {
    step build-tsan build tsan || return
    gcc -shared -fPIC -O1 -o build-tsan/tsan_threads.so tests/lib/tsan_threads.c -lpthread || return
    export TSAN_OPTIONS="exitcode=99 suppressions=$PWD/tests/lib/tsan.supp"
    LD_PRELOAD=$PWD/build-tsan/tsan_threads.so ctest_phase unit-tsan build-tsan -LE sim
    step simulation-tsan env "LD_PRELOAD=$PWD/build-tsan/tsan_threads.so" build-tsan/tests/sim/foreset-sim --seeds 40 \
        --jobs "$jobs"
    return 0
}

# Conformance, interop, kills and clusters with a sanitized program that is built. Memory limits do not hold there:
# sanitizers take their own.
integration_under() { # SANITIZER
    [ "$1" != tsan ] || export FORESET_PRELOAD=$PWD/build-tsan/tsan_threads.so
    export FORESET_BIN=$PWD/build-$1/foreset
    pytest_phase "conformance-$1" tests/conformance/test_stream.py -n "$jobs"
    pytest_phase "interop-$1" tests/interop -n "$jobs" --dist loadfile --ignore tests/interop/test_memory.py
    FORESET_LONG='' pytest_phase "kills-$1" tests/crash/test_kills.py -n "$jobs"
    FORESET_LONG='' pytest_phase "cluster-$1" tests/cluster
    if [ "$1" = asan ]; then
        pytest_phase failpoints-asan tests/crash/test_failpoints.py -n "$jobs"
    fi
    unset FORESET_BIN FORESET_PRELOAD
}

# The README's first command on a machine that has nothing. A root made by tests/fresh.sh does not make another one.
fresh_phase() {
    [ -z "${FORESET_FRESH:-}" ] || return 0
    local status=0
    phase fresh tests/fresh.sh || status=$?
    [ $status -eq 0 ] || { [ $status -eq 3 ] && [ -z "${CI:-}" ]; } || files+=("fresh=$results/fresh.no-result")
}

# Both compilers take the sanitized build; its tests run once, with clang.
build_asan_gcc() {
    CC=gcc cmake --preset asan -B build-asan-gcc -DFORESET_TESTS=ON >/dev/null && cmake --build build-asan-gcc -j "$jobs"
}

fuzz_build() {
    CC=clang cmake -S . -B build-fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DFORESET_TESTS=ON -DFORESET_FUZZ=ON \
        -DFORESET_SANITIZE=address,undefined "-DCMAKE_C_FLAGS=-O1 -fsanitize=fuzzer-no-link" >/dev/null &&
        cmake --build build-fuzz --target fuzz -j "$jobs"
}

# One target for minutes, what reads manifests and state longest; what it finds new stays in build-fuzz/corpus for a
# merge into the kept one.
fuzz_run() { # TARGET
    local name seconds=180
    name=$(basename "$1")
    case $name in
        fuzz_manifest | fuzz_snapshot | fuzz_state | fuzz_kv) seconds=300 ;;
    esac
    mkdir -p "build-fuzz/corpus/$name"
    phase "$name" "$1" "-max_total_time=${FORESET_FUZZ_SECONDS:-$seconds}" -rss_limit_mb=2048 -print_final_stats=1 \
        "-artifact_prefix=$results/$name-" "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name" ||
        touch "$results/$name.failed"
}

# Every target, as many at once as there are processors.
fuzz_phase() {
    local target failed
    step build-fuzz fuzz_build || return
    for target in build-fuzz/tests/fuzz/fuzz_*; do
        [ -f "$target" ] && [ -x "$target" ] || continue
        [[ $(basename "$target") == *"$filter"* ]] || continue
        [ "$(jobs -pr | wc -l)" -lt "$jobs" ] || wait -n
        fuzz_run "$target" &
    done
    wait
    for failed in "$results"/fuzz_*.failed; do
        [ -e "$failed" ] && files+=("$(basename "$failed" .failed)=$failed.no-result")
    done
}

finish() {
    python3 tests/lib/count_results.py "${files[@]}"
    exit $?
}

# Over the commands of a clang build; what it looks for, and why no more, is in .clang-tidy.
clang_tidy() {
    run-clang-tidy -p "$1" -quiet -j "$jobs" "^$PWD/(common|worker|coordinator|cli)/"
}

asan_phase() {
    step build-asan-gcc build_asan_gcc
    step build-asan build asan || return
    step clang-tidy clang_tidy build-asan
    ctest_phase unit-asan build-asan -LE sim
    ctest_phase simulation-asan build-asan -L sim
}

as_built_phase() {
    step build build release || finish
    ctest_phase unit build -LE sim
    ctest_phase simulation build -L sim
    pytest_phase conformance tests/conformance -n "$jobs"
    pytest_phase interop tests/interop -n "$jobs" --dist loadfile
    pytest_phase crash tests/crash -n "$jobs"
    pytest_phase cluster tests/cluster
}

long_phase() {
    export FORESET_LONG=1
    pytest_phase kills-long tests/crash/test_kills.py -s
    pytest_phase store-faults-long tests/crash/test_store_faults.py -s -n "$jobs"
    pytest_phase kafka-long tests/interop/test_kafka_topics.py -m long
    pytest_phase cluster-kills-long tests/cluster/test_medallion.py::test_every_role_killed_again_and_again -s
    volume_phase
    pytest_phase beside-spark tests/conformance/test_spark_stream.py tests/conformance/test_spark_expr.py
    step build-asan-long build asan && integration_under asan
    tsan_phase && integration_under tsan
    fuzz_phase
}

step deps deploy/deps.sh --test || finish
if [ $only != all ]; then
    "${only}_phase"
    finish
fi
files+=("tidy=$results/tidy.xml")
phase tidy python3 tests/tidy/tidy.py --junit "$results/tidy.xml"
as_built_phase
if [ $quick = no ]; then
    fresh_phase
    asan_phase
fi
[ $long = no ] || long_phase
finish
