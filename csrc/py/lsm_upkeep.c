/* lsm_upkeep: long calls. All of them are made without the interpreter lock. */
#include <string.h>

#include "py/errors.h"
#include "py/lsm_type.h"
#include "py/progress.h"
#include "py/range.h"

static struct lsm_store *as_store(PyObject *self)
{
    return (struct lsm_store *)self;
}

static PyObject *none_or_fail(struct lsm_store *store, int rc)
{
    return rc == 0 ? Py_NewRef(Py_None) : lsm_fail(&store->head, rc);
}

static PyObject *call_waiting(struct lsm_store *store, int (*engine_call)(lsmkv *))
{
    int rc;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc = engine_call(store->db);
    Py_END_ALLOW_THREADS return none_or_fail(store, rc);
}

PyObject *lsm_store_flush(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return call_waiting(as_store(self), lsmkv_flush);
}

PyObject *lsm_store_sync(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return call_waiting(as_store(self), lsmkv_sync);
}

/* ---- compact ----------------------------------------------------------------------------- */

/* start and stop: exact bytes or NULL. */
static PyObject *compact(struct lsm_store *store, PyObject *start, PyObject *stop, PyObject *callable)
{
    const struct lsm_range range = {.start = start, .stop = stop};
    struct lsmkv_range lent;
    struct lsm_progress progress;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    lsm_range_lend(&range, &lent);
    lsm_progress_begin(&progress, callable, "compact");
    int rc =
        lsmkv_compact(store->db, start ? &lent.start : NULL, stop ? &lent.stop : NULL, lsm_progress_report, &progress);
    lsm_progress_end(&progress);
    return progress.raised ? NULL : none_or_fail(store, rc);
}

PyObject *lsm_store_compact(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"compact", 2, 0, 3, {"start", "stop", "progress"}};
    PyObject *given[3], *start = NULL, *stop = NULL, *answer = NULL;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_progress_check(given[2]) < 0)
        return NULL;
    struct lsm_codec *codec = as_store(self)->key_codec;
    if (lsm_key_bound(codec, given[0], &start) == 0 && lsm_key_bound(codec, given[1], &stop) == 0)
        answer = compact(as_store(self), start, stop, given[2]);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return answer;
}

/* ---- verify ------------------------------------------------------------------------------ */

/* What verification found. Gathered without the interpreter lock, so in raw memory. */
struct damage {
    struct lsm_progress progress; /* first: it is the context of both callbacks */
    struct lsmkv_error *places;   /* owned */
    size_t count, room;
    int out_of_memory;
};

static void found(void *context, const struct lsmkv_error *place)
{
    struct damage *damage = context;
    if (damage->count == damage->room) {
        size_t room = damage->room ? damage->room * 2 : 8;
        struct lsmkv_error *grown = PyMem_RawRealloc(damage->places, room * sizeof *grown);
        damage->out_of_memory |= !grown;
        if (!grown)
            return;
        damage->places = grown;
        damage->room = room;
    }
    damage->places[damage->count++] = *place;
}

static PyObject *damage_list(struct lsm_module *module, const struct damage *damage)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < damage->count; i++) {
        PyObject *error = lsm_new_corruption(module, &damage->places[i], NULL);
        if (!error || PyList_Append(list, error) < 0)
            Py_CLEAR(list);
        Py_XDECREF(error);
    }
    return list;
}

/* The first place is raised; it knows the others, and which store it is. */
static PyObject *raise_damage(const struct lsm_store *store, const struct damage *damage)
{
    struct lsm_module *module = store->head.module;
    PyObject *list = damage_list(module, damage);
    PyObject *first = list ? lsm_new_corruption(module, &damage->places[0], store->path) : NULL;
    if (first && PyObject_SetAttrString(first, "damage", list) == 0)
        PyErr_SetObject((PyObject *)Py_TYPE(first), first);
    Py_XDECREF(first);
    Py_XDECREF(list);
    return NULL;
}

static PyObject *verify_answer(struct lsm_store *store, const struct damage *damage, int rc)
{
    if (damage->progress.raised)
        return NULL;
    if (damage->out_of_memory)
        return PyErr_NoMemory();
    if (damage->count > 0 && (rc == 0 || rc == LSMKV_CORRUPT))
        return raise_damage(store, damage);
    return none_or_fail(store, rc);
}

PyObject *lsm_store_verify(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"verify", 0, 0, 1, {"progress"}};
    struct lsm_store *store = as_store(self);
    struct damage damage = {0};
    PyObject *given[1];
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_progress_check(given[0]) < 0 ||
        lsm_enter(&store->head) < 0)
        return NULL;
    lsm_progress_begin(&damage.progress, given[0], "verify");
    int rc = lsmkv_verify(store->db, found, lsm_progress_report, &damage);
    lsm_progress_end(&damage.progress);
    PyObject *answer = verify_answer(store, &damage, rc);
    PyMem_RawFree(damage.places);
    return answer;
}

/* ---- step -------------------------------------------------------------------------------- */

PyObject *lsm_store_step(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_store *store = as_store(self);
    struct lsmkv_step did;
    int rc;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    memset(&did, 0, sizeof did);
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_step(store->db, &did);
    Py_END_ALLOW_THREADS if (rc == LSMKV_NOTFOUND) Py_RETURN_NONE;
    if (rc != 0)
        return lsm_fail(&store->head, rc);
    return Py_BuildValue("{s:s, s:s, s:K, s:K, s:K, s:K, s:K}", "what", did.what, "why", did.why, /* */
                         "bytes_in", (unsigned long long)did.bytes_in, "bytes_out", (unsigned long long)did.bytes_out,
                         "records_in", (unsigned long long)did.records_in, "records_out",
                         (unsigned long long)did.records_out, "nanoseconds", (unsigned long long)did.nanoseconds);
}

/* ---- pauses ------------------------------------------------------------------------------ */

/* lsmkv.pausing.Paused(self), which calls the two below. */
PyObject *lsm_store_compaction_paused(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (lsm_enter(&as_store(self)->head) < 0)
        return NULL;
    PyObject *from = PyImport_ImportModule("lsmkv.pausing");
    PyObject *paused = from ? PyObject_CallMethod(from, "Paused", "O", self) : NULL;
    Py_XDECREF(from);
    return paused;
}

PyObject *lsm_store_pause(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return call_waiting(as_store(self), lsmkv_pause);
}

PyObject *lsm_store_resume(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return call_waiting(as_store(self), lsmkv_resume);
}

PyObject *lsm_store_pending(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_store *store = as_store(self);
    uint32_t jobs;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS jobs = lsmkv_pending(store->db);
    Py_END_ALLOW_THREADS return PyLong_FromUnsignedLong(jobs);
}
