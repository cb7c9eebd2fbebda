// Secrets in a plan: see plan_secret.h. Nothing can fail.
#include "common/plan/plan_secret.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/kafka/kafka_property.h"

bool plan_secret_is(const Foreset__Property *option)
{
    return kafka_property_option_is_secret(option->key) && *option->value &&
           !kafka_property_is_reference(option->value) && strcmp(option->value, PLAN_SECRET_MASK) != 0;
}

const Foreset__Property *plan_secret_find(const Foreset__Plan *plan, const char **ret_source)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const Foreset__Source *source = plan->nodes[i]->source;
        for (size_t k = 0; source && k < source->n_options; k++) {
            if (!plan_secret_is(source->options[k])) continue;
            *ret_source = source->name;
            return source->options[k];
        }
    }
    return NULL;
}

static uint8_t *secret_pack(const Foreset__Plan *plan, size_t *ret_size)
{
    *ret_size = foreset__plan__get_packed_size(plan);
    uint8_t *packed = memory_alloc(*ret_size + 1);
    foreset__plan__pack(plan, packed);
    return packed;
}

uint8_t *plan_secret_pack(const Foreset__Plan *plan, size_t *ret_size)
{
    const char *source;
    size_t size;
    uint8_t *packed = secret_pack(plan, &size);
    *ret_size = size;
    if (!plan_secret_find(plan, &source)) return packed;
    Foreset__Plan *copy = foreset__plan__unpack(NULL, size, packed);
    explicit_bzero(packed, size);
    memory_free(packed);
    ASSERT(copy);
    for (size_t i = 0; i < copy->n_nodes; i++) {
        Foreset__Source *of = copy->nodes[i]->source;
        for (size_t k = 0; of && k < of->n_options; k++) {
            char *value = of->options[k]->value;
            if (!plan_secret_is(of->options[k])) continue;
            size_t length = strlen(value);
            explicit_bzero(value, length);
            // In place: a value that is shorter than the mask is masked by what fits, and is no secret worth the name.
            memcpy(value, PLAN_SECRET_MASK, length < 3 ? length : 3);
        }
    }
    packed = secret_pack(copy, ret_size);
    foreset__plan__free_unpacked(copy, NULL);
    return packed;
}
