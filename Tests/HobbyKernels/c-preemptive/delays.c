/* Measures for how long Tessera's functions keep interrupts off, with hooks that turn them off: its
 * own default. QEMU counts instructions; each is taken as one cycle. */
#include "delays.h"
#include "machine.h"
#include "threads.h"

/* 20 microseconds at 3 GHz. */
#ifndef BOUND
#define BOUND 60000
#endif
enum { INTERVAL = 2000 };

static const uint32_t read_write = TESSERA_READ | TESSERA_WRITE;
static const uint64_t start = 0x40000000, length = PAGES * TESSERA_4K;
static const uint64_t devices = 0x800000000000 >> 3, gigabytes = 4 * TESSERA_1G;
static tessera_space space, child;
static tessera_frame run, kept, frames[PAGES];
static void *memory;
static tessera_kernel_stack stack;
static uint64_t worst, freed;

void write_nothing(void *context, const char *text, size_t size) {
  (void)context, (void)text, (void)size;
}

void measure(const char *what, void (*call)(void)) {
  uint64_t delay = longest_delay(call, INTERVAL) + INTERVAL;
  print_count(delay, " ");
  print(what);
  print("\n");
  if (delay > worst) worst = delay;
}

/* Scattered frames: each second one of a run was dropped, and the rest is freed in any order. */
static void scatter(void) {
  for (int i = 0; i < PAGES; i++) TRY(tessera_allocate(&frames[i]));
  for (int i = 0; i < PAGES; i += 2) TRY(tessera_drop(frames[i]));
}
static void gather(void) {
  for (int i = 1; i < PAGES; i += 2) TRY(tessera_drop(frames[i]));
}

/** The frame that is kept with `frame`. */
static tessera_frame *next_of(tessera_frame frame) { return tessera_frame_bytes(frame); }

/** Allocates all memory, and frees each frame with an even number: no two free frames touch. */
static void fragment(void) {
  tessera_frame all = 0, frame;
  while (tessera_allocate(&frame) == TESSERA_OK) *next_of(frame) = all, all = frame;
  for (kept = 0; all; all = frame) {
    frame = *next_of(all);
    if (all / TESSERA_4K % 2 == 0) TRY(tessera_drop(all));
    else *next_of(all) = kept, kept = all;
  }
}
/** Frees 700 neighbours, of which no block has 600 frames. */
static void open_gap(void) {
  const tessera_frame first = 32 * (1ul << 20), end = first + 700 * TESSERA_4K;
  tessera_frame all = kept, frame;
  for (kept = 0; all; all = frame) {
    frame = *next_of(all);
    if (first <= all && all < end) TRY(tessera_drop(all));
    else *next_of(all) = kept, kept = all;
  }
}
static void defragment(void) {
  for (tessera_frame frame; kept; kept = frame) {
    frame = *next_of(kept);
    TRY(tessera_drop(kept));
  }
}
static void fail_pair(void) {
  tessera_request request = {.size = sizeof request, .count = 2};
  EXPECT(tessera_allocate_as(&request, &run) == TESSERA_ERROR_OUT_OF_FRAMES);
  request.limit = 40 * (1ul << 20);
  EXPECT(tessera_allocate_as(&request, &run) == TESSERA_ERROR_OUT_OF_FRAMES);
}
static void fail_below(void) {
  tessera_request request = {.size = sizeof request, .limit = 40 * (1ul << 20)};
  request.frame_size = TESSERA_2M;
  EXPECT(tessera_allocate_as(&request, &run) == TESSERA_ERROR_OUT_OF_FRAMES);
}
static void allocate_below(void) {
  tessera_request request = {.size = sizeof request, .limit = 24 * (1ul << 20)};
  TRY(tessera_allocate_as(&request, &run));
  EXPECT(run < 24 * (1ul << 20));
  TRY(tessera_drop(run));
}
static void allocate_across_blocks(void) {
  tessera_request request = {.size = sizeof request, .count = 600};
  TRY(tessera_allocate_as(&request, &run));
  TRY(tessera_drop_run(run, 600));
}

static void create(void) { TRY(tessera_space_create(&space)); }
static void create_child(void) { TRY(tessera_space_create(&child)); }
static void activate(void) { TRY(tessera_space_activate(&space)); }
static void leave(void) { TRY(tessera_space_activate(tessera_kernel_space())); }
static void destroy(void) { TRY(tessera_space_destroy(&space)); }
static void destroy_child(void) { TRY(tessera_space_destroy(&child)); }
static void map_zeroed(void) {
  TRY(tessera_map_zeroed(&space, start, length, read_write, NULL));
}
static void protect(void) { TRY(tessera_protect(&space, start, length, TESSERA_READ, NULL)); }
static void copy(void) { TRY(tessera_copy(&child, &space, start, length, NULL)); }
static void unmap(void) { TRY(tessera_unmap(&space, start, length, NULL)); }
static void set_demand_zero(void) {
  TRY(tessera_set_demand_zero(&space, start + TESSERA_4K, length, TESSERA_READ | TESSERA_WRITE,
                              NULL));
}

// A page that is written first, and one that is read first.
static void resolve(void) {
  tessera_fault fault = {.size = sizeof fault, .address = start + TESSERA_4K, .error_code = 6};
  TRY(tessera_resolve_fault(&space, &fault, NULL));
  TRY(tessera_resolve_access(&space, start + 2 * TESSERA_4K, TESSERA_READ, NULL));
}

static tessera_space *forked;

static void resolve_copy(void) {
  TRY(tessera_resolve_access(forked, start + TESSERA_4K, TESSERA_WRITE, NULL));
  TRY(tessera_space_destroy(forked));
}

static char user_bytes[3 * TESSERA_4K];

static void use_memory(void) {
  const uint64_t address = start + TESSERA_4K + 8;
  uint64_t value = 0;
  TRY(tessera_write_user(&space, address, user_bytes, sizeof user_bytes, NULL));
  TRY(tessera_read_user(&space, address, user_bytes, sizeof user_bytes, NULL));
  TRY(tessera_fill_user(&space, address, sizeof user_bytes, 0, NULL));
  TRY(tessera_copy_user(&space, address, &space, address + TESSERA_4K, TESSERA_4K, NULL));
  TRY(tessera_read_user_string(&space, address, user_bytes, sizeof user_bytes, NULL));
  TRY(tessera_store_user(&space, address, 8, 1));
  TRY(tessera_load_user(&space, address, 8, &value));
  TRY(tessera_compare_exchange_user(&space, address, 8, &value, 2));
  TRY(tessera_copy_in(&space, address, user_bytes, sizeof user_bytes, NULL));
  TRY(tessera_copy_out(&space, address, user_bytes, sizeof user_bytes, NULL));
}

static void set_pending(void) {
  TRY(tessera_set_pending(&space, start + 512 * TESSERA_4K + length, TESSERA_4K, 1, TESSERA_READ,
                          NULL));
  TRY(tessera_unmap(&space, start + 512 * TESSERA_4K + length, TESSERA_4K, NULL));
}

static void set_status(void) {
  TRY(tessera_set_status(&space, start + TESSERA_4K, length, 1, NULL));
}
static void nothing(void *context, const tessera_page *page) { (void)context, (void)page; }
static void visit(void) { TRY(tessera_visit(&space, 0, TESSERA_1G * 8, nothing, NULL)); }
static void find_free(void) {
  uint64_t found;
  TRY(tessera_find_free(&space, TESSERA_1G, TESSERA_4K, 0, &found));
}
static void resident(void) {
  uint64_t found;
  TRY(tessera_resident(&space, 0, TESSERA_1G * 8, &found));
}
static void harvest(void) {
  TRY(tessera_harvest(&space, start, length, TESSERA_ACCESSED | TESSERA_DIRTY, NULL, NULL));
}
// Has no bound: a few pages only.
static void move_pages(void) {
  TRY(tessera_move(&space, start, 64 * TESSERA_4K, start + 2 * length, NULL));
  TRY(tessera_move(&space, start + 2 * length, 64 * TESSERA_4K, start, NULL));
}
static void query(void) {
  tessera_page page = {.size = sizeof page};
  TRY(tessera_query(&space, start, &page));
}
static void map_devices(void) {
  TRY(tessera_map_device(&space, devices + TESSERA_4K, gigabytes + TESSERA_4K, gigabytes,
                         read_write, NULL));
}
static void protect_devices(void) {
  TRY(tessera_protect(&space, devices + 3 * TESSERA_4K, gigabytes - 5 * TESSERA_4K, TESSERA_READ,
                      NULL));
}
static void unmap_devices(void) {
  TRY(tessera_unmap(&space, devices + TESSERA_4K, gigabytes, NULL));
}
static void allocate_run(void) {
  tessera_request request = {.size = sizeof request, .count = PAGES};
  TRY(tessera_allocate_as(&request, &run));
}
static void map_run(void) { TRY(tessera_map_run(&space, start, run, PAGES, read_write, NULL)); }
static void drop_run(void) { TRY(tessera_drop_run(run, PAGES)); }
static void fail_run(void) {
  tessera_request request = {.size = sizeof request, .count = 1 << 20, .limit = TESSERA_1G};
  EXPECT(tessera_allocate_as(&request, &run) == TESSERA_ERROR_OUT_OF_FRAMES);
}
static void map_frames(void) {
  for (int i = 1; i < PAGES; i += 2)
    TRY(tessera_map(&space, start + TESSERA_4K * i, frames[i], read_write, NULL));
}
/** Maps scattered frames at all pages of one table. */
static void map_table(void) {
  for (int i = 0; i < 512; i++)
    TRY(tessera_map(&space, start + TESSERA_4K * i, frames[2 * i + 1], read_write, NULL));
}
static void drop_rest(void) {
  for (int i = 1025; i < PAGES; i += 2) TRY(tessera_drop(frames[i]));
}
static void allocate_large(void) {
  tessera_request request = {.size = sizeof request, .frame_size = TESSERA_2M};
  TRY(tessera_allocate_as(&request, &run));
}
static void replace_table(void) { TRY(tessera_replace(&space, start, run, read_write, NULL)); }
static void map_large(void) { TRY(tessera_map(&space, start, run, read_write, NULL)); }
static void unmap_first_table(void) { TRY(tessera_unmap(&space, start, TESSERA_2M, NULL)); }
static void change(void) {
  TRY(tessera_change(&space, start, length, TESSERA_SOFTWARE, TESSERA_WRITE, NULL));
}
static void look_up(void) {
  uint64_t first, end, physical;
  EXPECT(tessera_space_root(&space) != 0);
  TRY(tessera_space_bounds(&space, &first, &end));
  TRY(tessera_translate(&space, start, &physical, NULL));
  TRY(tessera_print_walk(&space, start, write_nothing, NULL));
}
static void use_frame(void) {
  tessera_frame_info info = {.size = sizeof info};
  TRY(tessera_allocate(&run));
  TRY(tessera_share(run));
  TRY(tessera_frame_query(run, &info));
  EXPECT(info.handles == 2 && tessera_frame_bytes(run) && tessera_frame_data(run));
  TRY(tessera_drop(run));
  TRY(tessera_drop(run));
}
static void claim(void) {
  TRY(tessera_claim(run));
  TRY(tessera_drop(run));
}
static void use_new_space(void) {
  tessera_space *created;
  TRY(tessera_space_new(&created));
  TRY(tessera_space_destroy(created));
}
static void allocate_stack(void) { TRY(tessera_kernel_stack_allocate(length, &stack)); }
static void free_stack(void) { TRY(tessera_kernel_stack_free(&stack)); }
static void add_memory(void) { TRY(tessera_add_memory(ADDED_MEMORY, ADDED_LENGTH)); }

/** Drops the frame that the data of a freed one names. */
static void drop_next(tessera_frame frame, void *data) {
  (void)frame;
  freed++;
  tessera_frame next = *(tessera_frame *)data;
  if (next) TRY(tessera_drop(next));
}
/** Makes a chain of frames, each of which drops the next when it is freed. */
static void make_chain(void) {
  tessera_request request = {.size = sizeof request, .on_free = drop_next};
  run = 0;
  for (int i = 0; i < PAGES; i++) {
    tessera_frame next = run;
    TRY(tessera_allocate_as(&request, &run));
    *(tessera_frame *)tessera_frame_data(run) = next;
  }
}
static void drop_chain(void) {
  freed = 0;
  TRY(tessera_drop(run));
  EXPECT(freed == PAGES);
}
static void map_chain(void) { TRY(tessera_map(&space, start, run, read_write, NULL)); }
static void unmap_chain(void) {
  freed = 0;
  TRY(tessera_unmap(&space, start, TESSERA_4K, NULL));
  EXPECT(freed == PAGES);
}
static void kernel_allocate(void) { TRY(tessera_kernel_allocate(length, read_write, &memory)); }
static void kernel_free(void) { TRY(tessera_kernel_free(memory, length)); }
static void kernel_map_device(void) {
  TRY(tessera_kernel_map_device(gigabytes, TESSERA_1G, read_write, &memory));
}
static void kernel_unmap_device(void) { TRY(tessera_kernel_free(memory, TESSERA_1G)); }
static char image[2 * TESSERA_2M] __attribute__((aligned(4096)));
static void kernel_protect(void) {
  TRY(tessera_kernel_protect(image, sizeof image, TESSERA_READ));
}
static void kernel_unprotect(void) {
  TRY(tessera_kernel_protect(image, sizeof image, read_write));
}
static void statistics(void) {
  tessera_statistics statistics = {.size = sizeof statistics};
  TRY(tessera_get_statistics(&statistics));
}

static void serve(void) { tessera_serve(); }

/** Keeps interrupts off for 100,000 instructions: the measurement must see it. */
static void keep_off(void) {
  uint64_t count = 50000;
  __asm__ volatile("cli; 1: dec %0; jnz 1b; sti" : "+r"(count) : : "memory");
}

void measure_delays(void) {
  uint64_t seen = longest_delay(keep_off, INTERVAL) + INTERVAL;
  print_count(seen, " of 100000 instructions with interrupts off were seen\n");
  EXPECT(seen >= 100000 && seen < 100000 + 2 * INTERVAL);

  measure("tessera_serve", serve);
  measure("tessera_space_create", create);
  create_child();
  measure("tessera_space_activate", activate);
  measure("tessera_map_zeroed", map_zeroed);
  measure("tessera_query", query);
  measure("tessera_visit", visit);
  measure("tessera_find_free", find_free);
  measure("tessera_resident", resident);
  measure("tessera_harvest", harvest);
  measure("tessera_move, of 64 pages", move_pages);
  measure("tessera_copy", copy);
  measure("tessera_protect", protect);
  measure("tessera_space_destroy, of a copy", destroy_child);
  measure("tessera_unmap", unmap);
  measure("tessera_set_status", set_status);
  measure("tessera_unmap, of statuses", unmap);
  measure("tessera_set_demand_zero", set_demand_zero);
  measure("tessera_resolve_fault", resolve);
  // Has no bound: the whole space is locked.
  TRY(tessera_space_fork(&space, &forked));
  measure("tessera_resolve_access, and tessera_space_destroy of a fork", resolve_copy);
  measure("tessera_write_user and others", use_memory);
  measure("tessera_set_pending", set_pending);
  measure("tessera_unmap, of pages that appeared", unmap);
  TRY(tessera_unmap(&space, start, 2 * length, NULL));
  measure("tessera_map_device", map_devices);
  measure("tessera_protect, with both ends split", protect_devices);
  measure("tessera_unmap, of large pages", unmap_devices);
  measure("tessera_allocate_as", allocate_run);
  measure("tessera_map_run", map_run);
  measure("tessera_unmap, of a run", unmap);
  measure("tessera_allocate_as, again", allocate_run);
  measure("tessera_drop_run", drop_run);
  measure("tessera_allocate and tessera_drop", scatter);
  measure("tessera_allocate_as, of more than there is", fail_run);
  measure("tessera_get_statistics", statistics);
  measure("tessera_map", map_frames);
  measure("tessera_unmap, of scattered frames", unmap);
  measure("tessera_kernel_allocate", kernel_allocate);
  measure("tessera_kernel_free", kernel_free);
  measure("tessera_kernel_map_device", kernel_map_device);
  measure("tessera_kernel_free, of a device", kernel_unmap_device);
  measure("tessera_kernel_protect, with both ends split", kernel_protect);
  measure("tessera_kernel_protect, of small pages", kernel_unprotect);
  map_zeroed();
  measure("tessera_change", change);
  measure("tessera_translate and others", look_up);
  measure("tessera_space_destroy, while it is active", destroy);
  measure("tessera_space_activate, leaving a destroyed space", leave);
  scatter();
  measure("tessera_drop", gather);
  measure("tessera_allocate, tessera_share and others", use_frame);
  measure("tessera_claim", claim);
  measure("tessera_space_new", use_new_space);
  measure("tessera_kernel_stack_allocate", allocate_stack);
  measure("tessera_kernel_stack_free", free_stack);
  measure("tessera_add_memory", add_memory);
  measure_heap();

  fragment();
  measure("tessera_allocate_as, of two frames where no two touch", fail_pair);
  measure("tessera_allocate_as, of a large frame below a limit", fail_below);
  measure("tessera_allocate_as, below a limit in fragmented memory", allocate_below);
  measure_heap_in_fragments();
  open_gap();
  measure("tessera_allocate_as, across blocks", allocate_across_blocks);
  defragment();

  create();
  scatter();
  map_table();
  drop_rest();
  allocate_large();
  measure("tessera_replace, of 512 scattered frames by a large one", replace_table);
  measure("tessera_unmap, of the large one", unmap_first_table);
  map_zeroed();
  allocate_large();
  measure("tessera_replace, of 512 frames by a large one", replace_table);
  unmap();
  TRY(tessera_set_status(&space, start, TESSERA_4K, 1, NULL));
  allocate_large();
  measure("tessera_map, of a large frame in parts", map_large);
  measure("tessera_unmap, of the parts", unmap_first_table);
  make_chain();
  measure("tessera_drop, of frames that drop each other", drop_chain);
  make_chain();
  map_chain();
  measure("tessera_unmap, of frames that drop each other", unmap_chain);
  destroy();
  measure_pager();

  print_count(worst, " instructions with interrupts off at most\n");
  if (worst > BOUND) fail("interrupts", "were off for longer than 20 microseconds at 3 GHz");
  print("verdict: pass\n");
}
