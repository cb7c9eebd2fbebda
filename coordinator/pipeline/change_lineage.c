// Lineage of state (see the header). Nodes that only let rows pass (filters, exchanges, watermarks, …) are looked
// through: they change which rows arrive, not what state means. A TABLE or SOURCE ends the search: it is compared by
// name, and for itself elsewhere.
#include "coordinator/pipeline/change_lineage.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/columnar/type.h"
#include "common/plan/plan_source.h"

// An output column of a node.
struct change_column {
    const Foreset__Plan *plan;
    const Foreset__Node *node;
    uint32_t ordinal;
};

static const Foreset__Node *change_input(const struct change_column *at, size_t input)
{
    return at->plan->nodes[at->node->inputs[input]];
}

static bool change_same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t size = protobuf_c_message_get_packed_size(a);
    if (size != protobuf_c_message_get_packed_size(b)) return false;
    uint8_t *left = memory_alloc(size), *right = memory_alloc(size);
    protobuf_c_message_pack(a, left);
    protobuf_c_message_pack(b, right);
    bool same = memcmp(left, right, size) == 0;
    memory_free(left);
    memory_free(right);
    return same;
}

static const struct field *change_field(const struct change_column *at)
{
    const struct type *schema;
    struct error err;
    bool there = type_parse(at->node->schema, &schema, &err) == STATUS_OK && at->ordinal < schema->child_count;
    return there ? &schema->children[at->ordinal] : NULL;
}

// Down to the node that makes the column.
static void change_resolve(struct change_column *at)
{
    for (;;) {
        switch (at->node->kind) {
        case FORESET__NODE__KIND__FILTER:
        case FORESET__NODE__KIND__WATERMARK:
        case FORESET__NODE__KIND__EXCHANGE:
        case FORESET__NODE__KIND__DEDUP:
        case FORESET__NODE__KIND__SORT:
        case FORESET__NODE__KIND__LIMIT: break;
        case FORESET__NODE__KIND__UNION:
            if (!plan_source_is_stream(at->plan, at->node)) return;
            break;
        case FORESET__NODE__KIND__PROJECT: {
            const Foreset__Expr *expr = at->plan->exprs[at->node->exprs[at->ordinal]];
            if (expr->kind != FORESET__EXPR__KIND__COLUMN) return;
            at->ordinal = expr->ordinal;
            break;
        }
        default: return;
        }
        at->node = change_input(at, 0);
    }
}

static bool change_same_column(struct change_column a, struct change_column b);

// Expressions over the outputs of two nodes.
static bool change_same_expr(const struct change_column *over_a, uint32_t a, const struct change_column *over_b,
                             uint32_t b)
{
    Foreset__Expr left = *over_a->plan->exprs[a], right = *over_b->plan->exprs[b];
    if (left.kind == FORESET__EXPR__KIND__COLUMN && right.kind == FORESET__EXPR__KIND__COLUMN) {
        return change_same_column((struct change_column){over_a->plan, over_a->node, left.ordinal},
                                  (struct change_column){over_b->plan, over_b->node, right.ordinal});
    }
    if (left.n_args != right.n_args) return false;
    for (size_t i = 0; i < left.n_args; i++) {
        if (!change_same_expr(over_a, left.args[i], over_b, right.args[i])) return false;
    }
    left.n_args = right.n_args = 0;
    left.text = right.text = NULL;
    return change_same_message(&left.base, &right.base);
}

static bool change_same_exprs(const struct change_column *a, const struct change_column *b)
{
    struct change_column over_a = {a->plan, change_input(a, 0), 0}, over_b = {b->plan, change_input(b, 0), 0};
    if (a->node->n_exprs != b->node->n_exprs) return false;
    for (size_t i = 0; i < a->node->n_exprs; i++) {
        if (!change_same_expr(&over_a, a->node->exprs[i], &over_b, b->node->exprs[i])) return false;
    }
    return true;
}

static bool change_same_aggregates(const struct change_column *a, const struct change_column *b)
{
    struct change_column over_a = {a->plan, change_input(a, 0), 0}, over_b = {b->plan, change_input(b, 0), 0};
    if (a->node->n_aggregates != b->node->n_aggregates) return false;
    for (size_t i = 0; i < a->node->n_aggregates; i++) {
        const Foreset__Aggregate *left = a->node->aggregates[i], *right = b->node->aggregates[i];
        if (strcmp(left->function, right->function) != 0 || strcmp(left->type, right->type) != 0) return false;
        if (left->n_args != right->n_args || left->has_filter != right->has_filter) return false;
        if (left->distinct != right->distinct) return false;
        for (size_t j = 0; j < left->n_args; j++) {
            if (!change_same_expr(&over_a, left->args[j], &over_b, right->args[j])) return false;
        }
        if (left->has_filter && !change_same_expr(&over_a, left->filter, &over_b, right->filter)) return false;
    }
    return true;
}

// The partial half holds keys and aggregates; exchanges lie between the two.
static bool change_partial(struct change_column *at)
{
    at->node = change_input(at, 0);
    while (at->node->kind == FORESET__NODE__KIND__EXCHANGE) at->node = change_input(at, 0);
    return at->node->kind == FORESET__NODE__KIND__AGGREGATE_PARTIAL;
}

static bool change_same_aggregation(struct change_column a, struct change_column b)
{
    if (strcmp(a.node->schema, b.node->schema) != 0) return false;
    if (a.node->has_event_time != b.node->has_event_time || a.node->event_time != b.node->event_time) return false;
    struct change_column partial_a = a, partial_b = b;
    bool split = change_partial(&partial_a);
    if (split != change_partial(&partial_b)) return false;
    if (!split) return change_same_exprs(&a, &b) && change_same_aggregates(&a, &b);
    return change_same_exprs(&partial_a, &partial_b) && change_same_aggregates(&partial_a, &partial_b);
}

static bool change_same_window(const struct change_column *a, const struct change_column *b)
{
    return a->node->window_us == b->node->window_us && a->node->slide_us == b->node->slide_us &&
           a->node->offset_us == b->node->offset_us && change_same_exprs(a, b);
}

// A column behind a WINDOW: the one that it appends, or one of its input.
static bool change_window_column(const struct change_column *at, bool *ret_appended)
{
    const struct type *input;
    struct error err;
    if (type_parse(change_input(at, 0)->schema, &input, &err) != STATUS_OK) return false;
    *ret_appended = at->ordinal >= input->child_count;
    return true;
}

static bool change_same_column(struct change_column a, struct change_column b)
{
    change_resolve(&a);
    change_resolve(&b);
    if (a.node->kind != b.node->kind) return false;
    const struct field *left = change_field(&a), *right = change_field(&b);
    if (!left || !right || left->type != right->type) return false;
    bool appended_a = false, appended_b = false;
    switch (a.node->kind) {
    case FORESET__NODE__KIND__SOURCE:
        return strcmp(left->name, right->name) == 0 && strcmp(a.node->source->name, b.node->source->name) == 0;
    case FORESET__NODE__KIND__TABLE:
        return strcmp(left->name, right->name) == 0 &&
               strcmp(a.plan->tables[a.node->table]->name, b.plan->tables[b.node->table]->name) == 0;
    case FORESET__NODE__KIND__PROJECT: {
        struct change_column over_a = {a.plan, change_input(&a, 0), 0}, over_b = {b.plan, change_input(&b, 0), 0};
        return change_same_expr(&over_a, a.node->exprs[a.ordinal], &over_b, b.node->exprs[b.ordinal]);
    }
    case FORESET__NODE__KIND__WINDOW:
        if (!change_window_column(&a, &appended_a) || !change_window_column(&b, &appended_b)) return false;
        if (appended_a != appended_b || !change_same_window(&a, &b)) return false;
        if (appended_a) return true;
        a.node = change_input(&a, 0);
        b.node = change_input(&b, 0);
        return change_same_column(a, b);
    case FORESET__NODE__KIND__UNION:
        if (a.node->n_inputs != b.node->n_inputs) return false;
        for (size_t i = 0; i < a.node->n_inputs; i++) {
            if (!change_same_column((struct change_column){a.plan, change_input(&a, i), a.ordinal},
                                    (struct change_column){b.plan, change_input(&b, i), b.ordinal})) {
                return false;
            }
        }
        return true;
    case FORESET__NODE__KIND__AGGREGATE_FINAL: return a.ordinal == b.ordinal && change_same_aggregation(a, b);
    default: return false;
    }
}

bool change_lineage_same(const Foreset__Plan *old, const Foreset__Node *before, const Foreset__Plan *plan,
                         const Foreset__Node *now)
{
    struct change_column a = {old, before, 0}, b = {plan, now, 0};
    if (before->kind != now->kind) return false;
    if (before->kind == FORESET__NODE__KIND__LIMIT) return before->limit == now->limit;
    if (before->kind == FORESET__NODE__KIND__AGGREGATE_FINAL) return change_same_aggregation(a, b);
    return before->within_watermark == now->within_watermark && before->has_event_time == now->has_event_time &&
           before->event_time == now->event_time && change_same_exprs(&a, &b);
}
