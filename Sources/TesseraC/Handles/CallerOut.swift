internal import TesseraHeader

/// Memory that the caller of a C function lends for a result.
///
/// The caller keeps it valid until the function returns, and no `CallerOut` outlives the call. So
/// the accesses below are safe, and a function checks its pointers before it does anything.
@safe
struct CallerOut<Value> {
  private let pointer: UnsafeMutablePointer<Value>

  /// - Throws: `INVALID_POINTER` if `pointer` is null or not aligned.
  @inline(__always)
  @unsafe init(_ pointer: UnsafeMutablePointer<Value>?) throws(APIError) {
    unsafe self.pointer = try check(pointer)
  }

  /// Writes the result.
  @inline(__always)
  func write(_ value: Value) {
    // SAFETY: the caller lends the memory.
    unsafe pointer.pointee = value
  }

  /// Writes `value` to `pointer`, unless the caller does not want it and passed null.
  @inline(__always)
  @unsafe static func write(_ value: Value, to pointer: UnsafeMutablePointer<Value>?) {
    if let place = try? unsafe CallerOut(pointer) { place.write(value) }
  }
}

/// A structure of the header that begins with its own size, so that it can grow.
protocol SizedStructure {
  var size: UInt64 { get }
}

extension tessera_direct_map: SizedStructure {}
extension tessera_fault: SizedStructure {}
extension tessera_frame_info: SizedStructure {}
extension tessera_heap_class: SizedStructure {}
extension tessera_heap_info: SizedStructure {}
extension tessera_page: SizedStructure {}
extension tessera_request: SizedStructure {}
extension tessera_statistics: SizedStructure {}

extension SizedStructure {
  static var currentSize: UInt64 { UInt64(MemoryLayout<Self>.size) }

  /// - Throws: `INVALID_SIZE` unless `size` is that of this version.
  @inline(__always)
  func checkSize() throws(APIError) {
    try check(size == Self.currentSize, TESSERA_ERROR_INVALID_SIZE)
  }
}

extension CallerOut where Value: SizedStructure {
  /// - Throws: `INVALID_POINTER`, and `INVALID_SIZE` unless the caller has set `size`.
  @inline(__always)
  @unsafe init(sized pointer: UnsafeMutablePointer<Value>?) throws(APIError) {
    try unsafe self.init(pointer)
    // SAFETY: the caller lends the memory.
    try unsafe self.pointer.pointee.checkSize()
  }
}
