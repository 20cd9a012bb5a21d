; A present leaf of any size, and the entry of a table, below the processor's physical addresses,
; have no bit that the manual reserves: above the physical width, between PAT and the address of a
; large page, bit 7 above level 3, and bit 63 without no-execute. And the check of entries finds
; exactly these bits.
; broken leafPattern: the no-execute bit is stored though the processor has none
;   find: (ite (= hasNoExecute (_ bv1 64)) mapped (bvand mapped (bvnot noExecute)))
;   put: mapped
; broken reservedBits: the check forgets the bits above the physical width
;   find: (bvand addressMask (bvnot (bvsub (bvshl (_ bv1 64) width) (_ bv1 64))))
;   put: (_ bv0 64)
; broken reservedBits: the check takes the PAT bit of a large page for a reserved one
;   find: (bvnot (_ bv4096 64))
;   put: (bvnot (_ bv0 64))
(declare-const bits Word)
(declare-const address Word)
(declare-const size Word)
(declare-const ownsFrame Word)
(declare-const hasNoExecute Word)
(declare-const width Word)
(declare-const level Word)
(declare-const any Word)
(assert (and (isProperty bits) (has bits present)))
(assert (and (isSize size) (isTruth ownsFrame) (isTruth hasNoExecute) (isWidth width)))
(assert (isLevel level))
(assert (isAligned address (byteCount size)))
(assert (bvult address (bvshl (_ bv1 64) width)))
; The manual's bits, one table per level: "Format of a Page-Directory Entry" and so on.
(define-fun manual ((entry Word) (level Word)) Bool
  (let ((large (and (or (= level (_ bv2 64)) (= level (_ bv3 64))) (has entry largePage))))
    (or
      (distinct (bvlshr (bvand entry #x000fffffffffffff) width) (_ bv0 64))
      (and (= hasNoExecute (_ bv0 64)) (has entry noExecute))
      (and (bvuge level (_ bv4 64)) (has entry largePage))
      (and large (= level (_ bv2 64)) (has entry #x00000000001fe000))
      (and large (= level (_ bv3 64)) (has entry #x000000003fffe000)))))
(assert (not
  (and
    (not (manual (leaf bits address size ownsFrame hasNoExecute) (bvadd size (_ bv1 64))))
    (not (manual (table (alignedDown address (_ bv4096 64)) ownsFrame) level))
    (=> (has any present)
      (= (manual any level) (violatesReservedBits any level width hasNoExecute))))))
