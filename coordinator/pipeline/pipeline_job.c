// Blocking steps of a pipeline. A job that ends after its pipeline is gone is released without being looked at.
#include "coordinator/pipeline/pipeline_private.h"

static void pipeline_job_run(struct seam_job *base)
{
    struct pipeline_job *job = (struct pipeline_job *)base;
    job->status = job->act(job, &job->err);
    ASSERT(job->status == STATUS_OK || job->err.code != STATUS_OK);
}

static void pipeline_job_drop(struct seam_job *base)
{
    struct pipeline_job *job = (struct pipeline_job *)base;
    if (job->release) job->release(job);
    memory_free(job);
}

static void pipeline_job_done(struct seam_job *base)
{
    struct pipeline_job *job = (struct pipeline_job *)base;
    struct pipeline *pipeline = job->pipeline;
    ASSERT(pipeline->jobs > 0);
    pipeline->jobs--;
    job->finished(job);
    pipeline_job_drop(base);
    pipeline_settle(pipeline);
}

void *pipeline_job_create(struct pipeline *pipeline, size_t size,
                          enum status (*act)(struct pipeline_job *, struct error *),
                          void (*finished)(struct pipeline_job *), void (*release)(struct pipeline_job *))
{
    ASSERT(size >= sizeof(struct pipeline_job));
    struct pipeline_job *job = memory_calloc(1, size);
    job->job = (struct seam_job){.run = pipeline_job_run, .done = pipeline_job_done, .drop = pipeline_job_drop};
    job->pipeline = pipeline;
    job->act = act;
    job->finished = finished;
    job->release = release;
    return job;
}

void pipeline_job_spawn(struct pipeline_job *job)
{
    job->pipeline->jobs++;
    job->pipeline->seam->ops->spawn(job->pipeline->seam, &job->job);
}
