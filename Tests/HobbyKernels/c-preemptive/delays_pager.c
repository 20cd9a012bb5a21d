/* Measures for how long the functions of paging keep interrupts off. */
#include "delays.h"
#include "machine.h"

/* A store in memory: a frame for each page that was written. */
enum { STORED = 4096 };
static tessera_frame stored[STORED];
/** Whether transfers finish when `finish` is called. */
static bool is_slow;
static uint64_t tokens[STORED];
static uint32_t waiting;

static int32_t end(uint64_t token) {
  if (!is_slow) return TESSERA_TRANSFER_DONE;
  EXPECT(waiting < STORED);
  tokens[waiting++] = token;
  return TESSERA_TRANSFER_LATER;
}
static void copy_frame(tessera_frame to, tessera_frame from) {
  uint64_t *target = (uint64_t *)(direct_map + to);
  const uint64_t *source = (const uint64_t *)(direct_map + from);
  for (int i = 0; i < 512; i++) target[i] = source[i];
}
static int32_t read_page(void *context, uint64_t offset, tessera_frame memory, uint64_t token) {
  const tessera_frame found = ((tessera_frame *)context)[offset / TESSERA_4K];
  if (found) copy_frame(memory, found);
  return found ? end(token) : TESSERA_TRANSFER_FAILED;
}
static int32_t write_page(void *context, uint64_t offset, tessera_frame memory, uint64_t token) {
  tessera_frame *page = (tessera_frame *)context + offset / TESSERA_4K;
  if (!*page && tessera_allocate(page) != TESSERA_OK) return TESSERA_TRANSFER_FAILED;
  copy_frame(*page, memory);
  return end(token);
}
static const tessera_store store = {
    .size = sizeof store, .context = stored, .read = read_page, .write = write_page};

/* Anonymous pages, then those of an object, which are in one store, at different times. */
static const uint32_t read_write = TESSERA_READ | TESSERA_WRITE;
static const uint64_t start = 0x40000000, length = PAGES * TESSERA_4K;
static tessera_space space;
static tessera_object object;
static char bytes[3 * TESSERA_4K];

static void start_pager(void) { TRY(tessera_pager_start()); }
static void start_swap(void) { TRY(tessera_swap_start(&store, STORED)); }
static void page_space(void) { TRY(tessera_space_page(&space)); }
static void set_marks(void) { TRY(tessera_set_free_marks(0, 0)); }
static void write_pages(void) {
  for (uint64_t i = 0; i < PAGES; i++)
    TRY(tessera_write_user(&space, start + i * TESSERA_4K, &i, sizeof i, NULL));
}
static void reclaim(void) { EXPECT(tessera_reclaim(PAGES, NULL) >= PAGES / 2); }
static void keep_free(void) {
  TRY(tessera_set_free_marks(1 << 20, 1 << 20));
  EXPECT(tessera_keep_free(NULL) > 0);
  set_marks();
}
static void read_pages(void) {
  for (uint64_t i = 0, value; i < PAGES; i++) {
    TRY(tessera_read_user(&space, start + i * TESSERA_4K, &value, sizeof value, NULL));
    EXPECT(value == i);
  }
}
static void begin_writing(void) {
  uint64_t count;
  EXPECT(tessera_reclaim(256, &count) == 0 && count > 0);
}
static void finish(void) {
  while (waiting > 0) tessera_transfer_done(tokens[--waiting], true);
}
static void unmap(void) { TRY(tessera_unmap(&space, start, length, NULL)); }

static void create_object(void) { TRY(tessera_object_create(&store, 0, length, &object)); }
static void share_object(void) {
  TRY(tessera_object_share(object));
  TRY(tessera_object_drop(object));
}
static void grow(void) { TRY(tessera_object_resize(object, length)); }
static void map(void) {
  TRY(tessera_map_object(&space, start, length, object, 0, read_write | TESSERA_SHARED, NULL));
}
static void write_object(void) {
  TRY(tessera_object_write(object, TESSERA_4K / 2, bytes, sizeof bytes, NULL));
}
static void read_object(void) {
  TRY(tessera_object_read(object, TESSERA_4K / 2, bytes, sizeof bytes, NULL));
}
static void synchronize(void) { TRY(tessera_object_sync(object, NULL)); }
static void ask(void) {
  tessera_page_usage usage = {.size = sizeof usage};
  tessera_pager_statistics statistics = {.size = sizeof statistics};
  tessera_page_record page = {.size = sizeof page};
  uint64_t frame;
  TRY(tessera_query_usage(object, &usage));
  EXPECT(usage.resident == PAGES && usage.dirty == 0);
  TRY(tessera_get_pager_statistics(&statistics));
  EXPECT(statistics.writes > 0 && statistics.reads > 0 && statistics.store_failures == 0);
  TRY(tessera_translate(&space, start + TESSERA_4K, &frame, NULL));
  TRY(tessera_query_frame_page(frame, &page));
  EXPECT(page.index == 1 && page.map_count == 1 && page.object != 0);
  TRY(tessera_pager_dump(write_nothing, NULL));
}
static void shrink(void) { TRY(tessera_object_resize(object, 0)); }
static void drop_object(void) { TRY(tessera_object_drop(object)); }

static void measure_swap(void) {
  TRY(tessera_set_demand_zero(&space, start, length, read_write, NULL));
  measure("tessera_write_user, of paged pages", write_pages);
  measure("tessera_reclaim", reclaim);
  measure("tessera_read_user, of pages in swap", read_pages);
  measure("tessera_keep_free", keep_free);
  write_pages();
  is_slow = true;
  measure("tessera_reclaim, with a store that finishes later", begin_writing);
  is_slow = false;
  measure("tessera_transfer_done", finish);
  measure("tessera_unmap, of paged pages", unmap);
}

static void measure_objects(void) {
  // A store that has pages, for those that are read first.
  for (uint32_t i = 0; i < PAGES; i++)
    if (!stored[i]) TRY(tessera_allocate(&stored[i]));
  measure("tessera_object_create", create_object);
  measure("tessera_object_share and tessera_object_drop", share_object);
  measure("tessera_object_resize, to more", grow);
  measure("tessera_map_object", map);
  measure("tessera_object_write", write_object);
  measure("tessera_object_read", read_object);
  measure("tessera_write_user, of pages of an object", write_pages);
  measure("tessera_object_sync", synchronize);
  measure("tessera_query_usage and others", ask);
  measure("tessera_object_resize, to nothing", shrink);
  TRY(tessera_unmap(&space, start, length, NULL));
  measure("tessera_object_drop", drop_object);
}

void measure_pager(void) {
  TRY(tessera_space_create(&space));
  measure("tessera_pager_start", start_pager);
  measure("tessera_swap_start", start_swap);
  measure("tessera_set_free_marks", set_marks);
  measure("tessera_space_page", page_space);
  measure_swap();
  measure_objects();
  TRY(tessera_space_destroy(&space));
  for (int i = 0; i < STORED; i++)
    if (stored[i]) TRY(tessera_drop(stored[i]));
}
