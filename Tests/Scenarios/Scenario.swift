internal import TesseraFrames

/// Something that frames, their handles and the allocator do, told as a story with expectations.
///
/// Each needs at least 3000 free frames, 2048 of them in one block, low memory that is kept back,
/// and nothing else that uses frames meanwhile. It gives all frames back. An allocation that fails
/// ends it with the error, and then too all frames are back.
package enum Scenario: Int {
  case lastHandleFrees, ownersSeeMetadata, metadataFillsSlot, dropIsToldOnce, dropSeesBytes,
    dropIsPrivate, metadataIsDestroyed, metadataOfNoFrame, borrowing, relinquishing,
    sharingForTables, describing, plainMemory, bytesOfMemory
  case erasing, dropErased, wrongType, untyping, typedIsNotUntyped, metadataOfAny
  case uniqueMetadata, uniqueIsAlone, sharingUnique, repurposing, relinquishingUnique
  case addressErrors, claimingInUse, sharingByAddress, claimingFree, claimingBare,
    claimingKeptBack, oneWinner
  case segmentFrames, segmentIsOneBlock, segmentSizes, segmentErrors, claimingRanges,
    claimingUpToEnd, claimingRollsBack, claimingRollsBackFree, splitting, slicing, iterating,
    segmentOfOne, convertingSegments, lettingGoInPart
  case listOrder, listCursor, listInsertion, listTaking, listMembership, listMetadata,
    listOwnsMembers, listHandover
  case lastFreedIsNext, zeroedMemory, uninitializedMemory, contiguousRuns, alignedRuns,
    limitedRuns, limitIsExact, highMemoryFirst
  case freeingInAnyOrder, freeingInPieces, coalescing, cacheOverflow, exhaustion, runFromCache,
    bareErrors, statisticsAddUp, censusAddsUp
  case saturation, saturationByAddress, saturationOfSegments, permanentFrames

  /// How many there are, from raw value 0 on.
  package static var count: Int { Scenario.permanentFrames.rawValue + 1 }
}

extension Scenario {
  /// Runs the scenario, and then checks that all frames are accounted for.
  ///
  /// `visitingEveryFrame` counts and checks every slot and every free frame too. Says whether the
  /// scenario came to its end; if not, an allocation failed.
  // Kept out of the modules that call it: the compiler cannot destroy there what is internal here.
  @export(interface)
  package func run(_ checks: inout Checks, visitingEveryFrame: Bool) -> Bool {
    let accounts = Accounts(visitingEveryFrame: visitingEveryFrame)
    var isComplete = true
    do {
      try perform(&checks)
    } catch .outOfFrames {
      isComplete = false
    } catch {
      checks.fail("a scenario meets no other error than a lack of memory")
    }
    accounts.close(&checks)
    return isComplete
  }
}
