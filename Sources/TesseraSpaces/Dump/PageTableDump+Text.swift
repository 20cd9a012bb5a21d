internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

extension PageTableDump {
  /// Writes a line for each range, and one with the totals.
  func write(to sink: inout some TextSink & ~Copyable) {
    let totals = forEachRun { $0.write(to: &sink) }
    sink.write("  ")
    sink.write(decimal: totals.runCount, grouped: true)
    sink.write(totals.runCount == 1 ? " range, " : " ranges, ")
    sink.write(decimal: totals.mappedByteCount >> 10, grouped: true)
    sink.write(" KiB mapped, ")
    sink.write(decimal: totals.tableCount, grouped: true)
    sink.write(totals.tableCount == 1 ? " table\n" : " tables\n")
  }

  /// Writes lines of JSON: one for the dump itself, and one for each range.
  func writeJSON(to sink: inout some TextSink & ~Copyable) {
    sink.write("{\"format\":\"tessera-page-tables\",\"version\":1,\"root\":")
    sink.write(quoted: root.address.rawValue)
    sink.write("}\n")
    _ = forEachRun { $0.writeJSON(to: &sink) }
  }
}

extension PageTableDump.Run {
  fileprivate func write(to sink: inout some TextSink & ~Copyable) {
    sink.write("  ")
    sink.write(hexadecimal: start, digitCount: 16)
    sink.write("-")
    sink.write(hexadecimal: end, digitCount: 16)
    sink.write(byteSize: byteCount, width: 6)
    sink.write("  ")
    switch content {
    case .vacant(let content): content.writeVacant(to: &sink)
    case .pages(let property, let size):
      property.write(to: &sink)
      sink.write(" ")
      sink.write(size.shortName)
      sink.write("  -> ")
      writeTarget(size, to: &sink)
    }
    sink.writeLine()
  }

  private func writeTarget(_ size: PageSize, to sink: inout some TextSink & ~Copyable) {
    guard isLinear else { return sink.write("various") }
    sink.write(hexadecimal: target)
    if byteCount > size.byteCount { sink.write(" (linear)") }
  }

  fileprivate func writeJSON(to sink: inout some TextSink & ~Copyable) {
    sink.write("{\"start\":")
    sink.write(quoted: start)
    sink.write(",\"end\":")
    sink.write(quoted: end)
    sink.write(",\"bytes\":")
    sink.write(decimal: byteCount)
    switch content {
    case .vacant(let content): content.writeJSON(to: &sink)
    case .pages(let property, let size):
      property.writeJSON(to: &sink)
      sink.write(",\"page\":")
      sink.write(decimal: size.byteCount)
      sink.write(",\"target\":")
      if isLinear { sink.write(quoted: target) } else { sink.write("null") }
    }
    sink.write("}\n")
  }
}

extension PageContent {
  /// Writes what pages that are not mapped have instead: "status 5", "demand zero rw- u - wb", or
  /// the same with "pending 5", "swapped 5" or "object 5".
  func writeVacant(to sink: inout some TextSink & ~Copyable) {
    switch self {
    case .status(let payload):
      sink.write("status ")
      sink.write(decimal: UInt64(payload))
    case .demandZero(let property):
      sink.write("demand zero ")
      property.write(to: &sink)
    case .pending(let payload, let property): write("pending ", payload, property, to: &sink)
    case .swapped(let slot, let property): write("swapped ", slot, property, to: &sink)
    case .object(let number, let property): write("object ", number, property, to: &sink)
    case .absent, .mapped: break
    }
  }

  private func write(
    _ name: StaticString, _ number: UInt32, _ property: PageProperty,
    to sink: inout some TextSink & ~Copyable
  ) {
    sink.write(name)
    sink.write(decimal: UInt64(number))
    sink.write(" ")
    property.write(to: &sink)
  }

  /// Writes the members of JSON for the same.
  fileprivate func writeJSON(to sink: inout some TextSink & ~Copyable) {
    switch self {
    case .status(let payload):
      sink.write(",\"status\":")
      sink.write(decimal: UInt64(payload))
    case .demandZero(let property):
      sink.write(",\"demandZero\":true")
      property.writeJSON(to: &sink)
    case .pending(let payload, let property):
      writeJSON(",\"pending\":", payload, property, to: &sink)
    case .swapped(let slot, let property):
      writeJSON(",\"swapped\":", slot, property, to: &sink)
    case .object(let number, let property):
      writeJSON(",\"object\":", number, property, to: &sink)
    case .absent, .mapped: break
    }
  }

  private func writeJSON(
    _ name: StaticString, _ number: UInt32, _ property: PageProperty,
    to sink: inout some TextSink & ~Copyable
  ) {
    sink.write(name)
    sink.write(decimal: UInt64(number))
    property.writeJSON(to: &sink)
  }
}

extension PageProperty {
  fileprivate func writeJSON(to sink: inout some TextSink & ~Copyable) {
    sink.write(access.allowsRead ? ",\"read\":true" : ",\"read\":false")
    sink.write(access.allowsWrite ? ",\"write\":true" : ",\"write\":false")
    sink.write(access.allowsExecute ? ",\"execute\":true" : ",\"execute\":false")
    sink.write(isUser ? ",\"user\":true" : ",\"user\":false")
    sink.write(isGlobal ? ",\"global\":true" : ",\"global\":false")
    sink.write(",\"cache\":\"")
    sink.write(cachePolicy.shortName)
    sink.write("\"")
  }
}

extension TextSink where Self: ~Copyable {
  /// Writes an address as a JSON string, because JSON's numbers do not hold 64 bits.
  fileprivate mutating func write(quoted address: UInt64) {
    write("\"")
    write(hexadecimal: address)
    write("\"")
  }
}
