// Where tables go: names that make a folder below the warehouse and nothing else, and no two tables in one folder.
//
// Each part of a table's name is one folder. A part that would leave the warehouse, hide there, or be taken for what
// Delta or Foreset keep in a table is refused, and so is a spelling of Unicode for which some file systems have another
// one: two names may not become the same folder. Tables may not lie within one another: VACUUM of the outer one would
// delete the files of the inner one. What symbolic links make of places is looked at when the pipeline starts.
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <wctype.h>

#include "coordinator/planner/planner_private.h"

#define DEAD_LETTERS_SUFFIX "__dead_letters"

// ---- Names ----

// Code points for which Unicode has another, composed or preferred, spelling: combining marks of Latin, Greek, Cyrillic
// and kana, letters of Hangul that are written one by one, and signs that are other letters' doubles.
static bool place_is_unstable(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        {0x0300, 0x036F}, {0x0340, 0x0345}, {0x0374, 0x0374}, {0x037E, 0x037E},  {0x0387, 0x0387}, {0x0958, 0x095F},
        {0x1100, 0x11FF}, {0x1DC0, 0x1DFF}, {0x1F71, 0x1F71}, {0x1F73, 0x1F73},  {0x1F75, 0x1F75}, {0x1F77, 0x1F77},
        {0x1F79, 0x1F79}, {0x1F7B, 0x1F7B}, {0x1F7D, 0x1F7D}, {0x2000, 0x200F},  {0x2028, 0x202F}, {0x2060, 0x206F},
        {0x20D0, 0x20FF}, {0x2126, 0x2126}, {0x212A, 0x212B}, {0x3099, 0x309A},  {0xF900, 0xFAFF}, {0xFB1D, 0xFB4F},
        {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code >= ranges[i][0] && code <= ranges[i][1]) return true;
    }
    return false;
}

// The next code point; 0xFFFD for bytes that are not UTF-8.
static uint32_t place_next(const char **at)
{
    const unsigned char *c = (const unsigned char *)*at;
    unsigned more = c[0] < 0x80 ? 0 : c[0] >= 0xF0 ? 3 : c[0] >= 0xE0 ? 2 : c[0] >= 0xC2 ? 1 : 9;
    uint32_t code = more == 0 ? c[0] : c[0] & (0x3Fu >> more);
    (*at)++;
    if (more == 9) return 0xFFFD;
    for (unsigned i = 0; i < more; i++) {
        if ((c[i + 1] & 0xC0) != 0x80) return 0xFFFD;
        code = code << 6 | (c[i + 1] & 0x3Fu);
        (*at)++;
    }
    return code;
}

// Why a part of a name can be no folder; NULL: it can.
static const char *place_refusal(const char *part, size_t bytes_max, const char **ret_hint)
{
    static const char *const reserved[] = {"_delta_log",
                                           "_foreset",
                                           "_change_data",
                                           "_delta_index",
                                           "_temporary",
                                           "_spark_metadata",
                                           "_symlink_format_manifest",
                                           "_committed_",
                                           "_started_",
                                           NULL};
    *ret_hint = "letters, digits and _ make a name that every reader takes";
    if (!*part) return "has an empty part";
    if (strchr(part, '/') || strchr(part, '\\')) return "has a part with '/' or '\\', which would leave its folder";
    if (strcmp(part, ".") == 0 || strcmp(part, "..") == 0) return "has the part . or .., which would leave its folder";
    if (*part == '.') return "has a part that begins with '.', which readers take for hidden";
    for (size_t i = 0; reserved[i]; i++) {
        size_t length = strlen(reserved[i]);
        bool prefix = reserved[i][length - 1] == '_';
        if (prefix ? strncasecmp(part, reserved[i], length) == 0 : strcasecmp(part, reserved[i]) == 0)
            return "has a part that Delta, Spark or Foreset keep for themselves";
    }
    if (strlen(part) > bytes_max) {
        *ret_hint = "a folder's name has 255 bytes at most, and the dead letters' table adds 14 to the table's";
        return "has a part that is too long for a folder's name";
    }
    for (const char *at = part; *at;) {
        uint32_t code = place_next(&at);
        if (code < 0x20 || code == 0x7F || (code >= 0x80 && code < 0xA0)) return "has a control character";
        if (code == 0xFFFD) return "is not UTF-8";
        if (!place_is_unstable(code)) continue;
        *ret_hint = "write composed characters (NFC): é, not e and an accent";
        return "has a character that file systems may store as another one";
    }
    return NULL;
}

enum status planner_place_name(struct planner *planner, const char *const *parts, uint32_t count, bool own_letters,
                               uint32_t offset, struct error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        const char *hint;
        size_t bytes_max = NAME_MAX - (last && own_letters ? strlen(DEAD_LETTERS_SUFFIX) : 0);
        const char *refusal = place_refusal(parts[i], bytes_max, &hint);
        if (!refusal) continue;
        return sql_text_error(&planner->text, offset, STATUS_INVALID, NULL, hint, err,
                              "the table's name %s: \"%.100s\"", refusal, parts[i]);
    }
    return STATUS_OK;
}

// ---- Places ----

struct place {
    const char *table; // whose
    const char *url, *folded;
    bool letters; // a table of dead letters
};

// A path as a file system that ignores case has it: each part as the numbers of its folded characters, "." and empty
// parts left out, ".." taken back.
static const char *place_fold(struct planner *planner, locale_t locale, const char *url)
{
    struct text folded = {0};
    text_append_str(&folded, "");
    const char *path = strncmp(url, "file://", 7) == 0 ? url + 7 : url;
    while (*path) {
        size_t length = strcspn(path, "/");
        const char *end = path + length;
        if (length == 2 && strncmp(path, "..", 2) == 0) {
            while (folded.length > 0 && folded.data[--folded.length] != '/') continue;
        } else if (length > 0 && !(length == 1 && *path == '.')) {
            text_append_char(&folded, '/');
            while (path < end) text_printf(&folded, "%x.", towlower_l(towupper_l(place_next(&path), locale), locale));
        }
        path = end + (*end == '/');
    }
    const char *copy = arena_strndup(planner->arena, folded.data ? folded.data : "", folded.length);
    text_deinit(&folded);
    return copy;
}

// Is the folded path the other one, or below it?
static bool place_inside(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static enum status place_compare(const struct planner *planner, const struct place *a, const struct place *b,
                                 struct error *err)
{
    if (a->letters && b->letters && strcmp(a->url, b->url) == 0) return STATUS_OK; // a table of letters that both share
    bool same = strcmp(a->folded, b->folded) == 0;
    if (!same && !place_inside(a->folded, b->folded) && !place_inside(b->folded, a->folded)) return STATUS_OK;
    const struct place *inner = place_inside(a->folded, b->folded) ? a : b, *outer = inner == a ? b : a;
    if (same) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "%s: tables %.200s and %.200s would be stored in the same place, %.200s%s", planner->text.name,
                         b->table, a->table, a->url,
                         strcmp(a->url, b->url) == 0 ? "" : " (where upper and lower case are the same)");
    }
    return error_set(
        err, STATUS_INVALID, ERROR_USAGE,
        "%s: table %.200s would be stored inside table %.200s, in %.200s; give it another name or LOCATION: "
        "cleaning the outer table deletes what it does not know",
        planner->text.name, inner->table, outer->table, inner->url);
}

static enum status place_check_log(const struct planner *planner, const struct place *place, struct error *err)
{
    const char *at = strcasestr(place->url, "/_delta_log");
    if (!at || (at[11] != '/' && at[11] != '\0')) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "%s: table %.200s would be stored in the log of a Delta table, %.300s; give it another LOCATION",
                     planner->text.name, place->table, place->url);
}

enum status planner_place_check(struct planner *planner, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t count = 0;
    struct place *places = arena_calloc(planner->arena, 2 * planner->plan_tables.count + 1, sizeof *places);
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!locale) locale = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
    for (uint32_t i = 0; i < planner->plan_tables.count; i++) {
        const Foreset__Table *table = planner->plan_tables.items[i];
        places[count++] = (struct place){table->name, table->url, place_fold(planner, locale, table->url), false};
        places[count++] = (struct place){table->dead_letters, table->dead_letters_url,
                                         place_fold(planner, locale, table->dead_letters_url), true};
    }
    freelocale(locale);
    for (uint32_t i = 0; i < count; i++) {
        TRY(place_check_log(planner, &places[i], err));
        for (uint32_t k = 0; k < i; k++) TRY(place_compare(planner, &places[i], &places[k], err));
    }
out:
    return status;
}
