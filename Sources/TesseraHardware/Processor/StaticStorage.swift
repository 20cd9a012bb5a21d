internal import Synchronization

/// Static memory for values of one type, all bytes zero at start; `Words` gives its size.
///
/// Only for static variables. Swift initializes a global at its first use, through a runtime
/// function that locks, unless the initial value folds to a constant. Nested structures of zeros
/// do; an `InlineArray` of this size does not.
package struct StaticStorage<Element: ~Copyable, Words: ZeroWords>: ~Copyable, Sendable {
  /// Keeps the storage in place and writable, though its variable is a constant.
  private let first = Atomic<UInt64>(0)
  private let words = Words()

  @inline(__always)
  package init() {}

  package static var byteCount: Int { MemoryLayout<Words>.size }

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

/// Words of zero.
package protocol ZeroWords: BitwiseCopyable, Sendable {
  init()
}

/// 1,024 words.
package struct ZeroWords1024: ZeroWords {
  private let words: (ZeroWords512, ZeroWords512)

  @inline(__always)
  package init() { words = (ZeroWords512(), ZeroWords512()) }
}

/// 512 words.
package struct ZeroWords512: ZeroWords {
  private let words: (ZeroWords256, ZeroWords256)

  @inline(__always)
  package init() { words = (ZeroWords256(), ZeroWords256()) }
}

/// 256 words.
package struct ZeroWords256: ZeroWords {
  private let words: (Words64, Words64, Words64, Words64)

  @inline(__always)
  package init() { words = (Words64(), Words64(), Words64(), Words64()) }

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
