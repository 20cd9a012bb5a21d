import TesseraHardware
import TestSupport
import Testing

@Suite("Virtual address") struct VirtualAddressTests {
  /// All powers of two with their neighbours and negatives, the limits, and a spread of others.
  private static let samples: [UInt64] = {
    var samples: [UInt64] = [0, .max, 0x0000_1234_5678_9abc, 0xfedc_ba98_7654_3210]
    for bit in 0..<64 as Range<UInt64> {
      let power = (1 as UInt64) << bit
      samples += [power &- 1, power, power &+ 1]
      samples += [~power &+ 1, ~power, ~power &+ 2]
    }
    return samples + (0..<10_000).map { $0 &* 0x9e37_79b9_7f4a_7c15 }
  }()

  private static func mode(_ levels: Int) -> PagingMode {
    PagingMode(rootLevel: PagingLevel(levels))
  }

  /// Returns whether all untranslated bits equal the highest translated one.
  private static func isCanonicalBitByBit(_ rawValue: UInt64, width: Int) -> Bool {
    let sign = rawValue >> UInt64(width - 1) & 1
    return (width..<64).allSatisfy { rawValue >> UInt64($0) & 1 == sign }
  }

  @Test(arguments: [(4, 48), (5, 57)])
  func `an address is canonical if its upper bits are equal`(levels: Int, width: Int) {
    var tally = Tally()
    for sample in Self.samples {
      let isCanonical = VirtualAddress(sample).isCanonical(in: Self.mode(levels))
      tally.claim(
        isCanonical == Self.isCanonicalBitByBit(sample, width: width),
        "0x\(String(sample, radix: 16))")
    }
    tally.expectAll(atLeast: 10_000)
  }

  @Test(
    arguments: [
      (4, 0x0000_7fff_ffff_ffff, 0xffff_8000_0000_0000),
      (5, 0x00ff_ffff_ffff_ffff, 0xff00_0000_0000_0000),
    ] as [(Int, UInt64, UInt64)])
  func `the canonical halves end where the manual says`(
    levels: Int, lowEnd: UInt64, highStart: UInt64
  ) {
    let mode = Self.mode(levels)
    let good: [UInt64] = [0, 1, lowEnd - 1, lowEnd, highStart, highStart + 1, .max - 1, .max]
    let bad: [UInt64] = [lowEnd + 1, lowEnd + 2, highStart - 2, highStart - 1, 1 << 62, 1 << 63]
    for address in good { #expect(VirtualAddress(address).isCanonical(in: mode)) }
    for address in bad { #expect(!VirtualAddress(address).isCanonical(in: mode)) }
  }

  @Test(arguments: [4, 5])
  func `the indices and the offset make up the address`(levels: Int) {
    var tally = Tally()
    for sample in Self.samples {
      let address = VirtualAddress(sample)
      guard address.isCanonical(in: Self.mode(levels)) else { continue }
      var sum: UInt64 = 0
      for number in 1...levels {
        let index = address.index(at: PagingLevel(number))
        tally.claim(index >= 0 && index < 512, "index of 0x\(String(sample, radix: 16))")
        sum += UInt64(index) << UInt64(3 + 9 * number)
      }
      sum += address.offset(in: .fourKiB)
      // The highest index is sign-extended.
      let width = 12 + 9 * levels
      if sum >> UInt64(width - 1) == 1 { sum |= ~0 << UInt64(width) }
      tally.claim(sum == sample, "0x\(String(sample, radix: 16))")
    }
    tally.expectAll(atLeast: 200 * (levels + 1))
  }

  @Test(arguments: Samples.sizes)
  func `the page and the offset make up the address`(size: PageSize) {
    var tally = Tally()
    for sample in Self.samples {
      let address = VirtualAddress(sample)
      let page = address.alignedDown(to: size.byteCount)
      let (offset, name) = (address.offset(in: size), "0x\(String(sample, radix: 16))")
      tally.claim(page.rawValue % size.byteCount == 0 && page <= address, "page of " + name)
      tally.claim(offset == address.byteCount(from: page), "offset of " + name)
      tally.claim(offset < size.byteCount, "offset of " + name)
      tally.claim(page.isAligned(to: size), "alignment of the page of " + name)
      tally.claim(address.isAligned(to: size) == (offset == 0), "alignment of " + name)
    }
    tally.expectAll(atLeast: 50_000)
  }

  @Test func `an address can be advanced to the last byte but not beyond`() {
    #expect(VirtualAddress(.max).advanced(byChecked: 0) == VirtualAddress(.max))
    #expect(VirtualAddress(.max).advanced(byChecked: 1) == nil)
    #expect(VirtualAddress(0).advanced(byChecked: .max) == VirtualAddress(.max))
    #expect(VirtualAddress(1).advanced(byChecked: .max) == nil)
    #expect(VirtualAddress(.max - 0xfff).advanced(byChecked: 0x1000) == nil)
    #expect(VirtualAddress(.max - 0xfff).advanced(byChecked: 0xfff) == VirtualAddress(.max))
    let beforeGap = VirtualAddress(0x0000_7fff_ffff_f000)
    #expect(beforeGap.advanced(byChecked: 0x1000) == VirtualAddress(0x0000_8000_0000_0000))
  }

  @Test(arguments: Samples.sizes)
  func `an address is rounded up to a page, unless there is none above it`(size: PageSize) {
    let (bytes, last) = (size.byteCount, UInt64.max - size.byteCount + 1)
    func rounded(_ address: UInt64) -> UInt64? {
      VirtualAddress(address).alignedUp(to: bytes)?.rawValue
    }
    #expect(rounded(0) == 0 && rounded(1) == bytes && rounded(bytes) == bytes)
    #expect(rounded(bytes - 1) == bytes && rounded(bytes + 1) == 2 * bytes)
    #expect(rounded(last) == last && rounded(last - 1) == last)
    #expect(rounded(last + 1) == nil && rounded(.max) == nil)
  }

  @Test func `addresses of the upper half are greater than those of the lower`() {
    #expect(VirtualAddress(0x0000_7fff_ffff_ffff) < VirtualAddress(0xffff_8000_0000_0000))
    #expect(!(VirtualAddress(.max) < VirtualAddress(.max)))
    #expect(VirtualAddress(.max).byteCount(from: VirtualAddress(0)) == .max)
  }
}
