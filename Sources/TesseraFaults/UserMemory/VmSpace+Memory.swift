public import TesseraHardware
internal import TesseraPageTables
public import TesseraSpaces

// The memory of a program, for its kernel: for system calls, and for loading and debugging.
//
// The space need not be active, and nothing faults. The addresses are untrusted: what is outside
// of the space, and what its rights forbid to the program, is not accessed. A page that appears
// when it is used appears, and one that a fork has shared is copied before it is written. Where
// the kernel has to supply a page, the bytes before it are the last; `resolve` tells.
//
// The program and devices may change the memory at any time. Each function may wait, as `resolve`.

extension VmSpace {
  /// Reads bytes from `address` until `bytes` is full. Returns how many were read: those before the
  /// first that the program cannot read.
  public borrowing func read(into bytes: inout MutableRawSpan, at address: VirtualAddress) -> Int {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return 0 }
      return unsafe read(into: start, buffer.count, at: address)
    }
  }

  /// Reads into the `byteCount` bytes at `destination`, which the caller owns.
  @unsafe package borrowing func read(
    into destination: UnsafeMutableRawPointer, _ byteCount: Int, at address: VirtualAddress
  ) -> Int {
    UserPages(root: root).forEachPart(of: byteCount, at: address.rawValue, for: .read) {
      memory, done, count in
      // SAFETY: both have that many bytes, and the page is locked.
      unsafe (destination + done).copyMemory(
        from: PhysicalMemory.pointer(to: memory), byteCount: count)
    }
  }

  /// Writes `bytes` from `address`. Returns how many were written: those before the first that the
  /// program cannot write.
  public borrowing func write(_ bytes: borrowing RawSpan, at address: VirtualAddress) -> Int {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeBytes { buffer in
      guard let start = buffer.baseAddress else { return 0 }
      return unsafe write(from: start, buffer.count, at: address)
    }
  }

  /// Writes the `byteCount` bytes at `source`.
  @unsafe package borrowing func write(
    from source: UnsafeRawPointer, _ byteCount: Int, at address: VirtualAddress
  ) -> Int {
    UserPages(root: root).forEachPart(of: byteCount, at: address.rawValue, for: .write) {
      memory, done, count in
      // SAFETY: both have that many bytes, and the page is locked.
      unsafe PhysicalMemory.pointer(to: memory)
        .copyMemory(from: source + done, byteCount: count)
    }
  }

  /// Writes `byte` to each of the `byteCount` bytes from `address`. Returns how many were written.
  ///
  /// - Precondition: `byteCount` is not negative.
  public borrowing func fill(
    _ byteCount: Int, with byte: UInt8, at address: VirtualAddress
  ) -> Int {
    UserPages(root: root).forEachPart(of: byteCount, at: address.rawValue, for: .write) {
      memory, _, count in
      // SAFETY: the part has that many bytes, and the page is locked.
      unsafe PhysicalMemory.pointer(to: memory)
        .initializeMemory(as: UInt8.self, repeating: byte, count: count)
    }
  }
}

extension VmSpace {
  /// Reads the four bytes at `address` at once. Nil if the program cannot read them, or `address`
  /// is not a multiple of four.
  public borrowing func load(_: UInt32.Type, at address: VirtualAddress) -> UInt32? {
    var value: UInt32?
    useValue(at: address, 4, for: .read) {
      // SAFETY: aligned memory of the direct map, whose page is locked.
      value = unsafe PhysicalMemory.loadHalfWord(from: PhysicalMemory.pointer(to: $0))
    }
    return value
  }

  /// As `load`, eight bytes.
  public borrowing func load(_: UInt64.Type, at address: VirtualAddress) -> UInt64? {
    var value: UInt64?
    useValue(at: address, 8, for: .read) {
      // SAFETY: aligned memory of the direct map, whose page is locked.
      value = unsafe PhysicalMemory.loadWord(from: PhysicalMemory.pointer(to: $0))
    }
    return value
  }

  /// Writes `value` to the four bytes at `address` at once. Returns false, and writes nothing, if
  /// the program cannot write them, or `address` is not a multiple of four.
  public borrowing func store(_ value: UInt32, at address: VirtualAddress) -> Bool {
    useValue(at: address, 4, for: .write) {
      // SAFETY: aligned memory of the direct map, whose page is locked.
      unsafe PhysicalMemory.storeHalfWord(value, to: PhysicalMemory.pointer(to: $0))
    }
  }

  /// As `store`, eight bytes.
  public borrowing func store(_ value: UInt64, at address: VirtualAddress) -> Bool {
    useValue(at: address, 8, for: .write) {
      // SAFETY: aligned memory of the direct map, whose page is locked.
      unsafe PhysicalMemory.storeWord(value, to: PhysicalMemory.pointer(to: $0))
    }
  }

  /// Writes `new` to the four bytes at `address` if they are `expected`, in one atomic operation
  /// that acquires and releases. Returns what they were; nil as `load`, if the program cannot write
  /// them.
  public borrowing func compareExchange(
    _ expected: UInt32, _ new: UInt32, at address: VirtualAddress
  ) -> UInt32? {
    var value: UInt32?
    useValue(at: address, 4, for: .write) {
      // SAFETY: aligned memory of the direct map, whose page is locked.
      value = unsafe PhysicalMemory.exchangeHalfWord(
        at: PhysicalMemory.pointer(to: $0), expected: expected, new: new)
    }
    return value
  }

  /// As `compareExchange`, eight bytes.
  public borrowing func compareExchange(
    _ expected: UInt64, _ new: UInt64, at address: VirtualAddress
  ) -> UInt64? {
    var value: UInt64?
    useValue(at: address, 8, for: .write) {
      // SAFETY: aligned memory of the direct map, whose page is locked.
      value = unsafe PhysicalMemory.exchangeWord(
        at: PhysicalMemory.pointer(to: $0), expected: expected, new: new)
    }
    return value
  }

  /// Calls `body` with the memory of the `byteCount` bytes at `address`. Returns false if they are
  /// not aligned, or do not allow `access`.
  @discardableResult
  private borrowing func useValue(
    at address: VirtualAddress, _ byteCount: UInt64, for access: MemoryAccess,
    _ body: (PhysicalAddress) -> Void
  ) -> Bool {
    guard address.rawValue % byteCount == 0 else { return false }
    return UserPages(root: root).use(address, for: access, body)
  }
}

/// What reading a string of a program found.
public enum UserString: Equatable, Sendable {
  /// The string, of this many bytes without the zero at its end.
  case complete(Int)
  /// No zero in the bytes that there was room for.
  case tooLong
  /// The program cannot read a byte before the zero; those before it, of this number, were read.
  case denied(Int)
}

extension VmSpace {
  /// Reads bytes from `address` to `bytes`, up to the first zero, which is read too.
  public borrowing func readString(
    into bytes: inout MutableRawSpan, at address: VirtualAddress
  ) -> UserString {
    // SAFETY: the buffer is all of the span's bytes.
    unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return .tooLong }
      return unsafe readString(into: start, buffer.count, at: address)
    }
  }

  /// Reads into the `byteCount` bytes at `destination`, which the caller owns.
  @unsafe package borrowing func readString(
    into destination: UnsafeMutableRawPointer, _ byteCount: Int, at address: VirtualAddress
  ) -> UserString {
    var done = 0
    while done < byteCount {
      let (place, wraps) = address.rawValue.addingReportingOverflow(UInt64(done))
      if wraps { return .denied(done) }
      // No page is used that the string does not reach.
      let count = min(byteCount - done, Int(4096 - place & 4095))
      let part = unsafe destination + done
      // SAFETY: there is room for them.
      let copied = unsafe read(into: part, count, at: VirtualAddress(place))
      for index in 0..<copied where unsafe (part + index).load(as: UInt8.self) == 0 {
        return .complete(done + index)
      }
      done += copied
      guard copied == count else { return .denied(done) }
    }
    return .tooLong
  }
}

extension VmSpace {
  /// Copies `byteCount` bytes from `address` of `source` to `target` of this space, which may be
  /// the same, in ascending order. Returns how many were copied.
  ///
  /// - Precondition: `byteCount` is not negative.
  public borrowing func copy(
    _ byteCount: Int, from address: VirtualAddress, of source: borrowing VmSpace,
    to target: VirtualAddress
  ) -> Int {
    // One page is locked at a time, so that the spaces and the pages may be the same.
    var block = [256 of UInt64](repeating: 0)
    var words = block.mutableSpan
    var done = 0
    while done < byteCount {
      let count = min(byteCount - done, 2048)
      guard let from = address.advanced(byChecked: UInt64(done)),
        let to = target.advanced(byChecked: UInt64(done))
      else { return done }
      // SAFETY: all bytes are integers, and the block has room for them.
      var bytes = unsafe words.mutableBytes
      let copied = unsafe bytes.withUnsafeMutableBytes { buffer in
        let start = unsafe buffer.baseAddress.unsafelyUnwrapped
        let found = unsafe source.read(into: start, count, at: from)
        return unsafe write(from: start, found, at: to)
      }
      done += copied
      guard copied == count else { return done }
    }
    return done
  }
}
