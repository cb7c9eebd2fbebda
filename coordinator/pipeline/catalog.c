// Offers of catalogs. Cannot fail.
#include "coordinator/pipeline/catalog.h"

void catalog_offer_deinit(struct catalog_offer *offer)
{
    for (size_t i = 0; i < offer->partitions.count; i++) memory_free(offer->partitions.items[i].topic);
    for (size_t i = 0; i < offer->files.count; i++) memory_free(offer->files.items[i].name);
    vector_deinit(&offer->partitions);
    vector_deinit(&offer->files);
}
