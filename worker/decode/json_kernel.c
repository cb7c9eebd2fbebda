// Which instruction set the scanner uses: the best of the processor, or a lesser one that FORESET_SIMD names.
#include <pthread.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "worker/decode/json_context.h"

static const struct json_kernel *kernel_chosen;
static pthread_once_t kernel_once = PTHREAD_ONCE_INIT;

// The kernel of that name if this machine can run it; NULL: the best.
static const struct json_kernel *kernel_named(const char *name)
{
    const struct json_kernel *usable[4];
    size_t count = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
        usable[count++] = &json_avx2_kernel;
    }
    usable[count++] = &json_sse2_kernel;
#elif defined(__aarch64__)
    usable[count++] = &json_neon_kernel;
#endif
    usable[count++] = &json_scalar_kernel;
    for (size_t i = 0; i < count; i++) {
        if (!name || slice_equal_nocase(slice_str(name), slice_str(usable[i]->name))) return usable[i];
    }
    return NULL;
}

static void kernel_choose(void)
{
    const char *name = getenv("FORESET_SIMD");
    kernel_chosen = kernel_named(name && *name ? name : NULL);
    if (kernel_chosen) return;
    kernel_chosen = kernel_named(NULL);
    log_warn("simd_unknown", "FORESET_SIMD=%s using=%s", name, kernel_chosen->name);
}

const struct json_kernel *json_kernel_get(void)
{
    pthread_once(&kernel_once, kernel_choose);
    return kernel_chosen;
}

bool json_kernel_set(const char *name)
{
    const struct json_kernel *kernel = kernel_named(name);
    pthread_once(&kernel_once, kernel_choose);
    if (kernel) kernel_chosen = kernel;
    return kernel != NULL;
}
