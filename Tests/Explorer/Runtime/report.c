// What a person reads: failures, schedules as text, and the trace of one.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime.h"

failure found;

// The first failure of a schedule counts; what follows may be its consequence.
void fail(const char *kind, const char *format, ...) {
  if (found.is_set) return;
  found.is_set = true;
  snprintf(found.kind, sizeof found.kind, "%s", kind);
  va_list list;
  va_start(list, format);
  vsnprintf(found.text, sizeof found.text, format, list);
  va_end(list);
}

// Schedules as text: `0:57` runs the code of processor 0 up to its 57th access, `i1` interrupts
// processor 1, `b0:44` commits the stores of processor 0 up to its 44th access.

void format_segments(const segment *segments, int count, char *text, size_t limit) {
  size_t length = 0;
  // The schedule that runs by default.
  snprintf(text, limit, "%s", count == 0 ? "-" : "");
  for (int index = 0; index < count && length + 40 < limit; index += 1) {
    segment now = segments[index];
    int number = processor_of(now.actor);
    const char *comma = index > 0 ? "," : "";
    char *end = text + length;
    if (is_interrupt(now.actor)) length += (size_t)sprintf(end, "%si%d", comma, number);
    else if (now.until == UINT64_MAX) length += (size_t)sprintf(end, "%s%d", comma, number);
    else
      length += (size_t)sprintf(end, "%s%s%d:%llu", comma, is_buffer(now.actor) ? "b" : "", number,
                                (unsigned long long)now.until);
  }
}

int parse_segments(const char *text, segment *segments, int limit) {
  int count = 0;
  if (strcmp(text, "-") == 0) return 0;
  while (*text != 0 && count < limit) {
    int base = 0;
    if (*text == 'i') base = interrupt_of_first;
    if (*text == 'b') base = buffer_of_first;
    if (base != 0) text += 1;
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (end == text || number >= EXPLORER_PROCESSORS) return -1;
    segment now = {base + (int)number, UINT64_MAX};
    if (*end == ':') now.until = strtoull(end + 1, &end, 10);
    segments[count++] = now;
    if (*end == ',') end += 1; else if (*end != 0) return -1;
    text = end;
  }
  return count;
}

// Names -------------------------------------------------------------------------------------------

enum { name_limit = 2048, name_size = 160 };
static uintptr_t named[name_limit];
static char names[name_limit][name_size];
static int name_count;
extern char __executable_start[];

static const char *name_of(uintptr_t address) {
  for (int index = 0; index < name_count; index += 1)
    if (named[index] == address) return names[index];
  return "?";
}

static bool is_variable(uintptr_t address) {
  uintptr_t offset;
  const char *memory = name_of_memory(address, &offset);
  return memory != NULL && strcmp(memory, "variables") == 0;
}

static void want_name(uintptr_t address) {
  if (address == 0 || name_count == name_limit || *name_of(address) != '?') return;
  names[name_count][0] = '-';
  named[name_count++] = address;
}

static char *line_of(FILE *in, char *line, int size) {
  if (fgets(line, size, in) == NULL) return NULL;
  line[strcspn(line, "\n")] = 0;
  return line;
}

// Swift's runtime knows the names of Swift.
extern char *swift_demangle(const char *name, size_t length, char *text, size_t *size,
                            uint32_t flags) __attribute__((weak));

static void name_variable(const char *symbol, uintptr_t offset, char *name) {
  char *readable = NULL;
  if (swift_demangle != NULL) readable = swift_demangle(symbol, strlen(symbol), NULL, NULL, 0);
  const char *text = readable != NULL ? readable : symbol;
  // Without the module, and without what is private.
  if (strncmp(text, "static ", 7) == 0) text += 7;
  const char *dot = strchr(text, '.');
  if (readable != NULL && dot != NULL) text = dot + 1;
  int length = (int)strcspn(text, " ");
  const char *last = readable != NULL ? strstr(text, "(") : NULL;
  if (last != NULL && last[1] != 0) {
    // "TLBShootdown.(requests in _6BD3...) : ..."
    snprintf(name, name_size, "%.*s%.*s", (int)(last - text), text, (int)strcspn(last + 1, " )"),
             last + 1);
  } else {
    snprintf(name, name_size, "%.*s", length, text);
  }
  size_t used = strlen(name);
  if (offset > 0) snprintf(name + used, name_size - used, " + %lu", (unsigned long)offset);
  free(readable);
}

// Reads what the symbolizer says of one address: pairs of a function and a place, innermost first.
static void read_name(FILE *in, uintptr_t address, char *name) {
  bool is_data = is_variable(address);
  char function[512], place[512], outer[512] = "";
  bool is_first = true;
  name[0] = 0;
  while (line_of(in, function, sizeof function) != NULL && function[0] != 0) {
    if (line_of(in, place, sizeof place) == NULL || place[0] == 0) break;
    if (is_data) {
      uintptr_t start = strtoull(place, NULL, 10);
      uintptr_t offset = address - (uintptr_t)__executable_start - start;
      if (is_first) name_variable(function, offset, name);
    } else if (is_first) {
      char *folder = strstr(place, "Sources/");
      if (folder == NULL) folder = strstr(place, "Tests/");
      char *file = folder != NULL ? folder : place;
      char *column = strrchr(file, ':');
      if (column != NULL) *column = 0;
      snprintf(name, name_size, "%.40s (%.90s)", function, file);
    }
    is_first = false;
    snprintf(outer, sizeof outer, "%s", function);
  }
}

static void find_names(void) {
  const char *tool = getenv("EXPLORER_SYMBOLIZER");
  char path[512];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  char list[] = "/tmp/explorer-XXXXXX";
  int file = mkstemp(list);
  if (file < 0) return;
  FILE *out = fdopen(file, "w");
  for (int index = 0; index < name_count; index += 1)
    fprintf(out, "%s 0x%lx\n", is_variable(named[index]) ? "DATA" : "CODE",
            (unsigned long)(named[index] - (uintptr_t)__executable_start));
  fclose(out);
  char command[1200];
  snprintf(command, sizeof command, "%s --functions=short --obj='%s' <%s 2>/dev/null",
           tool != NULL ? tool : "llvm-symbolizer", path, list);
  FILE *in = popen(command, "r");
  for (int index = 0; in != NULL && index < name_count; index += 1)
    read_name(in, named[index], names[index]);
  if (in != NULL) pclose(in);
  unlink(list);
}

// Behind the slots of all frames lies the state of the allocator.
static bool is_slot(uintptr_t offset) {
  uintptr_t last = offset / 64 * 4096, in_memory;
  const char *memory = name_of_memory((uintptr_t)machine_memory + last, &in_memory);
  return memory != NULL && strcmp(memory, "memory") == 0;
}

// What is at an address, in the words of page tables.
static void describe(uintptr_t address, bool is_entry, char *text, size_t size) {
  uintptr_t offset = 0;
  const char *memory = name_of_memory(address, &offset);
  if (memory == NULL) {
    snprintf(text, size, "%#lx", (unsigned long)address);
  } else if (strcmp(memory, "memory") == 0) {
    snprintf(text, size, is_entry ? "entry %lu of frame %lu" : "byte %lu of frame %lu",
             (unsigned long)(is_entry ? offset % 4096 / 8 : offset % 4096),
             (unsigned long)(offset / 4096));
  } else if (strcmp(memory, "slots") == 0 && !is_slot(offset)) {
    snprintf(text, size, "allocator's state + %lu", (unsigned long)offset);
  } else if (strcmp(memory, "slots") == 0) {
    uintptr_t field = offset % 64;
    const char *name = field == 63   ? "lock"
                       : field >= 56 ? "membership"
                       : field >= 48 ? "kind"
                       : field >= 40 ? "count"
                                     : "storage";
    snprintf(text, size, "%s of frame %lu's slot", name, (unsigned long)(offset / 64));
  } else if (strcmp(memory, "variables") == 0) {
    snprintf(text, size, "%s", name_of(address));
  } else {
    snprintf(text, size, "%s + %lu", memory, (unsigned long)offset);
  }
}

static const char *verb(const operation *op) {
  switch (op->kind) {
    case op_load: return "loads";
    case op_store: return "stores";
    case op_update: return "updates";
    case op_read: return "reads";
    case op_write: return "writes";
    case op_fence: return "fence";
    case op_flush: return op->size == simulated_page_invalidation ? "flushes page"
                          : op->size == simulated_cr3_write       ? "loads CR3"
                                                                  : "flushes all";
    case op_free: return op->address != 0 ? "frees" : "checks all TLBs";
    case op_send: return "interrupts";
    case op_take: return "takes its interrupt";
    case op_commit: return "commits";
    case op_wait: return "goes on spinning";
    case op_touch: return "accesses memory";
    case op_call: return "calls";
    case op_end: return "ends";
  }
  return "";
}

static void print_step(FILE *out, const event *step) {
  const operation *op = &step->op;
  char what[220] = "", values[80] = "";
  if (op->address != 0) {
    bool is_entry = op->touch_count > 0 && place_is_entry(op->touches[0].place);
    describe(op->address, is_entry, what, sizeof what);
  } else if (op->kind == op_send) {
    snprintf(what, sizeof what, "processor %llu", (unsigned long long)op->new);
  } else if (op->kind == op_flush) {
    snprintf(what, sizeof what, "%#llx", (unsigned long long)op->new);
  }
  if (op->kind == op_load) snprintf(values, sizeof values, ": %#llx", (unsigned long long)op->new);
  if (op->kind == op_store || op->kind == op_update || op->kind == op_commit)
    snprintf(values, sizeof values, ": %#llx -> %#llx", (unsigned long long)op->old,
             (unsigned long long)op->new);
  fprintf(out, "%*s%d %s %s%s   %s\n", 2 + 4 * processor_of(step->actor), "",
          processor_of(step->actor), verb(op), what, values,
          op->code != 0 ? name_of(op->code) : "");
}

enum { trace_limit = 200 };

// The last step that has changed anything.
static int last_change(void) {
  for (int step = step_count - 1; step > 0; step -= 1) {
    const operation *op = &events[step].op;
    bool is_change = op->kind == op_update ? op->old != op->new
                                           : op->kind != op_load && op->kind != op_wait
                                                 && op->kind != op_read;
    if (is_change) return step;
  }
  return 0;
}

void print_trace(FILE *out) {
  name_count = 0;
  for (int step = 0; step < step_count; step += 1) {
    want_name(events[step].op.code);
    if (is_variable(events[step].op.address)) want_name(events[step].op.address);
  }
  find_names();
  // Without the looks of those who spin at the end, for nothing; and of a long schedule, the end.
  int end = step_count < 40 ? step_count : last_change() + 12;
  if (end > step_count) end = step_count;
  int start = end > trace_limit ? end - trace_limit : 0;
  if (start > 0) fprintf(out, "  ... %d steps before\n", start);
  for (int step = start; step < end; step += 1) {
    bool is_other = step == start || events[step].actor != events[step - 1].actor;
    if (is_other && step > start) fputc('\n', out);
    print_step(out, &events[step]);
  }
  if (end < step_count) fprintf(out, "  ... %d steps after\n", step_count - end);
}

// The text of a failure, with places in the code by name.
void print_failure(FILE *out) {
  name_count = 0;
  uintptr_t codes[2] = {0, 0};
  int count = 0;
  char *end = found.text;
  while (count < 2 && (end = strstr(end, "@")) != NULL)
    want_name(codes[count++] = strtoull(end + 1, &end, 16));
  if (count > 0) find_names();
  char *mark = strstr(found.text, "@");
  if (mark != NULL) *mark = 0;
  fprintf(out, "  %s: %s\n", found.kind, found.text);
  for (int index = 0; index < count; index += 1) fprintf(out, "    %s\n", name_of(codes[index]));
}
