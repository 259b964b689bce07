/* iter_type: pairs come out of the engine in chunks and out of the iterator one by one.
 *
 *       engine                      kept                         Python
 *   begin .. end      k v k v k v k v k v ...        (k, v)
 *   lends 16, 64, then 256 pairs    owned bytes, head -> count    built when asked for
 *
 * While a chunk is lent only bytes objects are made: they are not tracked, so no collection starts
 * and no Python code runs. Tuples are made later, outside. Any of them may start a collection, whose
 * finalizers may close the store or ask this very iterator for its next pair; so what was known
 * before is looked at again after.
 *
 * With codecs a chunk is kept as it is stored (iter_chunk.c), and decoded pair by pair: a codec may run Python code.
 *
 * `busy` is set while a refill is away without the interpreter lock, or a codec reads the chunk: another
 * thread's next() then raises. At its end the iterator lets go of everything it pinned. */
#include "py/iter_type.h"

#include "py/iter_chunk.h"

#include <string.h>

enum { CHUNK_FIRST = 16, CHUNK_GROWTH = 4, CHUNK_MAX = 256 };

struct lsm_iter {
    PyObject_HEAD struct lsm_source *source; /* owned; NULL when exhausted */
    lsmkv_iter *scan;          /* owned; NULL when exhausted; pins the source's snapshot */
    PyObject *pair;            /* owned: items, the tuple to use again when nobody else has it */
    struct lsm_chunk *coded;   /* owned: pairs as stored, when a codec makes objects of them; else NULL and */
    PyObject **kept;           /* owned, and the bytes in [head, count) too */
    uint32_t head, count, room;
    uint32_t chunk; /* pairs to ask for next */
    Py_ssize_t left; /* pairs still to be fetched; -1: no limit */
    char kind;       /* LSM_KEYS, LSM_VALUES or LSM_ITEMS */
    char busy;
    char broken; /* memory ran out in a refill: pairs are missing, so every later step says so */
    struct lsm_pacer pacer;
    PyObject *weakrefs;
};

/* ---- its end ----------------------------------------------------------------------------- */

static void drop_kept(struct lsm_iter *it)
{
    while (it->kept && it->head < it->count)
        Py_DECREF(it->kept[it->head++]);
    it->head = it->count = 0;
    PyMem_Free(it->kept);
    it->kept = NULL;
    it->room = 0;
}

/* Lets go of the scan and of the source; the last may run Python code, so it comes last. */
static void finish(struct lsm_iter *it)
{
    lsmkv_iter *scan = it->scan;
    struct lsm_source *source = it->source;
    it->scan = NULL;
    it->source = NULL;
    drop_kept(it);
    lsm_chunk_free(it->coded);
    it->coded = NULL;
    Py_CLEAR(it->pair);
    if (scan && lsm_is_ours(source->store))
        lsmkv_iter_free(scan);
    if (scan)
        lsm_unpin(source);
    Py_XDECREF(source);
}

/* ---- refilling --------------------------------------------------------------------------- */

static uint32_t stride(const struct lsm_iter *it)
{
    return it->kind == LSM_ITEMS ? 2 : 1;
}

static int reserve(struct lsm_iter *it, uint32_t pairs)
{
    uint32_t room = pairs * stride(it);
    if (room <= it->room)
        return 0;
    PyObject **grown = PyMem_Realloc(it->kept, room * sizeof *grown);
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    it->kept = grown;
    it->room = room;
    return 0;
}

static int keep_slice(struct lsm_iter *it, struct lsmkv_slice slice, int empty)
{
    PyObject *made = PyBytes_FromStringAndSize(empty ? NULL : slice.data, (Py_ssize_t)slice.size);
    if (made)
        it->kept[it->count++] = made;
    return made ? 0 : -1;
}

/* Makes the bytes objects of a chunk; `empty`: of the right sizes only. */
static int keep_pairs(struct lsm_iter *it, const struct lsmkv_pair *pairs, size_t count, int empty)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (it->kind != LSM_VALUES)
            rc = keep_slice(it, pairs[i].key, empty);
        if (rc == 0 && it->kind != LSM_KEYS)
            rc = keep_slice(it, pairs[i].value, empty);
    }
    return rc;
}

static void fill_in(struct lsm_iter *it, const struct lsmkv_pair *pairs, size_t count)
{
    PyObject **at = it->kept;
    for (size_t i = 0; i < count; i++) {
        if (it->kind != LSM_VALUES)
            memcpy(PyBytes_AS_STRING(*at++), pairs[i].key.data, pairs[i].key.size);
        if (it->kind != LSM_KEYS)
            memcpy(PyBytes_AS_STRING(*at++), pairs[i].value.data, pairs[i].value.size);
    }
}

static int is_large(const struct lsm_iter *it, const struct lsmkv_pair *pairs, size_t count)
{
    return it->kind != LSM_KEYS && count > 0 && pairs[count - 1].value.size > LSM_COPY_MAX;
}

/* Keeps a chunk as it is stored: one copy, made without the interpreter lock when it is large. */
static int keep_coded(struct lsm_iter *it, const struct lsmkv_pair *pairs, size_t count)
{
    lsmkv_iter *scan = it->scan;
    size_t bytes = lsm_chunk_bytes(pairs, count, it->kind);
    if (lsm_chunk_reserve(it->coded, bytes + 1, count) < 0) {
        lsmkv_iter_end(scan);
        PyErr_NoMemory();
        return -1;
    }
    if (bytes <= LSM_COPY_MAX) {
        lsm_chunk_copy(it->coded, pairs, count, it->kind);
        lsmkv_iter_end(scan);
    } else {
        Py_BEGIN_ALLOW_THREADS lsm_chunk_copy(it->coded, pairs, count, it->kind);
        lsmkv_iter_end(scan);
        Py_END_ALLOW_THREADS
    }
    it->count = (uint32_t)count;
    return 0;
}

/* Copies what is lent and gives it back. A large value ends its chunk; such a chunk is copied, and
 * given back, without the interpreter lock. 0 or -1. */
static int keep_chunk(struct lsm_iter *it, const struct lsmkv_pair *pairs, size_t count)
{
    int large = is_large(it, pairs, count);
    int rc = keep_pairs(it, pairs, count, large);
    if (rc < 0 || !large) {
        lsmkv_iter_end(it->scan);
        return rc;
    }
    lsmkv_iter *scan = it->scan;
    uint32_t made = it->count;
    it->count = 0; /* nobody may take them yet */
    Py_BEGIN_ALLOW_THREADS fill_in(it, pairs, count);
    lsmkv_iter_end(scan);
    Py_END_ALLOW_THREADS it->count = made;
    return 0;
}

/* 1: there are pairs; 0: the end; -1: an exception. */
static int fill(struct lsm_iter *it, struct lsm_source *source)
{
    struct lsmkv_pair pairs[CHUNK_MAX];
    size_t count = 0, most = it->chunk;
    lsmkv_iter *scan = it->scan;
    if (it->left >= 0 && (size_t)it->left < most)
        most = (size_t)it->left;
    if (most == 0)
        return 0;
    if (!it->coded && reserve(it, (uint32_t)most) < 0)
        return -1;
    it->head = it->count = 0;
    int rc = lsmkv_try_iter_begin(scan, most, LSM_COPY_MAX, pairs, &count);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_iter_begin(scan, most, LSM_COPY_MAX, pairs, &count);
        Py_END_ALLOW_THREADS
    }
    if (rc < 0)
        return lsm_fail(source, rc), -1;
    if (rc != 0)
        return 0;
    if (it->left > 0)
        it->left -= (Py_ssize_t)count;
    if (it->chunk < CHUNK_MAX)
        it->chunk *= CHUNK_GROWTH;
    it->broken = (it->coded ? keep_coded : keep_chunk)(it, pairs, count) < 0;
    if (it->broken)
        drop_kept(it);
    return it->broken ? -1 : 1;
}

static PyObject *refuse_sharing(void)
{
    PyErr_SetString(PyExc_RuntimeError, "this iterator is in use by another thread: make one per thread");
    return NULL;
}

/* As fill; signal handlers run first, and may have done anything, next() included. */
static int refill(struct lsm_iter *it)
{
    if (!it->busy && lsm_pace(&it->pacer) < 0)
        return -1;
    if (it->busy)
        return refuse_sharing(), -1;
    struct lsm_source *source = it->source;
    if (!it->scan)
        return 0;
    if (lsm_enter(source) < 0)
        return -1;
    if (it->head < it->count)
        return 1;
    if (it->broken)
        return PyErr_NoMemory(), -1;
    it->busy = 1;
    int ready = fill(it, source);
    it->busy = 0;
    if (ready == 0)
        finish(it);
    return ready;
}

/* ---- next -------------------------------------------------------------------------------- */

static PyObject *next_object(struct lsm_iter *it)
{
    return it->kept[it->head++];
}

/* The tuple of an earlier step, if nobody kept it. */
static int can_recycle(const struct lsm_iter *it)
{
#ifdef Py_GIL_DISABLED
    return it->pair && 0;
#else
    return it->pair && Py_REFCNT(it->pair) == 1;
#endif
}

static PyObject *recycle(struct lsm_iter *it)
{
    PyObject *pair = Py_NewRef(it->pair);
    for (Py_ssize_t i = 0; i < 2; i++) {
        PyObject *before = PyTuple_GET_ITEM(pair, i);
        PyTuple_SET_ITEM(pair, i, next_object(it));
        Py_DECREF(before);
    }
#if PY_VERSION_HEX >= 0x030E0000
    ((PyTupleObject *)pair)->ob_hash = -1;
#endif
    return pair;
}

static PyObject *fill_pair(struct lsm_iter *it, PyObject *pair)
{
    PyTuple_SET_ITEM(pair, 0, next_object(it));
    PyTuple_SET_ITEM(pair, 1, next_object(it));
    PyObject_GC_UnTrack(pair); /* two bytes objects cannot make a cycle */
    if (!it->pair)
        it->pair = Py_NewRef(pair);
    return pair;
}

/* The next pair of a chunk that is kept as stored. Decoding may run Python code: nobody refills meanwhile. */
static PyObject *next_coded(struct lsm_iter *it)
{
    const struct lsm_store *store = it->source->store;
    const struct lsmkv_pair *pair = &it->coded->pairs[it->head++];
    PyObject *key = NULL, *value = NULL, *both = NULL;
    it->busy = 1;
    if (it->kind != LSM_VALUES)
        key = lsm_key_object(store->key_codec, pair->key.data, pair->key.size);
    if (it->kind != LSM_KEYS && (key || it->kind == LSM_VALUES))
        value = lsm_value_object(store->value_codec, pair->value.data, pair->value.size);
    it->busy = 0;
    if (it->kind != LSM_ITEMS)
        return key ? key : value;
    if (key && value)
        both = PyTuple_Pack(2, key, value);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return both;
}

PyObject *lsm_iter_next(PyObject *self)
{
    struct lsm_iter *it = (struct lsm_iter *)self;
    for (;;) {
        if (it->head == it->count || !lsm_is_usable(it->source)) {
            if (refill(it) <= 0)
                return NULL;
        }
        if (it->coded && it->busy)
            return refuse_sharing();
        if (it->coded)
            return next_coded(it);
        if (it->kind != LSM_ITEMS)
            return next_object(it);
        if (can_recycle(it))
            return recycle(it);
        PyObject *pair = PyTuple_New(2); /* Python code may run: look again */
        if (!pair)
            return NULL;
        if (it->head < it->count && lsm_is_usable(it->source))
            return fill_pair(it, pair);
        Py_DECREF(pair);
    }
}

/* ---- its beginning ----------------------------------------------------------------------- */

static int is_coded(const struct lsm_store *store, char kind)
{
    return (kind != LSM_VALUES && store->key_codec) || (kind != LSM_KEYS && store->value_codec);
}

PyObject *lsm_iter_new(struct lsm_source *source, enum lsm_kind kind, const struct lsm_range *range, Py_ssize_t limit)
{
    struct lsmkv_range lent;
    if (lsm_enter(source) < 0)
        return NULL;
    struct lsm_iter *it = (struct lsm_iter *)source->module->iter_type->tp_alloc(source->module->iter_type, 0);
    if (!it) /* making it may have run Python code: enter again */
        return NULL;
    it->kind = (char)(kind == LSM_RANGE || kind == LSM_RAW_KEYS ? LSM_KEYS : kind);
    it->chunk = CHUNK_FIRST;
    it->left = limit;
    if (lsm_enter(source) < 0)
        goto failed;
    if (lsm_range_is_empty(range)) /* exhausted from the start */
        return (PyObject *)it;
    if (kind != LSM_RAW_KEYS && is_coded(source->store, it->kind) && (it->coded = lsm_chunk_new()) == NULL) {
        PyErr_NoMemory();
        goto failed;
    }
    lsm_range_lend(range, &lent);
    lent.keys_only = it->kind == LSM_KEYS;
    int rc = lsmkv_iter_new(source->store->db, source->snapshot, &lent, &it->scan);
    if (rc != 0) {
        lsm_fail(source, rc);
        goto failed;
    }
    it->source = (struct lsm_source *)Py_NewRef(source);
    lsm_pin(source);
    return (PyObject *)it;
failed:
    Py_DECREF(it);
    return NULL;
}

PyObject *lsm_iter_first(struct lsm_source *source, enum lsm_kind kind, const struct lsm_range *range)
{
    PyObject *it = lsm_iter_new(source, kind, range, 1);
    PyObject *first = it ? lsm_iter_next(it) : NULL;
    Py_XDECREF(it);
    return first || PyErr_Occurred() ? first : Py_NewRef(Py_None);
}

int lsm_iter_any(struct lsm_source *source, const struct lsm_range *range)
{
    PyObject *first = lsm_iter_first(source, LSM_KEYS, range);
    if (!first)
        return -1;
    int any = first != Py_None;
    Py_DECREF(first);
    return any;
}

/* ---- the type ---------------------------------------------------------------------------- */

static int iter_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct lsm_iter *it = (struct lsm_iter *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(it->source);
    Py_VISIT(it->pair);
    return 0;
}

static void iter_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (((struct lsm_iter *)self)->weakrefs)
        PyObject_ClearWeakRefs(self);
    finish((struct lsm_iter *)self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *iter_repr(PyObject *self)
{
    static const char *const of[] = {"keys", "values", "pairs"};
    const struct lsm_iter *it = (struct lsm_iter *)self;
    if (!it->source)
        return PyUnicode_FromString("<lsmkv.Iterator, exhausted>");
    return PyUnicode_FromFormat("<lsmkv.Iterator over %s of %R>", of[(int)it->kind], it->source->store->path);
}

static PyMethodDef methods[] = {LSM_REFUSE_PICKLING, LSM_GENERIC, {0}};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_iter, weakrefs), READONLY, NULL},
    {0},
};

PyDoc_STRVAR(doc, "An iterator over a store, a snapshot or a range, made by iter() and reversed().\n\n"
                  "It sees the content of the moment it was made, whatever is written meanwhile, and pins it until\n"
                  "it is exhausted or dropped. It serves one thread at a time.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc}, {Py_tp_dealloc, iter_dealloc},   {Py_tp_traverse, iter_traverse},
    {Py_tp_repr, iter_repr},  {Py_tp_iter, PyObject_SelfIter}, {Py_tp_iternext, lsm_iter_next},
    {Py_tp_methods, methods}, {Py_tp_members, members},        {0, NULL},
};

PyType_Spec lsm_iter_spec = {
    .name = "lsmkv.Iterator",
    .basicsize = sizeof(struct lsm_iter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
