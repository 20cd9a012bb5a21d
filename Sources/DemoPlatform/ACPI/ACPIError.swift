package import TesseraHardware

/// The reason why the firmware's description of the processors cannot be used: which of its tables
/// is damaged, and in what way.
package struct ACPIError: Error, Equatable {
  package let table: ACPITable
  package let problem: Problem

  package enum Problem: Equatable, Sendable {
    /// There is no such table.
    case notFound
    /// A part of the table is not in memory that can be read.
    case unreadable(address: UInt64)
    /// The table says that it is shorter than its fixed part.
    case tooShort(byteCount: UInt64)
    /// The table says that it is longer than any such table is.
    case tooLong(byteCount: UInt64)
    /// The bytes of the table do not add up to zero.
    case wrongChecksum
    /// Another table is where this one should be.
    case wrongSignature(address: UInt64)
    /// An entry says that it is shorter than entries of its type are; zero would never end.
    case entryTooShort(offset: UInt64)
    /// An entry extends beyond the end of the table.
    case entryPastEnd(offset: UInt64)
    /// No entry of the table is a processor that can be used.
    case noProcessor
  }

  init(_ table: ACPITable, _ problem: Problem) {
    self.table = table
    self.problem = problem
  }
}

/// The tables that lead to the list of processors.
///
/// ACPI Specification 6.5, "ACPI Software Programming Model".
package enum ACPITable: Equatable, Sendable {
  /// The pointer to the list of tables.
  case rootPointer
  /// The list of tables with addresses of 32 bits.
  case shortList
  /// The list of tables with addresses of 64 bits.
  case longList
  /// The list of interrupt controllers, one of which each processor has.
  case interruptControllers

  /// The specification's name.
  package var name: StaticString {
    switch self {
    case .rootPointer: "RSDP"
    case .shortList: "RSDT"
    case .longList: "XSDT"
    case .interruptControllers: "MADT"
    }
  }
}

extension ACPIError {
  /// Writes which table it is and what is wrong with it, without a line feed.
  package func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    sink.write("the ACPI table ")
    sink.write(table.name)
    sink.write(" ")
    switch problem {
    case .notFound: sink.write("was not found")
    case .unreadable(let address):
      write("is not in memory that can be read: address ", hexadecimal: address, to: &sink)
    case .tooShort(let byteCount):
      write("is too short: bytes ", decimal: byteCount, to: &sink)
    case .tooLong(let byteCount):
      write("is too long: bytes ", decimal: byteCount, to: &sink)
    case .wrongChecksum: sink.write("has a wrong checksum")
    case .wrongSignature(let address):
      write("has the signature of another: address ", hexadecimal: address, to: &sink)
    case .entryTooShort(let offset):
      write("has an entry that is too short: offset ", decimal: offset, to: &sink)
    case .entryPastEnd(let offset):
      write("has an entry beyond its end: offset ", decimal: offset, to: &sink)
    case .noProcessor: sink.write("lists no processor that can be used")
    }
  }

  private func write<Sink: TextSink & ~Copyable>(
    _ words: StaticString, decimal value: UInt64, to sink: inout Sink
  ) {
    sink.write(words)
    sink.write(decimal: value)
  }

  private func write<Sink: TextSink & ~Copyable>(
    _ words: StaticString, hexadecimal value: UInt64, to sink: inout Sink
  ) {
    sink.write(words)
    sink.write(hexadecimal: value)
  }
}
