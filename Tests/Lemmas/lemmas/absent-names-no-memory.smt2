; An entry that is not present, whether leaf, status or leaf that changes its size, does not hold
; the address of memory below 2^51: bit 51 is set. The processor may use such an address all the
; same.
; broken status: the payload of a status is stored as it is
;   find: (bvor (bvxor (bvshl payload (_ bv12 64)) addressMask) statusBit)
;   put: (bvor (bvshl payload (_ bv12 64)) statusBit)
; broken resizing: a leaf that changes its size keeps its address
;   find: (bvxor (bvor (bvand entry (bvnot present)) statusBit) addressMask)
;   put: (bvor (bvand entry (bvnot present)) statusBit)
(declare-const bits Word)
(declare-const address Word)
(declare-const size Word)
(declare-const ownsFrame Word)
(declare-const number Word)
(assert (and (isProperty bits) (isSize size) (isTruth ownsFrame)))
(assert (bvult number #x0000000100000000))
(assert (isAligned address (byteCount size)))
(assert (bvult address #x0008000000000000))
(assert (not
  (let ((entry (leaf bits address size ownsFrame (_ bv1 64))))
    (and
      (or (has entry present) (has entry #x0008000000000000))
      (has (status number) #x0008000000000000)
      (= (payload (status number)) number)
      (isStatus (status number))
      (=> (has entry present)
        (and
          (has (resizing entry) #x0008000000000000)
          (not (has (resizing entry) present))
          (not (isStatus (resizing entry)))
          (= (settled (resizing entry)) entry)))
      (= (settled entry) entry)))))
