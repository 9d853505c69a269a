// Counts the A64 instructions that a program executes under user-mode qemu, by class.
//
// Each time the program has marked a begin and an end (the prctl of apps/agents/native/process.hpp), a line with what
// it executed between them goes to the file that the environment variable EDGESHIP_COUNTS of qemu names: the numbers of
// all classes in their order. Debian ships no qemu-plugin.h: the declarations are those of QEMU's documentation (Emulation,
// QEMU TCG plugins). Built with -DAPI=1 (QEMU 4.2 to 8), 2 (9.0) or 3 (9.1 and later) by
// toolchain/devices/emulated/qemu.py. One counter serves all threads of the program: agents here have one.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

__attribute__((visibility("default"))) int qemu_plugin_version = API;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb*));
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t,
                                                                      uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                      uint64_t, uint64_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
enum { ADD_U64 = 0 };  // qemu_plugin_op: QEMU_PLUGIN_INLINE_ADD_U64

#if API >= 3
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn*, void*, size_t);
#else
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn*);
#endif

// the order of `Instructions` in toolchain/protocol/run.py
enum { TOTAL, MEMORY, SIMD, DOT_PRODUCT, MULTIPLY_ADD, CLASSES };
enum { PRCTL = 167, MARK = 0x45534d4b };

#if API >= 2
typedef struct {
  struct qemu_plugin_scoreboard* score;
  size_t offset;
} qemu_plugin_u64;
struct qemu_plugin_scoreboard* qemu_plugin_scoreboard_new(size_t);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb*, int, qemu_plugin_u64, uint64_t);
uint64_t qemu_plugin_u64_sum(qemu_plugin_u64);

static struct qemu_plugin_scoreboard* board;
static qemu_plugin_u64 entry(int class) { return (qemu_plugin_u64){board, sizeof(uint64_t) * (size_t)class}; }
static void prepare(void) { board = qemu_plugin_scoreboard_new(sizeof(uint64_t) * CLASSES); }
static void add(struct qemu_plugin_tb* block, int class, uint64_t count) {
  qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, ADD_U64, entry(class), count);
}
static uint64_t executed(int class) { return qemu_plugin_u64_sum(entry(class)); }
#else
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb*, int, void*, uint64_t);

static uint64_t counters[CLASSES];
static void prepare(void) {}
static void add(struct qemu_plugin_tb* block, int class, uint64_t count) {
  qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &counters[class], count);
}
static uint64_t executed(int class) { return counters[class]; }
#endif

static uint32_t word_of(const struct qemu_plugin_insn* instruction) {
  uint32_t word = 0;
#if API >= 3
  qemu_plugin_insn_data(instruction, &word, sizeof word);
#else
  memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
#endif
  return word;
}

// Arm Architecture Reference Manual for A-profile, C4.1: bits 28 to 25 name the group, the rest the instruction.
static int is_memory(uint32_t w) { return ((w >> 25) & 5) == 4; }
static int is_simd(uint32_t w) { return ((w >> 25) & 7) == 7; }
static int is_dot_product(uint32_t w) {  // SDOT and UDOT, of vectors and by element
  return (w & 0x9FE0FC00) == 0x0E809400 || (w & 0x9FC0F400) == 0x0F80E000;
}
static int is_multiply_add(uint32_t w) {  // FMLA, of vectors and by element, single and double, then half precision
  return (w & 0xBFA0FC00) == 0x0E20CC00 || (w & 0xBF80F400) == 0x0F801000 || (w & 0xBFE0FC00) == 0x0E400C00 ||
         (w & 0xBFC0F400) == 0x0F001000;
}

static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
  (void)id;
  uint64_t found[CLASSES] = {0};
  const size_t length = qemu_plugin_tb_n_insns(block);
  for (size_t i = 0; i < length; ++i) {
    const uint32_t word = word_of(qemu_plugin_tb_get_insn(block, i));
    found[TOTAL] += 1;
    found[MEMORY] += is_memory(word);
    found[SIMD] += is_simd(word);
    found[DOT_PRODUCT] += is_dot_product(word);
    found[MULTIPLY_ADD] += is_multiply_add(word);
  }
  for (int class = 0; class < CLASSES; ++class)
    if (found[class] != 0) add(block, class, found[class]);
}

static void on_system_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t option, uint64_t begins,
                           uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)cpu, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  static uint64_t before[CLASSES];
  if (number != PRCTL || option != MARK) return;
  if (begins) {
    for (int class = 0; class < CLASSES; ++class) before[class] = executed(class);
    return;
  }
  const char* path = getenv("EDGESHIP_COUNTS");
  FILE* file = path == NULL ? NULL : fopen(path, "a");
  if (file == NULL) return;
  for (int class = 0; class < CLASSES; ++class)
    fprintf(file, "%llu%c", (unsigned long long)(executed(class) - before[class]), class + 1 < CLASSES ? ' ' : '\n');
  fclose(file);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int count,
                                                               char** arguments) {
  (void)info, (void)count, (void)arguments;
  prepare();
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  return 0;
}
