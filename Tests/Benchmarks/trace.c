// The trace: which objects are freed and allocated, in which order.
#include "heaps.h"

// How many objects of which size a running Linux kernel had, in the nineteen of its caches with the
// most objects, as slabtop printed them ("ACTIVE", "OBJ SIZE") at
// https://valavil.in/2018/08/11/slabinfo-kernel-slab-allocator-statistics/
// It rounds sizes to a hundredth of a KiB; these are the largest multiples of 8 bytes of which as
// many as it says fit in a slab, rounded alike. The caches kmalloc-8 to kmalloc-96 have objects of
// any size that the next smaller one has no room for: each is taken to be as frequent.
static const struct {
  uint16_t least, most;
  uint32_t count;
} population[] = {
    {104, 104, 104139},  // buffer_head
    {256, 256, 103648},  // skbuff_head_cache
    {208, 208, 41001},   // vm_area_struct
    {192, 192, 30689},   // dentry
    {17, 32, 28745},     // kmalloc-32
    {64, 64, 27081},     // anon_vma_chain
    {136, 136, 28898},   // kernfs_node_cache
    {584, 584, 12148},   // radix_tree_node
    {33, 64, 16591},     // kmalloc-64
    {88, 88, 14540},     // anon_vma
    {600, 600, 14490},   // inode_cache
    {256, 256, 11558},   // filp
    {9, 16, 11906},      // kmalloc-16
    {1080, 1080, 9609},  // ext4_inode_cache
    {48, 48, 6294},      // ftrace_event_field
    {1, 8, 7034},        // kmalloc-8
    {65, 96, 3944},      // kmalloc-96
    {72, 72, 4200},      // Acpi-Operand
    {192, 192, 3120},    // cred_jar
};
enum { SIZES = sizeof population / sizeof *population };

struct trace_step trace[TRACE_STEPS];

// SplitMix64.
static uint64_t state = 20261130;
static uint32_t draw(uint32_t below) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return (uint32_t)(((z ^ z >> 31) >> 32) * below >> 32);
}

static uint16_t draw_size(uint32_t total) {
  uint32_t number = draw(total);
  size_t i = 0;
  while (number >= population[i].count) number -= population[i++].count;
  return (uint16_t)(population[i].least + draw(population[i].most - population[i].least + 1u));
}

// A live object is as likely to be freed as any other: how long objects live, slabtop does not say.
void trace_draw(void) {
  uint32_t total = 0;
  for (size_t i = 0; i < SIZES; i++) total += population[i].count;
  for (size_t i = 0; i < TRACE_STEPS; i++) {
    trace[i].place = (uint16_t)(i < TRACE_LIVE ? i : draw(TRACE_LIVE));
    trace[i].size = draw_size(total);
  }
}
