// A kernel in C++17, with vector registers and a stack protector.
#include "memory.hpp"

#include <new>

// The machine -------------------------------------------------------------------------------------

enum class Verdict : uint32_t { passed = 0x10, failed = 0x11, crashed = 0x12 };

class SerialPort {
 public:
  SerialPort() {
    static constexpr uint8_t settings[][2] = {{1, 0}, {3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 0xc7}};
    for (auto &[index, value] : settings) write(static_cast<uint16_t>(base + index), value);
  }

  const SerialPort &print(const char *text, size_t length) const {
    for (size_t i = 0; i < length; i++) {
      wait(0x20);
      write(base, static_cast<uint8_t>(text[i]));
    }
    return *this;
  }

  const SerialPort &operator<<(const char *text) const {
    size_t length = 0;
    while (text[length] != 0) length++;
    return print(text, length);
  }

  const SerialPort &operator<<(uint64_t number) const {
    if (number >= 10) *this << number / 10;
    char digit = static_cast<char>('0' + number % 10);
    return print(&digit, 1);
  }

  [[noreturn]] void power_off(Verdict verdict) const {
    wait(0x40);
    asm volatile("outl %0, %w1" : : "a"(verdict), "d"(0xf4));
    for (;;) asm volatile("cli; hlt");
  }

 private:
  static constexpr uint16_t base = 0x3f8;
  static void write(uint16_t port, uint8_t byte) {
    asm volatile("outb %0, %1" : : "a"(byte), "d"(port));
  }
  static void wait(uint8_t status) {
    for (uint8_t byte = 0; !(byte & status);)
      asm volatile("inb %1, %0" : "=a"(byte) : "d"(static_cast<uint16_t>(base + 5)));
  }
};

static SerialPort serial;

[[noreturn]] static void fail(const char *why) {
  serial << "verdict: fail, " << why << "\n";
  serial.power_off(Verdict::failed);
}

static void expect(bool condition, const char *otherwise) {
  if (!condition) fail(otherwise);
}

extern "C" {
extern void (*constructors_start[])(), (*constructors_end[])();
extern char image_start[], image_end[];
bool read_if_mapped(const volatile void *address, uint64_t *value);
void page_fault();

[[noreturn]] void unexpected_page_fault() {
  serial << "verdict: crashed, by an unexpected page fault\n";
  serial.power_off(Verdict::crashed);
}

// For the stack protector.
uintptr_t __stack_chk_guard = 0xd7a1'03c4'5be9'2600;
[[noreturn]] void __stack_chk_fail() {
  serial << "verdict: crashed, stack overflow in a function\n";
  serial.power_off(Verdict::crashed);
}
}

static void catch_page_faults() {
  struct Gate {
    uint16_t low, selector, type, middle;
    uint32_t high, zero;
  };
  struct [[gnu::packed]] Table {
    uint16_t limit;
    Gate *gates;
  };
  static Gate gates[32];
  auto entry = reinterpret_cast<uint64_t>(page_fault);
  gates[14] = {static_cast<uint16_t>(entry), 0x08, 0x8e00, static_cast<uint16_t>(entry >> 16),
               static_cast<uint32_t>(entry >> 32), 0};
  Table table = {sizeof gates - 1, gates};
  asm volatile("lidt %0" : : "m"(table) : "memory");
}

// Tessera -----------------------------------------------------------------------------------------

void tessera_host_panic(const char *message, size_t length) {
  serial << "verdict: crashed, ";
  serial.print(message, length) << "\n";
  serial.power_off(Verdict::crashed);
}

void must(tessera_result result) {
  if (result != TESSERA_OK) fail(tessera_strerror(result));
}

static void write(void *, const char *text, size_t length) { serial.print(text, length); }

static void start_tessera(uint32_t magic, uint32_t information) {
  static tessera_region regions[128];
  tessera_config config = {};
  config.size = sizeof config;
  config.regions = regions;
  config.direct_map = 0xffff'8000'0000'0000;
  config.direct_map_end = 4 * TESSERA_1G;
  config.image_start = reinterpret_cast<uint64_t>(image_start);
  config.image_end = reinterpret_cast<uint64_t>(image_end);
  config.kernel_half = TESSERA_ADOPT;
  must(tessera_read_multiboot(
      magic, information, config.direct_map, config.direct_map_end, regions, 128,
      &config.region_count));
  must(tessera_print_memory_map(&config, write, nullptr));
  must(tessera_start(&config));
}

static void use_a_space() {
  constexpr uint64_t address = 0x400000, pages = 16, length = pages * TESSERA_4K;
  auto *const words = reinterpret_cast<volatile uint64_t *>(address);
  constexpr uint64_t stride = TESSERA_4K / sizeof *words;
  uint64_t word;

  Space space;
  Frame frame;
  frame.as<uint64_t>() = 42;
  Activation active(space);
  {
    Cursor cursor(space, address, length);
    for (uint64_t i = 0; i < pages; i++) cursor.map(frame.share(), TESSERA_READ | TESSERA_WRITE);
  }
  words[7 * stride] += 1;
  for (uint64_t i = 0; i < pages; i++)
    expect(words[i * stride] == 43, "a page maps another frame");
  must(tessera_print_walk(space.get(), address, write, nullptr));
  {
    Cursor cursor(space, address, length);
    expect(cursor.unmap(length / 2) == length / 2, "the number of unmapped bytes is wrong");
    cursor.protect(length / 2, TESSERA_NO_ACCESS);
  }
  for (uint64_t i = 0; i < pages; i++)
    expect(!read_if_mapped(words + i * stride, &word), "an unmapped page does not fault");
  must(tessera_print_walk(space.get(), address, write, nullptr));
  expect(frame.as<uint64_t>() == 43, "the frame lost its contents");
}

static void use_kernel_memory() {
  void *memory;
  must(tessera_kernel_allocate(sizeof(double) * 1024, TESSERA_READ | TESSERA_WRITE, &memory));
  auto *numbers = static_cast<double *>(memory);
  for (int i = 0; i < 1024; i++) numbers[i] = i * 0.5;
  double sum = 0;
  for (int i = 0; i < 1024; i++) sum += numbers[i];
  must(tessera_kernel_free(memory, sizeof(double) * 1024));
  expect(sum == 1023 * 1024 / 4.0, "the vector registers were changed");
}

// Objects -----------------------------------------------------------------------------------------

static void *not_null(void *object) {
  expect(object != nullptr, "the heap is out of memory");
  return object;
}

// What `new` and `delete` call.
void *operator new(size_t size) { return not_null(tessera_malloc(size)); }
void *operator new(size_t size, std::align_val_t alignment) {
  return not_null(tessera_malloc_aligned(static_cast<size_t>(alignment), size));
}
void operator delete(void *object) noexcept { tessera_free(object); }
void operator delete(void *object, size_t) noexcept { tessera_free(object); }
void operator delete(void *object, std::align_val_t) noexcept { tessera_free(object); }
void operator delete(void *object, size_t, std::align_val_t) noexcept { tessera_free(object); }

/// An expression, which owns its parts.
class Expression {
 public:
  static int live;
  Expression() { live++; }
  virtual ~Expression() { live--; }
  Expression(const Expression &) = delete;
  Expression &operator=(const Expression &) = delete;
  virtual uint64_t value() const = 0;
};
int Expression::live = 0;

class alignas(64) Number : public Expression {
 public:
  explicit Number(uint64_t value) : value_(value) {}
  uint64_t value() const override { return value_; }

 private:
  uint64_t value_;
};

class Sum : public Expression {
 public:
  Sum(const Expression *left, const Expression *right) : left_(left), right_(right) {}
  ~Sum() override {
    delete left_;
    delete right_;
  }
  uint64_t value() const override { return left_->value() + right_->value(); }

 private:
  const Expression *left_, *right_;
};

static void use_objects() {
  const Expression *sum = new Number(0);
  for (uint64_t i = 1; i <= 100; i++) {
    auto *number = new Number(i);
    expect(reinterpret_cast<uintptr_t>(number) % 64 == 0, "an object is not aligned");
    sum = new Sum(sum, number);
  }
  expect(sum->value() == 5050 && Expression::live == 201, "objects have lost their values");
  delete sum;
  expect(Expression::live == 0, "a destructor was not called");
}

extern "C" void __cxa_pure_virtual() { fail("a virtual function was called that has no body"); }

extern "C" void kernel_main(uint32_t magic, uint32_t information) {
  for (auto constructor = constructors_start; constructor < constructors_end; constructor++)
    (*constructor)();
  serial << "cpp: a kernel in C++, with vector registers and a stack protector\n";
  catch_page_faults();
  start_tessera(magic, information);
  use_a_space();
  use_kernel_memory();
  use_objects();
  uint64_t violations;
  must(tessera_audit(write, nullptr, &violations));
  expect(violations == 0, "Tessera's audit found violations");
  tessera_statistics statistics = {};
  statistics.size = sizeof statistics;
  must(tessera_get_statistics(&statistics));
  serial << statistics.free_frames << " frames are free, of " << statistics.managed_frames << "\n"
         << "verdict: pass\n";
  serial.power_off(Verdict::passed);
}
