// Which role's thread takes the messages of which pipeline (envelope.h's channel). Any thread may deliver while another
// adds and removes.
#ifndef FORESET_CLI_CHANNEL_TABLE_H
#define FORESET_CLI_CHANNEL_TABLE_H

#include <pthread.h>

#include "common/base/vector.h"

struct channel_entry {
    uint64_t channel;
    void *owner;
};
struct channel_table {
    pthread_mutex_t lock;
    VECTOR(struct channel_entry) entries;
};
void channel_table_init(struct channel_table *table);
void channel_table_deinit(struct channel_table *table);
void channel_table_add(struct channel_table *table, uint64_t channel, void *owner);
void *channel_table_remove(struct channel_table *table, uint64_t channel); // NULL: it was not there
// Calls use(owner, context) while the owner cannot be removed. False: nobody has the channel. use must not block.
bool channel_table_with(struct channel_table *table, uint64_t channel, void (*use)(void *owner, void *context),
                        void *context);
// The same of every owner.
void channel_table_each(struct channel_table *table, void (*use)(void *owner, void *context), void *context);

#endif
