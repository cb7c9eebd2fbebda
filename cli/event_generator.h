// User events from a seed: the input of the seed's pipeline with everything that goes wrong in such topics, in stated
// shares.
#ifndef FORESET_CLI_EVENT_GENERATOR_H
#define FORESET_CLI_EVENT_GENERATOR_H

#include <stdint.h>

#include "common/base/text.h"

// Shares: 2 % of events are up to 8 minutes late, 1 % repeat an earlier event whole (same _event_id), 0.5 % lack
// user_id or action, 0.2 % are JSON cut off in the middle, 0.1 % have an amount that is not a number.
struct event_generator;
// events_per_second: how fast event time goes on, from start_us on.
struct event_generator *event_generator_create(uint64_t seed, int64_t start_us, double events_per_second);
void event_generator_destroy(struct event_generator *generator);
// The next event: its text, and its key (the user, "" without one).
void event_generator_next(struct event_generator *generator, struct text *ret_value, struct text *ret_key);

#endif
