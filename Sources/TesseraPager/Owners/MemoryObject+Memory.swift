public import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

// The contents of an object, for the kernel: `read` and `write` of a file.
extension MemoryObject {
  /// Reads the bytes from `offset` until `bytes` is full, or the object ends. Returns how many, and
  /// why it is not all: `resolved` if the object ends there, `busy` while a page is being read,
  /// `failed` or `outOfFrames`.
  public borrowing func read(
    into bytes: inout MutableRawSpan, at offset: UInt64
  ) -> (count: Int, end: FaultResolution) {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return (0, .resolved(.nothing)) }
      return forEachPart(of: buffer.count, at: offset) { page, place, done, count in
        // SAFETY: both have that many bytes, and the page is kept.
        unsafe (start + done).copyMemory(from: page.pointer(place), byteCount: count)
      }
    }
  }

  /// Writes `bytes` from `offset`, as far as the object goes. Returns as `read`.
  public borrowing func write(
    _ bytes: borrowing RawSpan, at offset: UInt64
  ) -> (count: Int, end: FaultResolution) {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeBytes { buffer in
      guard let start = buffer.baseAddress else { return (0, .resolved(.nothing)) }
      return forEachPart(of: buffer.count, at: offset) { page, place, done, count in
        // SAFETY: both have that many bytes, and the page is kept.
        unsafe page.pointer(place).copyMemory(from: start + done, byteCount: count)
        // After what was written, and before the reference is dropped: who writes the page back
        // sees both.
        page.add(.dirty)
      }
    }
  }

  /// Calls `body` with each part of the `byteCount` bytes from `offset` that lies in one page and
  /// in the object: the page, the first byte there, the bytes before, and its size.
  private borrowing func forEachPart(
    of byteCount: Int, at offset: UInt64,
    _ body: (PageReference, _ place: UInt64, _ done: Int, _ count: Int) -> Void
  ) -> (count: Int, end: FaultResolution) {
    let length = self.byteCount
    let total = offset < length ? Int(min(UInt64(byteCount), length - offset)) : 0
    var done = 0
    while done < total {
      let place = offset + UInt64(done)
      var frame: PageFrame?
      switch MemoryObjects.obtainReclaiming(place / 4096, of: record, &frame) {
      case .done: break
      case .again: continue
      case .busy: return (done, .busy)
      case .failed: return (done, .failed)
      case .outOfFrames: return (done, .outOfFrames)
      case .denied: return (done, .resolved(.nothing))
      }
      guard let slot = frame?.slot, let page = PageReference(slot) else { continue }
      let count = min(total - done, Int(4096 - place % 4096))
      body(page, place % 4096, done, count)
      done += count
    }
    return (done, .resolved(.nothing))
  }
}

extension MemoryObjects {
  /// As `obtain`, and frees frames if there are none.
  static func obtainReclaiming(
    _ index: UInt64, of object: Record<ObjectRecord>, _ frame: inout PageFrame?
  ) -> PageBringing {
    while true {
      let answer = obtain(index, of: object, &frame)
      guard answer == .outOfFrames else { return answer }
      let result = Pager.reclaim(32)
      if result.freed == 0 { return result.isUnderWay ? .busy : .outOfFrames }
    }
  }
}

extension PageReference {
  /// Byte `offset` of the frame.
  @unsafe fileprivate func pointer(_ offset: UInt64) -> UnsafeMutableRawPointer {
    unsafe PhysicalMemory.pointer(to: PhysicalAddress(unchecked: address.rawValue + offset))
  }
}
