internal import CBoot
internal import DemoPlatform
internal import Tessera
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension ProcessRun {
  typealias SystemCall = (number: UInt64, first: UInt64, second: UInt64, third: UInt64)

  /// Does what process `number` asks for. Returns whether it goes on at once.
  ///
  /// All arguments are a program's, and may be anything.
  func perform(_ call: SystemCall, for number: Int) -> Bool {
    switch Int32(truncatingIfNeeded: call.number) {
    case PROGRAM_EXIT:
      exit(number, countsAt: call.first)
      return false
    case PROGRAM_FORK: return give(fork(number), to: number, yielding: true)
    case PROGRAM_WAIT: return wait(number, for: call.first)
    case PROGRAM_MAP: return give(map(call, number), to: number, yielding: true)
    case PROGRAM_UNMAP: return give(unmap(call, number), to: number, yielding: true)
    case PROGRAM_WRITE: return give(write(call, number), to: number)
    case PROGRAM_SUM: return give(countPointer(sum(call, number)), to: number)
    case PROGRAM_FILL: return give(countPointer(fill(call, number)), to: number)
    case PROGRAM_THREAD: return give(startThread(call, number), to: number)
    case PROGRAM_STOP:
      stopped.add()
      return give(0, to: number)
    case PROGRAM_TURN:
      turns.add()
      return give(min(1, stopped.total), to: number)
    case PROGRAM_TURNS: return give(turns.total, to: number)
    default: return give(nil, to: number)
    }
  }

  /// Gives process `number` its result, and lets others run first if it is `yielding`. Returns
  /// whether it goes on at once.
  private func give(_ result: UInt64?, to number: Int, yielding: Bool = false) -> Bool {
    table.setResult(of: number, to: result ?? UInt64(PROGRAM_FAILED))
    if yielding { table.requeue(number) }
    return !yielding
  }

  private func countPointer(_ result: UInt64?) -> UInt64? {
    if result == nil { counts.badPointers.add() } else { counts.goodPointers.add() }
    return result
  }

  private func exit(_ number: Int, countsAt address: UInt64) {
    if address != 0, let report = report(at: address, of: number) { reports.add(report) }
    table.leave(number, 0)
  }

  private func wait(_ number: Int, for child: UInt64) -> Bool {
    switch table.wait(number, for: child) {
    case .over(let result): return give(result, to: number)
    case .begun: return false
    case .failed: return give(nil, to: number)
    }
  }

  private func fork(_ number: Int) -> UInt64? {
    counts.forks.add(mistake == .miscount ? 2 : 1)
    if mistake == .crash && counts.forks.total == 3 { crash_read(0xffff_a000_0000_0abc) }
    do throws(TesseraError) {
      let copy = try table.withSpace(of: number) { space throws(TesseraError) in try space.fork() }
      counts.sharedPages.add(try mappedPageCount(of: copy))
      guard
        let child = table.add(copy, parent: number, table.registersOfCopy(of: number))
      else { return nil }
      counts.started.add()
      return UInt64(child)
    } catch { return nil }
  }

  /// The number of pages that `space` maps, which no process uses yet.
  private func mappedPageCount(of space: borrowing VmSpace) throws(TesseraError) -> UInt64 {
    try space.withCursor(over: ProgramImage.range) { cursor throws(TesseraError) in
      var count: UInt64 = 0
      while cursor.findNext(within: ProgramImage.range.upperBound.byteCount(from: cursor.address)) {
        count += 1
        try cursor.jump(to: VirtualAddress(cursor.address.rawValue + 4096))
      }
      return count
    }
  }

  private func startThread(_ call: SystemCall, _ number: Int) -> UInt64? {
    let registers = UserRegisters(
      instructionPointer: call.first, stackPointer: call.second, call.third)
    let thread = table.add(nil, of: table.owner(of: number), parent: number, registers)
    return thread.map { UInt64($0) }
  }
}

// Memory.
extension ProcessRun {
  /// The pages of `call`, if they are in the heap.
  private func pages(_ call: SystemCall) -> Range<UInt64>? {
    let (end, overflow) = call.first.addingReportingOverflow(call.second)
    guard !overflow, (call.first | call.second) % 4096 == 0, call.second > 0,
      call.first >= ProgramImage.heap.lowerBound, end <= ProgramImage.heap.upperBound
    else { return nil }
    return call.first..<end
  }

  private func map(_ call: SystemCall, _ number: Int) -> UInt64? {
    guard let pages = pages(call) else { return nil }
    do throws(TesseraError) {
      try table.withSpace(of: number) { space throws(TesseraError) in
        try ProgramImage.setDemandZero(pages, in: space)
      }
      return 0
    } catch { return nil }
  }

  private func unmap(_ call: SystemCall, _ number: Int) -> UInt64? {
    guard let pages = pages(call) else { return nil }
    let range = VirtualAddress(pages.lowerBound)..<VirtualAddress(pages.upperBound)
    do throws(TesseraError) {
      try table.withSpace(of: number) { space throws(TesseraError) in
        _ = try space.withCursor(over: range) { cursor throws(TesseraError) in
          try cursor.unmap(call.second)
        }
      }
      return 0
    } catch { return nil }
  }
}
