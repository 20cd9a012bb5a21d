internal import Synchronization

/// 8 KiB of static memory for values of one type, all bytes zero at start.
///
/// Only for static variables. Swift initializes a global at its first use, through a runtime
/// function that locks, unless the initial value folds to a constant. Nested structures of zeros
/// do; an `InlineArray` of this size does not, nor does a generic parameter.
package struct StaticStorage<Element: ~Copyable>: ~Copyable, Sendable {
  /// Keeps the storage in place and writable, though its variable is a constant.
  private let first = Atomic<UInt64>(0)
  private let words = (ZeroWords(), ZeroWords(), ZeroWords(), ZeroWords())

  @inline(__always)
  package init() {}

  package static var byteCount: Int { 8192 }

  /// The start of the storage, aligned to 8, which is never moved.
  @inline(__always)
  @unsafe package var start: UnsafeMutablePointer<Element> {
    // SAFETY: a static variable has one address for as long as the program runs, and the atomic
    // word makes it one that is never copied or constant.
    unsafe withUnsafePointer(to: self) {
      unsafe UnsafeMutableRawPointer(mutating: $0).assumingMemoryBound(to: Element.self)
    }
  }
}

/// 2 KiB of static memory, as `StaticStorage`.
struct SmallStaticStorage<Element: ~Copyable>: ~Copyable, Sendable {
  private let first = Atomic<UInt64>(0)
  private let words = ZeroWords()

  @inline(__always)
  init() {}

  static var byteCount: Int { 2048 }

  /// The start of the storage, aligned to 8, which is never moved.
  @inline(__always)
  @unsafe var start: UnsafeMutablePointer<Element> {
    // SAFETY: as for `StaticStorage`.
    unsafe withUnsafePointer(to: self) {
      unsafe UnsafeMutableRawPointer(mutating: $0).assumingMemoryBound(to: Element.self)
    }
  }
}

/// 256 words.
private struct ZeroWords {
  private let words: (Words64, Words64, Words64, Words64)

  @inline(__always)
  init() { words = (Words64(), Words64(), Words64(), Words64()) }

  private struct Words64 {
    private let words: (Words8, Words8, Words8, Words8, Words8, Words8, Words8, Words8)

    @inline(__always)
    init() {
      words = (Words8(), Words8(), Words8(), Words8(), Words8(), Words8(), Words8(), Words8())
    }
  }

  private struct Words8 {
    private let words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
      0, 0, 0, 0, 0, 0, 0, 0
    )

    @inline(__always)
    init() {}
  }
}
