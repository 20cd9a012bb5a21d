internal import CBoot
internal import DemoPlatform
internal import Tessera
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// What a page fault costs a program: from its instruction, through the exception, the kernel's
/// handler and `resolve`, until the instruction is done. The program measures it, in ring 3.
struct FaultCosts: ~Copyable {
  /// What the program measures.
  enum Subject {
    case read, write, systemCall

    fileprivate var argument: UInt64 {
      switch self {
      case .read: UInt64(PROGRAM_COST_READ)
      case .write: UInt64(PROGRAM_COST_WRITE)
      case .systemCall: UInt64(PROGRAM_COST_CALL)
      }
    }
  }

  /// The pages of the heap that the program uses.
  static var pages: Range<UInt64> {
    UInt64(PROGRAM_HEAP)..<UInt64(PROGRAM_HEAP) + UInt64(PROGRAM_COST_PAGES) * 4096
  }

  private let image: ProgramImage
  let space: VmSpace
  /// Whether each page was resolved as expected in all runs.
  private(set) var isAsExpected = true

  /// Throws `outOfFrames`.
  init() throws(TesseraError) {
    let image = try ProgramImage()
    let space = try image.space.fork()
    try ProgramImage.setDemandZero(Self.pages, in: space)
    self.image = image
    self.space = space
  }

  /// Lets the pages appear again when they are used. Throws `outOfFrames`.
  func renewPages() throws(TesseraError) {
    let range = VirtualAddress(Self.pages.lowerBound)..<VirtualAddress(Self.pages.upperBound)
    try space.withCursor(over: range) { cursor throws(TesseraError) in
      _ = try cursor.unmap(range.upperBound.byteCount(from: range.lowerBound))
    }
    try ProgramImage.setDemandZero(Self.pages, in: space)
  }

  /// The least that one of `subject` costs the program, as the time-stamp counter counts, if each
  /// page that it uses is resolved by `supply`. The space stays active.
  mutating func measure(_ subject: Subject, _ supply: PageSupply?) -> UInt64 {
    space.activate()
    var registers = image.registers(0, subject.argument)
    var count = 0
    while true {
      switch UserMode.run(&registers) {
      case .systemCall:
        let call = registers.systemCall
        guard call.number == UInt64(PROGRAM_EXIT) else {
          registers.result = 0
          continue
        }
        // The code and the stack may have faulted, too.
        if supply != nil && count < Int(PROGRAM_COST_PAGES) { isAsExpected = false }
        return call.first
      case .pageFault(let address, let errorCode):
        let fault = PageFault(at: VirtualAddress(address), errorCode: errorCode)
        let resolution = space.resolve(fault)
        if let supply, resolution == .resolved(supply) { count += 1 }
        if resolution.isResolved { continue }
      case .exception: break
      }
      isAsExpected = false
      return 0
    }
  }
}
