/// Why an operation of Tessera failed. Nothing has changed then, unless the operation says so.
///
/// All operations throw this one type, so that one `do throws(TesseraError)` covers the start of a
/// kernel, its frames, its spaces and their pages. Each says which of the cases it throws.
public enum TesseraError: Error, Equatable, Sendable {
  /// The range, or the number of frames requested, is empty.
  case empty
  /// An address, the start or the end of the range is not a multiple of the page or frame size.
  case notAligned
  /// The address or range lies outside of the addresses that the operation accepts.
  case outOfBounds
  /// There is no free memory that fits the request.
  case outOfFrames

  /// The frame already has owners.
  case inUse
  /// The frame has no owner that could share it.
  case unused
  /// The frame is being constructed or destroyed, or is in another processor's cache.
  case inTransition
  /// The frame has one owner, who does not share it.
  case unique

  /// The page at the address is already mapped. Unmap it, or replace the mapping.
  case alreadyMapped(VirtualAddress)
  /// The page at the address is not mapped.
  case notMapped(VirtualAddress)
  /// The calling processor does not run on the space.
  case notActive
  /// The page is being read from its store, or written to it. Try again later.
  case pageBusy
  /// The store could not read or write the page.
  case storeFailed

  /// A page-table entry above the kernel page at the address withholds a right that the page would
  /// get.
  case rightsWithheld(VirtualAddress)
  /// The processor uses this with a right that it would lose.
  case usedByProcessor(ProcessorPart)
  /// Tessera writes this memory through a page that would no longer be writable.
  case managedMemory(PhysicalAddress)

  /// Tessera did not start, or not on this processor.
  case boot(BootError)
  /// The boot loader's information is invalid.
  case multiboot(MultibootError)
}

extension TesseraError {
  /// Writes what is wrong as a sentence, without a full stop.
  public func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    switch self {
    case .boot(let error): error.write(to: &sink)
    case .multiboot(let error): error.write(to: &sink)
    case .usedByProcessor(let part):
      sink.write(description)
      sink.write(": ")
      sink.write(part.name)
    default:
      sink.write(description)
      guard let address else { return }
      sink.write(": ")
      sink.write(hexadecimal: address, digitCount: 16)
    }
  }

  /// The physical or virtual address that the error is about, if it is about one.
  public var address: UInt64? {
    switch self {
    case .alreadyMapped(let address), .notMapped(let address), .rightsWithheld(let address):
      address.rawValue
    case .managedMemory(let address): address.rawValue
    case .boot(let error): error.address
    default: nil
    }
  }

  /// What is wrong, without what it was found in.
  public var description: StaticString {
    switch self {
    case .empty: "the range is empty"
    case .notAligned: "an address is not a multiple of the page or frame size"
    case .outOfBounds: "an address is out of bounds"
    case .outOfFrames: "there is no free memory that fits"
    case .inUse: "the frame is in use"
    case .unused: "the frame is not in use"
    case .inTransition: "the frame is being constructed or destroyed, or is in a cache"
    case .unique: "the frame has an owner that does not share it"
    case .alreadyMapped: "the page is already mapped"
    case .notMapped: "the page is not mapped"
    case .notActive: "the processor does not run on the space"
    case .pageBusy: "the page is being read or written"
    case .storeFailed: "the store could not read or write the page"
    case .rightsWithheld: "an entry above the page withholds the right"
    case .usedByProcessor: "the processor would lose a right that it needs"
    case .managedMemory: "Tessera would lose the right to write its memory"
    case .boot(let error): error.description
    case .multiboot(let error): error.description
    }
  }
}
