internal import CBoot
internal import DemoPlatform
internal import Tessera
internal import TesseraHardware
internal import TesseraSpaces

// System calls with pointers, which are a program's and may be anything.
extension ProcessRun {
  /// Copies the `byteCount` bytes at `address` of process `number`, and calls `body` with up to 256
  /// of them at a time, and their number. Returns false if not all can be read.
  private func read(
    _ byteCount: UInt64, at address: UInt64, of number: Int,
    _ body: (_ bytes: [256 of UInt8], _ count: Int) -> Void
  ) -> Bool {
    let isComplete = try? table.withSpace(of: number) { space throws(TesseraError) in
      let reader = try space.reader(at: VirtualAddress(address), byteCount: byteCount)
      var offset: UInt64 = 0
      while offset < byteCount {
        var block = [256 of UInt8](repeating: 0)
        let count = Int(min(256, byteCount - offset))
        var bytes = block.mutableSpan
        // SAFETY: all bit patterns of an integer are valid.
        var part = unsafe bytes.mutableBytes
        var wanted = part._mutatingExtracting(first: count)
        guard reader.read(into: &wanted, at: offset) == count else { return false }
        body(block, count)
        offset += UInt64(count)
      }
      return true
    }
    return isComplete ?? false
  }

  /// What process `number` reports, at `address`.
  func report(at address: UInt64, of number: Int) -> program_counts? {
    var report = program_counts()
    let isComplete = try? table.withSpace(of: number) { space throws(TesseraError) in
      // SAFETY: any words are counts.
      unsafe withUnsafeMutableBytes(of: &report) { words in
        var bytes = unsafe MutableRawSpan(_unsafeBytes: words)
        return space.read(into: &bytes, at: VirtualAddress(address)) == words.count
      }
    }
    return isComplete == true ? report : nil
  }

  /// PROGRAM_SUM
  func sum(_ call: SystemCall, _ number: Int) -> UInt64? {
    var sum: UInt64 = 0
    let isComplete = read(call.second, at: call.first, of: number) { bytes, count in
      for index in 0..<count { sum += UInt64(bytes[index]) }
    }
    return isComplete ? sum : nil
  }

  /// PROGRAM_WRITE
  func write(_ call: SystemCall, _ number: Int) -> UInt64? {
    let byteCount = min(80, call.second)
    var console = Console()
    let isComplete = read(byteCount, at: call.first, of: number) { bytes, count in
      console.write("  a program writes: ")
      for index in 0..<count {
        let byte = bytes[index]
        console.write(byte: byte >= 0x20 && byte < 0x7f ? byte : 0x2e)
      }
      console.writeLine()
    }
    return isComplete ? byteCount : nil
  }

  /// PROGRAM_FILL
  func fill(_ call: SystemCall, _ number: Int) -> UInt64? {
    let block = [256 of UInt8](repeating: UInt8(truncatingIfNeeded: call.third))
    let isComplete = try? table.withSpace(of: number) { space throws(TesseraError) in
      let writer = try space.writer(at: VirtualAddress(call.first), byteCount: call.second)
      var offset: UInt64 = 0
      while offset < call.second {
        let count = Int(min(256, call.second - offset))
        // SAFETY: integers have no padding.
        let bytes = unsafe block.span.bytes
        guard writer.write(bytes.extracting(first: count), at: offset) == count else {
          return false
        }
        offset += UInt64(count)
      }
      return true
    }
    return isComplete == true ? call.second : nil
  }
}
