/* sim: life of a simulator, its clock, the table of operations, and the test's own look at the disk. */
#include "sim/sim.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/sim_inner.h"

/* ---- small things --------------------------------------------------------------------------- */

void *sim_memory(size_t bytes)
{
    void *at = calloc(1, bytes ? bytes : 1);
    if (!at)
        abort();
    return at;
}

void *sim_grow(void *at, size_t bytes)
{
    void *to = realloc(at, bytes);
    if (!to)
        abort();
    return to;
}

uint64_t sim_mix(uint64_t value)
{
    value += 0x9E3779B97F4A7C15ull;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

uint64_t sim_next_op(struct sim *sim)
{
    sim->ops_valid = 0;
    return ++sim->op;
}

void sim_violate(struct sim *sim, const char *format, ...)
{
    char text[sizeof sim->violation];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (sim->violations++ == 0)
        memcpy(sim->violation, text, sizeof text);
}

const char *sim_check(const struct sim *sim)
{
    return sim->violations ? sim->violation : NULL;
}

unsigned sim_violations(const struct sim *sim)
{
    return sim->violations;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct sim *sim_new(const struct sim_config *config)
{
    static uint64_t serial;
    struct sim *sim = sim_memory(sizeof *sim);

    sim->env.ops = &sim_ops;
    if (config)
        sim->config = *config;
    if (sim->config.file_bytes == 0)
        sim->config.file_bytes = 64u << 20;
    sim->config.file_bytes = (sim->config.file_bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
    if (sim->config.pid == 0)
        sim->config.pid = 4242;
    sim->serial = __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
    sim->inode_tail = &sim->inodes;
    sim->handles.next = sim->handles.previous = &sim->handles;
    sim->stop_at = UINT64_MAX;
    sim->clock_ns = 1000000000;
    sim->random_state = sim_mix(sim->config.seed);
    sim->resident = 1;
    return sim;
}

struct lk_env *sim_env(struct sim *sim)
{
    return &sim->env;
}

void sim_handle_add(struct sim *sim, struct handle *handle, enum handle_kind kind, const char *word, const char *name)
{
    snprintf(handle->what, sizeof handle->what, "%s %.63s", word, name);
    handle->kind = kind;
    handle->next = sim->handles.next;
    handle->previous = &sim->handles;
    sim->handles.next->previous = handle;
    sim->handles.next = handle;
}

void sim_handle_drop(struct handle *handle)
{
    handle->next->previous = handle->previous;
    handle->previous->next = handle->next;
    free(handle);
}

static unsigned drop_handles(struct sim *sim)
{
    unsigned count = 0;
    while (sim->handles.next != &sim->handles) {
        struct handle *handle = sim->handles.next;
        fprintf(stderr, "sim: still held: %s\n", handle->what);
        if (handle->kind == HANDLE_AREA)
            sim_area_free((struct area *)handle);
        sim_handle_drop(handle);
        count++;
    }
    return count;
}

unsigned sim_free(struct sim *sim)
{
    unsigned held = drop_handles(sim);

    while (sim->inodes) {
        struct inode *next = sim->inodes->next;
        sim_inode_free(sim->inodes);
        sim->inodes = next;
    }
    while (sim->directories) {
        struct directory *next = sim->directories->next;
        free(sim->directories->now.at);
        free(sim->directories->disk.at);
        free(sim->directories->ops);
        free(sim->directories);
        sim->directories = next;
    }
    free(sim->states);
    free(sim->text);
    free(sim->ops);
    free(sim->said);
    free(sim);
    return held;
}

/* ---- clock, chance, threads ----------------------------------------------------------------- */

static struct sim *sim_of(struct lk_env *env)
{
    return (struct sim *)env;
}

static uint64_t monotonic_ns(struct lk_env *env)
{
    return sim_of(env)->clock_ns += 1000;
}

static uint64_t wall_ns(struct lk_env *env)
{
    return 1700000000000000000ull + monotonic_ns(env);
}

static void sleep_ns(struct lk_env *env, uint64_t ns)
{
    sim_of(env)->clock_ns += ns;
}

void sim_advance(struct sim *sim, uint64_t ns)
{
    sim->clock_ns += ns;
}

static int fill_random(struct lk_env *env, void *to, size_t bytes)
{
    struct sim *sim = sim_of(env);
    unsigned char *at = to;
    int rc = sim_begin(sim, SIM_RANDOM, "", bytes, 0);

    for (size_t i = 0; rc == 0 && i < bytes; i++)
        at[i] = (unsigned char)(sim->random_state = sim_mix(sim->random_state));
    return (int)sim_leave(sim, rc);
}

static int process_id(struct lk_env *env)
{
    return sim_of(env)->config.pid;
}

static int thread_start(struct lk_env *env, const char *name, void (*run)(void *arg), void *arg, struct lk_thread **out)
{
    int rc = sim_begin(sim_of(env), SIM_THREAD_START, name, 0, 0);

    (void)run;
    (void)arg;
    *out = NULL;
    return (int)sim_leave(sim_of(env), rc < 0 ? rc : -EAGAIN);
}

static void thread_join(struct lk_thread *thread)
{
    (void)thread;
    abort(); /* none was ever started */
}

/* ---- looking and planting ------------------------------------------------------------------- */

static void plant(struct sim *sim, const char *path, const char *name, struct inode *inode)
{
    struct directory *dir = sim_directory(sim, path, 1);
    dir->exists = dir->disk_exists = 1;
    sim_entries_set(&dir->now, name, inode);
    sim_entries_set(&dir->disk, name, inode);
    sim_next_op(sim);
    sim_collect(sim);
}

void sim_put(struct sim *sim, const char *path, const char *name, const void *bytes, uint64_t count)
{
    struct inode *inode = sim_inode_new(sim, SIM_FILE);
    if (count) {
        sim_inode_write(inode, 0, bytes, count);
        sim_inode_settle(inode);
    }
    plant(sim, path, name, inode);
}

void sim_put_strange(struct sim *sim, const char *path, const char *name, enum sim_type type)
{
    plant(sim, path, name, sim_inode_new(sim, type));
}

static struct entry *find(struct sim *sim, const char *path, const char *name, int durable)
{
    struct directory *dir = sim_directory(sim, path, 0);
    if (!dir || !(durable ? dir->disk_exists : dir->exists))
        return NULL;
    return sim_entries_find(durable ? &dir->disk : &dir->now, name);
}

const unsigned char *sim_look(struct sim *sim, const char *path, const char *name, uint64_t *count)
{
    struct entry *entry = find(sim, path, name, 0);
    *count = entry ? entry->inode->size : 0;
    return entry ? sim_inode_bytes(entry->inode) : NULL;
}

const unsigned char *sim_look_durable(struct sim *sim, const char *path, const char *name, uint64_t *count)
{
    struct entry *entry = find(sim, path, name, 1);
    sim_capture(sim);
    *count = entry ? entry->inode->disk->bytes : 0;
    return entry ? entry->inode->disk->at : NULL;
}

void sim_set_resident(struct sim *sim, int resident)
{
    sim->resident = resident;
}

const char *sim_image_name(const struct sim *sim)
{
    return sim->image_name;
}

int sim_has_space(struct sim *sim, const struct inode *inode, uint64_t size)
{
    uint64_t used = 0;
    if (sim->config.space_bytes == 0 || size <= inode->size)
        return 1;
    for (const struct inode *each = sim->inodes; each; each = each->next)
        used += each == inode ? size : each->size;
    return used <= sim->config.space_bytes;
}

int sim_name_check(struct sim *sim, const char *name)
{
    if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        sim_violate(sim, "the name \"%.64s\" is a path", name);
        return -EINVAL;
    }
    if (strlen(name) >= NAME_BYTES)
        return -ENAMETOOLONG;
    return name[0] ? 0 : -ENOENT;
}

/* ---- the table ------------------------------------------------------------------------------ */

const struct lk_env_ops sim_ops = {
    .dir_open = sim_dir_open,
    .dir_close = sim_dir_close,
    .dir_sync = sim_dir_sync,
    .dir_list = sim_dir_list,
    .dir_id = sim_dir_id,
    .dir_can_map = sim_dir_can_map,
    .rename = sim_rename,
    .remove = sim_remove,
    .dir_remove = sim_dir_remove,
    .lock = sim_lock,
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .size = sim_size,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .will_need = sim_will_need,
    .will_read = sim_will_read,
    .forget = sim_forget,
    .map = sim_map,
    .map_hot = sim_map_hot,
    .unmap = sim_unmap,
    .map_sync = sim_map_sync,
    .map_prefault = sim_map_prefault,
    .map_resident = sim_map_resident,
    .reserve = sim_reserve,
    .unreserve = sim_unreserve,
    .discard = sim_discard,
    .page_bytes = sim_page_bytes,
    .resident = sim_resident,
    .memory_limit = sim_memory_limit,
    .monotonic_ns = monotonic_ns,
    .wall_ns = wall_ns,
    .sleep_ns = sleep_ns,
    .random = fill_random,
    .pid = process_id,
    .thread_start = thread_start,
    .thread_join = thread_join,
    .note = sim_note,
};
