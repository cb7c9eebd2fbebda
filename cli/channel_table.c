// Channels. One lock: there are few pipelines, and what is done under it is short.
#include "cli/channel_table.h"

void channel_table_init(struct channel_table *table)
{
    *table = (struct channel_table){0};
    pthread_mutex_init(&table->lock, NULL);
}

void channel_table_deinit(struct channel_table *table)
{
    vector_deinit(&table->entries);
    pthread_mutex_destroy(&table->lock);
}

void channel_table_add(struct channel_table *table, uint64_t channel, void *owner)
{
    struct channel_entry entry = {channel, owner};
    pthread_mutex_lock(&table->lock);
    vector_push(&table->entries, entry);
    pthread_mutex_unlock(&table->lock);
}

static struct channel_entry *channel_find(struct channel_table *table, uint64_t channel)
{
    for (size_t i = 0; i < table->entries.count; i++) {
        if (table->entries.items[i].channel == channel) return &table->entries.items[i];
    }
    return NULL;
}

void *channel_table_remove(struct channel_table *table, uint64_t channel)
{
    pthread_mutex_lock(&table->lock);
    struct channel_entry *entry = channel_find(table, channel);
    void *owner = entry ? entry->owner : NULL;
    if (entry) vector_remove(&table->entries, (size_t)(entry - table->entries.items));
    pthread_mutex_unlock(&table->lock);
    return owner;
}

bool channel_table_with(struct channel_table *table, uint64_t channel, void (*use)(void *owner, void *context),
                        void *context)
{
    pthread_mutex_lock(&table->lock);
    struct channel_entry *entry = channel_find(table, channel);
    if (entry) use(entry->owner, context);
    pthread_mutex_unlock(&table->lock);
    return entry != NULL;
}

void channel_table_each(struct channel_table *table, void (*use)(void *owner, void *context), void *context)
{
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->entries.count; i++) use(table->entries.items[i].owner, context);
    pthread_mutex_unlock(&table->lock);
}
