/* A TCG plugin of QEMU that counts executed instructions by function
 *
 *   qemu-aarch64 -plugin ./libinstructions.so,out=FILE PROGRAM...
 *
 * FILE gets a line `COUNT SYMBOL` for every function that ran, in no order. QEMU calls the plugin when it translates a
 * block of instructions and the plugin has QEMU add the block's length to its function's counter each time the block
 * runs: no call, so a model's token takes seconds. Functions are ELF symbols, so the program must not be stripped. Two
 * threads that add at once may lose a block: count programs of one thread.
 *
 * QEMU's headers come with no package, so the few declarations needed stand here. VERSION is the interface's: 1 for
 * QEMU 4.2 to 8, which has the inline addition in this form.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define PUBLIC __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { INLINE_ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *counter, uint64_t immediate);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);

PUBLIC int qemu_plugin_version = VERSION;

/* Counters are never moved: QEMU holds their addresses. */
struct function {
    char *symbol;
    uint64_t executed;
    struct function *next;
};

enum { BUCKETS = 4096 };
static struct function *functions[BUCKETS];
static const char *out_path;

static struct function *function_named(const char *symbol)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = symbol; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    struct function **bucket = &functions[hash % BUCKETS];
    for (struct function *f = *bucket; f; f = f->next)
        if (strcmp(f->symbol, symbol) == 0)
            return f;
    struct function *f = calloc(1, sizeof *f);
    if (!f || !(f->symbol = strdup(symbol))) {
        fputs("instructions: no memory\n", stderr);
        exit(1);
    }
    f->next = *bucket;
    return *bucket = f;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    const char *symbol = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(block, 0));
    struct function *f = function_named(symbol ? symbol : "unknown");
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, &f->executed, qemu_plugin_tb_n_insns(block));
}

static void ended(plugin_id id, void *unused)
{
    (void)id, (void)unused;
    FILE *out = fopen(out_path, "w");
    if (!out) {
        perror(out_path);
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct function *f = functions[i]; f; f = f->next)
            fprintf(out, "%llu %s\n", (unsigned long long)f->executed, f->symbol);
    fclose(out);
}

PUBLIC int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            out_path = strdup(argv[i] + 4);
    if (!out_path) {
        fputs("instructions: expected out=FILE\n", stderr);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
