#!/usr/bin/env python3
"""The house rules that a machine can see (CONTRIBUTING.md; docs/ARCHITECTURE.md, Layers): tidy.py [--junit FILE].

Standard library only.

Each rule_* yields "path:line: what is wrong" and is one test. What is looked at is what git tracks (and what is new
and not ignored); generated code is not in it. A rule that cannot be checked raises; it never passes for that.
"""

import argparse
import functools
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
LINE_CHARS_MAX = 120
NESTING_MAX = 4
README_LINES_MAX = 70

# Which folder may include which of common/: itself and lower layers (docs/ARCHITECTURE.md, Layers).
COMMON_LAYER = {"base": 0, "config": 1, "metrics": 1, "columnar": 1, "compress": 1, "http": 1, "rpc": 1,
                "access": 2, "plan": 2, "kafka": 2, "kv": 2, "objstore": 2, "parquet": 2, "delta": 3, "manifest": 3}
# Contract headers of worker/ include common/ only.
WORKER_CONTRACTS = ("source.h", "operator.h", "state.h", "sink.h")

# header → the paths that may include it.
VENDOR = (
    (r"librdkafka/", r"(^|/)(test_|mock_)?kafka[a-z0-9_]*\.[ch]$|^tests/bench/"),
    (r"nng/", r"^common/rpc/"),
    (r"openssl/", r"^common/rpc/|^tests/fuzz/fuzz_tls"),
    (r"curl/", r"^common/http/"),
    (r"(zstd|snappy-c|zlib|bzlib|lz4|lz4frame|lz4hc)\.h", r"^(tests/unit/)?common/compress/"),
    (r"jansson\.h", r"_json\.[ch]$|_json_[a-z0-9]*\.[ch]$"),
    (r"xxhash\.h", r"^common/base/hash\.c$"),
    (r"microhttpd\.h", r"^(common/http|coordinator/api|common/metrics)/"),
    (r"unicode/", r"(^|/)[a-z0-9_]*(icu|unicode|timezone|datetime|date)[a-z0-9_]*\.[ch]$"),
    (r"pcre2\.h", r"(^|/)[a-z0-9_]*(regex|regexp|pcre)[a-z0-9_]*\.[ch]$"),
    (r"ini\.h", r"^common/config/|^cli/(pipeline|role)_options\.c$"),
    (r"rocksdb/", r"(^|/)[a-z0-9_]*rocksdb[a-z0-9_]*\.[ch]$"),
    (r"cmocka\.h", r"^tests/"),
)

# call → the paths where it may stand.
BANNED = (
    (r"malloc|calloc|realloc|free|strdup|strndup|posix_memalign|aligned_alloc|reallocarray|v?asprintf|getline",
     r"^common/base/|^tests/"),
    (r"time|clock_gettime|gettimeofday|clock|localtime|localtime_r|mktime", r"^common/base/"),
    (r"rand|srand|random|srandom|drand48|getrandom|getentropy|rand_r", r"^common/base/"),
    (r"sleep|usleep|nanosleep|clock_nanosleep", r"^common/base/"),
    (r"gets|strtok|alloca|tmpnam|mktemp", r"^$"),
)
# Buffers that a vendor's library allocates must go back to the same allocator; each such file wraps it once.
BANNED_EXCEPT = {"free": r"_json\.c$|^common/http/|^common/rpc/|^tests/bench/", "time": r"^tests/bench/",
                 "clock_gettime": r"^tests/bench/", "malloc": r"^tests/bench/"}


# What the build asks for (in CMake's files) where deploy/deps.sh installs a package of the build.
PACKAGE_USE = {
    "librdkafka-dev": r"\brdkafka\b", "libnng-dev": r"find_package\(nng\b",
    "libprotobuf-c-dev": r"\blibprotobuf-c\b", "protobuf-c-compiler": r"\bprotoc-c\b",
    "libjansson-dev": r"\bjansson\b",
    "libcurl4-openssl-dev": r"\blibcurl\b",
    "libbz2-dev": r"\bbz2\b", "libzstd-dev": r"\blibzstd\b", "libsnappy-dev": r"\bsnappy\b", "zlib1g-dev": r"\bzlib\b",
    "liblz4-dev": r"\bliblz4\b", "libxxhash-dev": r"\bxxhash\b", "libicu-dev": r"\bicu-i18n\b",
    "libpcre2-dev": r"\blibpcre2-8\b", "libinih-dev": r"\binih\b", "libmicrohttpd-dev": r"\blibmicrohttpd\b",
    "libssl-dev": r"find_package\(OpenSSL\b",
    "cmake": r"cmake_minimum_required", "ninja-build": r"Ninja",
    "pkg-config": r"\bPkgConfig\b", "gcc": r"LANGUAGES C\b",
}


def git(*args):
    return subprocess.run(["git", "-C", str(ROOT), *args], check=True, capture_output=True, text=True).stdout


@functools.cache
def files():
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted(path for path in set(listed) if path and (ROOT / path).is_file())


@functools.cache
def text(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


@functools.cache
def sources():
    return [path for path in files() if path.endswith((".c", ".h"))]


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


@functools.cache
def code(path):
    """Comments, strings and character constants blanked, line numbers kept; preprocessor lines stay."""
    pattern = r'//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda m: m.group(0)[0] + blank(m)[2:] + m.group(0)[0]
                  if m.group(0)[0] in "\"'" and len(m.group(0)) > 1 else blank(m), text(path), flags=re.S)


def line_of(content, position):
    return content.count("\n", 0, position) + 1


def includes(path):
    """(line, name, in quotes) of every #include."""
    for number, line in enumerate(text(path).splitlines(), 1):
        if found := re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line):
            yield number, found.group(2), found.group(1) == '"'


def rule_include_direction():
    """common/ knows nobody above it, a layer only lower ones; worker/ and coordinator/ never meet."""
    for path in sources():
        top, _, rest = path.partition("/")
        for number, name, quoted in includes(path):
            target = name.split("/")[0]
            where = f"{path}:{number}: includes {name}"
            if top in ("common", "proto") and target in ("worker", "coordinator", "cli", "tests"):
                yield f"{where}: {top}/ knows nothing above it"
            if {top, target} == {"worker", "coordinator"}:
                yield f"{where}: worker/ and coordinator/ meet in proto/ and common/ only"
            if top in ("worker", "coordinator") and target in ("cli", "tests"):
                yield f"{where}: {top}/ knows nothing of {target}/"
            if top == "common" and target == "common":
                mine, other = rest.split("/")[0], name.split("/")[1]
                if mine not in COMMON_LAYER or other not in COMMON_LAYER:
                    yield f"{where}: a folder of common/ without a layer"
                elif other != mine and COMMON_LAYER[other] > COMMON_LAYER[mine]:
                    yield f"{where}: layer {COMMON_LAYER[mine]} includes layer {COMMON_LAYER[other]}"
            if top == "worker" and path.rsplit("/", 1)[-1] in WORKER_CONTRACTS and target == "worker":
                yield f"{where}: a contract header includes common/ only"
            if path.startswith("common/base/") and not quoted and re.match(r"(?!sys/|linux/).*/", name):
                yield f"{where}: common/base includes libc only"


def rule_pure_front_end():
    """sql/, bind/ and planner/ do no I/O and ask no clock."""
    for path in sources():
        if path.startswith(("coordinator/sql/", "coordinator/bind/", "coordinator/planner/")):
            for number, name, _ in includes(path):
                if name in ("stdio.h", "unistd.h", "fcntl.h", "sys/stat.h", "time.h", "common/base/clock.h",
                            "common/kv/kv.h", "common/objstore/objstore.h") and name != "stdio.h":
                    yield f"{path}:{number}: includes {name}: no I/O and no clock here"


def rule_include_by_path():
    """Own headers are named by their path from the root, and exist."""
    for path in sources():
        for number, name, quoted in includes(path):
            generated = name.startswith("proto/") or name.endswith(".pb-c.h") or name.endswith("_generated.h")
            if quoted and not generated and not (ROOT / name).is_file():
                yield f"{path}:{number}: \"{name}\" is no path from the root"


def rule_vendor_headers():
    for path in sources():
        for number, name, _ in includes(path):
            for header, allowed in VENDOR:
                if re.match(header, name) and not re.search(allowed, path):
                    yield f"{path}:{number}: includes {name}, which only {allowed} may"


def rule_banned_calls():
    for path in sources():
        content = code(path)
        for names, allowed in BANNED:
            if allowed != "^$" and re.search(allowed, path):
                continue
            for found in re.finditer(rf"(?<![\w.>])({names})\s*\(", content):
                name = found.group(1)
                # `clock->time(…)` and declarations such as `int64_t time(…)` of a struct are members, not calls.
                exception = BANNED_EXCEPT.get(name)
                if not (exception and re.search(exception, path)):
                    yield f"{path}:{line_of(content, found.start())}: calls {name}()"


def rule_no_sleep_in_tests():
    """A test waits for a condition, never for time."""
    for path in files():
        if path.startswith("tests/") and path.endswith((".py", ".sh")) and not path.startswith("tests/tidy/"):
            for number, line in enumerate(text(path).splitlines(), 1):
                if re.search(r"(^|[;&|(\s])sleep\s+[\d.$]|time\.sleep\(|\busleep\b", line):
                    yield f"{path}:{number}: sleeps"


def rule_file_size():
    for path in files():
        if path.endswith((".c", ".h", ".py", ".sh", ".cmake", ".proto")):
            lines = text(path).count("\n")
            if lines > FILE_LINES_MAX:
                yield f"{path}: {lines} lines, {FILE_LINES_MAX} at most"


def rule_line_length():
    for path in files():
        if path.endswith((".c", ".h", ".py", ".proto")):
            for number, line in enumerate(text(path).splitlines(), 1):
                if len(line) > LINE_CHARS_MAX:
                    yield f"{path}:{number}: {len(line)} characters, {LINE_CHARS_MAX} at most"


def functions(path):
    """(first line, lines, deepest nesting) of every function body: a `{` in column 1 or after `)` at depth 0."""
    content = code(path)
    depth = deepest = start = 0
    in_function = False
    for number, line in enumerate(content.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        for position, char in enumerate(line):
            if char == "{":
                if depth == 0:
                    head = content.splitlines()[max(0, number - 3):number - 1] + [line[:position]]
                    in_function = re.search(r"\)\s*(MUST_USE\s*|__attribute__\(\(.*\)\)\s*)?$",
                                            "\n".join(head).rstrip()) is not None
                    start, deepest = number, 0
                depth += 1
                deepest = max(deepest, depth)
            elif char == "}":
                depth -= 1
                if depth == 0 and in_function:
                    yield start, number - start + 1, deepest
                    in_function = False


def rule_function_size():
    for path in sources():
        if path.endswith(".c"):
            for start, lines, _ in functions(path):
                if lines > FUNCTION_LINES_MAX:
                    yield f"{path}:{start}: a function of {lines} lines, {FUNCTION_LINES_MAX} at most"


def rule_nesting():
    for path in sources():
        if path.endswith(".c"):
            for start, _, deepest in functions(path):
                if deepest - 1 > NESTING_MAX:
                    yield f"{path}:{start}: nested {deepest - 1} deep, {NESTING_MAX} at most"


def rule_basenames_unique():
    """A symbol is file basename + verb, so a basename stands for one module."""
    seen = {}
    for path in sources():
        folder, _, name = path.rpartition("/")
        stem, _, ending = name.rpartition(".")
        other = seen.setdefault((stem, ending), folder)
        if other != folder:
            yield f"{path}: {other}/{name} has the same name"
        pair = seen.get((stem, "c" if ending == "h" else "h"))
        if pair is not None and pair != folder and not (folder + pair).count("tests/"):
            yield f"{path}: {stem} is a module of {pair}/"


def rule_file_head():
    """Every source says what it is before anything else."""
    for path in sources():
        if not text(path).lstrip().startswith(("//", "/*")):
            yield f"{path}:1: no head comment"


def code_folders():
    endings = (".c", ".proto", ".py", ".sh", ".sql")
    return sorted({path.rpartition("/")[0] for path in files()
                   if path.endswith(endings) and "/" in path and not path.startswith(".")})


def rule_readme_names_every_file():
    for folder in code_folders():
        unlisted = ("tests/unit/", "tests/fuzz/corpus", "tests/data/conformance/", "deploy/examples")
        if folder.startswith(unlisted) or folder == "tests/unit":
            continue
        readme = f"{folder}/README.md"
        if readme not in files():
            yield f"{folder}: no README.md"
            continue
        content = text(readme)
        if content.count("\n") > README_LINES_MAX:
            yield f"{readme}: more than a page"
        for path in files():
            parent, _, name = path.rpartition("/")
            if parent == folder and name.endswith((".c", ".h", ".proto", ".py", ".sh")) and name != "conftest.py":
                stem = name.rpartition(".")[0]
                if not re.search(rf"(?<!\w){re.escape(stem)}(?!\w)", content):
                    yield f"{readme}: does not name {name}"


def rule_packages_are_used():
    """deploy/deps.sh installs for the build what the build asks for, and nothing else."""
    listed = re.search(r"^build_packages=\((.*?)\)", text("deploy/deps.sh"), re.S | re.M).group(1).split()
    build = "".join(text(path) for path in files() if not path.startswith("tests/") and
                    path.endswith(("CMakeLists.txt", ".cmake", "CMakePresets.json", "common/base/hash.c")))
    for package in listed:
        use = PACKAGE_USE.get(package)
        if use is None or not re.search(use, build):
            yield f"deploy/deps.sh: installs {package}, which the build does not ask for"
    for package in sorted(PACKAGE_USE.keys() - set(listed)):
        yield f"deploy/deps.sh: does not install {package}, which the build asks for"


def rule_no_machine_paths():
    """Nothing in the tree may depend on where it was written."""
    parts = "|".join(("work/main", "work/shared", "home/[a-z]+/", "root/"))
    pattern = re.compile(rf"(?<![\w.$}}])/({parts})")
    for path in files():
        if not path.endswith((".png", ".zst", ".parquet", ".gz")) and not path.startswith("tests/fuzz/corpus"):
            for number, line in enumerate(text(path).splitlines(), 1):
                if pattern.search(line):
                    yield f"{path}:{number}: a path of one machine"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--junit")
    parser.add_argument("rule", nargs="*", help="only these, without rule_")
    args = parser.parse_args()
    rules = {name[5:]: value for name, value in globals().items() if name.startswith("rule_")}
    suite = ElementTree.Element("testsuite", name="tidy")
    bad = 0
    for name, rule in rules.items():
        if args.rule and name not in args.rule:
            continue
        begin = time.monotonic()
        found = list(rule())
        case = ElementTree.SubElement(suite, "testcase", classname="tidy", name=name,
                                      time=f"{time.monotonic() - begin:.3f}")
        if found:
            bad += 1
            ElementTree.SubElement(case, "failure", message=f"{len(found)} places").text = "\n".join(found)
            print(f"{name}: {len(found)} places", *found, sep="\n  ")
    if args.junit:
        ElementTree.ElementTree(suite).write(args.junit)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
