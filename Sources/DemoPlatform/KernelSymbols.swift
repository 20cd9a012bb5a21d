internal import TesseraBoot
internal import TesseraHardware

/// The names of the kernel's functions, from the symbol table that the loader has loaded.
///
/// QEMU's loader has none: addresses are then printed alone. The table is read where it lies in
/// memory, in a way that never faults, because a crash may have damaged it.
enum KernelSymbols {
  /// Access: written by `use` before anything can crash but the start, constant afterwards.
  nonisolated(unsafe) private static var table: MultibootSymbols?

  /// Takes names from `symbols` from now on.
  static func use(_ symbols: MultibootSymbols?) {
    // SAFETY: nothing else runs yet.
    unsafe table = symbols
  }

  /// Writes the name of the function that `address` is in, after two blanks; nothing if there is no
  /// name.
  static func write(nameOf address: UInt64, to sink: inout some TextSink) {
    // SAFETY: constant once the kernel runs; see `table`.
    guard let symbols = unsafe table, let found = symbols.lastFunction(upTo: address) else {
      return
    }
    sink.write("  ")
    symbols.write(nameAt: found.name, to: &sink)
    sink.write(" + ")
    sink.write(hexadecimal: address - found.start)
  }
}

extension MultibootSymbols {
  /// The last function of the kernel's code that starts at or before `address`: the offset of its
  /// name, and its address.
  ///
  /// System V ABI, "Symbol Table"; ELF-64 Object File Format, "Symbol table".
  fileprivate func lastFunction(upTo address: UInt64) -> (name: UInt64, start: UInt64)? {
    guard KernelImage.text.contains(address) else { return nil }
    var best: (name: UInt64, start: UInt64)?
    let stride: UInt64 = is64Bit ? 24 : 16
    var place = entries.lowerBound.rawValue
    while entries.upperBound.rawValue - place >= stride {
      defer { place += stride }
      guard let first = Self.word(at: place), let second = Self.word(at: place + 8) else {
        continue
      }
      // With 32 bits the address comes first, sign-extended, and the type after it.
      let short = UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: first >> 32)))
      let start = is64Bit ? second : short
      let type = (is64Bit ? first : second) >> 32 & 15
      guard type == 0 || type == 2, KernelImage.text.contains(start), start <= address else {
        continue
      }
      if best.map({ $0.start <= start }) ?? true { best = (first & 0xffff_ffff, start) }
    }
    return best
  }

  fileprivate func write(nameAt offset: UInt64, to sink: inout some TextSink) {
    var place = names.lowerBound.rawValue + offset
    let end = min(names.upperBound.rawValue, place + 120)
    while place < end, let word = Self.word(at: place & ~7) {
      let byte = UInt8(truncatingIfNeeded: word >> (place % 8 * 8))
      if byte == 0 { return }
      sink.write(byte: byte >= 0x20 && byte < 0x7f ? byte : 0x3f)
      place += 1
    }
  }

  /// The eight bytes at the physical `address`, or nil if reading them faults.
  private static func word(at address: UInt64) -> UInt64? {
    MemoryProbe.read(UInt64(PhysicalMemory.directMapBase) &+ address)
  }
}
