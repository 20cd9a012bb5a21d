internal import TesseraHardware

/// An array whose elements are read and written where they are.
///
/// Of an `InlineArray`, swiftc 6.3.1 copies the whole to read one element, again and again, and a
/// kernel's stack has no room for that.
///
/// SAFETY: safe to use, because only `init` makes one, whose caller vouches for the memory, and the
/// subscript stays inside it.
@safe
struct ModelArray<Element: BitwiseCopyable> {
  private let elements: UnsafeMutablePointer<Element>
  private let count: Int

  /// How many bytes `count` elements take.
  static func byteCount(_ count: Int) -> Int { count * MemoryLayout<Element>.stride }

  /// The caller gives memory for `count` elements, aligned to 16, for as long as this is used.
  @unsafe init(at memory: UnsafeMutableRawPointer, count: Int, repeating element: Element) {
    unsafe elements = memory.bindMemory(to: Element.self, capacity: count)
    self.count = count
    unsafe elements.initialize(repeating: element, count: count)
  }

  subscript(index: Int) -> Element {
    get {
      require(index >= 0 && index < count, "a table has no such element")
      // SAFETY: the index is inside the memory that the maker gave.
      return unsafe elements[index]
    }
    nonmutating set {
      require(index >= 0 && index < count, "a table has no such element")
      // SAFETY: the index is inside the memory that the maker gave.
      unsafe elements[index] = newValue
    }
  }
}
