extension FrameSlotReference {
  /// Where the mark is in the storage: behind what allocators and permanent frames store there.
  private static var markOffset: Int { 32 }

  /// The level of the loader's page table in the frame, as set during the start; zero if none.
  ///
  /// Only during the start, while one processor runs, and for frames without metadata of clients.
  package var loaderTableLevel: UInt64 {
    // SAFETY: the last word of the storage, which nothing else uses at the start.
    unsafe storage(as: UInt64.self, at: Self.markOffset).pointee
  }

  package func setLoaderTableLevel(_ level: UInt64) {
    // SAFETY: the last word of the storage, which nothing else uses at the start.
    unsafe storage(as: UInt64.self, at: Self.markOffset).pointee = level
  }
}
