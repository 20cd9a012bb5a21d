// Tessera's handles as C++ objects that own them: destructors drop handles and close cursors.
#pragma once

#include "tessera.h"

/// Fails the kernel with the description of `result`, unless it is TESSERA_OK.
void must(tessera_result result);

/// A handle of a 4 KiB frame.
class Frame {
 public:
  Frame() { must(tessera_allocate(&address_)); }
  Frame(Frame &&other) : address_(other.release()) {}
  Frame(const Frame &) = delete;
  Frame &operator=(const Frame &) = delete;
  ~Frame() {
    if (address_ != none) must(tessera_drop(address_));
  }

  /// Another handle of the same frame.
  Frame share() const {
    must(tessera_share(address_));
    return Frame(address_);
  }

  tessera_frame address() const { return address_; }
  template <typename T> T &as() const { return *static_cast<T *>(tessera_frame_bytes(address_)); }

  /// Gives up ownership of the handle, and returns its address.
  tessera_frame release() {
    tessera_frame address = address_;
    address_ = none;
    return address;
  }

 private:
  static constexpr tessera_frame none = 1;  // not a multiple of 4096
  explicit Frame(tessera_frame address) : address_(address) {}
  tessera_frame address_;
};

/// An address space.
class Space {
 public:
  Space() { must(tessera_space_create(&space_)); }
  Space(const Space &) = delete;
  Space &operator=(const Space &) = delete;
  ~Space() { must(tessera_space_destroy(&space_)); }
  const tessera_space *get() const { return &space_; }

 private:
  tessera_space space_;
};

/// Keeps a space active for as long as it exists.
class Activation {
 public:
  explicit Activation(const Space &space) { must(tessera_space_activate(space.get())); }
  Activation(const Activation &) = delete;
  Activation &operator=(const Activation &) = delete;
  ~Activation() { must(tessera_space_activate(tessera_kernel_space())); }
};

/// A locked range of a space. Its destructor flushes the TLB.
class Cursor {
 public:
  Cursor(const Space &space, uint64_t address, uint64_t length) {
    must(tessera_cursor_open(&cursor_, space.get(), address, length, 0));
  }
  Cursor(const Cursor &) = delete;
  Cursor &operator=(const Cursor &) = delete;
  ~Cursor() { must(tessera_cursor_close(&cursor_)); }

  void map(Frame &&frame, uint32_t rights) {
    must(tessera_cursor_map(&cursor_, frame.address(), rights, nullptr));
    frame.release();
  }

  void protect(uint64_t length, uint32_t rights) {
    must(tessera_cursor_protect(&cursor_, length, rights, nullptr));
  }

  uint64_t unmap(uint64_t length) {
    uint64_t unmapped;
    must(tessera_cursor_unmap(&cursor_, length, &unmapped));
    return unmapped;
  }

  void jump(uint64_t address) { must(tessera_cursor_jump(&cursor_, address)); }

 private:
  tessera_cursor cursor_;
};
