// URLs: parse_url by RFC 2396 as java.net.URI reads it, url_encode, url_decode. Raises INVALID_URL, CANNOT_DECODE_URL.
#include <ctype.h>
#include <string.h>

#include "worker/expr/expr_families.h"

struct url {
    struct slice scheme, authority, path, query, fragment; // data NULL: not there
    bool opaque;
};

static bool url_characters(struct slice url)
{
    for (size_t i = 0; i < url.length; i++) {
        unsigned char c = (unsigned char)url.data[i];
        if (c >= 0x80 || isalnum(c) || strchr("-_.!~*'();/?:@&=+$,[]#", c)) continue;
        if (c != '%' || i + 2 >= url.length + 0 || !isxdigit((unsigned char)url.data[i + 1]) ||
            !isxdigit((unsigned char)url.data[i + 2])) {
            return false;
        }
    }
    return true;
}

static struct slice part(struct slice from, size_t start, size_t end)
{
    return slice_of(from.data + start, end - start);
}

static size_t find_any(struct slice s, size_t from, const char *marks)
{
    while (from < s.length && !(s.data[from] && strchr(marks, s.data[from]))) from++;
    return from;
}

static bool url_parse(struct slice s, struct url *url)
{
    memset(url, 0, sizeof *url);
    if (!url_characters(s)) return false;
    size_t at = find_any(s, 0, ":/?#"), hash = find_any(s, 0, "#");
    if (hash < s.length) url->fragment = part(s, hash + 1, s.length);
    size_t from = 0;
    if (at < hash && s.data[at] == ':') {
        if (at == 0 || !isalpha((unsigned char)s.data[0])) return false;
        url->scheme = part(s, 0, at);
        from = at + 1;
        if (from == hash) return false;
        url->opaque = s.data[from] != '/';
        if (url->opaque) return true;
    }
    if (hash - from >= 2 && s.data[from] == '/' && s.data[from + 1] == '/') {
        size_t end = find_any(s, from + 2, "/?#");
        if (end == from + 2 && end == hash) return false;
        if (end > from + 2) url->authority = part(s, from + 2, end);
        from = end;
    }
    size_t query = find_any(s, from, "?#");
    url->path = part(s, from, query < hash ? query : hash);
    if (query < hash) url->query = part(s, query + 1, hash);
    return true;
}

static enum expr_outcome give(struct expr_datum *ret, struct slice s)
{
    ret->s = s;
    return s.data ? EXPR_VALUE : EXPR_NULL;
}

static struct slice user_of(struct slice authority)
{
    const char *mark = authority.data ? memrchr(authority.data, '@', authority.length) : NULL;
    return mark ? slice_of(authority.data, (size_t)(mark - authority.data)) : slice_of(NULL, 0);
}

static struct slice host_of(struct slice authority)
{
    if (!authority.data) return authority;
    struct slice user = user_of(authority);
    size_t skip = user.data ? user.length + 1 : 0;
    struct slice host = slice_of(authority.data + skip, authority.length - skip);
    size_t end = host.length && host.data[0] == '[' ? find_any(host, 0, "]") + 1 : find_any(host, 0, ":");
    return slice_of(host.data, end < host.length ? end : host.length);
}

static enum expr_outcome query_value(struct slice query, struct slice key, struct expr_datum *ret)
{
    if (!query.data) return EXPR_NULL;
    for (size_t from = 0; from <= query.length;) {
        size_t end = find_any(query, from, "&");
        size_t equals = find_any(slice_of(query.data, end), from, "=");
        if (equals < end && key.length && equals - from == key.length &&
            memcmp(query.data + from, key.data, key.length) == 0) {
            return give(ret, part(query, equals + 1, end));
        }
        from = end + 1;
    }
    return EXPR_NULL;
}

static enum expr_outcome row_parse_url(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct url url;
    struct slice what = args[1].s;
    if (!url_parse(args[0].s, &url)) {
        if (row->call->step->name[0] == 't') return EXPR_NULL;
        return expr_row_fail(row, "INVALID_URL", "The url is invalid: %.*s. Use `try_parse_url` to get NULL instead.",
                             args[0].s.length > 200 ? 200 : (int)args[0].s.length, args[0].s.data);
    }
    bool keyed = expr_row_args(row) == 3;
    if (keyed) return slice_equal(what, slice_str("QUERY")) ? query_value(url.query, args[2].s, ret) : EXPR_NULL;
    if (slice_equal(what, slice_str("HOST"))) return give(ret, host_of(url.authority));
    if (slice_equal(what, slice_str("PATH"))) return give(ret, url.path);
    if (slice_equal(what, slice_str("QUERY"))) return give(ret, url.query);
    if (slice_equal(what, slice_str("REF"))) return give(ret, url.fragment);
    if (slice_equal(what, slice_str("PROTOCOL"))) return give(ret, url.scheme);
    if (slice_equal(what, slice_str("AUTHORITY"))) return give(ret, url.authority);
    if (slice_equal(what, slice_str("USERINFO"))) return give(ret, user_of(url.authority));
    if (!slice_equal(what, slice_str("FILE")) || !url.path.data) return EXPR_NULL;
    return expr_row_string(ret, url.path.data, url.path.length + (url.query.data ? url.query.length + 1 : 0));
}

static enum expr_outcome row_url_encode(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    text_reset(&row->text);
    for (size_t i = 0; i < args[0].s.length; i++) {
        unsigned char c = (unsigned char)args[0].s.data[i];
        if (isalnum(c) || (c && strchr(".-*_", c))) {
            text_append_char(&row->text, (char)c);
        } else if (c == ' ') {
            text_append_char(&row->text, '+');
        } else {
            text_printf(&row->text, "%%%02X", c);
        }
    }
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static enum expr_outcome row_url_decode(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    bool good = true;
    text_reset(&row->text);
    for (size_t i = 0; i < s.length && good; i++) {
        if (s.data[i] != '%') {
            text_append_char(&row->text, s.data[i] == '+' ? ' ' : s.data[i]);
            continue;
        }
        good = i + 2 < s.length && hex_digit(s.data[i + 1]) >= 0 && hex_digit(s.data[i + 2]) >= 0;
        if (good) text_append_char(&row->text, (char)(hex_digit(s.data[i + 1]) << 4 | hex_digit(s.data[i + 2])));
        i += 2;
    }
    good = good && text_utf8_valid((const uint8_t *)text_str(&row->text), row->text.length);
    if (good) return expr_row_string(ret, text_str(&row->text), row->text.length);
    if (row->call->step->name[0] == 't') return EXPR_NULL;
    return expr_row_fail(row, "CANNOT_DECODE_URL", "The provided URL cannot be decoded: %.*s",
                         s.length > 200 ? 200 : (int)s.length, s.data);
}

const struct expr_function expr_url_functions[] = {
    {"parse_url", NULL, row_parse_url, NULL, 0},       {"try_parse_url", NULL, row_parse_url, NULL, 0},
    {"url_encode", NULL, row_url_encode, NULL, 0},     {"url_decode", NULL, row_url_decode, NULL, 0},
    {"try_url_decode", NULL, row_url_decode, NULL, 0}, {NULL, NULL, NULL, NULL, 0},
};
