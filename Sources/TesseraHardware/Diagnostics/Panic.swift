internal import CTessera

/// Stops the kernel with a sentence that names the rule that was broken.
///
/// For what only a wrong program can meet. The sentence is kept in every configuration, unlike that
/// of a `precondition`, and goes to the kernel's `tessera_host_panic`.
@inline(never)
public func panic(_ message: StaticString) -> Never {
  // SAFETY: a literal's bytes live for ever, and `utf8CodeUnitCount` of them are there; a byte and
  // a C character have the same layout.
  let text = unsafe UnsafeRawPointer(message.utf8Start).assumingMemoryBound(to: CChar.self)
  unsafe tessera_host_panic(text, message.utf8CodeUnitCount)
}

/// Stops the kernel as `panic(_:)` does, and adds the physical address that was at fault.
@inline(never)
public func panic(_ message: StaticString, _ address: PhysicalAddress) -> Never {
  panic(message, at: address.rawValue)
}

/// Stops the kernel as `panic(_:)` does, and adds a number that was to be a physical address.
@inline(never)
public func panic(_ message: StaticString, at address: UInt64) -> Never {
  var text = PanicText()
  text.write(message)
  text.write(": ")
  text.write(hexadecimal: address)
  text.stop()
}

/// Stops the kernel with `message` unless `condition` holds.
@inline(__always)
public func require(_ condition: Bool, _ message: StaticString) {
  if !condition { panic(message) }
}

/// Stops the kernel with `message` and `address` unless `condition` holds.
@inline(__always)
public func require(_ condition: Bool, _ message: StaticString, _ address: PhysicalAddress) {
  if !condition { panic(message, address) }
}

/// A sentence put together on the stack, because a panic must not allocate.
private struct PanicText: TextSink {
  private var bytes = [160 of CChar](repeating: 0)
  private var count = 0

  /// Adds a byte, if it still fits.
  mutating func write(byte: UInt8) {
    guard count < bytes.count else { return }
    bytes[count] = CChar(truncatingIfNeeded: byte)
    count += 1
  }

  func stop() -> Never {
    // SAFETY: the span lends its bytes for the length of a call that never returns.
    unsafe bytes.span.withUnsafeBufferPointer {
      unsafe hand(over: $0.baseAddress.unsafelyUnwrapped)
    }
    Processor.halt()
  }

  /// Gives the sentence at `text` to the kernel.
  private func hand(over text: UnsafePointer<CChar>) {
    // SAFETY: the caller lends `count` bytes for as long as this lasts, which is for ever.
    unsafe tessera_host_panic(text, count)
  }
}
