/// The entry point of libFuzzer, called with each input; traps if an invariant is violated.
///
/// Bit 0 of the first byte chooses the version. If bit 1 is clear, the rest of the input is memory
/// contents. Otherwise the next four bytes are the seed of a well-formed image, and the rest are
/// changes to it, three bytes each: an offset and a value.
@c(LLVMFuzzerTestOneInput)
public func fuzzMultiboot(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let choice = input.first else { return 0 }
  let outcome: MultibootCheck.Outcome
  if choice & 2 == 0 {
    outcome = MultibootCheck.outcome(
      of: Array(input.dropFirst()), at: 0x1_0000,
      magic: choice & 1 == 0 ? MultibootImage.version1Magic : MultibootImage.version2Magic,
      sweepingDirectly: choice & 4 != 0)
  } else {
    let image = changedImage(input.dropFirst())
    outcome = MultibootCheck.outcome(
      of: image.bytes, at: image.base, magic: image.magic, sweepingDirectly: choice & 4 != 0)
  }
  if case .broken(let rule) = outcome { fatalError(rule) }
  return 0
}

private func changedImage(_ input: ArraySlice<UInt8>) -> MultibootImage {
  let seed = input.prefix(4).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
  var generator = FuzzGenerator(seed: seed)
  var image = MultibootImage(random: &generator)
  var changes = input.dropFirst(4)
  while changes.count >= 3 {
    let change = Array(changes.prefix(3))
    let offset = Int(change[0]) | Int(change[1]) << 8
    image.bytes[offset % image.bytes.count] = change[2]
    changes = changes.dropFirst(3)
  }
  return image
}
