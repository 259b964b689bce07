/* sim_call: what every operation goes through: it is counted, it may be the one where the power goes,
 * it may be made to fail, and it is written down. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_inner.h"

const char *sim_call_name(enum sim_call call)
{
    static const char *const names[] = {
#define X(name) #name,
        SIM_CALL_TABLE(X)
#undef X
    };
    return call < SIM_CALLS ? names[call] : "ANY";
}

/* ---- trace ---------------------------------------------------------------------------------- */

static void LK_PRINTF(2, 3) say(struct sim *sim, const char *format, ...)
{
    char line[256];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof line)
        length = (int)sizeof line - 1;
    if (sim->text_count + (size_t)length + 1 > sim->text_room) {
        sim->text_room = sim->text_room * 2 + 4096;
        sim->text = sim_grow(sim->text, sim->text_room);
    }
    memcpy(sim->text + sim->text_count, line, (size_t)length + 1);
    sim->text_count += (size_t)length;
}

const char *sim_trace(const struct sim *sim)
{
    return sim->text ? sim->text : "";
}

/* ---- boundaries ----------------------------------------------------------------------------- */

uint64_t sim_boundaries(const struct sim *sim)
{
    return sim->boundary;
}

uint64_t sim_calls(const struct sim *sim, enum sim_call call)
{
    return sim->calls[call];
}

void sim_capture(struct sim *sim)
{
    if (sim->stopped)
        return;
    for (struct inode *inode = sim->inodes; inode; inode = inode->next)
        if (inode->writable_maps)
            sim_inode_capture(inode, 1);
}

void sim_stop_at(struct sim *sim, uint64_t boundary, enum sim_stop how)
{
    sim->stop_at = boundary;
    sim->stop_how = how;
}

void sim_stop_now(struct sim *sim, enum sim_stop how)
{
    if (sim->stopped)
        return;
    sim_capture(sim);
    sim->stopped = 1;
    if (sim->config.trace)
        say(sim, "%llu STOP %s\n", (unsigned long long)sim->boundary, how == SIM_POWER ? "power" : "kill");
}

int sim_stopped(const struct sim *sim)
{
    return sim->stopped;
}

uint64_t sim_boundary_state(const struct sim *sim, uint64_t boundary)
{
    return boundary < sim->boundary ? sim->states[boundary] : sim->op;
}

static void count_boundary(struct sim *sim)
{
    if (sim->boundary == sim->state_room) {
        sim->state_room = sim->state_room * 2 + 256;
        sim->states = sim_grow(sim->states, sim->state_room * sizeof *sim->states);
    }
    sim->states[sim->boundary++] = sim->op;
}

/* ---- faults --------------------------------------------------------------------------------- */

void sim_fail(struct sim *sim, const struct sim_fault *fault)
{
    if (sim->fault_count == FAULTS_MAX)
        abort();
    sim->faults[sim->fault_count].fault = *fault;
    sim->faults[sim->fault_count++].seen = 0;
}

void sim_fail_none(struct sim *sim)
{
    sim->fault_count = 0;
}

uint64_t sim_fired(const struct sim *sim)
{
    return sim->fired;
}

static const struct sim_fault *find_fault(struct sim *sim, enum sim_call call, const char *name)
{
    const struct sim_fault *hit = NULL;

    for (unsigned i = 0; i < sim->fault_count; i++) {
        const struct sim_fault *fault = &sim->faults[i].fault;
        if (fault->call != SIM_CALLS && fault->call != call)
            continue;
        if (fault->only && !strstr(name, fault->only))
            continue;
        sim->faults[i].seen++;
        if (sim->faults[i].seen == fault->nth || (fault->forever && sim->faults[i].seen > fault->nth))
            hit = fault;
    }
    sim->fired += hit != NULL;
    return hit;
}

/* Memory, chance and threads are not on the disk: no boundaries, and they go on after the stop. */
static int is_boundary(enum sim_call call)
{
    return call < SIM_RESERVE;
}

int sim_enter(struct sim *sim, enum sim_call call, const char *name, uint64_t a, uint64_t b,
              const struct sim_fault **hit)
{
    *hit = NULL;
    if (is_boundary(call)) {
        if (!sim->stopped && sim->boundary >= sim->stop_at)
            sim_stop_now(sim, sim->stop_how);
        if (sim->stopped)
            return -EIO;
        if (!sim->config.no_history)
            sim_capture(sim);
        count_boundary(sim);
    }
    sim->calls[call]++;
    if (sim->config.trace)
        say(sim, "%llu %s %s %llu %llu", (unsigned long long)sim->boundary - 1, sim_call_name(call),
            name[0] ? name : "-", (unsigned long long)a, (unsigned long long)b);
    *hit = find_fault(sim, call, name);
    return 0;
}

int64_t sim_leave(struct sim *sim, int64_t rc)
{
    if (sim->config.trace && sim->text_count && sim->text[sim->text_count - 1] != '\n')
        say(sim, " = %lld\n", (long long)rc);
    return rc;
}

int sim_begin(struct sim *sim, enum sim_call call, const char *name, uint64_t a, uint64_t b)
{
    const struct sim_fault *hit;
    int rc = sim_enter(sim, call, name, a, b, &hit);
    return rc == 0 && hit ? -hit->err : rc;
}
