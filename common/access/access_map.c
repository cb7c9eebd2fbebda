// The role map. Nothing in it is guessed: a line that does not parse refuses the whole file, as half of a map would
// give somebody too little or, with a mistyped name, too much.
#include "common/access/access_map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/vector.h"

struct access_map_line {
    const char *name; // "O=…", "DNS:…"
    unsigned role;
};
struct access_map {
    struct arena arena;
    VECTOR(struct access_map_line) lines;
};

static const char access_map_default[] = "O=foreset:reader -> reader\n"
                                         "O=foreset:operator -> operator\n"
                                         "O=foreset:admin -> admin\n"
                                         "O=foreset:worker -> worker\n"
                                         "O=foreset:coordinator -> coordinator\n";

static char *access_map_trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1])) text[--length] = '\0';
    return text;
}

static enum status access_map_wrong(const char *name, unsigned line, const char *what, struct error *err)
{
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "role map %s, line %u: %s", name, line, what);
}

static bool access_map_known_prefix(const char *name)
{
    static const char *const prefixes[] = {"O=", "DNS:", "URI:", "IP:", "email:"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t length = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], length) == 0) return name[length] != '\0';
    }
    return false;
}

static enum status access_map_line(struct access_map *map, char *text, const char *name, unsigned number,
                                   struct error *err)
{
    static const char *const arrows[] = {"->", "→"};
    text = access_map_trim(text);
    if (*text == '\0' || *text == '#') return STATUS_OK;
    char *arrow = NULL;
    size_t length = 0;
    for (size_t i = 0; i < 2; i++) { // the last one: a name may hold an arrow, a role cannot
        for (char *at = text; (at = strstr(at, arrows[i])); at++) {
            if (arrow && at < arrow) continue;
            arrow = at;
            length = strlen(arrows[i]);
        }
    }
    if (!arrow) return access_map_wrong(name, number, "expected NAME -> ROLE, e.g. O=data-eng -> operator", err);
    *arrow = '\0';
    const char *who = access_map_trim(text), *role = access_map_trim(arrow + length);
    if (!access_map_known_prefix(who))
        return access_map_wrong(name, number, "a name begins with O=, DNS:, URI:, IP: or email:", err);
    struct access_map_line line = {arena_strdup(&map->arena, who), access_role_parse(role)};
    if (line.role == 0)
        return access_map_wrong(name, number, "a role is reader, operator, admin, worker or coordinator", err);
    if (map->lines.count == ACCESS_MAP_LINES_MAX) return access_map_wrong(name, number, "too many lines", err);
    vector_push(&map->lines, line);
    return STATUS_OK;
}

enum status access_map_parse(const char *text, const char *name, struct access_map **ret_map, struct error *err)
{
    enum status status = STATUS_OK;
    struct access_map *map = memory_calloc(1, sizeof *map);
    arena_init(&map->arena, 0);
    unsigned number = 0;
    for (char *line = arena_strdup(&map->arena, text), *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        TRY(access_map_line(map, line, name, ++number, err));
    }
    if (map->lines.count == 0) TRY(access_map_wrong(name, number, "no role is given to anybody", err));
    *ret_map = map;
    return STATUS_OK;
out:
    access_map_destroy(map);
    return status;
}

static enum status access_map_read(int file, const char *path, char *ret_text, struct error *err)
{
    struct stat stat;
    size_t length = 0;
    ssize_t count;
    if (fstat(file, &stat) != 0 || !S_ISREG(stat.st_mode))
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "role map %s: not a regular file", path);
    if (stat.st_mode & (S_IWGRP | S_IWOTH)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "role map %s: other users may write to it (mode %o), so they could give themselves roles: "
                         "chmod go-w %s",
                         path, (unsigned)(stat.st_mode & 07777), path);
    }
    while ((count = read(file, ret_text + length, ACCESS_MAP_BYTES_MAX + 1 - length)) > 0) length += (size_t)count;
    if (count < 0) return error_set_errno(err, ERROR_USAGE, "role map %s cannot be read", path);
    if (length > ACCESS_MAP_BYTES_MAX || memchr(ret_text, 0, length)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "role map %s: not a text of at most %u KiB", path,
                         ACCESS_MAP_BYTES_MAX >> 10);
    }
    ret_text[length] = '\0';
    return STATUS_OK;
}

enum status access_map_open(const char *path, struct access_map **ret_map, struct error *err)
{
    enum status status = STATUS_OK;
    if (!path) return access_map_parse(access_map_default, "default", ret_map, err);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return error_set_errno(err, ERROR_USAGE, "role map %s cannot be read", path);
    char *text = memory_alloc(ACCESS_MAP_BYTES_MAX + 2);
    TRY(access_map_read(file, path, text, err));
    TRY(access_map_parse(text, path, ret_map, err));
out:
    close(file);
    memory_free(text);
    return status;
}

unsigned access_map_roles(const struct access_map *map, const struct rpc_identity *from)
{
    unsigned roles = 0;
    if (!from->tls) return 0;
    for (size_t i = 0; i < map->lines.count; i++) {
        const struct access_map_line *line = &map->lines.items[i];
        if (strncmp(line->name, "O=", 2) == 0) {
            if (from->organization && strcmp(line->name + 2, from->organization) == 0) roles |= line->role;
            continue;
        }
        for (const char *const *name = from->alternative_names; name && *name; name++) {
            if (strcmp(*name, line->name) == 0) roles |= line->role;
        }
    }
    return roles;
}

void access_map_destroy(struct access_map *map)
{
    if (!map) return;
    vector_deinit(&map->lines);
    arena_deinit(&map->arena);
    memory_free(map);
}
