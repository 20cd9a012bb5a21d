internal import CBoot
internal import DemoPlatform
internal import Tessera
internal import TesseraHardware
internal import TesseraSpaces

/// Programs that all processors run until each has ended, and what is counted meanwhile.
struct ProcessRun: ~Copyable {
  /// What the kernel is asked to do wrong, so that the programs have to notice it.
  enum Mistake {
    case none
    /// The frame of a page that must be copied is filled with zeros instead.
    case noCopy
    /// No processor asks another one to flush while threads write.
    case noFlush
    /// Forks are counted twice.
    case miscount
    /// The kernel crashes at the third fork, while threads are in user mode.
    case crash
  }

  let table: ProcessTable
  let image: ProgramImage
  let mistake: Mistake
  /// Whether no processor asks another one to flush. Then it flushes everything itself before it
  /// runs a process that may have changed elsewhere.
  private let isWithoutRequests: Bool
  let counts = ProcessCounts()
  let reports = ProcessCounts()
  /// Not zero once a program has stopped its threads.
  let stopped = StormCount()
  /// The turns that threads have had.
  let turns = StormCount()
  /// Programs that were ended because no frame was free.
  let starved = StormCount()

  /// Throws `outOfFrames`.
  init(mistake: Mistake = .none, isWithoutRequests: Bool = false) throws(TesseraError) {
    let image = try ProgramImage()
    table = try ProcessTable()
    self.image = image
    self.mistake = mistake
    self.isWithoutRequests = isWithoutRequests
  }

  /// Starts the program once more, with the arguments of its main function. Throws `outOfFrames`.
  func start(_ first: UInt64, _ second: UInt64 = 0) throws(TesseraError) {
    let space = try image.space.fork()
    guard table.add(space, parent: nil, image.registers(first, second)) != nil else {
      throw .outOfFrames
    }
    counts.started.add()
  }

  /// Starts the program that forks while its threads write, one on each other processor as far as
  /// it can have so many. Returns their number. Throws `outOfFrames`.
  @discardableResult
  func startThreads() throws(TesseraError) -> UInt64 {
    let count = min(UInt64(PROGRAM_MOST_THREADS), UInt64(Processors.count - 1))
    try start(0, count)
    return count
  }

  /// Lets all processors run programs until there are none left.
  mutating func run() {
    // SAFETY: the function is that of a run, whose table has a lock and whose counts are atomic.
    unsafe ProcessorTask.runOnAll(&self) {
      unsafe $0.assumingMemoryBound(to: ProcessRun.self).pointee.takePart()
    }
  }

  private func takePart() {
    while true {
      if let number = table.take() {
        serve(number)
      } else if table.isOver {
        break
      } else {
        Processor.pause()
      }
    }
    VmSpace.deactivate()
  }

  /// Runs process `number` until it ends, waits, or lets others run first.
  private func serve(_ number: Int) {
    if isWithoutRequests { Processor.invalidateAll(alsoGlobal: true) }
    _ = try? table.withSpace(of: number) { space throws(TesseraError) in space.activate() }
    while true {
      switch table.run(number) {
      case .systemCall:
        guard perform(table.systemCall(of: number), for: number) else { return }
      case .pageFault(let address, let errorCode):
        let fault = PageFault(at: VirtualAddress(address), errorCode: errorCode)
        if resolve(fault, for: number) { continue }
        return table.leave(number, Process.result(endedBy: 14))
      case .exception(let vector, _):
        counts.exceptions.add()
        return table.leave(number, Process.result(endedBy: vector))
      }
    }
  }
}

// Page faults.
extension ProcessRun {
  /// Resolves a page fault of process `number`, and counts what it took. Returns false if the
  /// process must be ended.
  private func resolve(_ fault: PageFault, for number: Int) -> Bool {
    let resolution = try? table.withSpace(of: number) { space throws(TesseraError) in
      let resolution = space.resolve(fault)
      if mistake == .noCopy && resolution == .resolved(.copy) { forgetCopy(at: fault, in: space) }
      return resolution
    }
    switch resolution {
    case .resolved(let supply):
      count(supply)
      return true
    case .outOfFrames: starved.add()
    default: counts.rejected.add()
    }
    return false
  }

  private func count(_ supply: PageSupply) {
    switch supply {
    // The programs have no page that is brought from elsewhere.
    case .nothing, .paged: counts.spurious.add()
    case .zeros: counts.zeroReads.add()
    case .zeroedFrame: counts.zeroWrites.add()
    case .copy: counts.copied.add()
    case .takeover: counts.takenOver.add()
    }
  }

  /// Fills the frame that has been copied for `fault` with zeros.
  private func forgetCopy(at fault: PageFault, in space: borrowing VmSpace) {
    guard let address = space.translate(fault.address)?.address.rawValue else { return }
    let start = UInt64(PhysicalMemory.directMapBase) + address & ~4095
    for offset in 0..<UInt64(512) {
      // SAFETY: the frame is a program's, which has to notice it.
      _ = unsafe MemoryProbe.write(0, to: start + offset * 8)
    }
  }
}
