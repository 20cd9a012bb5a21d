import CTessera

// Accesses to virtual addresses.

extension SimulatedMMU {
  /// Reads a value at `address` on processor `number`, or on the calling one.
  public func read<Value: BitwiseCopyable>(
    _ type: Value.Type, at address: UInt64, as privilege: Privilege = .user, on number: Int? = nil
  ) throws(PageFault) -> Value {
    let byteCount = MemoryLayout<Value>.size
    let buffer = UnsafeMutableRawPointer.allocate(
      byteCount: byteCount, alignment: MemoryLayout<Value>.alignment)
    defer { buffer.deallocate() }
    let fault = forEachPiece(address, byteCount, .read, privilege, number) {
      place, offset, length in
      (buffer + offset).copyMemory(from: place, byteCount: length)
    }
    if let fault { throw fault }
    return buffer.loadUnaligned(as: Value.self)
  }

  /// Writes `value` at `address`. If any byte faults, nothing is written.
  public func write<Value: BitwiseCopyable>(
    _ value: Value, at address: UInt64, as privilege: Privilege = .user, on number: Int? = nil
  ) throws(PageFault) {
    let byteCount = MemoryLayout<Value>.size
    let buffer = UnsafeMutableRawPointer.allocate(
      byteCount: byteCount, alignment: MemoryLayout<Value>.alignment)
    defer { buffer.deallocate() }
    buffer.storeBytes(of: value, as: Value.self)
    let fault = forEachPiece(address, byteCount, .write, privilege, number) {
      place, offset, length in
      place.copyMemory(from: buffer + offset, byteCount: length)
    }
    if let fault { throw fault }
  }

  /// Fetches one byte of code at `address`.
  @discardableResult
  public func fetch(
    at address: UInt64, as privilege: Privilege = .user, on number: Int? = nil
  ) throws(PageFault) -> UInt8 {
    var byte: UInt8 = 0
    let fault = forEachPiece(address, 1, .fetch, privilege, number) { place, _, _ in
      byte = place.load(as: UInt8.self)
    }
    if let fault { throw fault }
    return byte
  }

  /// Does what a program does with `word` at `address`, which is aligned: reads it from there,
  /// writes it there, or fetches what is there. Returns the fault, which `read`, `write` and
  /// `fetch` throw.
  package func use(_ word: inout UInt64, at address: UInt64, _ kind: AccessKind) -> PageFault? {
    forEachPiece(address, 8, kind, .user, nil) { place, _, _ in
      switch kind {
      case .read: word = place.load(as: UInt64.self)
      case .write: place.storeBytes(of: word, as: UInt64.self)
      case .fetch: break
      }
    }
  }

  /// Runs `body` on the part in each page, after checking that all parts are accessible. Returns
  /// the fault if one is not.
  private func forEachPiece(
    _ address: UInt64, _ byteCount: Int, _ kind: AccessKind, _ privilege: Privilege,
    _ number: Int?, _ body: (UnsafeMutableRawPointer, _ offset: Int, _ length: Int) -> Void
  ) -> PageFault? {
    precondition(byteCount <= 4096, "value spans more than two pages")
    let access = Access(kind: kind, privilege: privilege, processor: number ?? currentProcessor)
    let firstLength = min(byteCount, 4096 - Int(address & 4095))
    let (next, isPastTheEnd) = address.addingReportingOverflow(UInt64(firstLength))
    if isPastTheEnd && firstLength < byteCount { return .generalProtection(address: address) }
    return locked { cache, counters in
      let first: UInt64
      var second: UInt64?
      switch cache.use(address, access, &counters) {
      case .success(let place): first = place
      case .failure(let fault): return fault
      }
      if firstLength < byteCount {
        switch cache.use(next, access, &counters) {
        case .success(let place): second = place
        case .failure(let fault): return fault
        }
      }
      body(memory.base + Int(first), 0, firstLength)
      if let second {
        body(memory.base + Int(second), firstLength, byteCount - firstLength)
      }
      return nil
    }
  }
}

extension SimulatedMMU {
  /// Copies bytes between the kernel's `buffer` and the user `address`, as the kernel on processor
  /// `number`, until one faults. Returns the number copied.
  ///
  /// The kernel recovers from the fault.
  func copy(
    _ byteCount: Int, between address: UInt64, and buffer: UnsafeMutableRawPointer, isWrite: Bool,
    on number: Int
  ) -> Int {
    let isAllowed = simulated_current_processor().pointee.user_access_allowed
    let access = Access(
      kind: isWrite ? .write : .read, privilege: isAllowed ? .supervisorOnUserMemory : .supervisor,
      processor: number)
    return locked { cache, counters in
      var done = 0
      while done < byteCount {
        let place = address &+ UInt64(done)
        let length = min(byteCount - done, 4096 - Int(place & 4095))
        guard case .success(let found) = cache.use(place, access, &counters) else { return done }
        let memory = memory.base + Int(found)
        let (target, source) = isWrite ? (memory, buffer + done) : (buffer + done, memory)
        target.copyMemory(from: source, byteCount: length)
        counters.userBytesCopied += length
        done += length
      }
      return done
    }
  }

  /// Returns the translation of `address` in the tables, for an access on processor `number` or on
  /// the calling one. Neither reads nor changes any cache.
  public func translate(
    _ address: UInt64, for kind: AccessKind = .read, as privilege: Privilege = .user,
    on number: Int? = nil
  ) throws(PageFault) -> SimulatedTranslation {
    let access = Access(kind: kind, privilege: privilege, processor: number ?? currentProcessor)
    return try locked { (cache, _) throws(PageFault) in
      try cache.permittedTranslation(of: address, access).get().page
    }
  }

  /// Returns the translation of `address` in the tables under `root`, whatever its rights, or nil
  /// if nothing is mapped or a reserved bit is set.
  ///
  /// `root` need not be active. All other registers are those of processor `number`.
  public func translation(
    of address: UInt64, root: UInt64, on number: Int = 0
  ) -> SimulatedTranslation? {
    locked { cache, _ in
      var registers = cache.processors[number].registers
      registers.cr3 = root
      guard registers.isCanonical(address) else { return nil }
      let walk = TableWalk(memory: memory, registers: registers)
      if case .page(let page, _, _) = walk.translate(address) { return page }
      return nil
    }
  }

  private var currentProcessor: Int { Int(simulated_current_processor().pointee.number) }
}
