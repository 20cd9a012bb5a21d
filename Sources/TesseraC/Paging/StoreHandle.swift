internal import TesseraHeader
internal import TesseraPager

extension tessera_store: SizedStructure {}

extension PageStore {
  /// The store at `pointer`, of which the kernel guarantees that its functions may be called with
  /// its context.
  ///
  /// - Throws: `INVALID_POINTER`, also for a function that is missing, and `INVALID_SIZE`.
  @unsafe init(_ pointer: UnsafePointer<tessera_store>?) throws(APIError) {
    // SAFETY: the caller lends the structure.
    let store = unsafe try check(pointer).pointee
    try unsafe store.checkSize()
    guard let read = unsafe store.read, let write = unsafe store.write else {
      throw APIError(TESSERA_ERROR_INVALID_POINTER)
    }
    // SAFETY: the types differ in how they call a pointer and a number of 64 bits, which are passed
    // in the same way.
    self.init(
      context: unsafe UInt(bitPattern: store.context),
      read: unsafe unsafeBitCast(read, to: PageStore.Transfer.self),
      write: unsafe unsafeBitCast(write, to: PageStore.Transfer.self),
      release: unsafe unsafeBitCast(store.release, to: PageStore.Release?.self))
  }
}
