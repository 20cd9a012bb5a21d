internal import CTessera

/// Panics with `message`, which states the violation.
///
/// For bugs of the kernel, never for conditions that a correct kernel can meet. The message goes to
/// the kernel's `tessera_host_panic`. Unlike that of a `precondition`, it is kept in every
/// configuration.
@inline(never)
public func panic(_ message: StaticString) -> Never {
  // SAFETY: a literal's `utf8CodeUnitCount` bytes are static, and a byte and a C character have the
  // same layout.
  let text = unsafe UnsafeRawPointer(message.utf8Start).assumingMemoryBound(to: CChar.self)
  unsafe tessera_host_panic(text, message.utf8CodeUnitCount)
}

/// Panics with `message` and the physical address it is about.
@inline(never)
public func panic(_ message: StaticString, _ address: PhysicalAddress) -> Never {
  panic(message, at: address.rawValue)
}

/// Panics with `message` and a number that may not be a valid physical address.
@inline(never)
public func panic(_ message: StaticString, at address: UInt64) -> Never {
  var text = PanicText()
  text.write(message)
  text.write(": ")
  text.write(hexadecimal: address)
  text.stop()
}

/// Panics with the text that `compose` writes.
@inline(never)
package func panic(composedBy compose: (inout PanicText) -> Void) -> Never {
  var text = PanicText()
  compose(&text)
  text.stop()
}

/// Panics with `message` unless `condition` holds.
@inline(__always)
public func require(_ condition: Bool, _ message: StaticString) {
  if !condition { panic(message) }
}

/// Panics with `message` and `address` unless `condition` holds.
@inline(__always)
public func require(_ condition: Bool, _ message: StaticString, _ address: PhysicalAddress) {
  if !condition { panic(message, address) }
}

/// A message that is composed on the stack, because a panic must not allocate.
package struct PanicText: TextSink {
  private var bytes = [200 of CChar](repeating: 0)
  private var count = 0

  /// Appends a byte, unless the buffer is full.
  package mutating func write(byte: UInt8) {
    guard count < bytes.count else { return }
    bytes[count] = CChar(truncatingIfNeeded: byte)
    count += 1
  }

  fileprivate func stop() -> Never {
    // SAFETY: the span's bytes stay valid during the call, which never returns.
    unsafe bytes.span.withUnsafeBufferPointer {
      unsafe hand(over: $0.baseAddress.unsafelyUnwrapped)
    }
    Processor.halt()
  }

  /// Passes the message at `text` to the kernel.
  private func hand(over text: UnsafePointer<CChar>) {
    // SAFETY: `text` points to `count` bytes that stay valid during the call, which never returns.
    unsafe tessera_host_panic(text, count)
  }
}
