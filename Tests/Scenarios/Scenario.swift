internal import TesseraFrames
internal import TesseraHardware

/// A test of frames, their handles or the allocator that runs both on the host and in a kernel.
///
/// Each requires at least 3000 free frames, 2048 of them in one block, reserved low memory, and no
/// other user of frames while it runs. It frees every frame it allocated, also when an allocation
/// fails, in which case it ends with that error.
package struct Scenario {
  /// The allocators that a scenario passes with.
  package enum Allocator: Sendable {
    case any
    /// The built-in one alone: the claim depends on which frame is allocated next, on what a cache
    /// or a free block holds, or on claiming a free frame.
    case builtIn
  }

  /// The position in the table, from 0 up to `count`.
  private let index: Int
  /// The claim under test, in a sentence.
  package private(set) var name: StaticString = ""
  package private(set) var allocator = Allocator.any

  /// The number of scenarios.
  package static var count: Int {
    var count = 0
    visitAll { _, _, _ in count += 1 }
    return count
  }

  /// Creates the scenario at `index`, from 0 up to `count`.
  package init(at index: Int) {
    self.index = index
    var position = 0
    var (name, allocator) = (self.name, self.allocator)
    Self.visitAll { foundName, foundAllocator, _ in
      if position == index { (name, allocator) = (foundName, foundAllocator) }
      position += 1
    }
    (self.name, self.allocator) = (name, allocator)
  }

  /// Runs the scenario, then checks that every frame is accounted for.
  ///
  /// If `visitingEveryFrame`, every slot and every free frame is counted and checked too.
  ///
  /// - Returns: Whether the scenario ran to its end; if not, an allocation failed.
  // Compiled in this module only: a client's compiler cannot destroy the internal types used here.
  @export(interface)
  package func run(_ checks: inout Checks, visitingEveryFrame: Bool) -> Bool {
    let balance = FrameBalance(visitingEveryFrame: visitingEveryFrame)
    var isComplete = true
    var position = 0
    Self.visitAll { _, _, body in
      defer { position += 1 }
      guard position == index else { return }
      do throws(TesseraError) {
        try body(&checks)
      } catch .outOfFrames {
        isComplete = false
      } catch {
        checks.fail("a scenario throws no error but `outOfFrames`")
      }
    }
    balance.check(&checks)
    return isComplete
  }
}

extension Scenario {
  private typealias Visitor = (
    StaticString, Allocator, _ body: (inout Checks) throws(TesseraError) -> Void
  ) -> Void

  /// Calls `visit` for each scenario, with its name, its allocators and its function.
  ///
  /// To add a scenario, write its function and add a line to one of the lists below. They are calls
  /// and not an array, because a stored function is reference-counted, and a kernel has no runtime
  /// for that.
  private static func visitAll(_ visit: Visitor) {
    forEachOfHandles(visit)
    forEachOfCollections(visit)
    forEachOfAllocator(visit)
  }

  private static func forEachOfHandles(_ visit: Visitor) {
    // Handles.
    visit("a frame with two handles is freed by the second", .any, lastHandleFrees)
    visit("every owner sees the metadata of a frame", .any, ownersSeeMetadata)
    visit("metadata may fill its slot", .any, metadataFillsSlot)
    visit("metadata is notified once when the last owner drops the frame", .any, dropIsToldOnce)
    visit("metadata being dropped can read the bytes of its frame", .any, dropSeesBytes)
    visit("a frame cannot be reached while it is dropped", .any, dropIsPrivate)
    visit("metadata is notified first and then destroyed", .any, metadataIsDestroyed)
    visit(
      "metadata of a failed allocation or claim is destroyed without notice", .any,
      metadataOfNoFrame)
    visit("a borrowed frame touches no count", .any, borrowing)
    visit("a relinquished count is kept until it is adopted", .any, relinquishing)
    visit("a count added by address is an owner", .any, sharingForTables)
    visit("a frame describes itself", .any, describing)
    visit("plain memory keeps what is written", .any, plainMemory)
    visit("bytes are written and read across frames", .any, bytesOfMemory)

    // Handles of any kind.
    visit("a frame of any kind is converted back to its own", .any, erasing)
    visit("a frame of any kind is dropped through its own metadata", .any, dropErased)
    visit("a frame is not converted to metadata of another type", .any, wrongType)
    visit("plain memory is converted to untyped and back", .any, untyping)
    visit("an object's frame is not untyped", .any, typedIsNotUntyped)
    visit("the metadata of a frame of any kind is read by its type", .any, metadataOfAny)

    // Unique frames.
    visit("the only owner changes metadata in place", .any, uniqueMetadata)
    visit("a unique frame can be neither shared nor claimed", .any, uniqueIsAlone)
    visit("a unique frame is shared and made unique again", .any, sharingUnique)
    visit("a repurposed frame keeps its bytes and drops its metadata", .any, repurposing)
    visit("a relinquished unique frame stays unique", .any, relinquishingUnique)

    // Frames by address.
    visit("alignment is checked before bounds", .any, addressErrors)
    visit("a frame in use cannot be claimed", .any, claimingInUse)
    visit("a frame in use is shared by address", .any, sharingByAddress)
    visit("a free frame is claimed out of the allocator", .builtIn, claimingFree)
    visit("a raw frame is claimed by its address", .any, claimingRaw)
    visit("reserved memory can be claimed and stays reserved", .any, claimingReserved)
    visit("a frame is claimed by one owner at a time", .any, oneWinner)
  }

  private static func forEachOfCollections(_ visit: Visitor) {
    // Segments.
    visit("a segment owns each of its frames", .any, segmentFrames)
    visit("a segment is freed as one block", .any, segmentIsOneBlock)
    visit("a segment has any number of frames", .any, segmentSizes)
    visit("a segment of no frames, or of too many, is an error", .any, segmentErrors)
    visit("an unowned range is claimed", .builtIn, claimingRanges)
    visit("a range may end at the end of memory", .builtIn, claimingUpToEnd)
    visit(
      "a failed claim of a range leaves its frames with their owners", .builtIn, claimingRollsBack)
    visit("a failed claim of a range leaves free frames free", .builtIn, claimingRollsBackFree)
    visit("a segment is split in two", .any, splitting)
    visit("a slice shares the frames of its range", .any, slicing)
    visit("frames are removed from a segment one by one", .any, iterating)
    visit("a frame makes a segment of one", .any, segmentOfOne)
    visit("a segment is converted and converted back", .any, convertingSegments)
    visit("frames of a segment outlive it if they have other owners", .any, droppingInPart)

    // Lists.
    visit("a list keeps its order", .any, listOrder)
    visit("a cursor passes the end of a list in both directions", .any, listCursor)
    visit("frames are inserted before a cursor", .any, listInsertion)
    visit("a frame is removed at a cursor", .any, listTaking)
    visit("a list knows its members", .any, listMembership)
    visit("metadata is changed inside a list", .any, listMetadata)
    visit("a list drops its members", .any, listOwnsMembers)
    visit("frames move from one list to another", .any, listHandover)
  }

  private static func forEachOfAllocator(_ visit: Visitor) {
    // Allocation.
    visit("the frame freed last is allocated first", .builtIn, lastFreedIsNext)
    visit("memory is zeroed", .builtIn, zeroedMemory)
    visit("memory is left as it is on request", .builtIn, uninitializedMemory)
    visit("frames of a run are contiguous", .any, contiguousRuns)
    visit("memory has the requested alignment", .builtIn, alignedRuns)
    visit("memory lies below the requested limit", .builtIn, limitedRuns)
    visit("a limit is exact", .builtIn, limitIsExact)
    visit("memory below 16 MiB is allocated last", .builtIn, highMemoryFirst)

    // Freeing.
    visit("frames are freed in any order", .any, freeingInAnyOrder)
    visit("a run is freed in any portions", .any, freeingInPieces)
    visit("neighbours merge when they are freed", .builtIn, coalescing)
    visit("more frames pass through a cache than it holds", .builtIn, cacheOverflow)
    visit("every frame is allocated once, and then none", .builtIn, exhaustion)
    visit("a run is allocated out of cached frames", .builtIn, runFromCache)
    visit("an allocation of no frames, or of too many, is an error", .any, rawErrors)
    visit("the statistics add up", .builtIn, statisticsAddUp)
    visit("the census adds up", .builtIn, censusAddsUp)

    // Saturated counts.
    visit("a count that reaches the maximum stays there", .any, saturation)
    visit("sharing by address stops at the maximum count", .any, saturationByAddress)
    visit("a frame of a segment saturates alone", .any, saturationOfSegments)
    visit("a permanently used frame cannot be claimed or shared", .any, permanentFrames)
  }
}
