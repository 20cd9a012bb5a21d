; A leaf that is made from a property, an address and an owner, all of them legal, gives them back.
; A new page is not copied on write, and is executable if the processor has no no-execute bit.
; broken leafAddress: the address of a page without access is read as it is
;   find: (bvxor entry (inversion entry))
;   put: entry
; broken leafPattern: the address of a page without access is stored as it is
;   find: (ite (has property present) (_ bv0 64) addressMask)
;   put: (_ bv0 64)
; broken leafPattern: the copy-on-write bit is kept
;   find: (bvand property (bvnot copyOnWrite))
;   put: property
; broken leafPattern: the owner's bit is that of a status
;   find: ownsFrameBit
;   put: statusBit
(declare-const bits Word)
(declare-const address Word)
(declare-const size Word)
(declare-const ownsFrame Word)
(declare-const hasNoExecute Word)
(assert (isProperty bits))
(assert (and (isSize size) (isTruth ownsFrame) (isTruth hasNoExecute)))
(assert (isAligned address (byteCount size)))
(assert (bvult address #x0010000000000000))
(assert (not
  (let ((entry (leaf bits address size ownsFrame hasNoExecute))
      (new (bvand bits (bvnot copyOnWrite))))
    (and
      (= (leafAddress entry size) address)
      (= (has entry ownsFrameBit) (= ownsFrame (_ bv1 64)))
      (= (has entry present) (has bits present))
      (has entry leafBit)
      (not (has entry statusBit))
      (not (isTable entry))
      (= (isLarge entry (bvadd size (_ bv1 64))) (distinct size (_ bv0 64)))
      (= (property entry size)
        (ite (or (= hasNoExecute (_ bv1 64)) (not (has bits present)))
          new
          (bvand new (bvnot noExecute))))))))
