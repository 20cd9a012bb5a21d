internal import TesseraFrames

extension Scenario {
  func perform(_ checks: inout Checks) throws(FrameError) {
    if rawValue < Scenario.segmentFrames.rawValue {
      try performHandles(&checks)
    } else if rawValue < Scenario.lastFreedIsNext.rawValue {
      try performCollections(&checks)
    } else {
      try performAllocator(&checks)
    }
  }

  private func performHandles(_ checks: inout Checks) throws(FrameError) {
    switch self {
    case .lastHandleFrees: try Self.lastHandleFrees(&checks)
    case .ownersSeeMetadata: try Self.ownersSeeMetadata(&checks)
    case .metadataFillsSlot: try Self.metadataFillsSlot(&checks)
    case .dropIsToldOnce: try Self.dropIsToldOnce(&checks)
    case .dropSeesBytes: try Self.dropSeesBytes(&checks)
    case .dropIsPrivate: try Self.dropIsPrivate(&checks)
    case .metadataIsDestroyed: try Self.metadataIsDestroyed(&checks)
    case .metadataOfNoFrame: try Self.metadataOfNoFrame(&checks)
    case .borrowing: try Self.borrowing(&checks)
    case .relinquishing: try Self.relinquishing(&checks)
    case .sharingForTables: try Self.sharingForTables(&checks)
    case .describing: try Self.describing(&checks)
    case .plainMemory: try Self.plainMemory(&checks)
    case .bytesOfMemory: try Self.bytesOfMemory(&checks)
    case .erasing: try Self.erasing(&checks)
    case .dropErased: try Self.dropErased(&checks)
    case .wrongType: try Self.wrongType(&checks)
    case .untyping: try Self.untyping(&checks)
    case .typedIsNotUntyped: try Self.typedIsNotUntyped(&checks)
    case .metadataOfAny: try Self.metadataOfAny(&checks)
    case .uniqueMetadata: try Self.uniqueMetadata(&checks)
    case .uniqueIsAlone: try Self.uniqueIsAlone(&checks)
    case .sharingUnique: try Self.sharingUnique(&checks)
    case .repurposing: try Self.repurposing(&checks)
    case .relinquishingUnique: try Self.relinquishingUnique(&checks)
    case .addressErrors: try Self.addressErrors(&checks)
    case .claimingInUse: try Self.claimingInUse(&checks)
    case .sharingByAddress: try Self.sharingByAddress(&checks)
    case .claimingFree: try Self.claimingFree(&checks)
    case .claimingBare: try Self.claimingBare(&checks)
    case .claimingKeptBack: try Self.claimingKeptBack(&checks)
    case .oneWinner: try Self.oneWinner(&checks)
    default: break
    }
  }

  private func performCollections(_ checks: inout Checks) throws(FrameError) {
    switch self {
    case .segmentFrames: try Self.segmentFrames(&checks)
    case .segmentIsOneBlock: try Self.segmentIsOneBlock(&checks)
    case .segmentSizes: try Self.segmentSizes(&checks)
    case .segmentErrors: try Self.segmentErrors(&checks)
    case .claimingRanges: try Self.claimingRanges(&checks)
    case .claimingUpToEnd: try Self.claimingUpToEnd(&checks)
    case .claimingRollsBack: try Self.claimingRollsBack(&checks)
    case .claimingRollsBackFree: try Self.claimingRollsBackFree(&checks)
    case .splitting: try Self.splitting(&checks)
    case .slicing: try Self.slicing(&checks)
    case .iterating: try Self.iterating(&checks)
    case .segmentOfOne: try Self.segmentOfOne(&checks)
    case .convertingSegments: try Self.convertingSegments(&checks)
    case .lettingGoInPart: try Self.lettingGoInPart(&checks)
    case .listOrder: try Self.listOrder(&checks)
    case .listCursor: try Self.listCursor(&checks)
    case .listInsertion: try Self.listInsertion(&checks)
    case .listTaking: try Self.listTaking(&checks)
    case .listMembership: try Self.listMembership(&checks)
    case .listMetadata: try Self.listMetadata(&checks)
    case .listOwnsMembers: try Self.listOwnsMembers(&checks)
    case .listHandover: try Self.listHandover(&checks)
    default: break
    }
  }

  private func performAllocator(_ checks: inout Checks) throws(FrameError) {
    switch self {
    case .lastFreedIsNext: try Self.lastFreedIsNext(&checks)
    case .zeroedMemory: try Self.zeroedMemory(&checks)
    case .uninitializedMemory: try Self.uninitializedMemory(&checks)
    case .contiguousRuns: try Self.contiguousRuns(&checks)
    case .alignedRuns: try Self.alignedRuns(&checks)
    case .limitedRuns: try Self.limitedRuns(&checks)
    case .limitIsExact: try Self.limitIsExact(&checks)
    case .highMemoryFirst: try Self.highMemoryFirst(&checks)
    case .freeingInAnyOrder: try Self.freeingInAnyOrder(&checks)
    case .freeingInPieces: try Self.freeingInPieces(&checks)
    case .coalescing: try Self.coalescing(&checks)
    case .cacheOverflow: try Self.cacheOverflow(&checks)
    case .exhaustion: try Self.exhaustion(&checks)
    case .runFromCache: try Self.runFromCache(&checks)
    case .bareErrors: try Self.bareErrors(&checks)
    case .statisticsAddUp: try Self.statisticsAddUp(&checks)
    case .censusAddsUp: try Self.censusAddsUp(&checks)
    case .saturation: try Self.saturation(&checks)
    case .saturationByAddress: try Self.saturationByAddress(&checks)
    case .saturationOfSegments: try Self.saturationOfSegments(&checks)
    case .permanentFrames: try Self.permanentFrames(&checks)
    default: break
    }
  }
}
