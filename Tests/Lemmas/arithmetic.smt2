; The arithmetic of the library, function by function as the Swift sources do it. The comment of a
; function says which one it copies, and which values its cases in `cases.txt` are made of; `run`
; describes both.
;
; A Boolean argument is 0 or 1, a page size 0 to 2 as in `PageSize.rawValue`, a level 1 to 5.
(set-logic QF_BV)
(define-sort Word () (_ BitVec 64))

; Not functions of the library: what lemmas assume of arguments.
(define-fun isPowerOfTwo ((x Word)) Bool
  (and (distinct x (_ bv0 64)) (= (bvand x (bvsub x (_ bv1 64))) (_ bv0 64))))
(define-fun isLevel ((x Word)) Bool (bvult (bvsub x (_ bv1 64)) (_ bv5 64)))
(define-fun isRootLevel ((x Word)) Bool (or (= x (_ bv4 64)) (= x (_ bv5 64))))
(define-fun isSize ((x Word)) Bool (bvult x (_ bv3 64)))
(define-fun isTruth ((x Word)) Bool (bvult x (_ bv2 64)))
(define-fun isWidth ((x Word)) Bool (and (bvule (_ bv32 64) x) (bvule x (_ bv52 64))))

; --- Addresses

; VirtualAddress.alignedDown(to:), PhysicalAddress.alignedDown(to:)
; cases: addresses alignments
(define-fun alignedDown ((address Word) (alignment Word)) Word
  (bvand address (bvnot (bvsub alignment (_ bv1 64)))))

; VirtualAddress.isAligned(to:), PhysicalAddress.isAligned(to:)
; cases: addresses alignments
(define-fun isAligned ((address Word) (alignment Word)) Bool
  (= (bvand address (bvsub alignment (_ bv1 64))) (_ bv0 64)))

; PhysicalAddress.alignedUp(to:), and `pages` of tessera_kernel_allocate and its relatives
; cases: physicalAddresses alignments
(define-fun alignedUp ((address Word) (alignment Word)) Word
  (bvand (bvadd address (bvsub alignment (_ bv1 64))) (bvnot (bvsub alignment (_ bv1 64)))))

; PhysicalAddress.alignedUp(to:) of a length, and its frameNumber
; cases: physicalAddresses
(define-fun pageCount ((byteCount Word)) Word
  (bvlshr (alignedUp byteCount (_ bv4096 64)) (_ bv12 64)))

; VirtualAddress.advanced(byChecked:), which is not nil
; cases: addresses lengths
(define-fun isVirtualSum ((address Word) (byteCount Word)) Bool
  (not (bvult (bvadd address byteCount) address)))

; PhysicalAddress.advanced(byChecked:), which is not nil
; cases: physicalAddresses lengths
(define-fun isPhysicalSum ((address Word) (byteCount Word)) Bool
  (and (not (bvult (bvadd address byteCount) address))
    (bvule (bvadd address byteCount) #x0010000000000000)))

; PagingMode.virtualAddressWidth
(define-fun virtualAddressWidth ((rootLevel Word)) Word
  (bvadd (_ bv12 64) (bvmul (_ bv9 64) rootLevel)))

; PagingMode.lowerHalfEnd
; cases: rootLevels
(define-fun lowerHalfEnd ((rootLevel Word)) Word
  (bvshl (_ bv1 64) (bvsub (virtualAddressWidth rootLevel) (_ bv1 64))))

; VirtualAddress.isCanonical(in:)
; cases: addresses rootLevels
(define-fun isCanonical ((address Word) (rootLevel Word)) Bool
  (let ((ignored (bvsub (_ bv64 64) (virtualAddressWidth rootLevel))))
    (= (bvashr (bvshl address ignored) ignored) address)))

; VirtualAddress.advanced(byChecked:) and AddressSpaceLayout.isUser, as in `SpaceHandle`, with four
; levels and without low kernel entries
; cases: addresses lengths
(define-fun isUserRange ((address Word) (byteCount Word)) Bool
  (and (isVirtualSum address byteCount)
    (bvule (bvadd address byteCount) (bvsub (lowerHalfEnd (_ bv4 64)) (_ bv4096 64)))))

; --- Levels

; PagingLevel.shift
; cases: levels
(define-fun shift ((level Word)) Word
  (bvadd (_ bv12 64) (bvmul (_ bv9 64) (bvsub level (_ bv1 64)))))

; PagingLevel.span
; cases: levels
(define-fun span ((level Word)) Word (bvshl (_ bv1 64) (shift level)))

; PagingLevel.tableSpan
; cases: levels
(define-fun tableSpan ((level Word)) Word
  (bvshl (_ bv1 64) (bvadd (shift level) (_ bv9 64))))

; VirtualAddress.index(at:)
; cases: addresses levels
(define-fun index ((address Word) (level Word)) Word
  (bvand (bvlshr address (shift level)) (_ bv511 64)))

; LockedPath.end: the start of the entry at `next`, 1 to 512, of the table that spans `address`
(define-fun pathEnd ((address Word) (level Word) (next Word)) Word
  (bvadd (alignedDown address (tableSpan level)) (bvshl next (shift level))))

; PageSize.byteCount
; cases: sizes
(define-fun byteCount ((size Word)) Word
  (bvshl (_ bv1 64) (bvadd (_ bv12 64) (bvmul (_ bv9 64) size))))

; --- Entries

; PageTableEntry.addressMask
(define-fun addressMask () Word #x000ffffffffff000)
; PageTableEntry.propertyMask: bits 0 to 6, 8, 52 to 54, 56 and 63
(define-fun propertyMask () Word #x817000000000017f)
; PageTableEntry.forkMask: bits 54 and 55
(define-fun forkMask () Word #x00c0000000000000)
; The bits of an entry, and those that Tessera adds, by their names in `PageTableEntry`.
(define-fun present () Word (_ bv1 64))
(define-fun writable () Word (_ bv2 64))
(define-fun user () Word (_ bv4 64))
(define-fun largePage () Word (_ bv128 64))
(define-fun global () Word (_ bv256 64))
(define-fun leafBit () Word (_ bv512 64))
(define-fun ownsFrameBit () Word (_ bv1024 64))
(define-fun statusBit () Word (_ bv2048 64))
(define-fun copyOnWrite () Word #x0040000000000000)
(define-fun shared () Word #x0100000000000000)
(define-fun software () Word #x0030000000000000)
(define-fun cachePolicy () Word (_ bv24 64))
(define-fun noExecute () Word #x8000000000000000)
(define-fun has ((entry Word) (bits Word)) Bool (distinct (bvand entry bits) (_ bv0 64)))

; Not a function of the library: what a `PageProperty` can hold.
(define-fun isProperty ((bits Word)) Bool
  (and (= (bvand bits (bvnot propertyMask)) (_ bv0 64))
    (or (has bits present) (= (bvand bits (bvor present writable noExecute)) noExecute))
    (not (and (has bits user) (has bits global)))))

; PageTableEntry.inversion
; cases: entries
(define-fun inversion ((entry Word)) Word
  (bvand (bvsub (bvand entry (_ bv1 64)) (_ bv1 64)) addressMask))

; LeafTemplate.init(_:size:ownsFrame:mode:)
(define-fun leafPattern ((property Word) (size Word) (ownsFrame Word) (hasNoExecute Word)) Word
  (let ((mapped (bvand property (bvnot copyOnWrite))))
    (let ((bits (ite (= hasNoExecute (_ bv1 64)) mapped (bvand mapped (bvnot noExecute)))))
      (bvor (bvor bits (ite (has property present) (_ bv0 64) addressMask) leafBit)
        (ite (= ownsFrame (_ bv1 64)) ownsFrameBit (_ bv0 64))
        (ite (= size (_ bv0 64)) (_ bv0 64) largePage)))))

; LeafTemplate.entry(at:)
; cases: properties frames sizes truths truths
(define-fun leaf ((property Word) (address Word) (size Word) (ownsFrame Word) (hasNoExecute Word))
  Word
  (bvxor (leafPattern property size ownsFrame hasNoExecute) address))

; PageTableEntry.leafAddress(size:)
; cases: entries sizes
(define-fun leafAddress ((entry Word) (size Word)) Word
  (bvand (bvxor entry (inversion entry))
    (bvand addressMask (bvnot (bvsub (byteCount size) (_ bv1 64))))))

; PageTableEntry.attributeIndex(size:)
; cases: entries sizes
(define-fun attributeIndex ((entry Word) (size Word)) Word
  (let ((field (bvlshr entry (ite (= size (_ bv0 64)) (_ bv7 64) (_ bv12 64)))))
    (bvor
      (bvshl (bvand field (_ bv1 64)) (_ bv2 64))
      (bvand (bvlshr entry (_ bv3 64)) (_ bv3 64)))))

; PageTableEntry.property(size:)
; cases: entries sizes
(define-fun property ((entry Word) (size Word)) Word
  (let ((policy (bvand (attributeIndex (bvxor entry (inversion entry)) size) (_ bv3 64)))
      (bits (bvand entry (bvand propertyMask (bvnot (_ bv24 64))))))
    (bvor (bvshl policy (_ bv3 64))
      (ite (has entry present) bits (bvor (bvand bits (bvnot writable)) noExecute)))))

; LeafTemplate.init(like:_:newSize:) and entry(at:), as in LeafOwnership.fill(_:withPartsOf:): the
; part at `number`, of the next smaller size, of a leaf of `size`, which is 1 or 2
; cases: entries largeSizes partNumbers
(define-fun part ((entry Word) (size Word) (number Word)) Word
  (let ((partSize (bvsub size (_ bv1 64))))
    (bvxor
      (bvor
        (leafPattern (property entry size) partSize
          (ite (has entry ownsFrameBit) (_ bv1 64) (_ bv0 64)) (_ bv1 64))
        (bvand entry forkMask))
      (bvadd (leafAddress entry size) (bvmul number (byteCount partSize))))))

; PageTableEntry.table(at:isUser:mode:)
; cases: frames truths
(define-fun table ((address Word) (isUser Word)) Word
  (bvor address present writable (ite (= isUser (_ bv1 64)) user (_ bv0 64))))

; PageTableEntry.status(_:)
; cases: payloads
(define-fun status ((payload Word)) Word
  (bvor (bvxor (bvshl payload (_ bv12 64)) addressMask) statusBit))

; PageTableEntry.status
; cases: statuses
(define-fun payload ((entry Word)) Word
  (bvand (bvlshr (bvnot entry) (_ bv12 64)) #x00000000ffffffff))

; PageTableEntry.statusBits(of:)
(define-fun statusBits ((property Word)) Word
  (bvor
    (bvand property (bvor software shared noExecute))
    (bvshl (bvand property (bvor present writable)) (_ bv57 64))
    (bvshl (bvand property cachePolicy) (_ bv58 64))
    (ite (has property user) copyOnWrite (_ bv0 64))))

; PageTableEntry.demandZero(_:)
; cases: properties
(define-fun demandZero ((property Word)) Word
  (bvor (status (_ bv0 64)) (statusBits property) #x0800000000000000))

; PageTableEntry.pending(_:_:)
; cases: payloads properties
(define-fun pending ((number Word) (property Word)) Word
  (bvor (status number) (statusBits property) #x1000000000000000))

; PageTableEntry.vacantContent: which of a status without a property, of pages of zeros, and of
; pending pages it is
(define-fun statusKind ((entry Word)) Word
  (bvand (bvlshr entry (_ bv59 64)) (_ bv3 64)))

; PageTableEntry.vacantContent of a status that has a property
; cases: vacantEntries
(define-fun statusProperty ((entry Word)) Word
  (bvor
    (bvand entry (bvor software shared noExecute))
    (bvand (bvlshr entry (_ bv57 64)) (bvor present writable))
    (bvand (bvlshr entry (_ bv58 64)) cachePolicy)
    (ite (has entry copyOnWrite) user (_ bv0 64))))

; PageTableEntry.isStatus
; cases: entries
(define-fun isStatus ((entry Word)) Bool
  (= (bvand entry (bvor present leafBit statusBit)) statusBit))

; PageTableEntry.isTable
; cases: entries
(define-fun isTable ((entry Word)) Bool (= (bvand entry (bvor present leafBit)) present))

; PageTableEntry.isOwnTable
; cases: entries
(define-fun isOwnTable ((entry Word)) Bool (bvsgt ((_ extract 7 0) entry) #x00))

; PageTableEntry.isLarge(at:)
; cases: entries levels
(define-fun isLarge ((entry Word) (level Word)) Bool
  (and (has entry largePage) (or (= level (_ bv2 64)) (= level (_ bv3 64)))))

; PageTableEntry.leadsToTable(at:)
; cases: entries levels
(define-fun leadsToTable ((entry Word) (level Word)) Bool
  (and (has entry present) (bvugt level (_ bv1 64)) (not (isLarge entry level))))

; PageTableEntry.resizing
; cases: entries
(define-fun resizing ((entry Word)) Word
  (bvxor (bvor (bvand entry (bvnot present)) statusBit) addressMask))

; PageTableEntry.settled
; cases: entries
(define-fun settled ((entry Word)) Word
  (ite (= (bvand entry (bvor present leafBit statusBit)) (bvor leafBit statusBit))
    (bvxor (bvor (bvand entry (bvnot statusBit)) present) addressMask)
    entry))

; PageTableEntry.reservedBits
(define-fun reservedBits ((isLarge Bool) (level Word) (width Word) (hasNoExecute Word)) Word
  (bvor
    (bvand addressMask (bvnot (bvsub (bvshl (_ bv1 64) width) (_ bv1 64))))
    (ite (= hasNoExecute (_ bv1 64)) (_ bv0 64) noExecute)
    (ite (bvugt level (_ bv3 64)) largePage (_ bv0 64))
    (ite isLarge
      (bvand (bvsub (span level) (_ bv1 64)) addressMask (bvnot (_ bv4096 64)))
      (_ bv0 64))))

; PageTableEntry.violatesReservedBits(at:mode:) of a present entry or a leaf, where pages of 1 GiB
; are allowed
; cases: presentEntries levels widths truths
(define-fun violatesReservedBits
  ((entry Word) (level Word) (width Word) (hasNoExecute Word)) Bool
  (has (bvxor entry (inversion entry))
    (reservedBits (isLarge entry level) level width hasNoExecute)))

; --- Reference counts

; ReferenceCount.maximum
(define-fun maximum () Word #x7fffffffffffffff)

; ReferenceCount.isShared(_:)
; cases: counts
(define-fun isShared ((count Word)) Bool (bvult (bvsub count (_ bv1 64)) maximum))

; FrameSlotReference.isJustAboveMaximum
(define-fun isJustAboveMaximum ((count Word)) Bool
  (bvult (bvsub count maximum) #x0000000100000000))

; FrameSlotReference.drop(), whether it returns true
; cases: saneCounts
(define-fun dropIsLast ((old Word)) Bool
  (= old (_ bv1 64)))
(define-fun dropIsSlow ((old Word)) Bool
  (and (not (dropIsLast old))
    (bvuge (bvsub old (_ bv2 64)) (bvsub maximum (_ bv2 64)))))
; FrameSlotReference.dropSlow, which panics
(define-fun dropPanics ((old Word)) Bool
  (and (dropIsSlow old) (not (isShared old)) (not (isJustAboveMaximum old))))
; FrameSlotReference.drop(): the count afterwards
; cases: saneCounts
(define-fun countAfterDrop ((old Word)) Word
  (ite (dropIsSlow old) (ite (dropPanics old) old maximum) (bvsub old (_ bv1 64))))

; FrameSlotReference.share()
(define-fun shareIsSlow ((old Word)) Bool
  (bvuge (bvsub old (_ bv1 64)) (bvsub maximum (_ bv2 64))))
; FrameSlotReference.shareSlow, which panics
(define-fun sharePanics ((old Word)) Bool
  (and (shareIsSlow old) (not (isShared old)) (not (isJustAboveMaximum old))))
; FrameSlotReference.share(): the count afterwards
; cases: saneCounts
(define-fun countAfterShare ((old Word)) Word
  (ite (shareIsSlow old) maximum (bvadd old (_ bv1 64))))

; FrameSlotReference.share(adding:)
(define-fun shareManyIsSlow ((old Word) (added Word)) Bool
  (bvuge (bvsub old (_ bv1 64)) (bvsub (bvsub maximum (_ bv1 64)) added)))
; FrameSlotReference.share(adding:): the count afterwards
; cases: saneCounts addedCounts
(define-fun countAfterShareMany ((old Word) (added Word)) Word
  (ite (shareManyIsSlow old added) maximum (bvadd old added)))
