/// The entry point of libFuzzer, called with each input.
@c(LLVMFuzzerTestOneInput)
public func tryCalls(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  var calls = CallSequence(Array(UnsafeBufferPointer(start: start, count: count)))
  if let problem = calls.run() { fatalError(problem) }
  return 0
}
