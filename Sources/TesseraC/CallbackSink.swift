internal import TesseraHardware
internal import TesseraHeader

/// Text that is passed piece by piece to a function of the kernel's.
///
/// Pieces are buffered up to the end of a line; everything that is written ends with one.
@safe
struct CallbackSink: ~Copyable, TextSink {
  private let function: tessera_write_fn
  private let context: UnsafeMutableRawPointer?
  private var bytes = [64 of CChar](repeating: 0)
  private var count = 0

  /// The caller promises that `function` may be called with `context`. Fails with INVALID_POINTER.
  @unsafe init(
    _ function: tessera_write_fn?, _ context: UnsafeMutableRawPointer?
  ) throws(APIError) {
    guard let function = unsafe function else { throw APIError(TESSERA_ERROR_INVALID_POINTER) }
    unsafe self.function = function
    unsafe self.context = context
  }

  mutating func write(byte: UInt8) {
    bytes[count] = CChar(truncatingIfNeeded: byte)
    count += 1
    if count == bytes.count || byte == 10 { flush() }
  }

  /// Passes on what has been buffered.
  private mutating func flush() {
    guard count > 0 else { return }
    // SAFETY: the promise of `init`; the bytes are lent for the call.
    unsafe bytes.span.withUnsafeBufferPointer { buffer in
      unsafe function(context, buffer.baseAddress, count)
    }
    count = 0
  }
}
