// Metrics of the process itself, as Prometheus reads them.
#include "cli/process_metrics.h"

#include "common/base/clock.h"
#include "common/base/memory.h"

void process_metrics_print(const struct rpc_counters *counters, struct text *text)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } metrics[] = {
        {"foreset_rpc_sent_total", "Messages sent.", atomic_load(&counters->sent)},
        {"foreset_rpc_sent_bytes_total", "Bytes sent.", atomic_load(&counters->sent_bytes)},
        {"foreset_rpc_received_total", "Messages received.", atomic_load(&counters->received)},
        {"foreset_rpc_received_bytes_total", "Bytes received.", atomic_load(&counters->received_bytes)},
        {"foreset_rpc_requests_total", "Commands received.", atomic_load(&counters->requests)},
        {"foreset_rpc_refused_total", "Commands refused.", atomic_load(&counters->refused)},
        {"foreset_rpc_malformed_total", "Frames that closed their connection.", atomic_load(&counters->malformed)},
        {"foreset_rpc_dropped_total", "Messages not sent in time.",
         atomic_load(&counters->dropped_unknown) + atomic_load(&counters->dropped_full) +
             atomic_load(&counters->dropped_late) + atomic_load(&counters->dropped_hangup)},
        {"foreset_rpc_unacknowledged_total", "Messages sent on a connection that broke.",
         atomic_load(&counters->unacknowledged)},
        {"foreset_rpc_connections_total", "Connections accepted.", atomic_load(&counters->connections)},
        {"foreset_rpc_connections_refused_total", "Connections closed at once.",
         atomic_load(&counters->connections_refused)},
        {"foreset_rpc_handshakes_failed_total", "TLS handshakes of accepted connections that failed.",
         atomic_load(&counters->handshakes_failed)},
        {"foreset_rpc_reconnected_total", "Connections made again.", atomic_load(&counters->reconnected)},
        {"foreset_rpc_errors_total", "Other errors of the transport.", atomic_load(&counters->errors)}};
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        text_printf(text, "# HELP %s %s\n# TYPE %s counter\n%s %llu\n", metrics[i].name, metrics[i].help,
                    metrics[i].name, metrics[i].name, (unsigned long long)metrics[i].value);
    }
    text_printf(text,
                "# HELP process_resident_memory_bytes What the process has in RAM.\n"
                "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n"
                "# HELP process_cpu_seconds_total CPU time of the process.\n"
                "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n",
                (unsigned long long)memory_resident_bytes(), (double)clock_process_cpu_us() / 1e6);
}
