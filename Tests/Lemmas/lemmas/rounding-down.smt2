; An address rounded down to a power of two is a multiple of it, at most the address, and less than
; one alignment below.
; broken alignedDown: the whole alignment is masked off, and not the bits below it
;   find: (bvnot (bvsub alignment (_ bv1 64)))
;   put: (bvnot alignment)
; broken alignedDown: an address that is a multiple already is rounded down once more
;   find: (bvand address
;   put: (bvand (bvsub address (_ bv1 64))
(declare-const address Word)
(declare-const alignment Word)
(assert (isPowerOfTwo alignment))
(assert (not
  (let ((down (alignedDown address alignment)))
    (and
      (isAligned down alignment)
      (bvule down address)
      (bvult (bvsub address down) alignment)
      (= (isAligned address alignment) (= down address))))))
