/* The reader of raw_items.py, compiled: one pass over an item's JSON that checks it, measures it and writes it down
 * without white space. Its twin in Python is read_item_by_decoding; tests hold the two against each other.
 *
 * Rules. It can only say yes. Whatever is wrong, seldom or not canonical ends the pass with None, and the twin, or the
 * full way of the operation, judges the item. So no error of AWS's is known here, and what is accepted is exactly:
 *   - UTF-8, strings without control characters; of the escapes those that the writer of canonical JSON uses too, and
 *     those that stand for a character that it writes as it is (many clients escape all that is not ASCII);
 *   - attribute values of one member, of kind S, N, B, BOOL, NULL (true), SS (in order), L, M;
 *   - numbers in canonical form (values.py), at most 38 digits; base64 padded, with no loose bits;
 *   - maps of at most MAX_MEMBERS members, no name twice, none empty; nesting as deep as DynamoDB allows.
 * Sizes are those of values.py.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_MEMBERS 64
#define MAX_DEPTH 32
#define MAX_DIGITS 38
#define MAX_NAME_BYTES 255
#define SMALL_BYTES 4096 /* up to here no memory is asked for */

typedef struct {
    const uint8_t *at, *end; /* what is still to be read */
    uint8_t *out;            /* where the next canonical byte goes; never more are written than read */
    Py_ssize_t size;         /* by DynamoDB's arithmetic */
} Pass;

typedef struct {
    const uint8_t *start; /* between the quotes, in what is written */
    Py_ssize_t raw;       /* bytes as they stand there */
    Py_ssize_t bytes;     /* bytes that they mean */
} Text;

/* A key attribute that is looked for, and its content when it was found. */
typedef struct {
    const char *name, *kind;
    Py_ssize_t name_bytes, kind_bytes;
    Text content;
    bool found;
} Key;

/* ASCII that stands for itself in a string. */
static bool is_plain[256];

static void fill_is_plain(void)
{
    for (int byte = 0x20; byte < 0x80; byte++)
        is_plain[byte] = byte != '"' && byte != '\\';
}

static inline void skip_space(Pass *pass)
{
    while (pass->at < pass->end && (*pass->at == ' ' || *pass->at == '\n' || *pass->at == '\r' || *pass->at == '\t'))
        pass->at++;
}

/* Reads one character of structure, after white space. */
static inline bool take(Pass *pass, uint8_t wanted)
{
    skip_space(pass);
    if (pass->at >= pass->end || *pass->at != wanted)
        return false;
    pass->at++;
    *pass->out++ = wanted;
    return true;
}

/* Whether the next character of structure is this one; it stays. */
static inline bool comes(Pass *pass, uint8_t wanted)
{
    skip_space(pass);
    return pass->at < pass->end && *pass->at == wanted;
}

static inline bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* The length of the UTF-8 sequence of two to four bytes at `at`; 0: it is none (RFC 3629). */
static int sequence(const uint8_t *at, const uint8_t *end)
{
    uint8_t first = at[0], low = 0x80, high = 0xBF;
    int length;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        if (first == 0xE0) low = 0xA0;
        if (first == 0xED) high = 0x9F; /* no surrogates */
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    if (end - at < length || at[1] < low || at[1] > high)
        return 0;
    for (int i = 2; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

/* The four hexadecimal digits at `at`; -1: they are none. */
static int hexadecimal(const uint8_t *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = (uint8_t)Py_TOLOWER(at[i]);
        if (!is_digit(byte) && (byte < 'a' || byte > 'f'))
            return -1;
        value = value * 16 + (byte <= '9' ? byte - '0' : byte - 'a' + 10);
    }
    return value;
}

/* Writes the character behind \uXXXX (or a pair of them) as canonical JSON has it; how many bytes, 0: leave it alone. */
static int unescape(const uint8_t **from, const uint8_t *end, uint8_t *out)
{
    const uint8_t *at = *from;
    int code = end - at < 6 ? -1 : hexadecimal(at + 2);
    if (code < 0x20 || code == '"' || code == '\\' || (code >= 0xDC00 && code <= 0xDFFF))
        return 0;
    *from = at + 6;
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0xD800 || code > 0xDFFF) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return 0;
    int low = hexadecimal(at + 8);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0;
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    *from = at + 12;
    return 4;
}

/* Reads a string; `text` is what was written of it. */
static bool read_text(Pass *pass, Text *text)
{
    if (!take(pass, '"'))
        return false;
    const uint8_t *at = pass->at, *end = pass->end;
    uint8_t *out = pass->out;
    Py_ssize_t escapes = 0;
    for (;;) {
        const uint8_t *plain = at;
        while (at < end && is_plain[*at])
            at++;
        memcpy(out, plain, (size_t)(at - plain));
        out += at - plain;
        if (at >= end)
            return false;
        if (*at == '"')
            break;
        int length;
        if (*at != '\\') {
            length = sequence(at, end);
            memcpy(out, at, (size_t)length);
            at += length;
        } else if (end - at >= 2 && at[1] == 'u') {
            length = unescape(&at, end, out);
        } else {
            length = end - at >= 2 && at[1] && strchr("\"\\bfnrt", at[1]) ? 2 : 0;
            memcpy(out, at, (size_t)length);
            at += length;
            escapes++;
        }
        if (!length)
            return false;
        out += length;
    }
    text->start = pass->out;
    text->raw = out - pass->out;
    text->bytes = text->raw - escapes;
    *out++ = '"';
    pass->out = out;
    pass->at = at + 1;
    return true;
}

static bool read_word(Pass *pass, const char *word)
{
    Py_ssize_t length = (Py_ssize_t)strlen(word);
    skip_space(pass);
    if (pass->end - pass->at < length || memcmp(pass->at, word, (size_t)length))
        return false;
    memcpy(pass->out, word, (size_t)length);
    pass->out += length;
    pass->at += length;
    return true;
}

static inline bool is(const Text *text, const char *word)
{
    return text->raw == (Py_ssize_t)strlen(word) && !memcmp(text->start, word, (size_t)text->raw);
}

/* The size of a canonical number; 0: it is not canonical. */
static Py_ssize_t number_size(const Text *text)
{
    const uint8_t *at = text->start, *end = at + text->raw;
    bool negative = at < end && *at == '-';
    at += negative;
    const uint8_t *digits = at;
    if (at >= end || end - at > MAX_DIGITS || !is_digit(*at))
        return 0;
    if (*at == '0') {
        at++;
        if (at == end && negative)
            return 0; /* zero is never negative */
    } else {
        while (at < end && is_digit(*at))
            at++;
    }
    Py_ssize_t whole = at - digits, fraction = 0;
    if (at < end) {
        if (*at != '.' || end[-1] == '0' || at + 1 == end)
            return 0;
        const uint8_t *behind = ++at;
        for (; at < end; at++)
            if (!is_digit(*at))
                return 0;
        fraction = end - behind;
        if (*digits == '0') /* zeros before the first digit do not count, nor those behind the last */
            for (whole = 0; *behind == '0'; behind++)
                fraction--;
    } else {
        while (whole && digits[whole - 1] == '0')
            whole--;
    }
    return (whole + 1) / 2 + (fraction + 1) / 2 + 1 + negative;
}

static int base64_digit(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z') return byte - 'A';
    if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
    if (is_digit(byte)) return byte - '0' + 52;
    return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

/* How many bytes the base64 text stands for; -1: it is not strictly well. */
static Py_ssize_t binary_size(const Text *text)
{
    Py_ssize_t length = text->raw, padding = 0;
    if (length % 4)
        return -1;
    while (padding < 2 && padding < length && text->start[length - 1 - padding] == '=')
        padding++;
    for (Py_ssize_t i = 0; i < length - padding; i++)
        if (base64_digit(text->start[i]) < 0)
            return -1;
    if (padding) {
        int last = base64_digit(text->start[length - padding - 1]);
        if (last & (padding == 1 ? 3 : 15))
            return -1; /* loose bits */
    }
    return length / 4 * 3 - padding;
}

static bool read_members(Pass *pass, int depth, Py_ssize_t *count, Key *hash, Key *range);
static bool read_value(Pass *pass, int depth, Key *key);

/* SS: at least one, each once, in order. */
static bool read_strings(Pass *pass)
{
    Text text, before = {NULL, 0, 0};
    if (!take(pass, '['))
        return false;
    do {
        if (!read_text(pass, &text) || text.raw != text.bytes)
            return false;
        if (before.start) {
            Py_ssize_t common = text.raw < before.raw ? text.raw : before.raw;
            int order = memcmp(before.start, text.start, (size_t)common);
            if (order > 0 || (order == 0 && before.raw >= text.raw))
                return false;
        }
        pass->size += text.bytes;
        before = text;
    } while (take(pass, ','));
    return take(pass, ']');
}

static bool read_list(Pass *pass, int depth)
{
    if (!take(pass, '['))
        return false;
    pass->size += 3;
    if (comes(pass, ']'))
        return take(pass, ']');
    do {
        pass->size += 1;
        if (!read_value(pass, depth + 1, NULL))
            return false;
    } while (take(pass, ','));
    return take(pass, ']');
}

static bool read_scalar(Pass *pass, const Text *kind, Text *content)
{
    if (!read_text(pass, content))
        return false;
    Py_ssize_t size = content->bytes;
    if (kind->start[0] != 'S') {
        size = kind->start[0] == 'N' ? number_size(content) : binary_size(content);
        if (size < 0 || (size == 0 && kind->start[0] == 'N') || content->raw != content->bytes)
            return false;
    }
    pass->size += size;
    return true;
}

/* One attribute value. key: its content is wanted. */
static bool read_value(Pass *pass, int depth, Key *key)
{
    Text kind, content;
    if (!take(pass, '{') || !read_text(pass, &kind) || !take(pass, ':'))
        return false;
    bool scalar = kind.raw == 1 && (kind.start[0] == 'S' || kind.start[0] == 'N' || kind.start[0] == 'B');
    if (scalar) {
        if (!read_scalar(pass, &kind, &content))
            return false;
    } else if (is(&kind, "BOOL")) {
        if (!read_word(pass, "true") && !read_word(pass, "false"))
            return false;
        pass->size += 1;
    } else if (is(&kind, "NULL")) {
        if (!read_word(pass, "true"))
            return false;
        pass->size += 1;
    } else if (is(&kind, "SS")) {
        if (!read_strings(pass))
            return false;
    } else if (depth < MAX_DEPTH && is(&kind, "L")) {
        if (!read_list(pass, depth))
            return false;
    } else if (depth < MAX_DEPTH && is(&kind, "M")) {
        Py_ssize_t count;
        if (!read_members(pass, depth + 1, &count, NULL, NULL))
            return false;
        pass->size += 3 + count;
    } else {
        return false;
    }
    if (key) {
        if (!scalar || kind.raw != key->kind_bytes || kind.start[0] != (uint8_t)key->kind[0] ||
            content.raw != content.bytes)
            return false;
        key->content = content;
        key->found = true;
    }
    return take(pass, '}');
}

static inline bool names(const Key *key, const Text *name)
{
    return key && name->raw == key->name_bytes && !memcmp(name->start, key->name, (size_t)name->raw);
}

/* The members of an item or of a map. */
static bool read_members(Pass *pass, int depth, Py_ssize_t *count, Key *hash, Key *range)
{
    Text members[MAX_MEMBERS];
    Py_ssize_t number = 0;
    if (!take(pass, '{'))
        return false;
    *count = 0;
    if (comes(pass, '}'))
        return take(pass, '}');
    do {
        if (number == MAX_MEMBERS)
            return false;
        Text *name = &members[number];
        if (!read_text(pass, name) || !name->raw || name->raw > MAX_NAME_BYTES || name->raw != name->bytes)
            return false;
        for (Py_ssize_t i = 0; i < number; i++)
            if (members[i].raw == name->raw && !memcmp(members[i].start, name->start, (size_t)name->raw))
                return false;
        number++;
        pass->size += name->bytes;
        Key *key = names(hash, name) ? hash : names(range, name) ? range : NULL;
        if (!take(pass, ':') || !read_value(pass, depth, key))
            return false;
    } while (take(pass, ','));
    *count = number;
    return take(pass, '}');
}

static bool wants(Key *key, PyObject *name, PyObject *kind)
{
    key->found = false;
    key->name = PyUnicode_AsUTF8AndSize(name, &key->name_bytes);
    key->kind = key->name ? PyUnicode_AsUTF8AndSize(kind, &key->kind_bytes) : NULL;
    return key->kind != NULL;
}

static PyObject *content_of(const Key *key)
{
    return PyUnicode_DecodeUTF8((const char *)key->content.start, key->content.raw, NULL);
}

/* What a pass over the whole item found; NULL, with or without an exception, if it is none of ours. */
static PyObject *read_all(Pass *pass, Key *hash, Key *range)
{
    Py_ssize_t count;
    uint8_t *begin = pass->out;
    if (!read_members(pass, 0, &count, hash, range) || !hash->found || (range && !range->found))
        return NULL;
    skip_space(pass);
    if (pass->at != pass->end)
        return NULL;
    PyObject *first = content_of(hash);
    PyObject *second = range ? content_of(range) : Py_NewRef(Py_None);
    if (!first || !second) {
        Py_XDECREF(first);
        Py_XDECREF(second);
        return NULL;
    }
    return Py_BuildValue("(y#nnNN)", begin, pass->out - begin, pass->size, count, first, second);
}

PyDoc_STRVAR(read_item_doc, "read_item(raw, names): see raw_items.py");

static PyObject *read_item(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (given != 2 || !PyTuple_Check(arguments[1]) || PyTuple_GET_SIZE(arguments[1]) != 4) {
        PyErr_SetString(PyExc_TypeError, "read_item(raw, (hash key, its kind, range key or None, its kind or None))");
        return NULL;
    }
    PyObject *names = arguments[1];
    bool ranged = PyTuple_GET_ITEM(names, 2) != Py_None;
    Key hash, range;
    if (!wants(&hash, PyTuple_GET_ITEM(names, 0), PyTuple_GET_ITEM(names, 1)) ||
        (ranged && !wants(&range, PyTuple_GET_ITEM(names, 2), PyTuple_GET_ITEM(names, 3))))
        return NULL;
    Py_buffer raw;
    if (PyObject_GetBuffer(arguments[0], &raw, PyBUF_SIMPLE))
        return NULL;
    uint8_t small[SMALL_BYTES], *out = raw.len <= SMALL_BYTES ? small : PyMem_Malloc((size_t)raw.len);
    PyObject *found = NULL;
    if (out) {
        Pass pass = {raw.buf, (const uint8_t *)raw.buf + raw.len, out, 0};
        found = read_all(&pass, &hash, ranged ? &range : NULL);
    } else {
        PyErr_NoMemory();
    }
    if (out != small)
        PyMem_Free(out);
    PyBuffer_Release(&raw);
    if (!found && !PyErr_Occurred())
        return Py_NewRef(Py_None);
    return found;
}

static PyMethodDef functions[] = {
    {"read_item", (PyCFunction)(void (*)(void))read_item, METH_FASTCALL, read_item_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_items", "Items as they come, read in one pass.", 0, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__items(void)
{
    fill_is_plain();
    return PyModuleDef_Init(&module);
}
