/* sim_map: mappings of simulated files, and anonymous address space, which is real.
 *
 * A mapping is a second address of the cache's pages, made by mremap with an old size of zero. Pages
 * wholly beyond the file's end cannot be touched through it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/sim_inner.h"

static uint64_t round_page(uint64_t bytes)
{
    return (bytes + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
}

static void protect(struct area *area)
{
    int allowed = PROT_READ | (area->writable ? PROT_WRITE : 0);
    uint64_t whole = round_page(area->bytes), inside = round_page(area->inode->size);

    if (inside > whole)
        inside = whole;
    if (inside > 0)
        mprotect(area->at, inside, allowed);
    if (inside < whole)
        mprotect(area->at + inside, whole - inside, PROT_NONE);
}

void sim_area_protect(struct inode *inode)
{
    struct handle *end = &inode->sim->handles;
    if (inode->maps == 0)
        return;
    for (struct handle *handle = end->next; handle != end; handle = handle->next)
        if (handle->kind == HANDLE_AREA && ((struct area *)handle)->inode == inode)
            protect((struct area *)handle);
}

static struct area *find_area(struct sim *sim, const void *at)
{
    for (struct handle *handle = sim->handles.next; handle != &sim->handles; handle = handle->next) {
        struct area *area = (struct area *)handle;
        if (handle->kind == HANDLE_AREA && (const unsigned char *)at >= area->at &&
            (const unsigned char *)at < area->at + area->bytes)
            return area;
    }
    return NULL;
}

static struct area *add_area(struct sim *sim, struct inode *inode, const char *name, void *at, uint64_t bytes)
{
    struct area *area = sim_memory(sizeof *area);
    area->inode = inode;
    area->at = at;
    area->bytes = bytes;
    strcpy(area->name, name);
    sim_handle_add(sim, &area->handle, HANDLE_AREA, inode ? "mapping of" : "reservation", name);
    return area;
}

static int map_file(struct lk_file *file, uint64_t bytes, int writable, void **out)
{
    struct inode *inode = file->inode;
    struct area *area;
    void *at;

    if (bytes == 0 || bytes > file->sim->config.file_bytes)
        return -EINVAL;
    if (writable && !file->writable)
        return -EACCES;
    at = mremap(sim_inode_cache(inode), 0, round_page(bytes), MREMAP_MAYMOVE);
    if (at == MAP_FAILED)
        return -errno;
    area = add_area(file->sim, inode, file->name, at, bytes);
    area->writable = writable;
    inode->maps++;
    inode->writable_maps += writable != 0;
    protect(area);
    *out = at;
    return 0;
}

int sim_map(struct lk_file *file, uint64_t bytes, int writable, void **out)
{
    int rc = sim_begin(file->sim, SIM_MAP, file->name, bytes, writable != 0);
    *out = NULL;
    if (rc == 0)
        rc = map_file(file, bytes, writable, out);
    return (int)sim_leave(file->sim, rc);
}

void sim_unmap(struct lk_env *env, void *at, uint64_t bytes)
{
    struct sim *sim = (struct sim *)env;
    struct area *area = find_area(sim, at);

    if (!area || !area->inode || area->at != at || area->bytes != bytes) {
        sim_violate(sim, "unmap of %llu bytes that were not mapped so", (unsigned long long)bytes);
        return;
    }
    sim_capture(sim);
    area->inode->maps--;
    area->inode->writable_maps -= area->writable != 0;
    munmap(at, round_page(bytes));
    sim_handle_drop(&area->handle);
    sim_collect(sim);
}

/* Why the range is no part of a mapping of the file, as a negative errno, or 0. */
static int check_range(struct sim *sim, struct inode *inode, const void *at, uint64_t offset, uint64_t bytes)
{
    struct area *area = find_area(sim, at);
    if (area && area->inode && (!inode || area->inode == inode) && area->at == at && offset <= area->bytes &&
        bytes <= area->bytes - offset)
        return 0;
    sim_violate(sim, "map_sync of %llu bytes at %llu is outside the mapping", (unsigned long long)bytes,
                (unsigned long long)offset);
    return -ENOMEM;
}

int sim_map_sync(struct lk_file *file, void *at, uint64_t offset, uint64_t bytes)
{
    struct sim *sim = file->sim;
    struct inode *inode = file->inode;
    const struct sim_fault *hit;
    int rc = sim_enter(sim, SIM_MAP_SYNC, file->name, offset, bytes, &hit);

    if (rc == 0)
        rc = check_range(sim, inode, at, offset, bytes);
    if (rc == 0) {
        rc = -inode->late_errno;
        inode->late_errno = 0;
    }
    if (rc == 0 && hit) {
        sim_inode_fail_sync(inode, offset, bytes, hit->kernel);
        if (hit->kernel == SIM_LATE)
            inode->late_errno = hit->err;
        else
            rc = -hit->err;
    } else if (rc == 0 && bytes > 0) {
        sim_inode_sync_range(inode, offset, bytes);
        sim_next_op(sim);
    }
    return (int)sim_leave(sim, rc);
}

int sim_map_prefault(struct lk_env *env, void *at, uint64_t bytes)
{
    struct sim *sim = (struct sim *)env;
    struct area *area = find_area(sim, at);
    uint64_t start = area ? (uint64_t)((unsigned char *)at - area->at) : 0;
    int rc = sim_begin(sim, SIM_MAP_PREFAULT, area ? area->name : "", start, bytes);

    if (rc == 0 && (!area || bytes > area->bytes - start))
        rc = -ENOMEM;
    if (rc == 0 && area->inode && bytes > 0 && start + bytes > round_page(area->inode->size))
        rc = -EIO; /* beyond the end of the file */
    return (int)sim_leave(sim, rc);
}

void sim_resident(struct lk_env *env, uint64_t *anonymous, uint64_t *files)
{
    (void)env;
    *anonymous = *files = 0;
}

uint64_t sim_memory_limit(struct lk_env *env)
{
    (void)env;
    return UINT64_MAX;
}

void sim_map_hot(struct lk_env *env, void *at, uint64_t bytes)
{
    (void)env, (void)at, (void)bytes;
}

int64_t sim_map_resident(struct lk_env *env, const void *at, uint64_t bytes)
{
    struct sim *sim = (struct sim *)env;
    struct area *area = find_area(sim, at);
    int rc = sim_begin(sim, SIM_MAP_RESIDENT, area ? area->name : "", 0, bytes);

    if (rc == 0 && !area)
        rc = -ENOMEM;
    return sim_leave(sim, rc < 0 ? rc : sim->resident ? (int64_t)bytes : 0);
}

/* ---- anonymous address space ---------------------------------------------------------------- */

/* Small reservations come from the heap: an open of a small store asks for a dozen, an image is opened twice, and
 * there are millions of images. */
#define SMALL_BYTES (32u << 10)

static int reserve(uint64_t bytes, void **out)
{
    if (bytes > SMALL_BYTES)
        return lk_env_posix()->ops->reserve(lk_env_posix(), bytes, out);
    *out = aligned_alloc(SIM_PAGE, round_page(bytes + (bytes == 0)));
    if (!*out)
        abort();
    memset(*out, 0, round_page(bytes));
    return 0;
}

void sim_area_free(struct area *area)
{
    if (area->inode)
        munmap(area->at, round_page(area->bytes));
    else if (area->bytes <= SMALL_BYTES)
        free(area->at);
    else
        lk_env_posix()->ops->unreserve(lk_env_posix(), area->at, area->bytes);
}

int sim_reserve(struct lk_env *env, uint64_t bytes, void **out)
{
    struct sim *sim = (struct sim *)env;
    int rc = sim_begin(sim, SIM_RESERVE, "", bytes, 0);

    *out = NULL;
    if (rc == 0)
        rc = reserve(bytes, out);
    if (rc == 0)
        add_area(sim, NULL, "", *out, bytes);
    return (int)sim_leave(sim, rc);
}

void sim_unreserve(struct lk_env *env, void *at, uint64_t bytes)
{
    struct sim *sim = (struct sim *)env;
    struct area *area = find_area(sim, at);

    if (!area || area->inode || area->at != at || area->bytes != bytes) {
        sim_violate(sim, "unreserve of %llu bytes that were not reserved so", (unsigned long long)bytes);
        return;
    }
    sim_area_free(area);
    sim_handle_drop(&area->handle);
}

int sim_discard(struct lk_env *env, void *at, uint64_t bytes)
{
    struct sim *sim = (struct sim *)env;
    struct area *area = find_area(sim, at);
    int rc = sim_begin(sim, SIM_DISCARD, "", bytes, 0);

    if (rc == 0 && area && !area->inode && area->bytes <= SMALL_BYTES)
        memset(at, 0, bytes);
    else if (rc == 0)
        rc = lk_env_posix()->ops->discard(lk_env_posix(), at, bytes);
    return (int)sim_leave(sim, rc);
}

uint64_t sim_page_bytes(struct lk_env *env)
{
    (void)env;
    return 4096;
}
