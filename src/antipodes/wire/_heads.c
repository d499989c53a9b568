/* The reader of heads.py, compiled: takes a whole usual HTTP/1.1 request apart. Its twin in Python is
 * read_request_by_lines; tests hold the two against each other.
 *
 * Rules. It can only say yes. A request that is not all here, or of which any line is not plain, is None: the HTTP
 * parser judges it. Plain is "Name: value" of printable ASCII, a value without white space around it, no name twice,
 * and none of the headers that change what a message is (transfer-encoding, connection, ...).
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_LINE_BYTES 4096
#define MAX_NAME_BYTES 64

static const char *const NOT_PLAIN[] = {
    "transfer-encoding", "connection", "expect", "upgrade", "keep-alive", "proxy-connection", "te",
};

typedef struct {
    const uint8_t *start;
    Py_ssize_t bytes;
} Piece;

static bool same(const char *lowered, Py_ssize_t bytes, const char *word)
{
    return (Py_ssize_t)strlen(word) == bytes && !memcmp(lowered, word, (size_t)bytes);
}

/* Whether the header changes what a message is; "connection: keep-alive" says what is so anyway. */
static bool is_special(const char *lowered, Py_ssize_t bytes, const Piece *value)
{
    for (size_t i = 0; i < sizeof NOT_PLAIN / sizeof *NOT_PLAIN; i++)
        if (same(lowered, bytes, NOT_PLAIN[i])) {
            if (!same(lowered, bytes, "connection") || value->bytes != 10)
                return true;
            char word[10];
            for (int at = 0; at < 10; at++)
                word[at] = (char)Py_TOLOWER(value->start[at]);
            return !same(word, 10, "keep-alive");
        }
    return false;
}

/* Splits a line into name and value; the name in lower case too. */
static bool read_line(const uint8_t *line, Py_ssize_t bytes, Piece *name, Piece *value, char *lowered)
{
    Py_ssize_t length = 0;
    bool lettered = false;
    while (length < bytes && line[length] != ':') {
        uint8_t byte = line[length];
        if (length == MAX_NAME_BYTES || !(Py_ISALNUM(byte) || byte == '-'))
            return false;
        lettered = lettered || byte != '-';
        lowered[length++] = (char)Py_TOLOWER(byte);
    }
    if (!lettered || bytes >= MAX_LINE_BYTES || bytes < length + 3 || line[length + 1] != ' ')
        return false;
    *name = (Piece){line, length};
    *value = (Piece){line + length + 2, bytes - length - 2};
    if (value->start[0] == ' ' || value->start[value->bytes - 1] == ' ')
        return false;
    for (Py_ssize_t at = 0; at < value->bytes; at++)
        if (value->start[at] < 0x20 || value->start[at] > 0x7E)
            return false;
    return !is_special(lowered, length, value);
}

static PyObject *text(const void *start, Py_ssize_t bytes)
{
    PyObject *made = PyUnicode_New(bytes, 0x7F);
    if (made)
        memcpy(PyUnicode_1BYTE_DATA(made), start, (size_t)bytes);
    return made;
}

/* Adds one header to both; false: it was there already, or an exception is set. */
static bool add(PyObject *pairs, PyObject *by_name, const Piece *name, const Piece *value, const char *lowered)
{
    PyObject *own = text(name->start, name->bytes), *key = text(lowered, name->bytes);
    PyObject *content = text(value->start, value->bytes);
    PyObject *pair = own && content ? PyTuple_Pack(2, own, content) : NULL;
    bool added = false;
    if (pair && key) {
        Py_ssize_t before = PyDict_GET_SIZE(by_name);
        added = !PyDict_SetItem(by_name, key, content) && PyDict_GET_SIZE(by_name) == before + 1 &&
                !PyList_Append(pairs, pair);
    }
    Py_XDECREF(own);
    Py_XDECREF(key);
    Py_XDECREF(content);
    Py_XDECREF(pair);
    return added;
}

/* Whether content-length is the size of the body, written as str(int) writes it. */
static bool fits(const Piece *length, Py_ssize_t body_bytes)
{
    char wanted[24];
    int bytes = PyOS_snprintf(wanted, sizeof wanted, "%zd", body_bytes);
    return length->bytes == bytes && !memcmp(length->start, wanted, (size_t)bytes);
}

/* Reads all lines from `at` to the empty one; false as in `add`. */
static bool read_lines(const uint8_t *at, const uint8_t *end, Py_ssize_t body_bytes, PyObject *pairs, PyObject *by_name)
{
    bool measured = false;
    while (at < end) {
        const uint8_t *stop = memchr(at, '\r', (size_t)(end - at));
        if (!stop)
            stop = end;
        Piece name, value;
        char lowered[MAX_NAME_BYTES];
        if (!read_line(at, stop - at, &name, &value, lowered))
            return false;
        if (same(lowered, name.bytes, "content-length")) {
            if (!fits(&value, body_bytes))
                return false;
            measured = true;
        }
        if (!add(pairs, by_name, &name, &value, lowered))
            return false;
        if (stop < end && stop[1] != '\n')
            return false;
        at = stop + 2;
    }
    return measured || !body_bytes; /* no length: no body */
}

PyDoc_STRVAR(read_request_doc, "read_request(data, start, head_bytes): see heads.py");

static PyObject *read_request(PyObject *module, PyObject *const *arguments, Py_ssize_t given)
{
    if (given != 3 || !PyBytes_Check(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "read_request(data: bytes, start: int, head_bytes: int)");
        return NULL;
    }
    Py_ssize_t start = PyLong_AsSsize_t(arguments[1]), head_bytes = PyLong_AsSsize_t(arguments[2]);
    if (PyErr_Occurred())
        return NULL;
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(arguments[0]);
    Py_ssize_t size = PyBytes_GET_SIZE(arguments[0]);
    if (size > head_bytes)
        size = head_bytes;
    if (start < 0 || size - start < 4)
        Py_RETURN_NONE;
    const uint8_t *end = data + start; /* of the head: at its last line break but one */
    const uint8_t *last = data + size - 4;
    for (; end <= last; end++) {
        end = memchr(end, '\r', (size_t)(last - end + 1));
        if (!end)
            Py_RETURN_NONE;
        if (!memcmp(end, "\r\n\r\n", 4))
            break;
    }
    if (end > last)
        Py_RETURN_NONE;
    const uint8_t *body = end + 4;
    Py_ssize_t body_bytes = data + PyBytes_GET_SIZE(arguments[0]) - body;
    PyObject *pairs = PyList_New(0), *by_name = PyDict_New(), *found = NULL;
    if (pairs && by_name && read_lines(data + start, end, body_bytes, pairs, by_name))
        found = Py_BuildValue("(OOy#)", pairs, by_name, body, body_bytes);
    Py_XDECREF(pairs);
    Py_XDECREF(by_name);
    if (!found && !PyErr_Occurred())
        Py_RETURN_NONE;
    return found;
}

static PyMethodDef functions[] = {
    {"read_request", (PyCFunction)(void (*)(void))read_request, METH_FASTCALL, read_request_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_heads", "Usual HTTP requests, taken apart in one pass.", 0, functions, NULL, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__heads(void)
{
    return PyModuleDef_Init(&module);
}
