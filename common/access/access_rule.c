// The table. A reader asks; what reads the server's files or changes what runs needs an operator (`plan` compiles a
// text of the caller's choice, with paths that the server opens); what loses state, positions or other writers' rows
// an admin.
#include "common/access/access_rule.h"

#include <string.h>

static const struct access_rule access_rules[] = {
    {"pipelines list", NULL, ACCESS_READER},
    {"pipelines describe", NULL, ACCESS_READER},
    {"workers list", NULL, ACCESS_READER},
    {"workers describe", NULL, ACCESS_READER},
    {"epochs", NULL, ACCESS_READER},
    {"lag", NULL, ACCESS_READER},
    {"shards", NULL, ACCESS_READER},
    {"cluster status", NULL, ACCESS_READER},
    {"pipelines plan", NULL, ACCESS_OPERATOR},
    {"pipelines apply", NULL, ACCESS_OPERATOR},
    {"pipelines apply", "full-refresh", ACCESS_ADMIN},
    {"pipelines start", NULL, ACCESS_OPERATOR},
    {"pipelines stop", NULL, ACCESS_OPERATOR},
    {"pipelines retry", NULL, ACCESS_OPERATOR},
    {"pipelines retry", "overwrite", ACCESS_ADMIN},
    {"workers drain", NULL, ACCESS_OPERATOR},
    {"workers undrain", NULL, ACCESS_OPERATOR},
    {"pipelines delete", NULL, ACCESS_ADMIN},
    {"pipelines adopt", NULL, ACCESS_ADMIN},
    {"pipelines abandon-table", NULL, ACCESS_ADMIN},
};

static const struct access_message access_messages[] = {
    // Cluster
    {"Hello", ACCESS_WORKER, ACCESS_COORDINATOR},
    {"Welcome", ACCESS_COORDINATOR, ACCESS_WORKER},
    {"AdminRequest", ACCESS_READER | ACCESS_OPERATOR | ACCESS_ADMIN, ACCESS_COORDINATOR}, // the rules above
    {"AdminReply", 0, 0},
    // Control
    {"Register", ACCESS_WORKER, ACCESS_COORDINATOR},
    {"Assign", ACCESS_COORDINATOR, ACCESS_WORKER},
    {"Assigned", ACCESS_WORKER, ACCESS_COORDINATOR},
    {"EpochPlan", ACCESS_COORDINATOR, ACCESS_WORKER},
    {"ReadDone", ACCESS_WORKER, ACCESS_COORDINATOR},
    {"Watermark", ACCESS_COORDINATOR, ACCESS_WORKER},
    {"Prepared", ACCESS_WORKER, ACCESS_COORDINATOR},
    {"Failed", ACCESS_WORKER, ACCESS_COORDINATOR},
    {"Abort", ACCESS_COORDINATOR, ACCESS_WORKER},
    {"Heartbeat", ACCESS_WORKER, ACCESS_COORDINATOR},
    {"Piece", ACCESS_WORKER | ACCESS_COORDINATOR, ACCESS_COORDINATOR | ACCESS_WORKER}, // of one of the above
    // Frames of the data flow
    {"exchange", ACCESS_WORKER, ACCESS_WORKER},
};

const struct access_rule *access_rule_at(size_t index)
{
    return index < sizeof access_rules / sizeof *access_rules ? &access_rules[index] : NULL;
}

const struct access_rule *access_rule_find(const char *verb, const char *option)
{
    for (size_t i = 0; i < sizeof access_rules / sizeof *access_rules; i++) {
        const struct access_rule *rule = &access_rules[i];
        bool same = option ? rule->option && strcmp(rule->option, option) == 0 : !rule->option;
        if (same && strcmp(rule->verb, verb) == 0) return rule;
    }
    return NULL;
}

const struct access_message *access_message_at(size_t index)
{
    return index < sizeof access_messages / sizeof *access_messages ? &access_messages[index] : NULL;
}

unsigned access_message_sender(enum access_role at, enum envelope_kind kind)
{
    if (at == ACCESS_COORDINATOR) return kind == ENVELOPE_EXCHANGE ? 0 : ACCESS_WORKER;
    if (at == ACCESS_WORKER) return kind == ENVELOPE_EXCHANGE ? ACCESS_WORKER : ACCESS_COORDINATOR;
    return 0;
}
