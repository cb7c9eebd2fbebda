// The generator of user events. Deterministic: the same seed, start and rate give the same events.
#include "cli/event_generator.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/random.h"

#define REPEAT_WINDOW    4096u
#define LATE_SECONDS_MAX 480.0
#define USERS            200000.0

struct event_generator_past {
    struct text value, key;
};

struct event_generator {
    struct random random;
    int64_t start_us;
    double interval_us;
    uint64_t count;
    struct event_generator_past past[REPEAT_WINDOW]; // for repeats
    uint64_t past_count;
};

static const char *const event_actions[] = {"page_view", "page_view", "page_view", "page_view",   "scroll",   "scroll",
                                            "click",     "click",     "hover",     "add_to_cart", "purchase", "search"};
static const char *const event_pages[] = {"/",         "/pricing",      "/docs",    "/blog/streaming",
                                          "/checkout", "/product/1234", "/account", "/caf\\u00e9"};
static const char *const event_elements[] = {"cta_button", "nav_menu", "footer_link", "hero_image", "buy_now"};

struct event_generator *event_generator_create(uint64_t seed, int64_t start_us, double events_per_second)
{
    struct event_generator *generator = memory_calloc(1, sizeof *generator);
    random_init(&generator->random, seed);
    generator->start_us = start_us;
    generator->interval_us = 1e6 / events_per_second;
    return generator;
}

void event_generator_destroy(struct event_generator *generator)
{
    if (!generator) return;
    for (unsigned i = 0; i < REPEAT_WINDOW; i++) {
        text_deinit(&generator->past[i].value);
        text_deinit(&generator->past[i].key);
    }
    memory_free(generator);
}

static void event_generator_time(int64_t us, char ret_text[40])
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t used = strftime(ret_text, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + used, 40 - used, ".%06d+00:00", (int)(us % 1000000));
}

static bool event_action_is(const char *action, const char *a, const char *b)
{
    return strcmp(action, a) == 0 || strcmp(action, b) == 0;
}

static void event_generator_fresh(struct event_generator *generator, struct text *value, struct text *key)
{
    struct random *random = &generator->random;
    int64_t time_us = generator->start_us + (int64_t)((double)generator->count * generator->interval_us);
    if (random_chance(random, 0.02)) time_us -= (int64_t)(random_unit(random) * LATE_SECONDS_MAX * 1e6);
    double skew = random_unit(random);
    text_printf(key, "u%d", (int)(skew * skew * skew * USERS)); // few users make most events
    const char *action = event_actions[random_below(random, sizeof event_actions / sizeof *event_actions)];
    unsigned missing = random_chance(random, 0.005) ? 1 + (unsigned)random_below(random, 2) : 0;
    text_append_char(value, '{');
    if (missing != 1) text_printf(value, "\"user_id\": \"%s\", ", text_str(key));
    if (missing != 2) text_printf(value, "\"action\": \"%s\", ", action);
    text_printf(value, "\"page\": \"%s\", ",
                event_pages[random_below(random, sizeof event_pages / sizeof *event_pages)]);
    if (event_action_is(action, "click", "hover")) {
        const char *element = event_elements[random_below(random, sizeof event_elements / sizeof *event_elements)];
        text_printf(value, "\"element\": \"%s\", ", element);
    }
    if (random_chance(random, 0.001)) {
        text_append_str(value, "\"amount\": \"n/a\", ");
    } else if (event_action_is(action, "purchase", "add_to_cart")) {
        text_printf(value, "\"amount\": %.2f, ", random_unit(random) * 300);
    }
    char time_text[40];
    event_generator_time(time_us, time_text);
    text_printf(value, "\"_event_time\": \"%s\", \"_event_id\": \"%s_%lld_%llu\"}", time_text, text_str(key),
                (long long)(time_us / 1000), (unsigned long long)generator->count);
    if (random_chance(random, 0.002)) {
        value->length /= 2;
        value->data[value->length] = '\0';
    }
}

void event_generator_next(struct event_generator *generator, struct text *ret_value, struct text *ret_key)
{
    text_reset(ret_value);
    text_reset(ret_key);
    uint64_t kept = generator->past_count < REPEAT_WINDOW ? generator->past_count : REPEAT_WINDOW;
    if (kept > 100 && random_chance(&generator->random, 0.01)) {
        const struct event_generator_past *past = &generator->past[random_below(&generator->random, kept)];
        text_append(ret_value, text_str(&past->value), past->value.length);
        text_append(ret_key, text_str(&past->key), past->key.length);
    } else {
        event_generator_fresh(generator, ret_value, ret_key);
        struct event_generator_past *past = &generator->past[generator->past_count++ % REPEAT_WINDOW];
        text_reset(&past->value);
        text_reset(&past->key);
        text_append(&past->value, text_str(ret_value), ret_value->length);
        text_append(&past->key, text_str(ret_key), ret_key->length);
    }
    generator->count++;
}
