extension Scenario {
  /// What the scenario claims, in a sentence.
  package var name: StaticString {
    if rawValue < Scenario.segmentFrames.rawValue { return handleName }
    return rawValue < Scenario.lastFreedIsNext.rawValue ? collectionName : allocatorName
  }

  private var handleName: StaticString {
    switch self {
    case .lastHandleFrees: "a frame with two handles is freed by the second"
    case .ownersSeeMetadata: "every owner sees the metadata of a frame"
    case .metadataFillsSlot: "metadata may fill all the room there is"
    case .dropIsToldOnce: "metadata is told once that the last owner let go"
    case .dropSeesBytes: "metadata that is dropped sees the bytes of its frame"
    case .dropIsPrivate: "nobody reaches a frame while it is dropped"
    case .metadataIsDestroyed: "metadata is told first and then destroyed"
    case .metadataOfNoFrame: "metadata of a frame that cannot be had is destroyed untold"
    case .borrowing: "a borrowed frame touches no count"
    case .relinquishing: "a relinquished count is kept until it is adopted"
    case .sharingForTables: "a count added by address is an owner"
    case .describing: "a frame says what it is"
    case .plainMemory: "plain memory keeps what is written"
    case .bytesOfMemory: "bytes are written and read across frames"
    case .erasing: "a frame of any kind is converted back to its own"
    case .dropErased: "a frame of any kind is dropped through its own metadata"
    case .wrongType: "a frame is not converted to metadata it has not"
    case .untyping: "plain memory is converted to untyped and back"
    case .typedIsNotUntyped: "an object's frame is not untyped"
    case .metadataOfAny: "the metadata of a frame of any kind is read by its type"
    case .uniqueMetadata: "the only owner changes metadata in place"
    case .uniqueIsAlone: "a unique frame is out of everyone's reach"
    case .sharingUnique: "a unique frame is shared and made unique again"
    case .repurposing: "a repurposed frame keeps its bytes and drops its metadata"
    case .relinquishingUnique: "a relinquished unique frame stays unique"
    case .addressErrors: "alignment is looked at before bounds"
    case .claimingInUse: "a frame in use cannot be claimed"
    case .sharingByAddress: "a frame in use is shared by address"
    case .claimingFree: "a free frame is claimed out of the allocator"
    case .claimingBare: "a bare frame is claimed by its address"
    case .claimingKeptBack: "memory that was kept back is claimed and stays kept back"
    case .oneWinner: "a frame is claimed once at a time"
    default: ""
    }
  }

  private var collectionName: StaticString {
    switch self {
    case .segmentFrames: "a segment owns each of its frames"
    case .segmentIsOneBlock: "a segment goes back as one block"
    case .segmentSizes: "a segment has any number of frames"
    case .segmentErrors: "a segment of no frames, or of too many, is refused"
    case .claimingRanges: "a range that nobody owns is claimed"
    case .claimingUpToEnd: "a range may end where memory ends"
    case .claimingRollsBack: "a refused range leaves its frames with their owner"
    case .claimingRollsBackFree: "a refused range leaves free frames free"
    case .splitting: "a segment is split in two"
    case .slicing: "a slice shares the frames of its range"
    case .iterating: "frames are taken off a segment one by one"
    case .segmentOfOne: "a frame makes a segment of one"
    case .convertingSegments: "a segment is converted and converted back"
    case .lettingGoInPart: "frames of a segment outlive it if they have other owners"
    case .listOrder: "a list keeps its order"
    case .listCursor: "a cursor passes the end of a list in both directions"
    case .listInsertion: "frames are inserted before a cursor"
    case .listTaking: "a frame is taken where a cursor stands"
    case .listMembership: "a list knows its members"
    case .listMetadata: "metadata is changed inside a list"
    case .listOwnsMembers: "a list drops its members"
    case .listHandover: "frames move from one list to another"
    default: ""
    }
  }

  private var allocatorName: StaticString {
    switch self {
    case .lastFreedIsNext: "the frame freed last is allocated first"
    case .zeroedMemory: "memory is zeroed"
    case .uninitializedMemory: "memory is left alone if it is to be written anyway"
    case .contiguousRuns: "frames of a run follow each other"
    case .alignedRuns: "memory is aligned as it was asked"
    case .limitedRuns: "memory lies below its limit"
    case .limitIsExact: "a limit is exact"
    case .highMemoryFirst: "memory of the oldest devices is taken last"
    case .freeingInAnyOrder: "frames are freed in any order"
    case .freeingInPieces: "a run is freed in any portions"
    case .coalescing: "neighbours merge when they are freed"
    case .cacheOverflow: "a cache takes and gives more than it holds"
    case .exhaustion: "every frame is given out once, and then none"
    case .runFromCache: "a run is made of frames that wait in the cache"
    case .bareErrors: "no frames, or more than there are, are refused"
    case .statisticsAddUp: "the statistics add up"
    case .censusAddsUp: "the census adds up"
    case .saturation: "a count that reaches the highest stays there"
    case .saturationByAddress: "sharing by address stops at the highest count"
    case .saturationOfSegments: "a frame of a segment saturates alone"
    case .permanentFrames: "a frame in use for good cannot be had"
    default: ""
    }
  }
}
