internal import DemoPlatform
internal import TesseraFrames
internal import TesseraHardware

/// The pages of a part of the disk that one processor writes or reads, several at a time.
///
/// Each request has a frame, in which a page is made before it is written, or compared after it was
/// read.
struct DiskStream: ~Copyable {
  /// The number of requests at a time.
  static var requestCount: Int { 16 }

  private let operation: Disk.Operation
  /// The offset on the disk, in bytes, and the number of pages.
  private let start: UInt64
  private let pageCount: UInt64
  /// What the tokens of the requests have in their upper bits.
  private let tag: UInt64
  private let frames: Segment<PlainMemory>
  /// The page of each request.
  private var pages = [16 of UInt64](repeating: 0)
  /// A bit for each request that has been submitted.
  private var submitted: UInt64 = 0
  private var begunCount: UInt64 = 0
  private var endedCount: UInt64 = 0

  /// The most requests that were there at a time.
  private(set) var greatestCount: UInt64 = 0
  /// The time that it took to submit them.
  private(set) var submissionTime: UInt64 = 0
  private(set) var wrongByteCount: UInt64 = 0

  /// The token of a request is its number, below `requestCount`, with the bits of `tag`.
  init(
    _ operation: Disk.Operation, from start: UInt64, pageCount: UInt64, tag: UInt64
  ) throws(TesseraError) {
    self.operation = operation
    self.start = start
    self.pageCount = pageCount
    self.tag = tag
    frames = try Segment(allocating: Self.requestCount) { _ in PlainMemory() }
  }

  var hasEnded: Bool { endedCount == pageCount }

  /// Submits as many requests as there is room for.
  mutating func submit() {
    while begunCount < pageCount, submitted != (1 << Self.requestCount) - 1 {
      let number = (~submitted).trailingZeroBitCount
      guard submit(begunCount, number) else { return }
      pages[number] = begunCount
      submitted |= 1 << number
      begunCount += 1
      greatestCount = max(greatestCount, UInt64(submitted.nonzeroBitCount))
    }
  }

  /// Submits request `number` for `page`. Returns false if the queue of the disk is full.
  private mutating func submit(_ page: UInt64, _ number: Int) -> Bool {
    let size = DiskPattern.pageByteCount
    let offset = start + page * size
    if operation == .write {
      DiskPattern.fill(frames, at: UInt64(number) * size, byteCount: size, from: offset)
    }
    let begin = Processor.timestamp
    // SAFETY: the frame is this request's until `end`.
    let isSubmitted = unsafe Disk.submit(
      operation, firstSector: offset / 512, byteCount: size,
      at: frames.address + UInt64(number) * size, token: tag | UInt64(number))
    submissionTime += Processor.timestamp &- begin
    return isSubmitted
  }

  /// Ends the requests whose bits are set in `ended`.
  mutating func end(_ ended: UInt64) {
    require(ended & ~submitted == 0, "a request ended that was not submitted")
    var left = ended
    while left != 0 {
      let number = left.trailingZeroBitCount
      left &= left - 1
      endedCount += 1
      if operation == .read { compare(number) }
    }
    submitted &= ~ended
  }

  private mutating func compare(_ number: Int) {
    let size = DiskPattern.pageByteCount
    wrongByteCount += DiskPattern.wrongByteCount(
      frames, at: UInt64(number) * size, byteCount: size, from: start + pages[number] * size)
  }
}
